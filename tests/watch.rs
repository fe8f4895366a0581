//! `outcrop watch` beside a real dockerd, while it is stopped, and what it says when it cannot.

#[path = "../engine/layers/tests/watch/facts.rs"]
mod facts;
mod podman;
mod user;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use outcrop_layers::watch::{Certainty, Event, Kind, Update};
use rustix::process::{Pid, Signal, kill_process};

use crate::dockerd::Dockerd;
use crate::outcrop::{Outcrop, text};

/// The program, watching.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    /// Starts it and waits until it sees everything.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next().expect("a line").expect("read");
        let update: Update = serde_json::from_str(&first).expect("an update");
        assert!(matches!(update, Update::Attached(_)), "{first}");
        Self { child, lines }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signalled");
    }

    /// Reads until the overlay with this upper directory is watched; returns its number. Nothing is told before that.
    fn until_attached(&mut self, upper: &Path) -> u32 {
        for line in self.lines.by_ref() {
            if let Update::Attached(attached) = serde_json::from_str(&line.expect("read")).expect("an update")
                && attached.upper == upper
            {
                return attached.overlay;
            }
        }
        panic!("{} is not watched", upper.display())
    }

    /// All that it tells until it ends; insists that it agrees with the upper directory.
    fn events(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut agreed = false;
        for line in self.lines.by_ref() {
            match serde_json::from_str(&line.expect("read")).expect("an update") {
                Update::Event(event) => events.push(event),
                Update::Detached { agrees, .. } => agreed = agrees == Some(true),
                Update::Attached(_) | Update::Note(_) => {}
            }
        }
        assert!(self.child.wait().expect("waits").success());
        assert!(agreed, "the last scan did not agree");
        events
    }
}

fn workload() -> PathBuf {
    let test = std::env::current_exe().expect("own path");
    let target = test.parent().and_then(Path::parent).expect("target directory");
    let program = target.join("examples/workload");
    assert!(program.exists(), "{} is not built: cargo build -p outcrop-layers --example workload", program.display());
    program
}

/// A folder to build an image from.
fn prepared(context: &Path) {
    fs::create_dir(context).expect("made");
    text(&Command::new(workload()).arg("prepare").arg(context).output().expect("workload"));
    let lines = "FROM scratch\nCOPY lower0 /\nCOPY lower1 /\nCOPY lower2 /\n";
    fs::write(context.join("Dockerfile"), lines).expect("written");
}

/// Insists that what the workload says that it did was told, each fact once, and nothing else of it.
fn assert_workload(output: &str, events: &[Event]) {
    let of_workload = |event: &&Event| {
        let name = event.who.as_ref().and_then(|who| who.name.as_ref());
        name.is_some_and(|name| name.to_string() == "workload")
    };
    let of_it: Vec<Event> = events.iter().filter(of_workload).cloned().collect();
    let told = facts::assert_exact(&facts::expected(output), &of_it);
    println!("{told} facts; {} more events by the runtime", events.len() - of_it.len());
}

/// An image whose three layers the workload works on. The program itself is the host's, with the host's libraries.
fn image(dockerd: &Dockerd) {
    let context = dockerd.scratch("context");
    prepared(&context);
    dockerd.ok(["build", "-q", "-t", "workload", context.to_str().expect("text")]);
}

