//! The default network where pasta fails, hangs, works, and works no more.
//!
//! What stands in for pasta is a script that is `/usr/local/bin/pasta` for the program alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::containers::{Machine, parts};

/// Makes a device, as pasta would, then waits to be killed; refuses once there is a file `broken` beside it.
const WORKS: &str = "if [ -e \"${0%/*}/broken\" ]; then echo 'Failed to bind port 8080' >&2; exit 1; fi
for last in \"$@\"; do :; done
nsenter --net=\"$last\" /bin/busybox tunctl -t pasta0 >&2 || exit 1
echo $$ >> \"${0%/*}/pids\"
exec sleep 1000";

/// A machine on which pasta is a script.
struct Network {
    machine: Machine,
    programs: PathBuf,
}

impl Network {
    fn new(script: &str) -> Self {
        let machine = Machine::new();
        let programs = machine.outcrop.scratch("programs");
        fs::create_dir(&programs).expect("creates");
        let network = Self { machine, programs };
        network.becomes(script);
        network
    }

    /// Replaces the script.
    fn becomes(&self, script: &str) {
        let new = self.programs.join("new");
        fs::write(&new, format!("#!/bin/sh\n{script}\n")).expect("writes");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("sets the mode");
        fs::rename(new, self.programs.join("pasta")).expect("renames");
    }

    /// Runs the program where the script is pasta: exit code, standard output, standard error.
    fn ends(&self, arguments: &[&str]) -> (i32, String, String) {
        let program = self.machine.outcrop.command(arguments);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount --bind \"$1\" /usr/local/bin && shift && exec \"$@\"", "sh"]);
        command.arg(&self.programs).arg(program.get_program()).args(program.get_args());
        parts(&command.output().expect("unshare starts"))
    }

    /// The processes that the script noted and that live.
    fn living(&self) -> Vec<String> {
        let pids = fs::read_to_string(self.programs.join("pids")).unwrap_or_default();
        pids.lines().filter(|pid| PathBuf::from(format!("/proc/{pid}")).exists()).map(str::to_owned).collect()
    }
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn one_that_fails_is_told_and_the_hosts_network_used() {
    let network = Network::new("echo 'Failed to open() /dev/net/tun' >&2; echo tried >> \"${0%/*}/tries\"; exit 1");
    let host = fs::read_link("/proc/self/ns/net").expect("a namespace");
    let host = format!("{}\n", host.display());
    let run = ["run", "--rm", "base:1", "busybox", "readlink", "/proc/self/ns/net"];
    for _ in 0..2 {
        let (code, out, said) = network.ends(&run);
        assert_eq!((code, out.as_str()), (0, host.as_str()), "{said}");
        let words =
            "pasta ended with exit status: 1: Failed to open() /dev/net/tun: the container uses the host's network";
        assert_eq!(said.matches(words).count(), 1, "{said}");
    }
    let (code, _, said) = network.ends(&["run", "--rm", "-p", "8080:80", "base:1", "true"]);
    assert!(code == 0 && said.contains("Published ports are discarded"), "{said}");
    assert_eq!(fs::read_to_string(network.programs.join("tries")).expect("noted"), "tried\n", "once is enough");
    let (code, _, said) = network.ends(&["run", "--rm", "--network", "none", "base:1", "true"]);
    assert_eq!((code, said.as_str()), (0, ""), "nobody asked for it");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn one_that_hangs_is_killed() {
    let network = Network::new("echo waiting >&2; echo $$ >> \"${0%/*}/pids\"; exec sleep 1000");
    let (code, _, said) = network.ends(&["run", "--rm", "base:1", "true"]);
    assert!(
        code == 0 && said.contains("pasta connected nothing within 5 seconds: waiting: the container uses"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(network.programs.join("pids")).expect("noted").lines().count(), 1);
    assert_eq!(network.living(), [""; 0]);
}

#[test]
#[ignore = "needs root, busybox-static and /dev/net/tun: run by .ci/run"]
fn one_that_works_and_then_does_not() {
    let network = Network::new(WORKS);
    let devices = ["run", "--rm", "base:1", "cat", "/proc/net/dev"];
    let (code, out, said) = network.ends(&devices);
    assert!(code == 0 && out.contains("pasta0:") && said.is_empty(), "{out}{said}");
    assert_eq!(network.living(), [""; 0], "it ends with the container");
    fs::write(network.programs.join("broken"), "").expect("writes");
    let (code, _, said) = network.ends(&["run", "--name", "web", "-p", "8080:80", "base:1", "true"]);
    assert!(code == 125 && said.contains("cannot connect the container to the network: "), "{code} {said}");
    assert!(said.contains("Failed to bind port 8080"), "{said}");
    assert_eq!(network.ends(&["ps", "-a", "--format", "{{.State}}"]).1, "created\n");
    let (code, out, said) = network.ends(&devices);
    assert!(code == 0 && !out.contains("pasta0:") && said.contains("uses the host's network"), "tried anew: {said}");
    fs::remove_file(network.programs.join("pasta")).expect("removes");
    let (code, _, said) = network.ends(&devices);
    assert!(code == 0 && said.contains("pasta is not installed"), "{said}");
}
