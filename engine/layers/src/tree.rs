//! All layers of an image in one tree.
//!
//! An arena: a node is a path, and holds one version for each layer that wrote or removed it. Nodes are numbered depth first, names
//! sorted by their bytes, so that what a folder holds follows it. Every view reads this one tree: [`Tree::seen`] and
//! [`Tree::totals`] cost a search among the layers that touched the path, nothing is copied and nothing else is visited.

mod build;
mod compare;
pub(crate) mod life;
mod totals;

use std::sync::Arc;

use crate::index::{EntryRef, LayerIndex, Record};
use crate::version::{Change, Differs, Evidence, Version};
use crate::view::{Mark, Seen, Totals, View};

use totals::Delta;

/// A path of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The root.
    pub const ROOT: Self = Self(0);

    /// Position in the arena: below [`Tree::len`], and in depth-first order.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// All layers of an image in one tree.
#[derive(Clone, Debug)]
pub struct Tree {
    layers: Vec<Arc<LayerIndex>>,
    nodes: Vec<Node>,
    /// Children of all nodes; where a node's begin is in its [`Node`], where they end in the next one's.
    children: Vec<NodeId>,
    versions: Vec<Version>,
    deltas: Vec<Delta>,
}

/// One path. A last node without a path closes the ranges.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    /// One after the last node below this one.
    end: u32,
    /// Layer and record whose name it has.
    named: (u32, u32),
    children: u32,
    versions: u32,
    deltas: u32,
}

impl Tree {
    /// Number of layers, those without files included.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// What one layer holds.
    pub fn layer(&self, layer: usize) -> &Arc<LayerIndex> {
        &self.layers[layer]
    }

    /// The root folder.
    pub fn root(&self) -> NodeId {
        NodeId::ROOT
    }

    /// Number of paths, removed ones and the root included.
    pub fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Whether there is no path but the root.
    pub fn is_empty(&self) -> bool {
        self.len() <= 1
    }

