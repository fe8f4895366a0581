//! Who wrote, told by the system calls of a watched container.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use outcrop_engine::container::{ExecConfig, Message};
use outcrop_layers::watch::{Event, Evidence, Kind, Options, Overlay, Update, Watch};
use serde_json::{Value, json};

use crate::host::{Host, Ran, settled};

/// The body of a container whose calls are told, in the process namespace of the test: numbers are those that the watch has.
fn told(mut body: Value) -> Value {
    body["HostConfig"]["Annotations"] = json!({ "outcrop.notify": "true" });
    body["HostConfig"]["PidMode"] = "host".into();
    body
}

fn overlay(host: &Host, id: &str) -> Overlay {
    let inspect = host.containers.inspect(id, false).expect("inspected");
    let data = |name: &str| inspect["GraphDriver"]["Data"][name].as_str().expect("text").to_owned();
    Overlay::of_graph_driver("test", &data("LowerDir"), &data("UpperDir"), &data("WorkDir")).of_container(id)
}

/// Runs a container to its end, watched by what tells no process; `during` is called when it runs.
fn watched(host: &Host, body: Value, during: impl FnOnce(&str)) -> (Ran, Vec<Event>) {
    let id = host.create("", told(body)).expect("created");
    let mut attached = host.containers.attach(&id, false, true, true).expect("attached");
    let options = Options { only: Some(Evidence::Inotify), ..Options::default() };
    let (watch, updates) = Watch::start(options).expect("starts");
    let known = watch.attach(overlay(host, &id)).expect("attaches");
    assert!(known.infers_processes && !known.names_processes, "{known:?}");
    assert!(known.notes.iter().any(|note| note.contains("seccomp") && note.contains("io_uring")), "{known:?}");
    host.containers.start(&id).expect("started");
    during(&id);
    let mut ran = Ran { id, ..Ran::default() };
    ran.listen(&mut attached);
    watch.stop();
    let events = updates.iter().filter_map(|update| match update {
        Update::Event(event) => Some(event),
        _ => None,
    });
    (ran, events.collect())
}

fn who(event: &Event) -> Option<(u32, String)> {
    let who = event.who.as_ref()?;
    assert_eq!(who.by, Some(Evidence::Seccomp), "{event:?}");
    Some((who.pid, who.name.as_ref()?.to_string()))
}

const PROCESSES: usize = 200;

#[test]
#[ignore = "needs root: run by .ci/run"]
fn short_processes_are_named() {
    let host = Host::new();
    let script = format!(
        "mkdir /d; for n in $(seq {PROCESSES}); do sh -c 'echo $$ $0; echo x > /d/$0' $n; done; \
         chmod 600 /etc/passwd; mv /etc/group /etc/groups; rm /etc/groups; ln -s x /etc/link; cd /etc; touch ../etc/new"
    );
    let (ran, events) = watched(&host, json!({ "Cmd": ["sh", "-c", script] }), |_| {});
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let made = |event: &&Event| matches!(event.kind, Kind::Create { .. });
    let by_path: HashMap<String, (u32, String)> =
        events.iter().filter(made).filter_map(|event| Some((event.path.to_string(), who(event)?))).collect();
    let mut right = 0;
    for line in ran.out.lines() {
        let (pid, n) = line.split_once(' ').expect("two words");
        let want = (pid.parse().expect("a number"), "sh".to_owned());
        right += usize::from(by_path.get(&format!("d/{n}")) == Some(&want));
    }
    assert_eq!(right, PROCESSES, "{by_path:?}");
    let name = |word: &str, path: &str| {
        let event = events.iter().find(|event| event.kind.word() == word && event.path.to_string() == path);
        who(event.unwrap_or_else(|| panic!("no {word} of {path}: {events:?}"))).map(|(_, name)| name)
    };
    for (word, path, process) in [
        ("NEW", "d", "mkdir"),
        ("COPY-UP", "etc", "chmod"),
        ("COPY-UP", "etc/passwd", "chmod"),
        ("NEW", "etc/link", "ln"),
        ("NEW", "etc/new", "touch"),
    ] {
        assert_eq!(name(word, path).as_deref(), Some(process), "{word} {path}");
    }
}

