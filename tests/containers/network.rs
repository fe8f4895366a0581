//! A network of the container's own and its published ports, with the real pasta.
//!
//! pasta is put where the program looks for it in a mount namespace of the test's, so that no other test meets it. It is taken
//! from the directory that `OUTCROP_TEST_PASTA` names, or from where the machine has it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::kills::processes;
use super::{Machine, parts};

fn pasta() -> PathBuf {
    let named = std::env::var_os("OUTCROP_TEST_PASTA").map(PathBuf::from);
    let usual = ["/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let directory = named.into_iter().chain(usual).find(|directory| directory.join("pasta").exists());
    directory.expect("pasta: apt-get install passt, or OUTCROP_TEST_PASTA=DIRECTORY")
}

/// Runs the program where it finds pasta.
fn connected(machine: &Machine, arguments: &[&str]) -> Output {
    let program = machine.outcrop.command(arguments);
    let script = r#"mount --bind "$0" /usr/local/sbin && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(pasta());
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.output().expect("unshare starts")
}

fn ok(machine: &Machine, arguments: &[&str]) -> String {
    let (code, out, said) = parts(&connected(machine, arguments));
    assert_eq!(code, 0, "{arguments:?}: {said}");
    out
}

/// What a web server on this port of the host says, as soon as it says something.
fn page(port: u16) -> String {
    let started = Instant::now();
    loop {
        let mut said = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let _ = stream.write_all(b"GET /page HTTP/1.0\r\n\r\n");
            let _ = stream.read_to_string(&mut said);
        }
        if said.contains("200 OK") || started.elapsed() > Duration::from_secs(20) {
            return said;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The port of the host that `port` says leads to this one of the container.
fn outside(machine: &Machine, container: &str, inside: &str) -> u16 {
    let text = ok(machine, &["port", container, inside]);
    let line = text.lines().find(|line| line.starts_with("127.0.0.1:")).unwrap_or_else(|| panic!("{text}"));
    line.trim_start_matches("127.0.0.1:").parse().expect("a port")
}

/// How many programs were shown a network namespace below this data root.
fn helpers(root: &Path) -> usize {
    processes(&format!("--netns {}", root.display())).len()
}

/// Waits until there are so many. pasta starts others of its kind, which end at once.
fn until_helpers(root: &Path, wanted: usize) {
    let started = Instant::now();
    loop {
        let found = helpers(root);
        if found == wanted {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{found} of pasta, not {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs root, pasta and busybox-static: run by .ci/run"]
fn published_ports_lead_into_the_container() {
    let machine = Machine::new();
    let server = "echo hello > /page; exec busybox httpd -f -p 8000 -h /";
    let run = [
        "run",
        "-d",
        "--name",
        "web",
        "-p",
        "127.0.0.1::8000",
        "-p",
        "127.0.0.1::8001/udp",
        "base:1",
        "sh",
        "-c",
        server,
    ];
    let (code, _, said) = parts(&connected(&machine, &run));
    assert_eq!((code, said.as_str()), (0, ""), "nothing is to be warned of");
    let port = outside(&machine, "web", "8000");
    assert!(page(port).ends_with("hello\n"), "{}", page(port));
    let list = ok(&machine, &["ps", "--format", "{{.Ports}}"]);
    assert!(list.contains(&format!("127.0.0.1:{port}->8000/tcp")) && list.contains("->8001/udp"), "{list}");
    let devices = ok(&machine, &["exec", "web", "cat", "/proc/net/dev"]);
    assert!(devices.lines().count() > 3, "more than a loopback interface: {devices}");

    let taken = format!("127.0.0.1:{port}:80");
    let (code, _, said) = parts(&connected(&machine, &["run", "--rm", "-p", &taken, "base:1", "true"]));
    let expected = format!("Bind for 127.0.0.1:{port} failed: port is already allocated");
    assert!(code == 125 && said.contains(&expected), "{code} {said}");

    ok(&machine, &["stop", "-t", "0", "web"]);
    until_helpers(machine.outcrop.root(), 0);
    assert_eq!(ok(&machine, &["inspect", "-f", "{{json .NetworkSettings.Ports}}", "web"]), "{}\n");
    ok(&machine, &["start", "web"]);
    assert!(page(outside(&machine, "web", "8000")).ends_with("hello\n"));
    ok(&machine, &["rm", "-f", "web"]);
    until_helpers(machine.outcrop.root(), 0);
}

#[test]
#[ignore = "needs root, pasta and busybox-static: run by .ci/run"]
fn a_killed_shim_leaves_no_helper() {
    let machine = Machine::new();
    let (code, _, said) = parts(&connected(&machine, &["run", "-d", "--name", "web", "base:1", "sleep", "1000"]));
    assert_eq!((code, said.as_str()), (0, ""), "nothing is to be warned of");
    until_helpers(machine.outcrop.root(), 1);
    let id = ok(&machine, &["ps", "-q", "--no-trunc"]);
    // The container's first process has the shim's words until it becomes the program.
    let first: i32 = ok(&machine, &["inspect", "-f", "{{.State.Pid}}", "web"]).trim().parse().expect("a process");
    let of_it = processes(id.trim());
    let shims: Vec<i32> = processes("--shim").into_iter().filter(|pid| of_it.contains(pid) && *pid != first).collect();
    assert_eq!(shims.len(), 1, "{shims:?}");
    let shim = rustix::process::Pid::from_raw(shims[0]).expect("a process");
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).expect("killed");
    let started = Instant::now();
    while !ok(&machine, &["ps", "-q"]).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "it seems to run");
    }
    ok(&machine, &["rm", "web"]);
    until_helpers(machine.outcrop.root(), 0);
}
