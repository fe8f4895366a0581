//! Copy-on-write on the screen of the built program: a container of the embedded engine, a shell in it, and what that copies up.

use crate::outcrop::Outcrop;
use crate::rootfs;
use crate::terminal::Terminal;

/// The size of a file as the screen says it.
fn size(path: &str) -> String {
    let bytes = std::fs::metadata(path).expect("is there").len();
    outcrop_ui::Units::Decimal.size(bytes)
}

/// The line of the screen with all of these words.
fn line(terminal: &Terminal, words: &[&str]) -> String {
    let text = terminal.text();
    let found = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
    found.unwrap_or_else(|| panic!("{words:?} in one line of\n{text}")).to_owned()
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn what_an_exec_copies_up_is_seen_with_its_layer_its_size_and_its_process() {
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", "base:1"], &rootfs::busybox());
    outcrop.ok(["run", "-d", "--name", "web", "--network", "none", "base:1", "sleep", "1000"]);
    let terminal = Terminal::start(&outcrop.command::<&str>([]), 160, 45, &[]);
    terminal.shows("base:1").press("2").shows("web").press("v").shows("nothing was written since it is watched");
    outcrop.ok(["exec", "web", "sh", "-c", "chmod 700 /bin/busybox; echo more >> /etc/passwd; echo 1 > /new"]);
    terminal.shows("copy-up /bin/busybox").shows("copy-up /etc/passwd").shows("new     /new");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::fs::exists(path).unwrap_or(false));
    let copied = line(&terminal, &["copy-up /bin/busybox", "layer 1", "chmod "]);
    assert!(copied.contains(&size(busybox.expect("busybox"))), "{copied}");
    line(&terminal, &["copy-up /etc/passwd", "55 B", "layer 1", "sh "]);
    terminal.shows("fanotify, exact").shows("2 files copied up").shows("copied up to change");
    // What was told is compared with what is there, and they agree.
    terminal.shows("2 copied up   1 new   0 deleted");
    // Held, the display stands still; nothing is lost.
    terminal.press("p").shows("paused");
    outcrop.ok(["exec", "web", "sh", "-c", "echo 2 > /later"]);
    terminal.shows(" more ");
    assert!(!terminal.text().contains("/later"), "{}", terminal.text());
    terminal.press("p").shows("new     /later");
    // To what differs in the file, from its copy-up.
    terminal.press("/").press("copy-up passwd\r").shows("/copy-up passwd").press("d").shows("+ more");
    terminal.press("\x1b").shows("[Changes]").press("v").press("\x1b").shows("/later");
    let saved = outcrop.scratch("web.jsonl");
    terminal.press("s").shows("Save the recording").press("\x15");
    terminal.press(&format!("{}\r", saved.display())).shows("outcrop watch --replay shows it");
    let replayed = outcrop.ok(["watch", "--replay", saved.to_str().expect("text")]);
    for want in ["COPY-UP     /bin/busybox", "COPY-UP     /etc/passwd", "NEW         /later", "from layer 1"] {
        assert!(replayed.contains(want), "{want} is not in\n{replayed}");
    }
    outcrop.ok(["rm", "-f", "web"]);
    terminal.press("qq");
    terminal.ends();
}
