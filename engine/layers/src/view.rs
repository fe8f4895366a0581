//! What part of an image is looked at, and what is then seen of a path.

use crate::index::EntryRef;

/// What part of an image is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// What this layer changes, and nothing else.
    Layer(usize),
    /// The file system made by the layers up to this one, with what this one changes marked.
    UpTo(usize),
    /// The finished file system, unmarked.
    Whole,
}

/// What the layer in view did to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Nothing.
    Same,
    /// Nothing but perhaps its time, yet it is a folder that holds changes.
    Inside,
    /// Made it.
    Added,
    /// Wrote it again, or changed its metadata or type.
    Changed,
    /// Removed it.
    Removed,
}

/// What a view shows of a path.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What the layer in view did to it.
    pub mark: Mark,
    /// What is there; for a removed path, what was there.
    pub entry: EntryRef<'a>,
    /// The layer that `entry` comes from.
    pub layer: usize,
}

/// Sums over a path and all below it, as far as in view. Bytes are apparent sizes, hard links counted once.
///
/// Counts are of paths, folders included; a folder whose time alone differs does not count as changed, because anything done in a
/// folder changes its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes: those the layer stores ([`View::Layer`]), or those alive in the file system.
    pub size: u64,
    /// Paths that are no folders: those the layer stores, or those alive in the file system.
    pub files: u64,
    /// Paths the layer in view added.
    pub added: u64,
    /// Paths it changed.
    pub changed: u64,
    /// Paths it removed.
    pub removed: u64,
    /// Bytes of lower layers that can no longer be reached: because of this layer ([`View::Layer`]), or because of all layers
    /// in view.
    pub hidden: u64,
}
