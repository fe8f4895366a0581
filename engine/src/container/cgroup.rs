//! A container's control groups: where they are, which processes are in them, what they count.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::bundle::cgroup_path;
use super::host_config::HostConfig;

/// Where control groups are mounted.
pub(crate) const MOUNTED: &str = "/sys/fs/cgroup";

/// How often killed processes are looked for, and how long each look waits for them to go.
const TRIES: u32 = 200;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// The directories of a container's control groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    /// One directory for all controllers.
    Unified(PathBuf),
    /// One directory for each controller.
    Separate(String),
}

impl Groups {
    /// Those of container `id`.
    pub(crate) fn of(id: &str, host: &HostConfig) -> Self {
        let path = cgroup_path(id, host);
        if unified() {
            Self::Unified(Path::new(MOUNTED).join(path.trim_start_matches('/')))
        } else {
            Self::Separate(path.trim_start_matches('/').to_owned())
        }
    }

    /// The directory of `controller`.
    pub(crate) fn directory(&self, controller: &str) -> PathBuf {
        match self {
            Self::Unified(path) => path.clone(),
            Self::Separate(path) => Path::new(MOUNTED).join(controller).join(path),
        }
    }

    /// Whether it is version 2.
    pub(crate) fn unified(&self) -> bool {
        matches!(self, Self::Unified(_))
    }

    /// Process IDs of all that is in it, as the host sees them.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut found = Vec::new();
        for controller in ["pids", "memory", "cpu"] {
            let list = fs::read_to_string(self.directory(controller).join("cgroup.procs")).unwrap_or_default();
            found.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
            if !found.is_empty() {
                break;
            }
        }
        found
    }

    /// Kills all that is in it, and `first`, and removes its directories.
    pub(crate) fn end(&self, first: Option<i32>) {
        let mut left: Vec<i32> = first.into_iter().collect();
        for _ in 0..TRIES {
            left.extend(self.processes());
            if left.is_empty() {
                break;
            }
            for pid in left.drain(..).filter_map(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            // What is frozen does not die.
            let _ = freeze(self, false);
            std::thread::sleep(PAUSE);
        }
        self.remove();
    }

    /// Removes its directories, when nothing is in them.
    fn remove(&self) {
        match self {
            Self::Unified(path) => drop(fs::remove_dir(path)),
            Self::Separate(path) => {
                for controller in fs::read_dir(MOUNTED).into_iter().flatten().flatten() {
                    let _ = fs::remove_dir(controller.path().join(path));
                }
            }
        }
    }

    /// A number from a file of one controller.
    pub(crate) fn number(&self, controller: &str, file: &str) -> Option<u64> {
        fs::read_to_string(self.directory(controller).join(file)).ok()?.trim().parse().ok()
    }

    /// The `key value` lines of a file.
    pub(crate) fn table(&self, controller: &str, file: &str) -> BTreeMap<String, u64> {
        let text = fs::read_to_string(self.directory(controller).join(file)).unwrap_or_default();
        let pair = |line: &str| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim().parse().ok()?))
        };
        text.lines().filter_map(pair).collect()
    }
}

/// Whether the host has control groups of version 2.
pub(crate) fn unified() -> bool {
    Path::new(MOUNTED).join("cgroup.controllers").exists()
}

/// Whether the kernel killed one of the container's processes for want of memory.
pub(crate) fn was_out_of_memory(id: &str, host: &HostConfig) -> bool {
    let groups = Groups::of(id, host);
    let file = if groups.unified() { "memory.events" } else { "memory.oom_control" };
    groups.table("memory", file).get("oom_kill").is_some_and(|&count| count > 0)
}

/// Freezes or thaws all processes of a container.
pub(crate) fn freeze(groups: &Groups, frozen: bool) -> std::io::Result<()> {
    let (file, value, wanted) = if groups.unified() {
        ("cgroup.freeze", if frozen { "1" } else { "0" }, if frozen { "frozen 1" } else { "frozen 0" })
    } else {
        let state = if frozen { "FROZEN" } else { "THAWED" };
        ("freezer.state", state, state)
    };
    let directory = groups.directory("freezer");
    fs::write(directory.join(file), value)?;
    let shown = directory.join(if groups.unified() { "cgroup.events" } else { file });
    for _ in 0..500 {
        if fs::read_to_string(&shown)?.contains(wanted) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    Err(std::io::Error::other("the kernel did not freeze all processes within a second"))
}
