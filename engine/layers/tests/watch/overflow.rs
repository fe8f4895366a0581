//! More happens than the kernel's queue has room for: what was lost is found, and that it was lost is said.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use outcrop_layers::watch::{Certainty, Event, Evidence, Kind, Options, Overlay, Reason, Recorder, Replay, Update};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Watching, events};

/// More than the 16,384 reports that an ordinary user's queue holds.
const FILES: usize = 20_000;
/// Where the second process works.
const FOLDER: &str = "OUTCROP_TEST_OVERFLOW";

/// An overlay that nobody has mounted: the test does what overlayfs would do.
fn overlay(folder: &Path) -> Overlay {
    let at = |name: &str| folder.join(name);
    Overlay { name: "test".into(), upper: at("upper"), work: at("work"), userxattr: true, ..Overlay::default() }
}

/// The second process, which can be stopped: watches until it is told to end, and keeps what it was told.
#[test]
fn watcher() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let only = match fs::read_to_string(folder.join("method")).expect("read").as_str() {
        "inotify" => Evidence::Inotify,
        _ => Evidence::Directories,
    };
    let watch = Watching::start(Options { only: Some(only), ..Options::default() });
    let attached = watch.attach(overlay(&folder)).expect("attaches");
    assert!(!attached.names_processes, "its queue has no end");
    fs::write(folder.join("ready"), "").expect("written");
    wait_for(&folder.join("stop"));
    let mut record = Recorder::new(fs::File::create(folder.join("record")).expect("made")).expect("written");
    for update in watch.finished() {
        record.add(&update).expect("written");
    }
}

fn wait_for(path: &Path) {
    let until = Instant::now() + Duration::from_mins(1);
    while !path.exists() {
        assert!(Instant::now() < until, "{} has not come", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The second process, without the right to a queue that has no end; killed if the test fails.
struct Watcher(Child);

impl Watcher {
    fn start(folder: &Path) -> Self {
        let program = std::env::current_exe().expect("own path");
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            command.args(["--bounding-set=-sys_admin", "--inh-caps=-all", "--reuid=0"]);
        }
        command.arg(program).args(["--exact", "overflow::watcher"]).env(FOLDER, folder);
        let watcher = Self(command.stdout(std::process::Stdio::null()).spawn().expect("setpriv of util-linux"));
        wait_for(&folder.join("ready"));
        watcher
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("signalled");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_was_lost_is_found_and_said() {
    for method in ["inotify", "directories"] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["upper/old", "work/work"] {
            fs::create_dir_all(at(name)).expect("made");
        }
        fs::write(at("method"), method).expect("written");
        fs::write(at("upper/old/gone"), "").expect("written");
        let mut watcher = Watcher::start(folder.path());
        watcher.signal(Signal::STOP);
        fs::create_dir(at("upper/new")).expect("made");
        for n in 0..FILES {
            fs::write(at(&format!("upper/old/{n}")), "x").expect("written");
        }
        fs::write(at("upper/new/last"), "last").expect("written");
        fs::remove_file(at("upper/old/gone")).expect("removed");
        watcher.signal(Signal::CONT);
        fs::write(at("stop"), "").expect("written");
        assert!(watcher.0.wait().expect("waits").success(), "{method}: what was told is not what is there");
        let record = fs::File::open(at("record")).expect("recorded");
        let updates: Result<Vec<Update>, _> =
            Replay::new(std::io::BufReader::new(record)).expect("a recording").collect();
        assert_whole(method, &events(&updates.expect("whole")));
    }
}

fn assert_whole(method: &str, events: &[Event]) {
    let said = events.iter().find_map(|event| match event.kind {
        Kind::Resynchronised { reason: Reason::Overflow, found } => Some(found),
        _ => None,
    });
    let found = said.unwrap_or_else(|| panic!("{method}: nobody says that reports were lost"));
    // Of inotify every report makes a directory be read: nothing may be left to be found.
    assert!(found > 0 || method == "inotify", "{method}: nothing was lost");
    let paths = |wanted: fn(&Kind) -> bool| {
        let found = events.iter().filter(|event| wanted(&event.kind)).map(|event| event.path.to_string());
        let list: Vec<String> = found.collect();
        let set: BTreeSet<String> = list.iter().cloned().collect();
        assert_eq!(set.len(), list.len(), "{method}: told twice");
        set
    };
    let mut wanted: BTreeSet<String> = (0..FILES).map(|n| format!("old/{n}")).collect();
    wanted.extend(["new".into(), "new/last".into()]);
    assert_eq!(paths(|kind| matches!(kind, Kind::Create { .. })), wanted, "{method}");
    assert_eq!(paths(|kind| matches!(kind, Kind::Delete { .. })), BTreeSet::from(["old/gone".into()]), "{method}");
    let inferred = events.iter().filter(|event| event.certainty == Certainty::Inferred).count() as u64;
    assert!(inferred >= found.max(1), "{method}: what was found does not say so");
}
