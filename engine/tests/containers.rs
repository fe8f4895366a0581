//! Containers as root, for real: from busybox, with the shim of `examples/shim.rs`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use outcrop_engine::container::{
    CommitOptions, ContainerError, Containers, CreateBody, ExecConfig, ListOptions, LogOptions, Message, Until,
};
use outcrop_engine::filters::Filters;
use outcrop_engine::image::ImportOptions;
use outcrop_engine::progress::{Cancel, Ctx};
use outcrop_engine::{Engine, OpenOptions};
use serde_json::{Value, json};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
const GROUP: &str = "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n";

/// A data root with one image, `bb`.
struct Host {
    directory: tempfile::TempDir,
    engine: Option<Engine>,
    containers: Containers,
    image: String,
    /// IDs of all containers ever.
    created: std::sync::Mutex<Vec<String>>,
}

/// What a run gave.
#[derive(Debug, Default)]
struct Ran {
    id: String,
    out: String,
    err: String,
    code: i32,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let files = directory.path().join("files");
        for name in ["bin", "etc", "root", "tmp", "home/alice"] {
            fs::create_dir_all(files.join(name)).expect("a directory");
        }
        fs::copy("/bin/busybox", files.join("bin/busybox")).expect("busybox-static");
        let list = Command::new("/bin/busybox").arg("--list").output().expect("busybox");
        for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
            std::os::unix::fs::symlink("busybox", files.join("bin").join(name)).expect("a link");
        }
        fs::write(files.join("etc/passwd"), PASSWD).expect("a file");
        fs::write(files.join("etc/group"), GROUP).expect("a file");
        let tar = directory.path().join("bb.tar");
        let made = Command::new("tar").arg("-C").arg(&files).arg("-cf").arg(&tar).arg(".").status().expect("tar");
        assert!(made.success());
        let root = directory.path().join("root");
        let engine = Engine::open(&OpenOptions::new(&root)).expect("a data root");
        let options = ImportOptions {
            reference: Some("bb".into()),
            changes: vec!["CMD [\"sh\"]".into(), "ENV FOO=bar".into()],
            ..ImportOptions::default()
        };
        let cancel = Cancel::new();
        let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
        let image = engine.images().import(fs::File::open(&tar).expect("the tar"), &options, ctx).expect("an image");
        let containers = Containers::new(&root, Some(shim()), false);
        Self {
            directory,
            engine: Some(engine),
            containers,
            image: image.to_string(),
            created: std::sync::Mutex::default(),
        }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn create(&self, name: &str, body: Value) -> Result<String, ContainerError> {
        let mut body = body;
        if body["HostConfig"]["NetworkMode"].is_null() {
            body["HostConfig"]["NetworkMode"] = "none".into();
        }
        let body = CreateBody::parse(body.to_string().as_bytes())?;
        let image = self.containers.image(&self.image)?;
        let id = self.containers.create(name, body, &image)?.id;
        self.created.lock().expect("a list").push(id.clone());
        Ok(id)
    }

    /// Creates, attaches, starts, and reads to the end.
    fn run(&self, body: Value) -> Ran {
        let id = self.create("", body).expect("created");
        self.go(&id, b"")
    }

    fn go(&self, id: &str, input: &[u8]) -> Ran {
        let mut attached = self.containers.attach(id, !input.is_empty(), true, true).expect("attached");
        if !input.is_empty() {
            attached.send(input).expect("sent");
            attached.end_stdin().expect("ended");
        }
        let mut ran = Ran { id: id.into(), ..Ran::default() };
        if let Err(error) = self.containers.start(id) {
            ran.err = error.to_string();
            ran.code = -1;
            return ran;
        }
        while let Some(message) = attached.receive().expect("a message") {
            match message {
                Message::Stdout(bytes) => ran.out.push_str(&String::from_utf8_lossy(&bytes)),
                Message::Stderr(bytes) => ran.err.push_str(&String::from_utf8_lossy(&bytes)),
                Message::Exited(code, _) => {
                    ran.code = code;
                    break;
                }
                _ => {}
            }
        }
        ran
    }

    fn sh(&self, script: &str) -> Ran {
        self.run(json!({ "Cmd": ["sh", "-c", script] }))
    }

    fn sleeper(&self, name: &str) -> String {
        let id = self.create(name, json!({ "Cmd": ["sleep", "1000"] })).expect("created");
        self.containers.start(&id).expect("started");
        id
    }

    fn exec(&self, id: &str, config: ExecConfig) -> Ran {
        let exec = self.containers.exec_create(id, config).expect("an exec");
        let mut ran = Ran::default();
        let mut attached = match self.containers.exec_start(&exec, None) {
            Ok(attached) => attached,
            Err(error) => return Ran { err: error.to_string(), code: -1, ..ran },
        };
        while let Some(message) = attached.receive().expect("a message") {
            match message {
                Message::Stdout(bytes) => ran.out.push_str(&String::from_utf8_lossy(&bytes)),
                Message::Stderr(bytes) => ran.err.push_str(&String::from_utf8_lossy(&bytes)),
                Message::Exited(code, _) => ran.code = code,
                _ => {}
            }
        }
        assert_eq!(self.containers.exec(&exec).expect("an exec").exit_code, Some(ran.code));
        ran
    }

    /// Whatever of this root is mounted, runs, or is in a control group.
    fn leftovers(&self) -> Vec<String> {
        let root = self.root().to_string_lossy().into_owned();
        let mut all: Vec<String> = fs::read_to_string("/proc/self/mounts")
            .expect("mounts")
            .lines()
            .filter(|line| line.contains(&root))
            .map(str::to_owned)
            .collect();
        for process in fs::read_dir("/proc").expect("processes").flatten() {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            if words.contains("--shim") && words.contains(&root) {
                all.push(words);
            }
        }
        for id in self.created.lock().expect("a list").iter() {
            for controller in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
                let group = controller.path().join(format!("outcrop-{id}"));
                if group.exists() {
                    all.push(group.display().to_string());
                }
            }
        }
        for place in ["outcrop/run", "containers", "image/overlay2/layerdb/mounts", "outcrop/txn"] {
            for entry in fs::read_dir(self.root().join(place)).into_iter().flatten().flatten() {
                all.push(entry.path().display().to_string());
            }
        }
        all
    }

    fn remove_all(&self) {
        for id in fs::read_dir(self.root().join("containers")).into_iter().flatten().flatten() {
            let id = id.file_name().into_string().expect("an ID");
            self.containers.remove(&id, true, true).expect("removed");
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.remove_all();
            assert_eq!(settled(|| self.leftovers()), Vec::<String>::new());
        }
    }
}

