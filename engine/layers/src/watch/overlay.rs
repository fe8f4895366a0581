//! An overlay to be watched, and how it is watched.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::event::Evidence;

/// The socket of a container's runtime directory that tells of its processes.
pub const NOTICES: &str = "notify.sock";

/// The annotation that has a container's processes tell their calls to that socket, when it is `true`.
pub const NOTIFY: &str = "outcrop.notify";

/// An overlay mount, or what will be one: its directories need not be mounted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// What people call it: a container's name, or the mount point.
    pub name: String,
    /// The upper directory.
    pub upper: PathBuf,
    /// The work directory, in which overlayfs makes `work` and `index`.
    pub work: PathBuf,
    /// The lower directories, base first.
    pub lowers: Vec<LowerLayer>,
    /// Whether overlayfs keeps its attributes as `user.overlay.*`.
    pub userxattr: bool,
    /// Whether metadata can be copied up without content.
    pub metacopy: bool,
    /// Where an engine tells what the processes in it are about to do ([`Notice`](super::Notice)), if one does.
    pub notices: Option<PathBuf>,
}

impl Overlay {
    /// The overlay that an engine tells of in `GraphDriver.Data` of a container: `lowers` has colons between paths, the topmost
    /// first. How it is mounted is read from the list of mounts, if it is mounted.
    pub fn of_graph_driver(name: &str, lowers: &str, upper: &str, work: &str) -> Self {
        use std::os::unix::fs::MetadataExt;
        let real = |path: &str| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let paths = lowers.split(':').filter(|path| !path.is_empty()).rev();
        let lowers = paths.map(|path| LowerLayer { path: real(path), created_by: None }).collect();
        let (name, upper, work) = (name.to_owned(), real(upper), real(work));
        let mounted =
            super::mounts::overlays().unwrap_or_default().into_iter().find(|mount| mount.overlay.upper == upper);
        let mounted = mounted.map(|mount| mount.overlay).unwrap_or_default();
        // Without root, overlayfs can only keep its notes in attributes that users may set.
        let of_user = std::fs::metadata(&upper).is_ok_and(|it| it.uid() != 0) || !is_first_namespace();
        let userxattr = mounted.userxattr || of_user;
        Self { name, upper, work, lowers, userxattr, metacopy: mounted.metacopy, notices: None }
    }

    /// The same as that of the container with the ID `id`: where it is one of outcrop's data root that tells what its processes
    /// do, they are named also without root.
    #[must_use]
    pub fn of_container(mut self, id: &str) -> Self {
        let root = self.upper.ancestors().nth(3);
        let socket = root.map(|root| root.join("outcrop/run").join(id).join(NOTICES));
        self.notices = socket.filter(|socket| !id.is_empty() && socket.exists());
        self
    }
}

/// Whether users have the numbers here that they have everywhere: in another user namespace root is an ordinary user.
fn is_first_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// One lower directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowerLayer {
    /// Where it is.
    pub path: PathBuf,
    /// The instruction that made it, when somebody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

/// Says that an overlay is being watched, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Its number in events.
    pub overlay: u32,
    /// What people call it.
    pub name: String,
    /// The upper directory.
    pub upper: PathBuf,
    /// The lower directories, base first.
    pub lowers: Vec<LowerLayer>,
    /// What tells of its events.
    pub method: Evidence,
    /// Whether events name the process.
    pub names_processes: bool,
    /// Whether processes are inferred from what an engine is notified of, as the method does not tell them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub infers_processes: bool,
    /// Why this method and no better one, and what it cannot do: sentences for people.
    pub notes: Vec<String>,
    /// Entries that the upper directory had at the start.
    pub entries: u64,
}

/// What a watch tells, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// An overlay is watched from now on.
    Attached(Attached),
    /// Something happened in one.
    Event(super::event::Event),
    /// An overlay is watched no longer: all has been told, and compared with its upper directory.
    Detached {
        /// Its number.
        overlay: u32,
        /// Whether what was told equals what is there; `None` when the directory could not be read.
        agrees: Option<bool>,
    },
    /// Something that people should know about the watch itself.
    Note(String),
}
