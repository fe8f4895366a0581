//! Overlays to be watched, on a filesystem of the test's choice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use outcrop_layers::watch::{
    Attached, Event, Evidence, Kind, Options, Overlay, Update, Updates, Watch, WatchError, mounts,
};

/// What the directories of an overlay are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The filesystem of temporary files.
    Here,
    /// ext4 in a file.
    Ext4,
    /// btrfs in a file.
    Btrfs,
    /// A subvolume of btrfs in a file.
    Subvolume,
    /// Memory.
    Tmpfs,
}

/// A mounted overlay with three lower directories; unmounted when dropped.
pub(crate) struct Mounted {
    folder: tempfile::TempDir,
    on: On,
}

impl Mounted {
    /// Makes the directories, lets `fill` put files into the lower ones, and mounts them with `options`.
    pub(crate) fn new(on: On, options: &str, fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").expect("temporary folder");
        let mounted = Self { folder, on };
        mounted.make_filesystem();
        for name in ["lower0", "lower1", "lower2", "upper", "work", "merged"] {
            fs::create_dir_all(mounted.at(name)).expect("made");
        }
        fill(&mounted.at(""));
        let lowers = [2, 1, 0].map(|n| mounted.at(&format!("lower{n}")).display().to_string()).join(":");
        let (upper, work) = (mounted.at("upper"), mounted.at("work"));
        let all = format!("lowerdir={lowers},upperdir={},workdir={}{options}", upper.display(), work.display());
        run("mount", &["-t", "overlay", "overlay", "-o", &all, &mounted.at("merged").display().to_string()]);
        mounted
    }

    fn make_filesystem(&self) {
        let base = self.base();
        fs::create_dir(&base).expect("made");
        let (disk, at) = (self.folder.path().join("disk"), base.display().to_string());
        let file = disk.display().to_string();
        match self.on {
            On::Here => {}
            On::Tmpfs => run("mount", &["-t", "tmpfs", "tmpfs", &at]),
            On::Ext4 | On::Btrfs | On::Subvolume => {
                fs::File::create(&disk).and_then(|file| file.set_len(1 << 30)).expect("sized");
                let make = if self.on == On::Ext4 { "mkfs.ext4" } else { "mkfs.btrfs" };
                run(make, &["-q", &file]);
                run("mount", &["-o", "loop", &file, &at]);
                if self.on == On::Subvolume {
                    run("btrfs", &["-q", "subvolume", "create", &format!("{at}/sub")]);
                }
            }
        }
    }

    fn base(&self) -> PathBuf {
        self.folder.path().join("fs")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        let base = self.base();
        if self.on == On::Subvolume { base.join("sub").join(name) } else { base.join(name) }
    }

    pub(crate) fn merged(&self) -> PathBuf {
        self.at("merged")
    }

    /// The overlay as the kernel's list of mounts has it.
    pub(crate) fn overlay(&self) -> Overlay {
        mounts::at(&self.merged()).expect("mounted")
    }

    /// Watches it while a shell script runs in it, and returns all events.
    pub(crate) fn watch_script(&self, script: &str) -> Vec<Event> {
        let watch = Watching::start(Options::default());
        watch.attach(self.overlay()).expect("attaches");
        self.script(script);
        events(&watch.finished())
    }

    pub(crate) fn script(&self, script: &str) {
        let status = Command::new("sh").args(["-ec", script]).current_dir(self.merged()).status().expect("sh");
        assert!(status.success(), "{script}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for at in [self.merged(), self.base()] {
            let _ = Command::new("umount").arg("-l").arg(at).stderr(Stdio::null()).status();
        }
    }
}

/// Runs a program and insists on success.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A watch and what it tells.
pub(crate) struct Watching {
    watch: Watch,
    updates: Updates,
}

impl Watching {
    pub(crate) fn start(options: Options) -> Self {
        let (watch, updates) = Watch::start(options).expect("starts");
        Self { watch, updates }
    }

    pub(crate) fn attach(&self, overlay: Overlay) -> Result<Attached, WatchError> {
        self.watch.attach(overlay)
    }

    /// Takes updates until `wanted` is among the events.
    pub(crate) fn until(&self, taken: &mut Vec<Update>, wanted: &str) {
        while !short(&events(taken)).iter().any(|told| told.starts_with(wanted)) {
            let next = self.updates.recv_timeout(Duration::from_secs(30));
            taken.push(
                next.unwrap_or_else(|_| panic!("{wanted}: not told within 30 s, but {:?}", short(&events(taken)))),
            );
        }
    }

    /// Ends it, insists that what was told is what is there, and returns all that nobody has taken.
    pub(crate) fn finished(self) -> Vec<Update> {
        self.watch.stop();
        let updates: Vec<Update> = self.updates.iter().collect();
        let agrees = updates.iter().filter_map(|update| match update {
            Update::Detached { agrees, .. } => Some(*agrees),
            _ => None,
        });
        assert!(agrees.into_iter().all(|agrees| agrees == Some(true)), "the last scan did not agree");
        updates
    }
}

/// The events among updates.
pub(crate) fn events(updates: &[Update]) -> Vec<Event> {
    updates
        .iter()
        .filter_map(|update| if let Update::Event(event) = update { Some(event.clone()) } else { None })
        .collect()
}

/// Events in short, a line each: `copy-up file lower2 full 6 by handle`. Times, numbers and processes are left out.
pub(crate) fn short(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter(|event| !matches!(event.kind, Kind::Compared { .. }))
        .map(|event| {
            let json = serde_json::to_value(&event.kind).expect("is JSON");
            let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut words = vec![text(&json["kind"]), event.path.to_string()];
            let members = json.as_object().expect("object").iter().filter(|(name, _)| *name != "kind");
            words.extend(members.filter(|(_, value)| **value != false).map(|(name, value)| match name.as_str() {
                "lower" => format!("lower{}={}", value["layer"], text(&value["how"])),
                _ => format!("{name}={}", text(value)),
            }));
            if event.evidence == Evidence::Scan {
                words.push("(scan)".into());
            }
            words.join(" ")
        })
        .collect()
}

/// The program of `examples/workload.rs`.
pub(crate) fn workload() -> PathBuf {
    let test = std::env::current_exe().expect("own path");
    let target = test.parent().and_then(Path::parent).expect("target directory");
    let program = target.join("examples/workload");
    assert!(program.exists(), "{} is not built: cargo build -p outcrop-layers --example workload", program.display());
    program
}