/// Waits a moment for something to become empty.
fn settled(look: impl Fn() -> Vec<String>) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let found = look();
        if found.is_empty() || Instant::now() > until {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn shim() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let target = test.parent().and_then(Path::parent).expect("a target directory");
    let shim = target.join("examples/shim");
    assert!(shim.is_file(), "{} is built by `cargo test`", shim.display());
    shim
}

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
fn rights_are_docker_s_default() {
    let host = Host::new();
    let probe = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; mount -t tmpfs x /tmp; unshare -U true; \
        echo x > /proc/sys/kernel/hostname; cat /proc/kcore; mknod /tmp/sda b 8 0; cat /tmp/sda; \
        echo 1 > /sys/fs/cgroup/memory/x; touch /sys/x";
    let ran = host.sh(probe);
    for wanted in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
    ] {
        assert!(ran.out.contains(wanted), "{wanted} in {}", ran.out);
    }
    for wanted in
        ["mount: permission denied", "unshare", "hostname: Read-only", "/tmp/sda': Operation not permitted", "/sys/x"]
    {
        assert!(ran.err.contains(wanted), "{wanted} in {}", ran.err);
    }
    let ran = host.run(json!({ "User": "alice", "Cmd": ["sh", "-c", "id; grep Cap /proc/self/status"] }));
    assert!(ran.out.contains("uid=1000(alice) gid=1000(alice) groups=50(staff),1000(alice)"), "{}", ran.out);
    assert!(
        ran.out.contains("CapEff:\t0000000000000000") && ran.out.contains("CapBnd:\t00000000a80425fb"),
        "{}",
        ran.out
    );
    let ran = host.run(json!({ "User": "4242:7", "Cmd": ["id"] }));
    assert_eq!(ran.out, "uid=4242 gid=7 groups=7\n");
    let drop_all = json!({ "Cmd": ["grep", "CapBnd", "/proc/self/status"], "HostConfig": { "CapDrop": ["ALL"], "CapAdd": ["CHOWN"],
        "SecurityOpt": ["no-new-privileges"] } });
    assert_eq!(host.run(drop_all).out, "CapBnd:\t0000000000000001\n");
    let privileged = json!({ "Cmd": ["sh", "-c", "mount -t tmpfs x /tmp && grep Seccomp: /proc/self/status"],
        "HostConfig": { "Privileged": true } });
    assert_eq!(host.run(privileged).out, "Seccomp:\t0\n");
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
fn a_life() {
    let host = Host::new();
    let id = host.sleeper("rock");
    assert!(matches!(host.containers.start("rock"), Err(ContainerError::NotModified(_))));
    assert!(matches!(host.create("rock", json!({})), Err(ContainerError::Conflict(_))));
    assert!(matches!(host.containers.remove("rock", false, false), Err(ContainerError::Conflict(_))));
    host.containers.rename("rock", "stone").expect("renamed");
    assert_eq!(host.containers.find("stone").expect("found"), id);
    assert_eq!(host.containers.find(&id[..8]).expect("found"), id);
    host.containers.pause("stone").expect("paused");
    assert_eq!(host.containers.record(&id).expect("a record").state.status(), "paused");
    host.containers.unpause("stone").expect("unpaused");
    let top = host.containers.top("stone", "").expect("top");
    assert!(top["Processes"].to_string().contains("sleep 1000"), "{top}");
    let stats = host.containers.stats("stone").expect("stats");
    assert!(stats["memory_stats"]["usage"].as_u64() > Some(0) && stats["pids_stats"]["current"] == 1, "{stats}");
    let list = host.containers.list(&ListOptions { size: true, ..ListOptions::default() }).expect("a list");
    assert_eq!((list.len(), &list[0]["Names"][0]), (1, &json!("/stone")));
    let filters = Filters::from_json(r#"{"status":["exited"]}"#).expect("filters");
    assert!(host.containers.list(&ListOptions { filters, ..ListOptions::default() }).expect("a list").is_empty());
    // sleep is the first process and has no handler for SIGTERM: only the timeout ends it.
    let began = Instant::now();
    host.containers.stop("stone", Some(1), None).expect("stopped");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(host.containers.record(&id).expect("a record").state.exit_code, 137);
    host.containers.restart("stone", None, None).expect("restarted");
    host.containers.kill("stone", "").expect("killed");
    assert_eq!(host.containers.wait("stone", Until::NotRunning, || {}).expect("waited").code, 137);
    assert_eq!(host.containers.prune(&Filters::default()).expect("pruned").0, [id]);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn wait_before_start_and_removal() {
    let host = Host::new();
    let id = host
        .create("", json!({ "Cmd": ["sh", "-c", "exit 9"], "HostConfig": { "AutoRemove": true } }))
        .expect("created");
    std::thread::scope(|scope| {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let waiting = scope.spawn(|| host.containers.wait(&id, Until::Removed, move || ready.send(()).expect("sent")));
        let next = scope.spawn(|| host.containers.wait(&id, Until::NextExit, || {}));
        is_ready.recv().expect("ready");
        std::thread::sleep(Duration::from_millis(50));
        host.containers.start(&id).expect("started");
        assert_eq!(next.join().expect("a thread").expect("waited").code, 9);
        waiting.join().expect("a thread").expect("waited");
    });
    assert!(matches!(host.containers.record(&id), Err(ContainerError::NotFound(_))));
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn volumes_and_binds() {
    let host = Host::new();
    let bind = host.directory.path().join("bound");
    fs::create_dir(&bind).expect("a directory");
    let bind_text = format!("{}:/b:ro", bind.display());
    fs::write(bind.join("from-host"), "host\n").expect("a file");
    let script = "cat /b/from-host; touch /b/x; ls /v; echo kept >> /v/log; cat /v/log";
    let body = json!({ "Cmd": ["sh", "-c", script], "HostConfig": { "Binds": ["some_persistent_volume:/v", bind_text],
        "AutoRemove": true } });
    let first = host.run(body.clone());
    assert_eq!(first.out, "host\nkept\n", "{}", first.err);
    assert!(first.err.contains("/b/x: Read-only file system"), "{}", first.err);
    assert_eq!(host.run(body).out, "host\nlog\nkept\nkept\n");
    let data = host.root().join("volumes/some_persistent_volume/_data/log");
    assert_eq!(fs::read_to_string(data).expect("the volume's file"), "kept\nkept\n");
    // A new volume gets the image's content; one that is anonymous goes with the container.
    let body = json!({ "Cmd": ["cat", "/etc/group"], "Volumes": { "/etc": {} } });
    let id = host.create("", body).expect("created");
    let name = host.containers.record(&id).expect("a record").mount_points["/etc"].name.clone();
    assert_eq!(host.go(&id, b"").out, GROUP);
    assert!(host.root().join("volumes").join(&name).is_dir());
    host.containers.remove(&id, false, true).expect("removed");
    assert!(!host.root().join("volumes").join(&name).exists());
    // A source that is swapped after the container was created is what is mounted at the start, and links in the
    // container lead nowhere.
    let body = json!({ "Cmd": ["sh", "-c", "cat /in/from-host"], "HostConfig": { "Mounts": [
        { "Type": "bind", "Source": bind, "Target": "/in" } ] } });
    assert_eq!(host.run(body).out, "host\n");
    let missing = json!({ "HostConfig": { "Mounts": [{ "Type": "bind", "Source": "/nope/nope", "Target": "/in" }] } });
    assert!(matches!(host.create("", missing), Err(ContainerError::Invalid(_))));
    let outside = json!({ "HostConfig": { "Mounts": [{ "Type": "volume", "Source": "some_persistent_volume",
        "Target": "/in", "VolumeOptions": { "Subpath": "../../.." } }] } });
    assert!(matches!(host.create("", outside), Err(ContainerError::Invalid(_))));
    let data = host.root().join("volumes/some_persistent_volume/_data");
    std::os::unix::fs::symlink("/etc", data.join("link")).expect("a link");
    let through_link = json!({ "Cmd": ["cat", "/in/shadow"], "HostConfig": { "Mounts": [{ "Type": "volume",
        "Source": "some_persistent_volume", "Target": "/in", "VolumeOptions": { "Subpath": "link" } }] } });
    let ran = host.run(through_link);
    assert_eq!((ran.out.as_str(), ran.code == 0), ("", false), "{}", ran.err);
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

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_killed_shim_is_noticed() {
    let host = Host::new();
    let id = host.sleeper("");
    let pid = host.containers.record(&id).expect("a record").state.pid;
    let parent = fs::read_to_string(format!("/proc/{pid}/status")).expect("the first process");
    let parent = parent.lines().find_map(|line| line.strip_prefix("PPid:\t")).expect("a parent").to_owned();
    let killed = Command::new("kill").args(["-9", &parent]).status().expect("kill");
    assert!(killed.success());
    let until = Instant::now() + Duration::from_secs(5);
    while host.containers.record(&id).expect("a record").state.running && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let state = host.containers.record(&id).expect("a record").state;
    assert_eq!((state.status(), state.exit_code), ("exited", 137));
    assert!(state.error.contains("shim was killed"), "{}", state.error);
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Its new parent may take a moment to reap it.
    assert_eq!(settled(|| Some(stat()).filter(|s| !s.is_empty() && !s.contains(") Z")).into_iter().collect()), [""; 0]);
    assert!(!Path::new("/sys/fs/cgroup/memory").join(format!("outcrop-{id}")).exists());
    host.containers.start(&id).expect("it starts again");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn restart_policies() {
    let host = Host::new();
    let body = json!({ "Cmd": ["sh", "-c", "echo again; exit 1"],
        "HostConfig": { "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 2 } } });
    let id = host.create("", body).expect("created");
    host.containers.start(&id).expect("started");
    let until = Instant::now() + Duration::from_secs(20);
    while host.containers.record(&id).expect("a record").state.running && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let record = host.containers.record(&id).expect("a record");
    assert_eq!((record.restart_count, record.state.status(), record.state.exit_code), (2, "exited", 1));
    let log = fs::read_to_string(&record.log_path).expect("the log");
    assert_eq!(log.lines().count(), 3);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn health() {
    let host = Host::new();
    let body = json!({ "Cmd": ["sleep", "1000"], "Healthcheck": { "Test": ["CMD-SHELL", "test -e /well"],
        "Interval": 100_000_000, "Retries": 2 } });
    let id = host.create("", body).expect("created");
    host.containers.start(&id).expect("started");
    let status = || host.containers.record(&id).expect("a record").state.health.map(|health| health.status);
    let becomes = |wanted: &str| {
        let until = Instant::now() + Duration::from_secs(10);
        while status().as_deref() != Some(wanted) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(status().as_deref(), Some(wanted));
    };
    becomes("unhealthy");
    let config = ExecConfig { cmd: vec!["touch".into(), "/well".into()], attach_stdout: true, ..ExecConfig::default() };
    assert_eq!(host.exec(&id, config).code, 0);
    becomes("healthy");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn changes_copies_and_images() {
    let host = Host::new();
    let ran = host.sh("echo new > /new; rm /etc/group; mkdir -p /d/e; echo deep > /d/e/f; ln -s /etc/passwd /d/link");
    let changes = host.containers.changes(&ran.id).expect("changes");
    let text: Vec<String> =
        changes.iter().map(|c| format!("{} {}", c.kind.letter(), String::from_utf8_lossy(&c.path))).collect();
    assert_eq!(text, ["A /d", "A /d/e", "A /d/e/f", "A /d/link", "C /etc", "D /etc/group", "A /new"]);
    let stat = host.containers.stat_path(&ran.id, "/d/link").expect("a stat");
    assert_eq!((stat.name.as_str(), stat.link_target.as_str()), ("link", "/etc/passwd"));
    let mut tar = Vec::new();
    host.containers.copy_from(&ran.id, "/d", &mut tar).expect("copied");
    let names = names_of(&tar);
    assert_eq!(names, ["d", "d/e", "d/e/f", "d/link"]);
    host.containers.copy_to(&ran.id, "/tmp", &tar[..], true).expect("copied");
    let mut out = Vec::new();
    host.containers.copy_from(&ran.id, "/tmp/d/e/f", &mut out).expect("copied");
    assert!(String::from_utf8_lossy(&out).contains("deep"));
    assert!(matches!(host.containers.copy_from(&ran.id, "/nope", &mut Vec::new()), Err(ContainerError::NoPath(_))));
    let mut export = Vec::new();
    host.containers.export(&ran.id, &mut export).expect("exported");
    let names = names_of(&export);
    assert!(names.contains(&"new".to_owned()) && !names.contains(&"etc/group".to_owned()));
    let cancel = Cancel::new();
    let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
    let options = CommitOptions {
        reference: Some("two".into()),
        changes: vec!["CMD [\"cat\",\"/new\"]".into()],
        ..CommitOptions::default()
    };
    let image = host
        .containers
        .commit(&ran.id, &options, host.engine.as_ref().expect("open").images(), ctx)
        .expect("committed");
    let image = host.containers.image(&image.to_string()).expect("the image");
    let body = CreateBody::parse(br#"{"HostConfig":{"NetworkMode":"none"}}"#).expect("a body");
    let created = host.containers.create("", body, &image).expect("created");
    assert_eq!(host.go(&created.id, b"").out, "new\n");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn links_lead_nowhere_but_into_the_container() {
    let host = Host::new();
    let outside = host.directory.path().join("outside");
    fs::create_dir(&outside).expect("a directory");
    let script = format!("ln -s {0} /out; ln -s ../../../../../../../..{0} /up; mkdir /in", outside.display());
    let ran = host.sh(&script);
    let mut tar = tar_of("x", b"from outside");
    for target in ["/out", "/up"] {
        assert!(host.containers.copy_to(&ran.id, target, &tar[..], false).is_err(), "{target}");
    }
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 0);
    // The same while it runs, and a name that leads upwards.
    let id = host.create("", json!({ "Cmd": ["sh", "-c", format!("{script}; sleep 1000")] })).expect("created");
    host.containers.start(&id).expect("started");
    std::thread::sleep(Duration::from_millis(300));
    assert!(host.containers.copy_to(&id, "/out", &tar[..], false).is_err());
    tar = tar_of("../../../../../../../../../../tmp/outcrop-escaped", b"x");
    let _ = host.containers.copy_to(&id, "/in", &tar[..], false);
    assert!(!Path::new("/tmp/outcrop-escaped").exists());
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 0);
    // An image's links at Docker's own mount points.
    let ran = host.run(json!({ "Cmd": ["sh", "-c", "readlink /etc/mtab; ls -l /etc/hosts"] }));
    assert!(ran.out.starts_with("/proc/mounts\n-"), "{}", ran.out);
}

/// A private dockerd on a data root; ended by its process ID.
struct Dockerd {
    process: std::process::Child,
    socket: String,
}

impl Dockerd {
    fn start(root: &Path, scratch: &Path) -> Option<Self> {
        let program = ["/usr/sbin/dockerd", "/usr/bin/dockerd"].into_iter().find(|path| Path::new(path).exists())?;
        let socket = format!("unix://{}", scratch.join("docker.sock").display());
        let log = fs::File::create(scratch.join("dockerd.log")).expect("a file");
        let process = Command::new(program)
            .args(["--bridge=none", "--iptables=false", "--storage-driver=overlay2", "--host", &socket])
            .arg("--data-root")
            .arg(root)
            .arg("--exec-root")
            .arg(scratch.join("exec"))
            .arg("--pidfile")
            .arg(scratch.join("docker.pid"))
            .stderr(log)
            .spawn()
            .expect("dockerd");
        let dockerd = Self { process, socket };
        let until = Instant::now() + Duration::from_mins(1);
        while !dockerd.docker(&["version"]).status.success() {
            assert!(Instant::now() < until, "dockerd does not come up");
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(dockerd)
    }

    fn docker(&self, words: &[&str]) -> std::process::Output {
        Command::new("docker").args(["--host", &self.socket]).args(words).output().expect("docker")
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn dockerd_starts_our_container_with_the_same_rights() {
    let mut host = Host::new();
    let probe = "grep -E '^(Cap|NoNew|Seccomp:|Groups)' /proc/self/status; env | sort; id; ls /dev; \
        for file in acpi kcore keys timer_list scsi sysrq-trigger sys bus fs irq; do \
        if echo x 2>/dev/null > /proc/$file/x; then echo $file writable; fi; wc -c < /proc/$file 2>&1; done; \
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; \
        mount -t tmpfs x /tmp 2>&1; unshare -U true 2>&1; touch /sys/x 2>&1; mknod /tmp/n b 8 0; cat /tmp/n 2>&1; \
        cat /etc/hosts; ls -la /etc/mtab /.dockerenv | cut -c1-10; pwd; cat /proc/self/oom_score_adj";
    let body = json!({ "Cmd": ["sh", "-c", probe], "User": "alice", "Hostname": "same", "Env": ["X=y"] });
    let id = host.create("probe", body).expect("created");
    let root = host.create("probe-root", json!({ "Cmd": ["sh", "-c", probe], "Hostname": "same" })).expect("created");
    let ours = [host.go(&id, b"").out, host.go(&root, b"").out];
    host.engine = None;
    let scratch = host.directory.path().join("docker");
    fs::create_dir(&scratch).expect("a directory");
    let Some(dockerd) = Dockerd::start(&host.root(), &scratch) else {
        eprintln!("skipped: dockerd is not installed");
        return;
    };
    assert!(host.containers.start("probe").expect_err("dockerd has the root").to_string().contains("dockerd"));
    for (name, ours) in ["probe", "probe-root"].into_iter().zip(&ours) {
        let output = dockerd.docker(&["start", "--attach", name]);
        let theirs = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(*ours, theirs, "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    drop(dockerd);
    assert_eq!(host.containers.record("probe").expect("a record").state.status(), "exited");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn other_runtimes_take_the_same_bundle() {
    let host = Host::new();
    let Some(runc) = ["/usr/sbin/runc", "/usr/bin/runc"].into_iter().find(|path| Path::new(path).exists()) else {
        eprintln!("skipped: runc is not installed");
        return;
    };
    let body = json!({ "Cmd": ["sh", "-c", "grep -E 'CapEff|Seccomp:' /proc/self/status; exit 6"],
        "HostConfig": { "Runtime": runc } });
    let ran = host.run(body);
    assert!(
        ran.out.contains("CapEff:\t00000000a80425fb\n") && ran.out.contains("Seccomp:\t2"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(ran.code, 6);
    let ran = host.run(json!({ "Cmd": ["nope"], "HostConfig": { "Runtime": runc } }));
    assert!(ran.err.contains("executable file not found in $PATH"), "{}", ran.err);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn many_at_once_and_many_in_a_row() {
    let host = Host::new();
    let body = || json!({ "Cmd": ["true"], "HostConfig": { "AutoRemove": true } });
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..20).map(|_| scope.spawn(|| (0..5).map(|_| host.run(body()).code).sum::<i32>())).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("a thread"), 0);
        }
    });
    for _ in 0..100 {
        assert_eq!(host.run(body()).code, 0);
    }
    assert_eq!(settled(|| host.leftovers()), Vec::<String>::new());
    let layers = fs::read_dir(host.root().join("overlay2")).expect("layers").count();
    assert_eq!(layers, 2, "the image's layer and l");
    assert_eq!(fs::read_dir(host.root().join("overlay2/l")).expect("links").count(), 1);
}

fn names_of(tar: &[u8]) -> Vec<String> {
    let mut child = Command::new("tar")
        .arg("-t")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("tar");
    let mut stdin = child.stdin.take().expect("its input");
    let tar = tar.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&tar));
    let output = child.wait_with_output().expect("tar");
    writing.join().expect("a thread").expect("written");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| line.trim_end_matches('/').to_owned()).collect()
}

/// A tar with one file.
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend(content);
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}
