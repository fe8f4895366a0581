use std::fs;
use std::os::fd::AsFd;

use outcrop_layers::entry::Kind;
use outcrop_layers::tar::TarReader;

use super::*;
use crate::layer::apply::{ApplyOptions, apply};
use crate::progress::Cancel;

fn path() -> &'static OsStr {
    OsStr::new("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
}

fn collect(programs: &[&str]) -> HostRoot {
    let programs: Vec<_> = programs.iter().map(|p| (*p).to_owned()).collect();
    HostRoot::collect(&programs, path()).expect("collects")
}

fn written(root: &HostRoot) -> Vec<u8> {
    let mut out = Vec::new();
    let bytes = root.write(&mut out).expect("writes");
    assert_eq!(bytes, out.len() as u64);
    out
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let root = collect(&["sh", "ls"]);
    let first = written(&root);
    assert_eq!(first, written(&collect(&["sh", "ls"])));
    let mut tar = TarReader::new(&first[..]);
    let mut names = Vec::new();
    while let Some(entry) = tar.next().expect("reads") {
        assert_eq!((entry.header.uid, entry.header.gid), (0, 0));
        let is_directory = matches!(entry.header.kind, Kind::Directory { .. });
        names.push((String::from_utf8(entry.header.name).expect("text"), is_directory));
    }
    for wanted in ["etc/passwd", "tmp/", "root/", "proc/", "dev/"] {
        assert!(names.iter().any(|(name, _)| name == wanted), "{wanted}");
    }
    for (at, (name, _)) in names.iter().enumerate() {
        let parent = name.trim_end_matches('/').rsplit_once('/').map(|(parent, _)| format!("{parent}/"));
        let known = parent.is_none_or(|parent| names[..at].iter().any(|(name, _)| *name == parent));
        assert!(known, "{name} comes before its directory");
    }
    assert!(root.programs()[1].ends_with("ls"));
}

#[test]
fn what_is_not_there_is_named() {
    let missing = HostRoot::collect(&["no-such-program-here".into()], path()).expect_err("is missing");
    assert!(missing.to_string().contains("no-such-program-here"), "{missing}");
    let dir = tempfile::tempdir().expect("directory");
    for (content, word) in
        [(&b"plain text"[..], "neither ELF"), (b"#!relative\n", "interpreter"), (b"\x7fELF\x02", "header")]
    {
        let file = dir.path().join("file");
        fs::write(&file, content).expect("file");
        let error = HostRoot::collect(&[file.display().to_string()], path()).expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn scripts_bring_their_interpreter() {
    let dir = tempfile::tempdir().expect("directory");
    let script = dir.path().join("script");
    fs::write(&script, "#!/usr/bin/env -S sh -e\nls\n").expect("file");
    let root = collect(&[script.to_str().expect("text")]);
    let files: Vec<_> = root.tree.files().collect();
    assert!(files.iter().any(|file| file.ends_with("env")) && files.contains(&script.as_path()), "{files:?}");
    assert!(files.iter().any(|file| file.ends_with("dash") || file.ends_with("sh") || file.ends_with("bash")));
    assert_eq!(root.notes().len(), 1);
}

#[test]
fn names_of_applets() {
    let content = b"junk\0[\0[[\0acpid\0ar\0zcat\0busybox text\0x";
    assert_eq!(applets(content), ["[", "[[", "acpid", "ar", "zcat"]);
    assert!(applets(b"nothing").is_empty());
}

/// The programs run where there is nothing else.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn programs_run_in_their_new_root() {
    let root = collect(&["sh", "ls", "cat", "env", "tar", "id"]);
    let dir = tempfile::tempdir().expect("directory");
    let target = File::open(dir.path()).expect("target");
    let cancel = Cancel::new();
    let options = ApplyOptions { rootless: false, floor: 0, cancel: &cancel, on_bytes: &|_| {} };
    apply(&written(&root)[..], target.as_fd(), &options, io::sink()).expect("applies");
    let script = "ls -ld /tmp && cat /etc/nsswitch.conf && env && id -un && tar --version";
    let sh = &root.programs()[0];
    let run = std::process::Command::new("chroot")
        .arg(dir.path())
        .arg(sh)
        .args(["-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .output();
    let run = run.expect("runs chroot");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{run:?}");
    assert!(text.contains("drwxrwxrwt") && text.contains("\nroot\n"), "{text}");
}