    /// All paths, depth first.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.len() as u32).map(NodeId)
    }

    /// A path and all below it, depth first.
    pub fn subtree(&self, node: NodeId) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (node.0..self.node(node).end).map(NodeId)
    }

    /// Whether `below` is `above` or somewhere below it.
    pub fn contains(&self, above: NodeId, below: NodeId) -> bool {
        (above.0..self.node(above).end).contains(&below.0)
    }

    /// Last part of the path, in bytes; empty for the root.
    pub fn name(&self, node: NodeId) -> &[u8] {
        let (layer, record) = self.node(node).named;
        let index = &self.layers.get(layer as usize);
        index.map_or(&[], |index| index.text(index.records()[record as usize].name))
    }

    /// The folder it is in; `None` for the root.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        (node != NodeId::ROOT).then(|| NodeId(self.node(node).parent))
    }

    /// How many folders are above it; 0 for the root.
    pub fn depth(&self, node: NodeId) -> usize {
        std::iter::successors(self.parent(node), |n| self.parent(*n)).count()
    }

    /// What is in a folder in any layer, names sorted by their bytes.
    pub fn children(&self, node: NodeId) -> &[NodeId] {
        let range = self.node(node).children as usize..self.nodes[node.index() + 1].children as usize;
        &self.children[range]
    }

    /// Whole path, in the form of [`crate::entry::Entry::path`].
    pub fn path(&self, node: NodeId) -> Vec<u8> {
        let mut parts: Vec<_> = std::iter::successors(Some(node), |n| self.parent(*n)).map(|n| self.name(n)).collect();
        parts.pop();
        parts.reverse();
        parts.join(&b'/')
    }

    /// Finds a path, whether or not it is still there.
    pub fn find(&self, path: &[u8]) -> Option<NodeId> {
        let mut at = NodeId::ROOT;
        for part in path.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
            let children = self.children(at);
            at = children[children.binary_search_by(|n| self.name(*n).cmp(part)).ok()?];
        }
        Some(at)
    }

    /// What the layers did to a path, base first. Empty only for a root that no layer describes.
    pub fn versions(&self, node: NodeId) -> &[Version] {
        let range = self.node(node).versions as usize..self.nodes[node.index() + 1].versions as usize;
        &self.versions[range]
    }

    /// What a version left there, or for a removal what it removed.
    pub fn entry(&self, version: &Version) -> EntryRef<'_> {
        self.layers[version.from as usize].entry(version.record)
    }

    /// What the view shows of a path; `None` when it is not in view.
    pub fn seen(&self, node: NodeId, view: View) -> Option<Seen<'_>> {
        let (last, marked) = match view {
            View::Layer(layer) | View::UpTo(layer) => (layer as u32, Some(layer as u32)),
            View::Whole => (u32::MAX, None),
        };
        let versions = self.versions(node);
        let reached = versions.partition_point(|v| v.layer <= last);
        let version = versions[..reached].last();
        let Some(version) = version else { return self.seen_root(node, view) };
        let here = marked == Some(version.layer);
        let inside =
            || marked.is_some_and(|layer| self.delta(node, layer).is_some_and(|d| d.layer == layer && d.changes()));
        let mark = match version.change {
            change if change.is_removal() => {
                return here.then(|| self.see(version, Mark::Removed));
            }
            _ if here && is_changed(version, self.record(version)) => {
                if version.change == Change::Added {
                    Mark::Added
                } else {
                    Mark::Changed
                }
            }
            _ if self.record(version).file_type == crate::index::FileType::Directory && inside() => Mark::Inside,
            _ if here => Mark::Same,
            _ if matches!(view, View::Layer(_)) => return None,
            _ => Mark::Same,
        };
        Some(self.see(version, mark))
    }

    /// The root is there even when no layer so far says so.
    fn seen_root(&self, node: NodeId, view: View) -> Option<Seen<'_>> {
        let layer = match view {
            View::Layer(layer) | View::UpTo(layer) => layer.min(self.layers.len().checked_sub(1)?),
            View::Whole => self.layers.len().checked_sub(1)?,
        };
        let changes = self.delta(node, layer as u32).is_some_and(|d| d.layer as usize == layer && d.changes());
        let mark = if changes && view != View::Whole { Mark::Inside } else { Mark::Same };
        (node == NodeId::ROOT).then(|| Seen { mark, entry: self.layers[layer].entry(0), layer })
    }

    fn see(&self, version: &Version, mark: Mark) -> Seen<'_> {
        Seen { mark, entry: self.entry(version), layer: version.from as usize }
    }

    /// Sums over a path and all below it.
    pub fn totals(&self, node: NodeId, view: View) -> Totals {
        let (layer, only) = match view {
            View::Layer(layer) => (layer as u32, true),
            View::UpTo(layer) => (layer as u32, false),
            View::Whole => (u32::MAX, false),
        };
        let Some(delta) = self.delta(node, layer) else { return Totals::default() };
        match (only, delta.layer == layer) {
            (true, true) => delta.of_layer(),
            (true, false) => Totals::default(),
            (false, here) => delta.up_to(here),
        }
    }

    /// The layers that changed something at a path or below it, base first.
    pub fn touched_by(&self, node: NodeId) -> impl Iterator<Item = usize> + '_ {
        self.deltas_of(node).iter().filter(|d| d.changes()).map(|d| d.layer as usize)
    }

    /// The versions whose change is a guess, each with its path and the version below.
    pub fn doubts(&self) -> impl Iterator<Item = (NodeId, &Version, &Version)> {
        self.nodes().flat_map(|node| {
            let pairs = self.versions(node).windows(2).map(move |pair| (node, &pair[0], &pair[1]));
            pairs.filter(|(_, _, version)| version.evidence == Evidence::Guess)
        })
    }

    /// Notes whether a layer's version of a file has the same content as the one below it: [`crate::verify`] finds out.
    ///
    /// Sums do not change by this, the file was stored again either way.
    pub fn settle(&mut self, node: NodeId, layer: usize, same: bool) {
        let range = self.node(node).versions as usize..self.nodes[node.index() + 1].versions as usize;
        let versions = &mut self.versions[range];
        let doubt = versions.iter_mut().find(|v| v.layer as usize == layer && v.evidence == Evidence::Guess);
        if let Some(version) = doubt {
            version.evidence = Evidence::Compared;
            version.change = compare::stored_again(same, version.differs);
        }
    }

    pub(crate) fn record(&self, version: &Version) -> &Record {
        &self.layers[version.from as usize].records()[version.record as usize]
    }

    fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.index()]
    }

    fn deltas_of(&self, node: NodeId) -> &[Delta] {
        &self.deltas[self.node(node).deltas as usize..self.nodes[node.index() + 1].deltas as usize]
    }

    /// The last delta up to `layer`.
    fn delta(&self, node: NodeId, layer: u32) -> Option<&Delta> {
        let deltas = self.deltas_of(node);
        deltas[..deltas.partition_point(|d| d.layer <= layer)].last()
    }
}

/// Whether a version counts as a change: all do but a folder whose time alone differs.
fn is_changed(version: &Version, record: &Record) -> bool {
    let time_only = Differs::TIME.contains(version.differs);
    let kept = matches!(version.change, Change::Metadata | Change::Identical);
    !(kept && time_only && record.file_type == crate::index::FileType::Directory)
}
