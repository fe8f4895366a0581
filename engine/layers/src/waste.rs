//! Bytes that an image stores but its file system does not show, each with its cause.
//!
//! Wasted = bytes of file content in all layers - bytes alive in the merged file system, hard links counted once. Every wasted byte
//! belongs to one file version and one cause. Content that exists twice under different paths is duplicate, not waste.

mod dive;

pub use dive::Dive;

use std::fmt;

use crate::tree::{NodeId, Tree, life};
use crate::version::{Change, Evidence, Version};
use crate::view::View;

/// Why bytes can no longer be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// A later layer wrote other content to the path.
    Overwritten,
    /// A later layer stores the same content again because mode, owner, time or an extended attribute changed.
    MetadataCopyUp,
    /// A later layer stores the same file again, nothing differs.
    IdenticalRewrite,
    /// A later layer removed the file.
    DeletedFile,
    /// A later layer removed a folder that held it.
    DeletedDirectory,
    /// A later layer has an opaque folder above it.
    Opaque,
    /// Something of another type took the place of the file or of a folder above it.
    TypeChange,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 7] = [
        Self::Overwritten,
        Self::MetadataCopyUp,
        Self::IdenticalRewrite,
        Self::DeletedFile,
        Self::DeletedDirectory,
        Self::Opaque,
        Self::TypeChange,
    ];

    fn of(change: Change) -> Self {
        match change {
            Change::Added | Change::Content => Self::Overwritten,
            Change::Metadata => Self::MetadataCopyUp,
            Change::Identical => Self::IdenticalRewrite,
            Change::Whiteout => Self::DeletedFile,
            Change::RemovedWithFolder => Self::DeletedDirectory,
            Change::Opaque => Self::Opaque,
            Change::TypeChanged | Change::Replaced => Self::TypeChange,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Overwritten => "overwritten",
            Self::MetadataCopyUp => "metadata copy-up",
            Self::IdenticalRewrite => "identical rewrite",
            Self::DeletedFile => "deleted file",
            Self::DeletedDirectory => "deleted directory",
            Self::Opaque => "opaque directory",
            Self::TypeChange => "type change",
        })
    }
}

/// One file version whose bytes are wasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The path it was stored under (the first, when it has several).
    pub node: NodeId,
    /// The layer that stores it.
    pub layer: usize,
    /// Its apparent size.
    pub bytes: u64,
    /// Why it cannot be reached.
    pub cause: Cause,
    /// The layer that made it unreachable.
    pub by: usize,
    /// The path at which that was done: a removed or replaced folder, or the file itself.
    pub at: NodeId,
    /// The version that took its place or removed it.
    pub ended: Version,
}

impl Item {
    /// Whether the cause is a guess from sizes and times, that comparing the content would decide.
    pub fn is_guess(&self) -> bool {
        self.ended.evidence == Evidence::Guess
    }
}

/// What an image wastes.
#[derive(Clone, Debug, PartialEq)]
pub struct Waste {
    /// Bytes of file content in all layers.
    pub total: u64,
    /// Bytes of file content in the merged file system.
    pub alive: u64,
    /// The difference, which is also the sum of all items.
    pub wasted: u64,
    /// Largest first, then by path and layer.
    pub items: Vec<Item>,
    /// The figures that dive shows for this image.
    pub dive: Dive,
}

impl Waste {
    /// Finds what an image wastes.
    pub fn of(tree: &Tree) -> Self {
        let single = tree.nodes().flat_map(|node| life::single(tree, node));
        let linked = life::linked(tree);
        let mut items: Vec<Item> = single
            .chain(linked)
            .filter(|life| life.last && life.bytes > 0)
            .filter_map(|life| life.end.map(|end| item(tree, &life, end)))
            .collect();
        items.sort_unstable_by_key(|item| (std::cmp::Reverse(item.bytes), item.node, item.layer));
        let total = (0..tree.layers()).fold(0_u64, |sum, layer| sum.saturating_add(tree.layer(layer).bytes()));
        let wasted = items.iter().fold(0_u64, |sum, item| sum.saturating_add(item.bytes));
        let alive = tree.totals(tree.root(), View::Whole).size;
        Self { total, alive, wasted, items, dive: Dive::of(tree) }
    }

    /// alive / total, between 0 and 1; 1 for an image without content.
    pub fn efficiency(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.alive as f64 / self.total as f64 }
    }

    /// Bytes wasted for each cause that occurs, most first.
    pub fn by_cause(&self) -> Vec<(Cause, u64)> {
        let mut sums: Vec<(Cause, u64)> = Cause::ALL
            .iter()
            .map(|cause| (*cause, self.items.iter().filter(|i| i.cause == *cause).map(|i| i.bytes).sum()))
            .filter(|(_, bytes)| *bytes > 0)
            .collect();
        sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        sums
    }

    /// Bytes for each layer: of those it stores the wasted ones, and those of lower layers that it wastes.
    pub fn by_layer(&self, layers: usize) -> Vec<(u64, u64)> {
        let mut sums = vec![(0_u64, 0_u64); layers];
        for item in &self.items {
            sums[item.layer].0 = sums[item.layer].0.saturating_add(item.bytes);
            sums[item.by].1 = sums[item.by].1.saturating_add(item.bytes);
        }
        sums
    }
}

fn item(tree: &Tree, life: &life::Life, end: Version) -> Item {
    Item {
        node: life.stored,
        layer: life.layer as usize,
        bytes: life.bytes,
        cause: Cause::of(end.change),
        by: end.layer as usize,
        at: done_at(tree, life.node, end),
        ended: end,
    }
}

/// The path at which a layer did what ended a file: the file's own, or that of the folder above.
fn done_at(tree: &Tree, node: NodeId, end: Version) -> NodeId {
    let done = |version: &Version| match end.change {
        Change::RemovedWithFolder => version.change == Change::Whiteout,
        Change::Replaced => version.change == Change::TypeChanged,
        Change::Opaque => !version.change.is_removal() && tree.record(version).is_opaque(),
        _ => true,
    };
    let here = |node: &NodeId| tree.versions(*node).iter().any(|v| v.layer == end.layer && done(v));
    std::iter::successors(Some(node), |at| tree.parent(*at)).find(here).unwrap_or(node)
}
