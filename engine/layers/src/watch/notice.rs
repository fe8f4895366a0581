//! What a process was about to do, as an engine tells it that is notified of its containers' system calls.

use serde::{Deserialize, Serialize};

use super::raw_path::RawPath;

/// One call of a process, told before the kernel ran it: it may have failed. Written as a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The process, as the engine sees it.
    pub pid: u32,
    /// Its name at that time (`comm`).
    pub name: RawPath,
    /// What it was about to do.
    pub act: Act,
    /// To which paths of the overlay, without a leading slash: two for a rename, the old one first.
    pub paths: Vec<RawPath>,
    /// When, by the monotonic clock in nanoseconds.
    pub time: u64,
    /// How many notices were dropped before this one, because nobody took them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// Whether more are waiting to be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// What a call does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Opens it for writing, or makes it to be written; also sets its size.
    Open,
    /// Makes a directory, symbolic link, device, FIFO or socket.
    Make,
    /// Removes it.
    Remove,
    /// Renames it, or something to it.
    Rename,
    /// Gives it another name, or makes that name.
    Link,
    /// Sets mode, owner, times or attributes.
    Attributes,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
