//! How long the bytes of a file live: from the layer that stores them to the one that makes them unreachable.
//!
//! A file with several names lives as long as one of them does. Its bytes count at its first name; when that goes, at the next one
//! that is left.

use super::{NodeId, Tree};
use crate::index::{FileType, NONE};
use crate::version::Version;

/// The time that the bytes of one file are counted at one name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// The name.
    pub(crate) node: NodeId,
    /// The first name, where the bytes are stored.
    pub(crate) stored: NodeId,
    /// The layer that stores them.
    pub(crate) layer: u32,
    /// The layer since which they count at this name.
    pub(crate) from: u32,
    /// The version that ended it.
    pub(crate) end: Option<Version>,
    /// Whether no other name of the file outlives this one.
    pub(crate) last: bool,
    /// Apparent size.
    pub(crate) bytes: u64,
}

/// The lives of files with one name, at a node.
pub(crate) fn single(tree: &Tree, node: NodeId) -> impl Iterator<Item = Life> + '_ {
    let versions = tree.versions(node);
    versions.iter().enumerate().filter(|(_, v)| !v.change.is_removal()).filter_map(move |(at, version)| {
        let record = tree.record(version);
        (record.file_type == FileType::File && !record.is_linked()).then(|| Life {
            node,
            stored: node,
            layer: version.layer,
            from: version.layer,
            end: versions.get(at + 1).copied(),
            last: true,
            bytes: record.size,
        })
    })
}

/// One name of a file that has several.
struct Name {
    layer: u32,
    first: u32,
    record: u32,
    node: NodeId,
    end: Option<Version>,
}

impl Name {
    fn death(&self) -> u32 {
        self.end.map_or(NONE, |v| v.layer)
    }
}

/// The lives of files with several names.
pub(crate) fn linked(tree: &Tree) -> Vec<Life> {
    let mut names = Vec::new();
    for node in tree.nodes() {
        let versions = tree.versions(node);
        for (at, version) in versions.iter().enumerate().filter(|(_, v)| !v.change.is_removal()) {
            if tree.record(version).is_linked() {
                let first = tree.layer(version.layer as usize).first_name(version.record);
                let end = versions.get(at + 1).copied();
                names.push(Name { layer: version.layer, first, record: version.record, node, end });
            }
        }
    }
    names.sort_unstable_by_key(|n| (n.layer, n.first, n.record));
    let mut lives = Vec::new();
    for file in names.chunk_by(|a, b| (a.layer, a.first) == (b.layer, b.first)) {
        let layer = &tree.layer(file[0].layer as usize);
        let bytes = layer.records()[file[0].first as usize].size;
        let (mut holder, mut from) = (&file[0], file[0].layer);
        loop {
            let next = file.iter().find(|n| n.death() > holder.death());
            lives.push(Life {
                node: holder.node,
                stored: file[0].node,
                layer: holder.layer,
                from,
                end: holder.end,
                last: next.is_none(),
                bytes,
            });
            let Some(next) = next else { break };
            from = holder.death();
            holder = next;
        }
    }
    lives
}
