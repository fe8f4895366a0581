//! Containers without root: of a user with ranges of IDs, and of one who has only their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::containers::Machine;
use crate::outcrop::Outcrop;
use crate::screens::sees;
use crate::terminal::Terminal;
use crate::user::User;

const USERS: [User; 2] = [User::Ranges, User::Single];

/// Shims of this data root.
fn shims(root: &Path) -> Vec<i32> {
    let root = root.to_string_lossy();
    let shim = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let words = String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).ok()?).into_owned();
        (words.contains("--shim\0") && words.contains(&*root)).then_some(pid)
    };
    fs::read_dir("/proc").expect("processes").flatten().filter_map(shim).collect()
}

/// Insists that nothing is left of containers.
fn nothing_left(machine: &Machine) {
    let root = machine.outcrop.root();
    let until = Instant::now() + Duration::from_secs(5);
    while !shims(root).is_empty() {
        assert!(Instant::now() < until, "a shim is left");
        std::thread::sleep(Duration::from_millis(5));
    }
    for place in ["outcrop/run", "outcrop/txn", "containers", "image/overlay2/layerdb/mounts"] {
        let left: Vec<_> = fs::read_dir(root.join(place)).into_iter().flatten().flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn containers_run_end_and_go() {
    for user in USERS {
        let machine = Machine::of(user);
        let run = |words: &[&str]| machine.ends(&[&["run", "--rm", "--network", "none", "base:1"], words].concat());
        assert_eq!(run(&["sh", "-c", "echo out; echo err >&2; exit 7"]), (7, "out\n".into(), "err\n".into()));
        assert_eq!((run(&["nope"]).0, run(&["/etc/passwd"]).0), (127, 126));
        let map = machine.sh(&[], "cat /proc/self/uid_map; cat /proc/self/setgroups");
        let ranges = map.lines().count() == 3;
        assert_eq!(ranges, user == User::Ranges, "{map}");
        let (code, out, said) = machine.ends(&["run", "--rm", "--network", "none", "-u", "alice", "base:1", "id"]);
        match user {
            User::Ranges => assert_eq!(out, "uid=1000(alice) gid=1000(alice) groups=1000(alice)\n", "{code} {said}"),
            User::Single => assert!(code == 125 && said.contains("user ID 1000 cannot be had without root"), "{said}"),
        }
        machine.start("job", &[], "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
        assert_eq!(machine.ok(&["ps", "--format", "{{.Names}} {{.State}}"]), "job running\n");
        wait_for(&machine, "job", "ready\n");
        machine.ok(&["stop", "job"]);
        assert_eq!(machine.ok(&["wait", "job"]), "9\n");
        machine.ok(&["restart", "-t", "0", "job"]);
        machine.ok(&["kill", "job"]);
        assert_eq!(machine.ok(&["wait", "job"]), "137\n");
        machine.ok(&["rm", "job"]);
        assert_eq!(machine.ok(&["ps", "-aq"]), "");
        nothing_left(&machine);
    }
}

/// Waits until a container's log has these words.
fn wait_for(machine: &Machine, name: &str, words: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while machine.ok(&["logs", name]) != words {
        assert!(Instant::now() < until, "{name} says nothing");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn later_commands_reach_into_what_runs() {
    for user in USERS {
        let machine = Machine::of(user);
        machine.start("up", &[], "exec sleep 1000");
        assert_eq!(machine.ends(&["exec", "up", "sh", "-c", "echo here > /tmp/x; cat /tmp/x; exit 4"]).1, "here\n");
        assert_eq!(machine.ends(&["exec", "up", "sh", "-c", "exit 4"]).0, 4);
        assert!(machine.ok(&["exec", "up", "ps"]).contains("sleep 1000"));
        let file = machine.outcrop.scratch("file");
        fs::write(&file, "from outside\n").expect("writes");
        machine.ok(&["cp", file.to_str().expect("utf-8"), "up:/tmp/file"]);
        assert_eq!(machine.ok(&["exec", "up", "cat", "/tmp/file"]), "from outside\n");
        let taken = machine.outcrop.scratch("taken");
        machine.ok(&["cp", "up:/tmp/file", taken.to_str().expect("utf-8")]);
        assert_eq!(fs::metadata(&taken).expect("copied").uid(), user.id());
        assert_eq!(machine.ok(&["diff", "up"]), "C /tmp\nA /tmp/file\nA /tmp/x\n");
        machine.ok(&["commit", "up", "kept:1"]);
        assert_eq!(machine.ok(&["run", "--rm", "--network", "none", "kept:1", "cat", "/tmp/x"]), "here\n");
        assert!(machine.outcrop.run(["export", "up"]).stdout.len() > 1 << 20);
        assert_eq!(machine.ok(&["top", "up", "-o", "pid,args"]).lines().count(), 2);
        let stats = machine.ok(&["stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", "up"]);
        assert!(stats.starts_with("1 ") && !stats.starts_with("1 0B"), "{stats}");
        machine.ok(&["rm", "-f", "up"]);
        nothing_left(&machine);
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn volumes_binds_and_terminals() {
    for user in USERS {
        let machine = Machine::of(user);
        machine.sh(&["-v", "data:/etc"], "grep -q alice /etc/passwd && echo row > /etc/table");
        assert_eq!(machine.sh(&["-v", "data:/d:ro"], "cat /d/table; touch /d/x || echo read-only"), "row\nread-only\n");
        let folder = machine.outcrop.scratch("folder");
        machine.sh(&["-v", &format!("{}:/b", folder.display())], "echo x > /b/file");
        assert_eq!(
            fs::metadata(folder.join("file")).expect("written").uid(),
            user.id(),
            "root inside, the user outside"
        );
        let run = ["run", "--rm", "-it", "--network", "none", "base:1", "sh"];
        let terminal = Terminal::start(&machine.outcrop.command(run), 80, 24, &[]);
        terminal.shows("# ").press("stty size; tty\r").shows("24 80").shows("/dev/pts/0").press("exit\r");
        terminal.ends();
        nothing_left(&machine);
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn namespaces_and_devices() {
    for user in USERS {
        let machine = Machine::of(user);
        let run = |options: &[&str], script: &str| {
            machine.ok(&[&["run", "--rm"], options, &["base:1", "sh", "-c", script]].concat())
        };
        assert_eq!(run(&["--network", "none"], "ls /sys/class/net"), "lo\n", "no device of the host");
        for network in ["none", "host"] {
            let script = "ls -A /sys/fs/cgroup; grep -c cgroup /proc/self/mountinfo; grep sysfs /proc/self/mountinfo";
            let shown = run(&["--network", network], script);
            let mut lines = shown.lines();
            assert_eq!(lines.next(), Some("0"), "{shown}");
            assert!(lines.clone().count() > 0 && lines.all(|line| line.contains(" ro,nosuid,nodev,noexec")), "{shown}");
        }
        let own = format!("/proc/{}", std::process::id());
        let script = format!("test -d {own} && echo seen");
        assert_eq!(run(&["--network", "none", "--pid", "host"], &script), "seen\n");
        let script = "echo x > /dev/nothing; echo x > /deep/nothing; test -c /dev/nothing && echo there";
        let devices = ["--device", "/dev/null:/dev/nothing", "--device", "/dev/null:/deep/nothing"];
        assert_eq!(run(&[&["--network", "none"], &devices[..]].concat(), script), "there\n");
        let script =
            "busybox mount -t tmpfs x /tmp && grep -c ' /tmp ' /proc/mounts; busybox mknod /tmp/sda b 8 0 || echo no";
        assert_eq!(
            run(&["--network", "none", "--privileged"], script),
            "1\nno\n",
            "root of nothing but what is its own"
        );
    }
}

#[test]
#[ignore = "needs root, busybox-static, newuidmap, runc and crun: run by .ci/run"]
fn other_runtimes_run_too() {
    for user in USERS {
        let machine = Machine::of(user);
        for runtime in ["/usr/sbin/runc", "/usr/bin/crun"] {
            let run = ["run", "--rm", "--network", "none", "--runtime", runtime, "base:1", "sh", "-c"];
            let ran = machine
                .ends(&[&run[..], &["ls /sys/class/net; grep -c Seccomp:.2 /proc/self/status; exit 6"]].concat());
            assert_eq!(ran, (6, "lo\n1\n".into(), String::new()), "{runtime}");
            machine.start("up", &["--runtime", runtime], "exec sleep 1000");
            assert_eq!(machine.ends(&["exec", "up", "sh", "-c", "exit 4"]).0, 4, "{runtime}");
            machine.ok(&["rm", "-f", "up"]);
        }
        nothing_left(&machine);
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn what_needs_control_groups_is_told() {
    for user in USERS {
        let machine = Machine::of(user);
        let limits = ["run", "-d", "--network", "none", "-m", "64m", "--pids-limit", "9", "--name", "up", "base:1"];
        let (code, _, said) = machine.ends(&[&limits[..], &["sleep", "1000"]].concat());
        let discarded = "containers without root have no control groups: --memory, --pids-limit discarded";
        assert!(code == 0 && said.contains(discarded), "{said}");
        assert_eq!(machine.ok(&["inspect", "-f", "{{.HostConfig.Memory}} {{.State.Status}}", "up"]), "0 running\n");
        let (code, _, said) = machine.ends(&["pause", "up"]);
        assert!(code == 1 && said.contains("containers without root have no control groups"), "{said}");
        let (code, _, said) = machine.ends(&["update", "-m", "64m", "--restart", "always", "up"]);
        assert!(code == 0 && said.contains("--memory discarded"), "{said}");
        assert_eq!(machine.ok(&["inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "up"]), "always\n");
        assert_eq!(machine.ok(&["info", "--format", "{{.CgroupDriver}} {{.MemoryLimit}}"]), "none false\n");
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn all_processes_of_a_root_are_in_one_namespace() {
    for user in USERS {
        let machine = Machine::of(user);
        let names: Vec<String> = (0..8).map(|n| format!("at-once-{n}")).collect();
        let run = |name: &String| {
            let words = ["run", "-d", "--network", "none", "--name", name, "base:1", "sleep", "1000"];
            machine.outcrop.command(words).stdout(Stdio::null()).spawn().expect("starts")
        };
        let started: Vec<_> = names.iter().map(run).collect();
        for mut child in started {
            assert!(child.wait().expect("waits").success());
        }
        let shims = shims(machine.outcrop.root());
        let mut namespaces: Vec<_> =
            shims.iter().map(|pid| fs::read_link(format!("/proc/{pid}/ns/user")).expect("a shim")).collect();
        assert_eq!(namespaces.len(), names.len());
        namespaces.sort();
        namespaces.dedup();
        assert_eq!(namespaces.len(), 1, "{namespaces:?}");
        for name in &names {
            machine.ok(&["exec", name, "true"]);
        }
        // One whose shim is killed is seen to have ended, and starts again; the others go on.
        assert!(Command::new("kill").args(["-KILL", &shims[0].to_string()]).status().expect("kill").success());
        let until = Instant::now() + Duration::from_secs(10);
        let ended = || machine.ok(&["ps", "-a", "--filter", "status=exited", "--format", "{{.Names}}"]);
        while ended().is_empty() {
            assert!(Instant::now() < until, "the state is not true");
        }
        let name = ended();
        machine.ok(&["start", name.trim()]);
        machine.ok(&["exec", name.trim(), "true"]);
        machine.ok(&[&["rm", "-f"], &names.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
        nothing_left(&machine);
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn first_commands_on_a_root_do_not_disturb_each_other() {
    for user in USERS {
        let outcrop = Outcrop::of(user);
        let started: Vec<_> =
            (0..6).map(|_| outcrop.command(["images", "-q"]).stdout(Stdio::null()).spawn().expect("starts")).collect();
        for mut child in started {
            assert!(child.wait().expect("waits").success());
        }
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn builds_run_their_commands() {
    for user in USERS {
        let machine = Machine::of(user);
        let context = machine.outcrop.scratch("context");
        fs::create_dir(&context).expect("creates");
        let dockerfile = "FROM base:1\nRUN echo made > /made && rm /etc/shadow\nCOPY x /x\nRUN cat /x >> /made\n";
        fs::write(context.join("Dockerfile"), dockerfile).expect("writes");
        fs::write(context.join("x"), "copied\n").expect("writes");
        machine.ok(&["build", "--network", "none", "-t", "built:1", context.to_str().expect("utf-8")]);
        let all = machine.ok(&["run", "--rm", "--network", "none", "built:1", "sh", "-c", "cat /made; ls /etc"]);
        assert!(all.starts_with("made\ncopied\n") && !all.contains("shadow"), "{all}");
        let again = machine.ok(&["build", "--network", "none", context.to_str().expect("utf-8")]);
        assert_eq!(again.matches("Using cache").count(), 3, "{again}");
        let (code, demo, said) = machine.ends(&["--debug", "demo", "--no-ui"]);
        assert!(code == 0 && demo.contains("pip install flask flask-mysql"), "{demo}{said}");
        assert!(!said.contains("loaded, not built"), "{said}");
        nothing_left(&machine);
    }
}

#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn the_screens_run_a_container() {
    let machine = Machine::of(User::Ranges);
    let terminal = Terminal::start(&machine.outcrop.command::<&str>([]), 120, 40, &[]);
    terminal.shows("rootless").shows("base:1").press("r").shows("Run base:1");
    terminal.press("live\tsh").shows("--name live").press("\x13").shows("F12 leaves it");
    terminal.shows("# ").press("echo do''ne\r").shows("done").press("exit\r");
    sees(&terminal, "ended with 0").press("qq");
    terminal.ends();
    assert_eq!(machine.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]), "live exited\n");
}
