//! What is told: one fact about one file of an overlay.

use serde::{Deserialize, Serialize};

use super::raw_path::RawPath;

/// One fact: what overlayfs did, to which file, for whom, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Number of the event, from 1, without gaps.
    pub seq: u64,
    /// When it was seen: nanoseconds since 1970, UTC.
    pub time: u64,
    /// The overlay, by the number of its [`Attached`](super::Attached).
    pub overlay: u32,
    /// The path in the overlay, without a leading slash; empty for its top.
    pub path: RawPath,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
    /// Which process caused it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// What told of it.
    pub evidence: Evidence,
    /// How far to believe it.
    pub certainty: Certainty,
}

/// What overlayfs did. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A file of a lower layer was copied to the upper directory, because it was about to change.
    CopyUp {
        /// What it is.
        node: Node,
        /// The file that was copied; `None` when it was not found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lower: Option<Lower>,
        /// How much of it was copied.
        data: Data,
        /// Bytes of content that were copied: holes, and what O_TRUNC dropped, are not.
        copied: u64,
    },
    /// Something new was made in the upper directory.
    Create {
        /// What it is.
        node: Node,
        /// Whether a file of a lower layer had been removed there before.
        over_whiteout: bool,
    },
    /// The content of a file in the upper directory was written.
    Write {
        /// Size afterwards; `None` when the file was gone before it could be measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// Bytes that now differ from the lower file, all for a file that has none; `None` when not compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changed: Option<u64>,
        /// Whether it was written through memory (`mmap`), which shows only when the last mapping goes.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mapped: bool,
    },
    /// Mode, owner, times or extended attributes were set.
    Attributes {
        /// The new permission bits, if they changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// The new user and group, if they changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<(u32, u32)>,
    },
    /// A file of a lower layer was removed: the upper directory got a whiteout over it.
    Whiteout {
        /// Whether a copy in the upper directory went with it.
        dropped: bool,
    },
    /// Something that only the upper directory had was removed.
    Delete {
        /// What it was.
        node: Node,
    },
    /// A directory was made that hides all that lower layers have there.
    Opaque,
    /// A file or directory got this path.
    Rename {
        /// What it is.
        node: Node,
        /// Its path before.
        from: RawPath,
        /// Whether a whiteout was left there.
        left_whiteout: bool,
        /// Whether the two paths changed places; told with the second of the two.
        exchange: bool,
        /// Where a renamed directory of a lower layer still has its content there (`redirect_dir`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redirect: Option<RawPath>,
    },
    /// A file got another name; nothing was copied.
    Link {
        /// A path it has already, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<RawPath>,
    },
    /// A file that was written was compared with its lower file, later than it was told.
    Compared {
        /// Its size.
        size: u64,
        /// Bytes that differ from the lower file.
        changed: u64,
    },
    /// The upper directory was read again and compared with what had been told.
    Resynchronised {
        /// Why.
        reason: Reason,
        /// How many differences were found; each follows as an event with evidence `scan`.
        found: u64,
    },
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Special,
}

/// The file of a lower layer that was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lower {
    /// The layer, counted from 0 at the base; see [`Attached::lowers`](super::Attached::lowers).
    pub layer: usize,
    /// Its path there: another one than the event's when a directory above it was renamed.
    pub path: RawPath,
    /// Its size in bytes.
    pub size: u64,
    /// How the layer is known.
    pub how: How,
}

/// How it is known which layer a copied file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// By the file's handle: overlayfs keeps it with the copy, or opened just that file to copy it.
    Handle,
    /// It is the topmost lower layer that has the path.
    Path,
}

/// How much of a lower file was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// All of its content.
    Full,
    /// None of it: mode, owner and attributes only (`metacopy`).
    Metadata,
    /// None of it: it was opened to be overwritten (O_TRUNC).
    Truncated,
    /// It has no content: a directory, link, device or empty file.
    Nothing,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Its number as this program sees it.
    pub pid: u32,
    /// Its name at that time (`comm`, at most 15 bytes); `None` when it could not be learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<RawPath>,
    /// What told of the process, where that is not what told of the event: it is inferred then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Evidence>,
}

/// What told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A fanotify mark on the filesystem of the upper directory.
    Fanotify,
    /// fanotify marks on each of its directories.
    Directories,
    /// inotify, and reading the directory that it named.
    Inotify,
    /// Reading the whole upper directory.
    Scan,
    /// The seccomp notification of a container's system calls: tells who, not what.
    Seccomp,
}

/// How far to believe an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// The kernel reported this fact.
    Exact,
    /// The kernel may have merged several like it of the same process and file into this one.
    Coalesced,
    /// It follows from what was found afterwards: there may have been more before.
    Inferred,
}

/// Why the upper directory was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The kernel's queue overflowed: events were lost.
    Overflow,
    /// Nothing had happened for a while.
    Idle,
    /// The watch ended.
    Stop,
}

impl Kind {
    /// The word that people know it by.
    pub fn word(&self) -> &'static str {
        match self {
            Self::CopyUp { .. } => "COPY-UP",
            Self::Create { .. } => "NEW",
            Self::Write { .. } => "WRITE",
            Self::Attributes { .. } => "ATTRIBUTES",
            Self::Whiteout { .. } => "DELETE",
            Self::Delete { .. } => "REMOVE",
            Self::Opaque => "OPAQUE",
            Self::Rename { .. } => "RENAME",
            Self::Link { .. } => "LINK",
            Self::Compared { .. } => "COMPARED",
            Self::Resynchronised { .. } => "RESYNC",
        }
    }
}
