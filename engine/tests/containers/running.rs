//! What a container runs, and what it gives back.

use outcrop_engine::container::{ContainerError, ExecConfig, LogOptions};
use outcrop_engine::progress::Cancel;
use serde_json::json;

use crate::host::Host;

#[test]
#[ignore = "needs root: run by .ci/run"]
fn output_exit_code_log_and_state() {
    let host = Host::new();
    let ran = host.sh("echo out; echo err >&2; echo $FOO $HOME; exit 3");
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), ("out\nbar /root\n", "err\n", 3));
    let record = host.containers.record(&ran.id).expect("a record");
    assert_eq!((record.state.status(), record.state.exit_code, record.state.pid), ("exited", 3, 0));
    let mut lines = Vec::new();
    let options = LogOptions { stdout: true, tail: Some(1), ..LogOptions::default() };
    let mut each = |line: outcrop_engine::container::LogLine| {
        lines.push(line.text);
        true
    };
    host.containers.logs(&ran.id, &options, &Cancel::new(), &mut each).expect("logs");
    assert_eq!(lines, ["bar /root\n"]);
    let inspected = host.containers.inspect(&ran.id, true).expect("inspected");
    assert_eq!((&inspected["State"]["Status"], &inspected["Path"]), (&json!("exited"), &json!("sh")));
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn programs_that_cannot_run_say_why_and_stay_created() {
    let host = Host::new();
    for (program, text) in [
        ("nope", "exec: \"nope\": executable file not found in $PATH"),
        ("/nope", "exec: \"/nope\": stat /nope: no such file or directory"),
        ("/etc/passwd", "exec: \"/etc/passwd\": permission denied"),
        ("/etc", "exec: \"/etc\": is a directory"),
    ] {
        let ran = host.run(json!({ "Cmd": [program] }));
        assert!(ran.err.contains(text), "{}", ran.err);
        let record = host.containers.record(&ran.id).expect("a record");
        let code = if program.contains("nope") { 127 } else { 126 };
        assert_eq!((record.state.status(), record.state.exit_code), ("created", code), "{program}");
    }
    let ran = host.run(json!({ "User": "bob", "Cmd": ["id"] }));
    assert!(ran.err.contains("unable to find user bob"), "{}", ran.err);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn options_reach_the_container() {
    let host = Host::new();
    let ran = host.run(json!({ "Cmd": ["sh", "-c", "pwd; hostname; touch /x; touch /t/y && df /dev/shm | tail -1; ulimit -n; grep example /etc/hosts"],
        "WorkingDir": "/new/dir", "Hostname": "stone",
        "HostConfig": { "ReadonlyRootfs": true, "Tmpfs": { "/t": "size=1m" }, "ShmSize": 1_048_576,
            "Ulimits": [{ "Name": "nofile", "Soft": 77, "Hard": 78 }], "ExtraHosts": ["example:10.1.2.3"] } }));
    for wanted in ["/new/dir\n", "stone\n", "1024 ", "77\n", "10.1.2.3\texample\n"] {
        assert!(ran.out.contains(wanted), "{wanted} in {}{}", ran.out, ran.err);
    }
    assert!(ran.err.contains("/x: Read-only file system"), "{}", ran.err);
    let ran =
        host.run(json!({ "Cmd": ["sh", "-c", "cat /proc/1/comm; sh -c 'exit 5'"], "HostConfig": { "Init": true } }));
    assert_eq!((ran.out.as_str(), ran.code), ("docker-init\n", 5));
    let ran = host.run(json!({ "Cmd": ["sh", "-c", "tty; stty size < /dev/tty"], "Tty": true }));
    assert!(ran.out.starts_with("/dev/pts/0"), "{}", ran.out);
    let ran = host.run(json!({ "Cmd": ["sh", "-c", "x=a; while true; do x=$x$x; done"],
        "HostConfig": { "Memory": 16_777_216, "MemorySwap": 16_777_216 } }));
    let state = host.containers.record(&ran.id).expect("a record").state;
    assert_eq!((ran.code, state.oom_killed), (137, true));
    for bad in [
        json!({ "HostConfig": { "CapAdd": ["NOPE"] } }),
        json!({ "HostConfig": { "Memory": 1 } }),
        json!({ "HostConfig": { "NetworkMode": "nope" } }),
        json!({ "HostConfig": { "Runtime": "nope" } }),
        json!({ "HostConfig": { "RestartPolicy": { "Name": "nope" } } }),
        json!({ "WorkingDir": "relative" }),
        json!({ "StopSignal": "NOPE" }),
        json!({ "Env": ["=x"] }),
    ] {
        assert!(matches!(host.create("", bad.clone()), Err(ContainerError::Invalid(_))), "{bad}");
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn stdin_reaches_the_container() {
    let host = Host::new();
    let id = host.create("", json!({ "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true })).expect("created");
    let input = "0123456789abcdef\n".repeat(50_000);
    let ran = host.go(&id, input.as_bytes());
    assert_eq!((ran.out.len(), ran.code), (input.len(), 0));
    assert_eq!(ran.out, input);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn execs() {
    let host = Host::new();
    let id = host.sleeper("");
    let config = |words: &[&str]| ExecConfig {
        cmd: words.iter().map(|&word| word.to_owned()).collect(),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecConfig::default()
    };
    let ran = host.exec(
        &id,
        config(&["sh", "-c", "ps | grep -c sleep; echo $FOO; grep -E 'CapEff|Seccomp:' /proc/self/status; exit 4"]),
    );
    assert!(ran.out.contains("bar\n") && ran.out.contains("CapEff:\t00000000a80425fb\n"), "{}", ran.out);
    assert!(ran.out.contains("Seccomp:\t2"), "{}", ran.out);
    assert_eq!(ran.code, 4);
    let ran = host.exec(
        &id,
        ExecConfig { user: "alice".into(), working_dir: "/tmp".into(), ..config(&["sh", "-c", "id -un; pwd"]) },
    );
    assert_eq!(ran.out, "alice\n/tmp\n");
    let ran = host.exec(&id, ExecConfig { tty: true, ..config(&["tty"]) });
    assert!(ran.out.starts_with("/dev/pts/"), "{}", ran.out);
    let ran = host.exec(&id, config(&["nope"]));
    assert!(ran.err.contains("executable file not found in $PATH"), "{}", ran.err);
}
