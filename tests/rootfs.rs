//! A small root filesystem around the machine's static busybox, as a tar.

use std::path::Path;

const APPLETS: &[&str] = &[
    "sh", "ls", "cat", "echo", "mkdir", "rm", "true", "chmod", "dd", "seq", "cp", "mv", "ln", "touch", "sleep", "env",
    "id", "hostname", "grep", "df", "tty", "stty", "wc", "ps", "pwd", "printf", "sort", "kill", "tail", "head",
];

/// Packs busybox with a few applets and some files of every kind.
pub(crate) fn busybox() -> Vec<u8> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new).find(|path| path.exists());
    let content = std::fs::read(busybox.expect("apt-get install busybox-static")).expect("reads busybox");
    let mut tar = tar::Builder::new(Vec::new());
    for directory in ["bin/", "etc/", "tmp/", "var/", "usr/", "usr/lib/"] {
        add(&mut tar, directory, tar::EntryType::Directory, 0o755, &[]);
    }
    add(&mut tar, "bin/busybox", tar::EntryType::Regular, 0o755, &content);
    for applet in APPLETS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("memory");
    }
    add(
        &mut tar,
        "etc/passwd",
        tar::EntryType::Regular,
        0o644,
        b"root:x:0:0:root:/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n",
    );
    add(&mut tar, "etc/group", tar::EntryType::Regular, 0o644, b"root:x:0:\nalice:x:1000:\n");
    add(&mut tar, "etc/shadow", tar::EntryType::Regular, 0o600, b"root:*:::::::\n");
    add(&mut tar, "bin/setuid", tar::EntryType::Regular, 0o4755, b"#!/bin/sh\n");
    add(&mut tar, "tmp/pipe", tar::EntryType::Fifo, 0o644, &[]);
    for i in 0..200 {
        let content = format!("file {i}\n").repeat(1 + i * 7);
        add(&mut tar, &format!("usr/lib/file-{i:03}"), tar::EntryType::Regular, 0o644, content.as_bytes());
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    header.set_mode(0o644);
    tar.append_link(&mut header, "usr/lib/hard-link", "usr/lib/file-001").expect("memory");
    tar.into_inner().expect("memory")
}

fn add(tar: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, name, content).expect("memory");
}
