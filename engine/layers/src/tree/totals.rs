//! Sums for every path and every view, kept as what changes from layer to layer.

use super::{NodeId, Tree, is_changed, life};
use crate::index::FileType;
use crate::version::Change;
use crate::view::Totals;

/// What one layer changes at a path and below it, and the sums up to it. A path has one for each layer that touches it.
///
/// Sums wrap around: an archive may claim any size, and only claims can exceed 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delta {
    pub(super) layer: u32,
    added: u32,
    changed: u32,
    removed: u32,
    /// Paths that are no folders, stored by this layer.
    stored_files: u64,
    /// Bytes stored by this layer.
    stored: u64,
    /// Bytes that this layer makes unreachable.
    hidden: u64,
    /// Alive after this layer (while summing up: the difference it makes).
    alive: u64,
    alive_files: u64,
    /// Unreachable after this layer.
    hidden_so_far: u64,
}

impl Delta {
    /// Whether the layer changes anything here.
    pub(super) fn changes(&self) -> bool {
        self.added | self.changed | self.removed != 0
    }

    pub(super) fn of_layer(&self) -> Totals {
        Totals {
            size: self.stored,
            files: self.stored_files,
            added: self.added.into(),
            changed: self.changed.into(),
            removed: self.removed.into(),
            hidden: self.hidden,
        }
    }

    pub(super) fn up_to(&self, here: bool) -> Totals {
        let mut totals =
            Totals { size: self.alive, files: self.alive_files, hidden: self.hidden_so_far, ..Totals::default() };
        if here {
            (totals.added, totals.changed) = (self.added.into(), self.changed.into());
            totals.removed = self.removed.into();
        }
        totals
    }

    fn add(&mut self, other: &Self) {
        self.added = self.added.wrapping_add(other.added);
        self.changed = self.changed.wrapping_add(other.changed);
        self.removed = self.removed.wrapping_add(other.removed);
        self.stored_files = self.stored_files.wrapping_add(other.stored_files);
        self.stored = self.stored.wrapping_add(other.stored);
        self.hidden = self.hidden.wrapping_add(other.hidden);
        self.alive = self.alive.wrapping_add(other.alive);
        self.alive_files = self.alive_files.wrapping_add(other.alive_files);
    }
}

/// The place for `layer` in a list sorted by layers.
fn at(deltas: &mut Vec<Delta>, layer: u32) -> &mut Delta {
    let place = deltas.partition_point(|d| d.layer < layer);
    if deltas.get(place).is_none_or(|d| d.layer != layer) {
        deltas.insert(place, Delta { layer, ..Delta::default() });
    }
    &mut deltas[place]
}

/// Sums up from the leaves. Nodes are numbered depth first, so going backwards meets what a folder holds before the folder.
pub(super) fn fill(tree: &mut Tree) {
    let mut linked = life::linked(tree);
    linked.sort_unstable_by_key(|life| life.node);
    let mut below: Vec<Vec<Delta>> = vec![Vec::new(); tree.len()];
    let mut backwards: Vec<Delta> = Vec::with_capacity(tree.versions.len());
    let mut counts = vec![0_u32; tree.len()];
    let mut scratch = Vec::new();
    for node in tree.nodes().rev() {
        let mut deltas = std::mem::take(&mut below[node.index()]);
        if deltas.capacity() == 0 {
            deltas = std::mem::take(&mut scratch);
        }
        own(tree, node, &mut deltas);
        while let Some(life) = linked.pop_if(|life| life.node == node) {
            lives(&life, &mut deltas);
        }
        if let Some(parent) = tree.parent(node) {
            let sums = &mut below[parent.index()];
            for delta in &deltas {
                at(sums, delta.layer).add(delta);
            }
        }
        sum_up(&mut deltas);
        counts[node.index()] = deltas.len() as u32;
        backwards.extend(deltas.iter().rev());
        deltas.clear();
        scratch = deltas;
    }
    backwards.reverse();
    tree.deltas = backwards;
    let mut start = 0;
    for (node, count) in tree.nodes.iter_mut().zip(counts.into_iter().chain([0])) {
        node.deltas = start;
        start += count;
    }
}

fn sum_up(deltas: &mut [Delta]) {
    let (mut alive, mut files, mut hidden) = (0_u64, 0_u64, 0_u64);
    for delta in deltas {
        alive = alive.wrapping_add(delta.alive);
        files = files.wrapping_add(delta.alive_files);
        hidden = hidden.wrapping_add(delta.hidden);
        (delta.alive, delta.alive_files, delta.hidden_so_far) = (alive, files, hidden);
    }
}

/// What happens at the path itself.
fn own(tree: &Tree, node: NodeId, deltas: &mut Vec<Delta>) {
    let mut was_file = false;
    for version in tree.versions(node) {
        let record = tree.record(version);
        let delta = at(deltas, version.layer);
        let is_file = !version.change.is_removal() && record.file_type != FileType::Directory;
        match version.change {
            Change::Added => delta.added += 1,
            change if change.is_removal() => delta.removed += 1,
            _ if is_changed(version, record) => delta.changed += 1,
            _ => {}
        }
        if is_file {
            delta.stored_files += 1;
        }
        if is_file && record.file_type == FileType::File {
            delta.stored = delta.stored.wrapping_add(record.size);
        }
        delta.alive_files = delta.alive_files.wrapping_add(u64::from(is_file)).wrapping_sub(u64::from(was_file));
        was_file = is_file;
    }
    for life in life::single(tree, node) {
        lives(&life, deltas);
    }
}

fn lives(life: &life::Life, deltas: &mut Vec<Delta>) {
    let born = at(deltas, life.from);
    born.alive = born.alive.wrapping_add(life.bytes);
    if let Some(end) = life.end {
        let died = at(deltas, end.layer);
        died.alive = died.alive.wrapping_sub(life.bytes);
        if life.last {
            died.hidden = died.hidden.wrapping_add(life.bytes);
        }
    }
}