/// Nothing that is refused is allowed because it is told, and what is allowed works.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn what_is_refused_stays_refused() {
    let host = Host::new();
    let probe = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; mount -t tmpfs x /tmp; unshare -U true; \
        echo x > /proc/sys/kernel/hostname; mknod /tmp/sda b 8 0; cat /tmp/sda; touch /sys/x; echo $?";
    let plain = host.sh(probe);
    let (ran, _) = watched(&host, json!({ "Cmd": ["sh", "-c", probe] }), |_| {});
    assert_eq!((ran.out, ran.err), (plain.out, plain.err));
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
        {"names":["openat","open"],"action":"SCMP_ACT_ERRNO","args":[{"index":2,"value":64,"valueTwo":64,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#;
    let body = json!({ "Cmd": ["sh", "-c", "mkdir /d; chmod 600 /etc/passwd && echo > /new; ls /d /new"],
        "HostConfig": { "SecurityOpt": [format!("seccomp={profile}")] } });
    let (ran, events) = watched(&host, body, |_| {});
    assert!(ran.err.contains("can't create directory '/d': Permission denied"), "{}", ran.err);
    assert!(ran.err.contains("can't create /new: Operation not permitted"), "{}", ran.err);
    let changed = events.iter().find(|event| event.path.to_string() == "etc/passwd").expect("told");
    assert_eq!(who(changed).map(|(_, name)| name).as_deref(), Some("chmod"));
    // Where it would hide something, nothing is told.
    let logs = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["open"],"action":"SCMP_ACT_LOG"}]}"#;
    let id = host.create(
        "",
        told(json!({ "Cmd": ["sh", "-c", "echo > /new"],
        "HostConfig": { "SecurityOpt": [format!("seccomp={logs}")] } })),
    );
    let id = id.expect("created");
    let _attached = host.containers.attach(&id, false, true, true).expect("attached");
    assert_eq!(overlay(&host, &id).notices, None);
}

/// Processes of `exec` have filters of their own and are told of at the same place.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn processes_of_an_exec_are_named() {
    let host = Host::new();
    let mut said = String::new();
    let body = json!({ "Cmd": ["sh", "-c", "until [ -e /end ]; do sleep 0.1; done; sleep 1"] });
    let (ran, events) = watched(&host, body, |id| {
        let cmd = ["sh", "-c", "echo $$; echo x >> /etc/passwd; touch /end"].map(str::to_owned).to_vec();
        said = host.exec(id, ExecConfig { cmd, attach_stdout: true, ..ExecConfig::default() }).out;
    });
    assert_eq!(ran.code, 0, "{}", ran.err);
    let written = events.iter().find(|event| event.path.to_string() == "etc/passwd").expect("told");
    assert_eq!(who(written), Some((said.trim().parse().expect("a number"), "sh".into())));
}

/// Watchers that are stopped, say nonsense or go do not hold a container up.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_container_waits_for_nobody() {
    let host = Host::new();
    let script = "n=0; mkdir /d; while [ $n -lt 20000 ]; do echo > /d/$((n % 10)); n=$((n + 1)); done; echo done";
    let id = host.create("", told(json!({ "Cmd": ["sh", "-c", script] }))).expect("created");
    let mut attached = host.containers.attach(&id, false, true, true).expect("attached");
    let socket = overlay(&host, &id).notices.expect("it tells");
    let directory = std::fs::File::open(socket.parent().expect("a directory")).expect("opens");
    let short = format!("/proc/self/fd/{}/notify.sock", directory.as_raw_fd());
    let connect = |say: &[u8]| {
        let stream = UnixStream::connect(&short).expect("connects");
        std::io::Write::write_all(&mut &stream, say).expect("written");
        stream
    };
    let (_silent, _deaf, _babbling) = (connect(b""), connect(b"W"), connect(b"Wxxxxxxxxxxx"));
    drop(connect(b"W"));
    drop(connect(b"?"));
    host.containers.start(&id).expect("started");
    drop(connect(b"W"));
    let mut out = String::new();
    let code = loop {
        match attached.receive().expect("a message") {
            Some(Message::Stdout(bytes)) => out.push_str(&String::from_utf8_lossy(&bytes)),
            Some(Message::Exited(code, _)) => break code,
            Some(_) => {}
            None => panic!("the shim went"),
        }
    };
    assert_eq!((out.as_str(), code), ("done\n", 0));
    let left = settled(|| socket.exists().then(|| socket.display().to_string()).into_iter().collect());
    assert_eq!(left, Vec::<String>::new());
}
