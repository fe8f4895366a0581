//! How commands end: exit codes, messages, and what is left.

use std::fs;

use super::{Machine, parts};
use crate::outcrop::Outcrop;

#[test]
fn a_wrong_command_line_ends_with_125() {
    let outcrop = Outcrop::new();
    for line in [
        &["run", "--bogus", "x"][..],
        &["run", "-m", "5x", "base:1"],
        &["run", "-e", "=a", "base:1"],
        &["run", "--rm", "--restart", "always", "base:1"],
        &["run", "--mount", "type=bind", "base:1"],
        &["run", "--pull", "sometimes", "base:1"],
    ] {
        let (code, printed, said) = parts(&outcrop.run(line));
        assert_eq!((code, printed.as_str()), (125, ""), "{line:?}: {said}");
        assert!(!said.is_empty());
    }
    assert!(!outcrop.root().join("image").exists(), "nothing was opened for it");
    for command in ["run", "create", "cp", "volume create", "container prune"] {
        let help = outcrop.ok(command.split(' ').chain(["--help"]));
        assert!(help.contains("Usage: outcrop") && help.contains("Examples:"), "{command}: {help}");
    }
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn run_ends_as_its_command_does() {
    let machine = Machine::new();
    let run = |words: &[&str]| machine.ends(&[&["run", "--rm", "--network", "none", "base:1"], words].concat());
    assert_eq!(run(&["sh", "-c", "exit 7"]).0, 7);
    for (command, code) in [("/nope", 127), ("nope", 127), ("/etc/passwd", 126), ("/etc", 126)] {
        let (ended, printed, said) = run(&[command]);
        assert_eq!((ended, printed.as_str()), (code, ""), "{command}: {said}");
        assert!(said.contains(command), "{said}");
    }
    assert_eq!(machine.ok(&["ps", "-aq"]), "", "--rm holds for what did not start, too");
    machine.ends(&["run", "--name", "kept", "--network", "none", "base:1", "/nope"]);
    assert_eq!(machine.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]), "kept created\n");

    machine.start("job", &[], "exit 3");
    assert_eq!(machine.ok(&["wait", "job"]), "3\n");
    machine.start("killed", &[], "exec busybox sleep 100");
    machine.ok(&["kill", "killed"]);
    assert_eq!(machine.ok(&["wait", "killed"]), "137\n");
    machine.start("job2", &[], "exec busybox sleep 100");
    for (line, code) in [(&["exec", "job2", "sh", "-c", "exit 4"][..], 4), (&["exec", "job2", "nope"], 127)] {
        assert_eq!(machine.ends(line).0, code, "{line:?}");
    }
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn says_what_is_wrong() {
    let machine = Machine::new();
    machine.start("up", &[], "exec busybox sleep 100");
    for (line, code, words) in [
        (&["run", "--rm", "localhost:1/nope:1"][..], 125, "Unable to find image 'localhost:1/nope:1' locally"),
        (&["run", "--rm", "localhost:1/nope:1"], 125, "registry localhost:1: cannot connect"),
        (&["run", "--pull", "never", "nope:1"], 125, "No such image: nope:1"),
        (&["run", "UPPER"], 125, "must be lowercase"),
        (&["run", "--name", "up", "base:1"], 125, "is already in use by container"),
        (&["run", "-v", "/a:/", "base:1"], 125, "destination can't be '/'"),
        (&["run", "-v", "/a:/b:rwz", "base:1"], 125, "invalid"),
        (&["run", "-v", "aa:/x", "-v", "bb:/x", "base:1"], 125, "Duplicate mount point: /x"),
        (&["run", "-v", "vv::/x", "base:1"], 125, "write SOURCE:TARGET"),
        (&["run", "--volumes-from", "nope", "base:1"], 125, "No such container: nope"),
        (&["run", "--cap-add", "FOO", "base:1"], 125, "CAP_FOO"),
        (&["run", "-it", "base:1"], 1, "the input device is not a TTY"),
        (&["create", "UPPER"], 1, "must be lowercase"),
        (&["start", "nope"], 1, "Error: failed to start containers: nope"),
        (&["stop", "nope", "nope2"], 1, "No such container: nope2"),
        (&["rm", "up"], 1, "container is running"),
        (&["rename", "up", ""], 1, "Neither old nor new names may be empty"),
        (&["exec", "nope", "ls"], 1, "No such container: nope"),
        (&["logs", "--since", "bad", "up"], 1, "failed to parse value as time or duration"),
        (&["attach", "nope"], 1, "No such container: nope"),
        (&["update", "up"], 1, "you must provide one or more flags"),
        (&["volume", "create", "../x"], 1, "invalid characters"),
        (&["volume", "inspect", "nope"], 1, "no such volume"),
        (&["ps", "--filter", "bogus=1"], 1, "bogus"),
        (&["port", "up", "80"], 1, "No public port '80' published for up"),
    ] {
        let (ended, _, said) = machine.ends(line);
        assert!(ended == code && said.contains(words), "{line:?}: {ended} {said}");
    }
    assert_eq!(machine.ends(&["rm", "-f", "nope"]).0, 0);
    assert_eq!(machine.ok(&["ps", "-a", "--format", "{{.Names}}"]), "up\n", "nothing of it was left");
    assert_eq!(machine.ok(&["volume", "ls", "-q"]), "", "nor a volume");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn the_id_is_written_to_a_file_that_is_not_there() {
    let machine = Machine::new();
    let file = machine.outcrop.scratch("id");
    let path = file.to_str().expect("utf-8");
    let id = machine.ok(&["run", "-d", "--network", "none", "--cidfile", path, "base:1", "true"]);
    assert_eq!(fs::read_to_string(&file).expect("written"), id.trim());
    let (code, _, said) = machine.ends(&["create", "--cidfile", path, "base:1"]);
    assert!(code == 1 && said.starts_with("container ID file found"), "{said}");
    fs::remove_file(&file).expect("removes");
    assert_eq!(machine.ends(&["run", "--cidfile", path, "localhost:1/nope:1"]).0, 125);
    assert!(!file.exists(), "no ID, no file");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn pruning_takes_what_is_not_used() {
    let machine = Machine::new();
    machine.start("up", &["-v", "used:/d"], "exec busybox sleep 100");
    machine.ok(&["create", "--name", "idle", "-v", "/anonymous", "base:1"]);
    machine.ok(&["volume", "create", "named"]);
    let df = machine.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"]);
    assert!(df.contains("Containers 2 1\nLocal Volumes 3 2\n"), "{df}");
    let pruned = machine.ok(&["container", "prune", "-f"]);
    assert!(pruned.starts_with("Deleted Containers:\n") && pruned.contains("Total reclaimed space:"), "{pruned}");
    assert_eq!(machine.ok(&["ps", "-a", "--format", "{{.Names}}"]), "up\n");
    let pruned = machine.ok(&["system", "prune", "-f", "--volumes"]);
    assert_eq!(pruned.lines().filter(|line| line.len() == 64).count(), 1, "the anonymous volume: {pruned}");
    assert_eq!(machine.ok(&["volume", "ls", "-q"]), "named\nused\n");
    machine.ok(&["volume", "prune", "-f", "-a"]);
    assert_eq!(machine.ok(&["volume", "ls", "-q"]), "used\n");
    let asked = machine.fed(&["container", "prune"], b"n\n");
    assert!(asked.1.ends_with("Are you sure you want to continue? [y/N] "), "{asked:?}");
}