#[test]
#[ignore = "needs root and dockerd: run by .ci/run"]
fn a_container_of_dockerd_is_told_exactly() {
    let dockerd = Dockerd::start();
    let outcrop = Outcrop::new();
    image(&dockerd);
    let program = workload();
    let mut create = dockerd.command(["create", "--name", "web", "--network", "none", "--pid", "host"]);
    for host in ["/lib", "/lib64", "/usr"] {
        create.args(["-v", &format!("{host}:{host}:ro")]);
    }
    create.arg("-v").arg(format!("{}:/workload:ro", program.display())).args(["workload", "/workload", "run", "/"]);
    text(&create.output().expect("docker starts"));
    let record = outcrop.scratch("record");
    let mut watch = outcrop.command(["-H", &dockerd.host(), "watch", "web", "--json", "--until-exit", "--record"]);
    watch.arg(&record);
    let watching = Watching::start(watch);
    let output = dockerd.ok(["start", "-a", "web"]);
    let events = watching.events();
    assert_workload(&output, &events);
    let replayed = outcrop.ok(["watch", "--replay", record.to_str().expect("text"), "--json"]);
    assert_eq!(replayed.lines().filter(|line| line.starts_with("{\"event\"")).count(), events.len());
    let summary = outcrop.ok(["watch", "--replay", record.to_str().expect("text"), "--summary"]);
    assert!(summary.contains("COPY dir:") && summary.contains("workload"), "{summary}");
}

/// An overlay mount of the test's own.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").expect("temporary folder");
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        Self(folder)
    }

    fn mount(&self) {
        let at = |name: &str| self.0.path().join(name).display().to_string();
        let options = format!("lowerdir={},upperdir={},workdir={}", at("lower"), at("upper"), at("work"));
        let arguments = ["-t", "overlay", "overlay", "-o", &options, &at("merged")];
        text(&Command::new("mount").args(arguments).output().expect("mount"));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, script: &str) {
        let mut command = Command::new("sh");
        text(&command.args(["-ec", script]).current_dir(self.at("merged")).output().expect("sh"));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.at("merged")).stderr(Stdio::null()).status();
    }
}

const BURST: u64 = 20_000;

/// The reader is stopped for all of it, and for 5 s at least.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn bursts_are_told_whole_by_a_reader_that_was_stopped() {
    let outcrop = Outcrop::new();
    let mounted = Mounted::new();
    for n in 0..BURST {
        let folder = mounted.at("lower").join(format!("d{}", n / 500));
        if n % 500 == 0 {
            fs::create_dir(&folder).expect("made");
        }
        fs::File::create(folder.join(format!("f{n}")))
            .and_then(|mut file| file.write_all(b"lower\n"))
            .expect("written");
    }
    text(
        &Command::new("tar")
            .arg("-cf")
            .arg(mounted.at("tar"))
            .arg("-C")
            .arg(mounted.at("lower"))
            .arg(".")
            .output()
            .expect("tar"),
    );
    mounted.mount();
    let merged = mounted.at("merged");
    let watching = Watching::start(outcrop.command(["watch", merged.to_str().expect("text"), "--json"]));
    watching.signal(Signal::STOP);
    let start = Instant::now();
    mounted.script("mkdir copy && cp -r d* copy; mkdir tar && tar -xf ../tar -C tar");
    mounted.script("chown -R 5:6 d0 d1; sed -i s/lower/upper/ d2/f*; rm -rf copy d3 d4");
    std::thread::sleep(Duration::from_secs(5).saturating_sub(start.elapsed()));
    watching.signal(Signal::CONT);
    watching.signal(Signal::INT);
    let events = watching.events();
    assert_burst(&events);
}

