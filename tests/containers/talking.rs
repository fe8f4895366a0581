//! Streams: pipes, terminals, logs, signals.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::Machine;
use crate::terminal::Terminal;

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn pipes_go_through_and_end() {
    let machine = Machine::new();
    let input: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let count = machine.fed(&["run", "--rm", "-i", "--network", "none", "base:1", "busybox", "wc", "-c"], &input);
    assert_eq!(count, (0, "800000\n".into(), String::new()));
    let run = ["run", "--rm", "-i", "--network", "none", "base:1", "sh", "-c", "cat; echo after; echo err >&2; exit 5"];
    assert_eq!(
        machine.fed(&run, b"in\n"),
        (5, "in\nafter\n".into(), "err\n".into()),
        "the end of input is not the end"
    );
    machine.start("up", &[], "exec busybox sleep 100");
    assert_eq!(machine.fed(&["exec", "-i", "up", "sh", "-c", "cat; echo after"], b"in\n").1, "in\nafter\n");
    assert_eq!(machine.fed(&["exec", "up", "cat"], b"not sent").1, "");
    let raw =
        machine.outcrop.run(["run", "--rm", "--network", "none", "base:1", "busybox", "printf", r"\001\002\377\n\000"]);
    assert_eq!(raw.stdout, b"\x01\x02\xff\n\x00");
    machine.ok(&["create", "-i", "--name", "later", "--network", "none", "base:1", "cat"]);
    assert_eq!(machine.fed(&["start", "-ai", "later"], b"typed\n").1, "typed\n");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn logs_follow() {
    let machine = Machine::new();
    machine.start("up", &[], "echo one; while ! test -e /go; do busybox sleep 0.05; done; echo two >&2; exit 0");
    let mut follow = machine
        .outcrop
        .command(["logs", "-f", "up"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(follow.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("reads"), "one");
    machine.ok(&["exec", "up", "touch", "/go"]);
    assert!(lines.next().is_none(), "two is on the other stream");
    let mut errors = String::new();
    follow.stderr.take().expect("piped").read_to_string(&mut errors).expect("reads");
    assert_eq!(errors, "two\n");
    assert!(follow.wait().expect("waits").success(), "ends with the container");
    let (_, out, err) = machine.ends(&["logs", "--tail", "1", "up"]);
    assert_eq!((out.as_str(), err.as_str()), ("", "two\n"));
    let stamped = machine.ends(&["logs", "-t", "--until", "1h", "up"]);
    assert_eq!(stamped.1, "", "nothing is that old");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn signals_are_passed_on() {
    let machine = Machine::new();
    let script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do busybox sleep 0.05; done";
    let run = ["run", "--rm", "--network", "none", "base:1", "sh", "-c", script];
    let mut child = machine.outcrop.command(run).stdout(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("reads"), "ready");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    assert_eq!(lines.next().expect("a line").expect("reads"), "caught");
    assert_eq!(child.wait().expect("waits").code(), Some(9));
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn the_third_signal_is_for_the_program() {
    let machine = Machine::new();
    let script = "trap 'echo no' TERM; echo ready; while :; do busybox sleep 0.05; done";
    let run = ["run", "--name", "deaf", "--network", "none", "base:1", "sh", "-c", script];
    let mut child = machine.outcrop.command(run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let pid = child.id().to_string();
    for said in ["ready", "no", "no"] {
        assert_eq!(lines.next().expect("a line").expect("reads"), said);
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    }
    assert_eq!(child.wait().expect("waits").code(), Some(1));
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("reads");
    assert!(said.contains("got 3 SIGTERM/SIGINTs") && said.contains("outcrop kill"), "{said}");
    assert_eq!(machine.ok(&["ps", "--format", "{{.Names}}"]), "deaf\n");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn a_terminal_is_the_containers() {
    let machine = Machine::new();
    let run = machine.outcrop.command(["run", "-it", "--name", "shell", "--network", "none", "base:1", "sh"]);
    let terminal = Terminal::start(&run, 80, 24, &[]);
    terminal.press("busybox stty size; busybox tty\r").shows("24 80").shows("/dev/pts/0");
    terminal.resize(101, 33);
    // The size arrives after the signal: asked for until it is there.
    terminal.press("until busybox stty size | busybox grep '33 101'; do :; done; echo si''zed\r").shows("sized");
    terminal.press("\x10\x11").shows("read escape sequence");
    terminal.ends();
    assert_eq!(machine.ok(&["ps", "--format", "{{.Names}}"]), "shell\n", "it goes on");

    let attach = machine.outcrop.command(["attach", "--detach-keys", "ctrl-a,d", "shell"]);
    let terminal = Terminal::start(&attach, 80, 24, &[]);
    terminal.press("echo ba''ck\r").shows("back").press("\x01d").shows("read escape sequence");
    terminal.ends();

    let attach = machine.outcrop.command(["attach", "shell"]);
    let terminal = Terminal::start(&attach, 80, 24, &[]);
    terminal.press("echo la''st\r").shows("last").press("exit 3\r");
    terminal.ends();
    assert_eq!(machine.ok(&["wait", "shell"]), "3\n");

    machine.start("up", &[], "exec busybox sleep 100");
    let exec = machine.outcrop.command(["exec", "-it", "up", "sh"]);
    let terminal = Terminal::start(&exec, 90, 20, &[]);
    terminal.press("busybox stty size\r").shows("20 90").press("exit\r");
    terminal.ends();
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn a_terminal_is_restored_after_signals() {
    let machine = Machine::new();
    for signal in ["TERM", "HUP"] {
        let run = machine.outcrop.command(["run", "-it", "--network", "none", "base:1", "sh"]);
        let terminal = Terminal::start(&run, 80, 24, &[]);
        terminal.press("echo re''ady\r").shows("ready").kill(signal);
        terminal.ends();
    }
    assert_eq!(machine.ok(&["ps", "-q"]).lines().count(), 2, "the containers go on");
}
