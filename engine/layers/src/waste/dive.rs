//! The figures of the tool `dive`, as it computes them, for those who know them.

use std::collections::HashMap;

use crate::index::FileType;
use crate::tree::{NodeId, Tree};
use crate::view::View;

/// What dive would show: over leaf paths, hard links taken for empty files.
///
/// Its rules are not ours: removing a folder raises its score, because a whiteout counts as large as what it removes; each
/// size of a path seen in two layers is waste, the one in use included; links, devices and attributes are not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dive {
    /// Sum of each path's smallest size / sum of all its sizes, between 0 and 1; 1 for nothing.
    pub score: f64,
    /// All sizes of every path that is in two layers or more, in bytes.
    pub wasted: u64,
    /// `wasted` / (bytes of all layers - bytes of the base), between 0 and 1 or more; 0 when there is nothing above the base.
    pub user_wasted: f64,
}

struct Path {
    sum: u64,
    smallest: u64,
    times: u32,
}

impl Dive {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut paths: HashMap<NodeId, Path> = HashMap::with_capacity(tree.len());
        let mut see = |node, size: u64| {
            let path = paths.entry(node).or_insert(Path { sum: 0, smallest: u64::MAX, times: 0 });
            path.sum = path.sum.saturating_add(size);
            path.smallest = path.smallest.min(size);
            path.times += 1;
        };
        for node in tree.nodes() {
            for version in tree.versions(node).iter().filter(|v| !v.change.is_removal()) {
                let record = tree.record(version);
                if record.end == version.record + 1 {
                    see(node, record.size);
                }
            }
        }
        for layer in 0..tree.layers() {
            for entry in tree.layer(layer).entries().filter(|e| e.file_type() == FileType::Whiteout) {
                if let Some(node) = tree.find(&entry.path()) {
                    see(node, removed(tree, node, layer));
                }
            }
        }
        let (mut smallest, mut all, mut wasted) = (0_u64, 0_u64, 0_u64);
        for path in paths.values() {
            smallest = smallest.saturating_add(path.smallest);
            all = all.saturating_add(path.sum);
            if path.times > 1 {
                wasted = wasted.saturating_add(path.sum);
            }
        }
        let user = (1..tree.layers()).fold(0_u64, |sum, layer| sum.saturating_add(tree.layer(layer).bytes()));
        Self {
            score: if all == 0 { 1.0 } else { smallest as f64 / all as f64 },
            wasted,
            user_wasted: if user == 0 { 0.0 } else { wasted as f64 / user as f64 },
        }
    }
}

/// What a whiteout counts: nothing for a file, all files in it for a folder.
fn removed(tree: &Tree, node: NodeId, layer: usize) -> u64 {
    let Some(below) = layer.checked_sub(1).map(View::UpTo) else { return 0 };
    let alive = |node| tree.seen(node, below).filter(|seen| seen.mark != crate::view::Mark::Removed);
    if alive(node).is_none_or(|seen| seen.entry.file_type() != FileType::Directory) {
        return 0;
    }
    let files = tree.subtree(node).filter_map(alive).filter(|seen| seen.entry.file_type() == FileType::File);
    files.fold(0_u64, |sum, seen| sum.saturating_add(seen.entry.size()))
}
