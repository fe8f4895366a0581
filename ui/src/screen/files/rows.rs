//! The visible lines of the file tree: which folders are open, in which order, with what left out.
//!
//! Opening and closing a folder touches only its own lines. A change of view or order makes all lines anew; where that could take
//! longer than a key may, it is done beside the screen.

use std::cmp::Reverse;
use std::collections::HashSet;

use outcrop_layers::index::FileType;
use outcrop_layers::tree::{NodeId, Tree};
use outcrop_layers::view::{Mark, View};

/// What the files are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FileSort {
    #[default]
    Size,
    Name,
    Waste,
}

impl FileSort {
    pub(crate) const ALL: [Self; 3] = [Self::Size, Self::Name, Self::Waste];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Size => "by size",
            Self::Name => "by name",
            Self::Waste => "by what they hide",
        }
    }
}

/// Which folders are open: those listed, or all but those.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    listed: HashSet<NodeId>,
    all_but: bool,
}

impl Open {
    pub(crate) fn all() -> Self {
        Self { listed: HashSet::new(), all_but: true }
    }

    pub(crate) fn is_open(&self, node: NodeId) -> bool {
        self.listed.contains(&node) != self.all_but
    }

    pub(crate) fn set(&mut self, node: NodeId, open: bool) {
        if open == self.all_but {
            self.listed.remove(&node)
        } else {
            self.listed.insert(node)
        };
    }

    /// Takes the folders over to another tree; those it does not have are let go.
    pub(crate) fn map(&mut self, to: impl Fn(NodeId) -> Option<NodeId>) {
        self.listed = self.listed.iter().filter_map(|node| to(*node)).collect();
    }

    /// Whether making all lines anew is cheap enough to do at once.
    pub(crate) fn is_small(&self) -> bool {
        !self.all_but && self.listed.len() <= 200
    }
}

/// What the lines are made from.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) view: View,
    pub(crate) sort: FileSort,
    pub(crate) only_changed: bool,
    pub(crate) open: Open,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The path.
    pub(crate) node: NodeId,
    /// The first folder of the line: folders that hold nothing but one folder share a line with it.
    pub(crate) top: NodeId,
    pub(crate) depth: u16,
}

/// Whether a path is shown at all.
pub(crate) fn is_shown(tree: &Tree, node: NodeId, spec: &Spec) -> bool {
    match tree.seen(node, spec.view) {
        None => false,
        Some(seen) => !spec.only_changed || spec.view == View::Whole || seen.mark != Mark::Same,
    }
}

pub(crate) fn is_folder(tree: &Tree, node: NodeId, view: View) -> bool {
    tree.seen(node, view).is_some_and(|seen| seen.entry.file_type() == FileType::Directory)
}

/// All lines.
pub(crate) fn build(tree: &Tree, spec: &Spec, cancel: &dyn Fn() -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut stack: Vec<Row> = children(tree, tree.root(), 0, spec);
    stack.reverse();
    while let Some(row) = stack.pop() {
        rows.push(row);
        if rows.len() % 1024 == 0 && cancel() {
            break;
        }
        if spec.open.is_open(row.node) && is_folder(tree, row.node, spec.view) {
            let mut inner = children(tree, row.node, row.depth + 1, spec);
            inner.reverse();
            stack.append(&mut inner);
        }
    }
    rows
}

/// The lines of what is directly in a folder, in order.
pub(crate) fn children(tree: &Tree, folder: NodeId, depth: u16, spec: &Spec) -> Vec<Row> {
    let mut nodes: Vec<NodeId> = tree.children(folder).iter().copied().filter(|n| is_shown(tree, *n, spec)).collect();
    match spec.sort {
        FileSort::Name => {}
        FileSort::Size => nodes.sort_by_cached_key(|n| {
            let totals = tree.totals(*n, spec.view);
            // In a layer, what was taken away counts by its size too.
            let hidden = if matches!(spec.view, View::Layer(_)) { totals.hidden } else { 0 };
            (Reverse(totals.size.max(hidden)), n.index())
        }),
        FileSort::Waste => nodes.sort_by_cached_key(|n| {
            let totals = tree.totals(*n, spec.view);
            (Reverse(totals.hidden), Reverse(totals.size), n.index())
        }),
    }
    nodes.into_iter().map(|top| Row { node: last_of_chain(tree, top, spec), top, depth }).collect()
}

/// Follows folders that hold exactly one thing, a folder again.
fn last_of_chain(tree: &Tree, top: NodeId, spec: &Spec) -> NodeId {
    let mut node = top;
    loop {
        if !is_folder(tree, node, spec.view) || is_removed(tree, node, spec.view) {
            return node;
        }
        let mut shown = tree.children(node).iter().copied().filter(|n| is_shown(tree, *n, spec));
        let (Some(only), None) = (shown.next(), shown.next()) else { return node };
        if !is_folder(tree, only, spec.view) || is_removed(tree, only, spec.view) {
            return node;
        }
        node = only;
    }
}

fn is_removed(tree: &Tree, node: NodeId, view: View) -> bool {
    tree.seen(node, view).is_some_and(|s| s.mark == Mark::Removed)
}

/// Where the lines below line `at` end.
pub(crate) fn end_of(rows: &[Row], at: usize) -> usize {
    let depth = rows[at].depth;
    at + 1 + rows[at + 1..].iter().take_while(|r| r.depth > depth).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_sets_can_be_turned_round() {
        let mut open = Open::default();
        assert!(!open.is_open(NodeId::ROOT) && open.is_small());
        open.set(NodeId::ROOT, true);
        assert!(open.is_open(NodeId::ROOT));
        let mut open = Open::all();
        assert!(open.is_open(NodeId::ROOT) && !open.is_small());
        open.set(NodeId::ROOT, false);
        assert!(!open.is_open(NodeId::ROOT));
    }
}
