//! The screens of the built program over a real dockerd: a container is launched, used in its terminal, and removed; its volume stays.

use std::fs;
use std::time::Duration;

use crate::dockerd::Dockerd;
use crate::outcrop::Outcrop;
use crate::rootfs;
use crate::terminal::Terminal;

const F12: &str = "\x1b[24~";
const CTRL_S: &str = "\x13";
const DELETE: &str = "\x1b[3~";

/// Waits until the screen shows `text`, and no less than an eye takes: what is typed before something that opens by itself could be
/// seen is dropped.
pub(crate) fn sees<'a>(terminal: &'a Terminal, text: &str) -> &'a Terminal {
    terminal.shows(text);
    std::thread::sleep(Duration::from_millis(150));
    terminal
}

#[test]
#[ignore = "needs root and dockerd: run by .ci/run"]
fn a_container_is_launched_used_and_removed_and_its_volume_stays() {
    let dockerd = Dockerd::start();
    dockerd.feed(["import", "--change", "CMD [\"sh\"]", "-", "base:1"], &rootfs::busybox());
    let outcrop = Outcrop::new();
    let terminal = Terminal::start(&outcrop.command(["-H", &dockerd.host()]), 120, 40, &[]);
    // The form: name, command, and a volume that does not exist yet.
    terminal.shows("base:1").press("r").shows("Run base:1").shows("docker run -it base:1");
    terminal.press("live\tsh\t\t\ta\tkept\t").shows("a new volume");
    terminal.press("/data\t\r").shows("--mount type=volume,source=kept,target=/data").press(CTRL_S);
    // It is attached at once, and every key but one is the program's.
    terminal.shows("F12 leaves it");
    sees(&terminal, "~ # ")
        .press("echo q > /data/x; echo y >> /etc/passwd; rm /bin/setuid; echo new > /a; echo do''ne\r");
    terminal.shows("done").press(F12);
    sees(&terminal, "enter goes back into it")
        .press("[[")
        .shows("1 copied up   1 new   1 deleted")
        .shows("from layer 1")
        .press("*")
        .shows("over layer 1");
    // A shell beside it: there is no bash, so it is sh.
    sees(terminal.press("x"), "sh, without bash").press("cat /data/x; exit 7\r");
    sees(&terminal, "sh has ended with 7").press("L").shows("[Logs]").shows("following").shows("echo q > /data/x");
    let written = fs::read_to_string(dockerd.root().join("volumes/kept/_data/x")).expect("the volume's file");
    assert_eq!(written, "q\n");
    // It runs, so removing it wants its name; what stays is said.
    terminal.press(DELETE).shows("Remove 1 container?").shows("stays  volume kept");
    sees(&terminal, "type live and enter").press("live\r").shows("no containers yet");
    terminal.press("3").shows("it has outlived them").shows("live (of base:1)").shows("2 B");
    // A copy through a container that is never started, of which nothing is left.
    terminal.press("c").shows("Clone kept").press("\r").shows("kept-copy holds the same");
    let copied = fs::read_to_string(dockerd.root().join("volumes/kept-copy/_data/x")).expect("the copy's file");
    assert_eq!(copied, "q\n");
    assert_eq!(dockerd.ok(["ps", "-aq"]), "");
    terminal.press("!").shows("run -it --name live --mount type=volume,source=kept");
    terminal.press("qq");
    terminal.ends();
}