fn assert_burst(events: &[Event]) {
    let count = |wanted: fn(&Kind) -> bool| events.iter().filter(|event| wanted(&event.kind)).count() as u64;
    let by_scan = events.iter().filter(|event| event.certainty == Certainty::Inferred).count();
    assert_eq!(by_scan, 0, "found by a scan only");
    // Folders of the copy and of the archive, and the two at their tops; sed writes new files.
    let folders = 2 * (BURST / 500 + 1);
    assert_eq!(count(|kind| matches!(kind, Kind::Create { .. })), 2 * BURST + folders + 500);
    assert_eq!(count(|kind| matches!(kind, Kind::Delete { .. })), BURST + BURST / 500 + 1);
    assert_eq!(count(|kind| matches!(kind, Kind::Whiteout { .. })), 2 * 501);
    assert_eq!(count(|kind| matches!(kind, Kind::Rename { .. })), 500);
    // chown copies two folders and what is in them; sed and rm the folders that they work in.
    assert_eq!(count(|kind| matches!(kind, Kind::CopyUp { .. })), 2 * 501 + 3);
    let mut writes: HashMap<_, Vec<&Event>> = HashMap::new();
    for event in events.iter().filter(|event| matches!(event.kind, Kind::Write { .. })) {
        writes.entry(&event.path).or_default().push(event);
    }
    assert_eq!(writes.len() as u64, 2 * BURST + 500);
    let merged = writes.values().flatten().filter(|event| event.certainty == Certainty::Coalesced).count();
    assert!(merged > 0, "nothing says that it may have been merged");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn mounts_that_come_later_are_watched_too() {
    let outcrop = Outcrop::new();
    let (first, later) = (Mounted::new(), Mounted::new());
    fs::write(later.at("lower/file"), "lower").expect("written");
    first.mount();
    let mut watching = Watching::start(outcrop.command(["watch", "all", "--json"]));
    later.mount();
    let overlay = watching.until_attached(&later.at("upper"));
    later.script("echo more >> file; rm file; echo 1 > new");
    watching.signal(Signal::INT);
    let events = watching.events();
    let told: Vec<&str> =
        events.iter().filter(|event| event.overlay == overlay).map(|event| event.kind.word()).collect();
    assert_eq!(told, ["COPY-UP", "WRITE", "DELETE", "NEW", "WRITE"]);
}

const WRITES: &str = "echo more >> /etc/passwd; rm /etc/passwd; echo told >&1";

/// A container of the embedded engine, from its first instruction on: beside what it prints, and over the API.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_container_of_the_embedded_engine_is_told() {
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", "base:1"], &crate::rootfs::busybox());
    let container = ["--network", "none", "base:1", "sh", "-c", WRITES];
    let output = outcrop.run(["run", "--rm", "--watch"].iter().chain(&container));
    assert_eq!(text(&output), "told\n");
    let told = String::from_utf8_lossy(&output.stderr);
    for want in ["COPY-UP     /etc/passwd", "from layer 1", "  sh (", "whiteout over a lower layer"] {
        assert!(told.contains(want), "{want} is not in\n{told}");
    }
    assert!(!told.contains("REMOVE"), "the removal of its directories is not the container's:\n{told}");
    outcrop.ok(["create", "--name", "later"].iter().chain(&container));
    let watching = Watching::start(outcrop.command(["watch", "later", "--json", "--until-exit"]));
    outcrop.ok(["start", "later"]);
    let kinds: Vec<String> =
        watching.events().iter().map(|event| format!("{} {}", event.kind.word(), event.path)).collect();
    for want in ["COPY-UP etc/passwd", "WRITE etc/passwd", "DELETE etc/passwd"] {
        assert_eq!(kinds.iter().filter(|told| *told == want).count(), 1, "{want}: {kinds:?}");
    }
}

#[test]
fn says_what_cannot_be_watched() {
    let outcrop = Outcrop::new();
    let refused = |arguments: &[&str]| {
        let output = outcrop.run(arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let folder = outcrop.scratch("folder");
    fs::create_dir(&folder).expect("made");
    assert!(refused(&["watch", folder.to_str().expect("text")]).contains("findmnt -t overlay"));
    assert!(refused(&["watch", "nobody"]).contains("No such container"));
    assert!(refused(&["watch"]).contains("CONTAINER|MOUNT|all"));
    let file = outcrop.scratch("none");
    let file = file.to_str().expect("text");
    assert!(refused(&["watch", "--replay", file]).contains("cannot open"));
    fs::write(file, "{\"format\":\"outcrop-watch\",\"version\":9}\n").expect("written");
    assert!(refused(&["watch", "--replay", file]).contains("version 9"));
}
