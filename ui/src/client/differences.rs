//! What differs between the file systems of two images.

use std::cmp::Ordering;

use outcrop_layers::index::FileType;
use outcrop_layers::tree::{NodeId, Tree};
use outcrop_layers::view::View;

/// Most differences listed.
const MOST: usize = 5000;

/// One path that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: Vec<u8>,
    /// Bytes in the left and in the right image; none where it is not there. A folder only one image has stands for all in it.
    pub(crate) left: Option<u64>,
    pub(crate) right: Option<u64>,
}

/// Lists what differs, by how much.
pub(crate) fn differences(left: &Tree, right: &Tree) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut stack = vec![(left.root(), right.root())];
    while let Some((a, b)) = stack.pop() {
        if out.len() >= MOST {
            break;
        }
        both(left, right, (a, b), &mut stack, &mut out);
    }
    let moved = |d: &Difference| d.left.unwrap_or(0).abs_diff(d.right.unwrap_or(0));
    out.sort_by(|x, y| moved(y).cmp(&moved(x)).then_with(|| x.path.cmp(&y.path)));
    out
}

type Pairs = Vec<(NodeId, NodeId)>;

/// Goes along both folders, names sorted.
fn both(left: &Tree, right: &Tree, folders: (NodeId, NodeId), stack: &mut Pairs, out: &mut Vec<Difference>) {
    let (lefts, rights) = (visible(left, folders.0), visible(right, folders.1));
    let (mut lefts, mut rights) = (lefts.into_iter().peekable(), rights.into_iter().peekable());
    loop {
        let order = match (lefts.peek(), rights.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(l), Some(r)) => left.name(*l).cmp(right.name(*r)),
        };
        let l = if order.is_le() { lefts.next() } else { None };
        let r = if order.is_ge() { rights.next() } else { None };
        match (l, r) {
            (Some(l), Some(r)) => pair(left, right, (l, r), stack, out),
            (Some(l), None) => out.push(Difference { path: left.path(l), left: Some(size(left, l)), right: None }),
            (None, Some(r)) => out.push(Difference { path: right.path(r), left: None, right: Some(size(right, r)) }),
            (None, None) => return,
        }
    }
}

fn pair(left: &Tree, right: &Tree, nodes: (NodeId, NodeId), stack: &mut Pairs, out: &mut Vec<Difference>) {
    let (Some(l), Some(r)) = (left.seen(nodes.0, View::Whole), right.seen(nodes.1, View::Whole)) else { return };
    let (l, r) = (l.entry, r.entry);
    if (l.file_type(), r.file_type()) == (FileType::Directory, FileType::Directory) {
        stack.push(nodes);
        return;
    }
    let same = l.file_type() == r.file_type()
        && (l.size(), l.mode(), l.uid(), l.gid(), l.mtime()) == (r.size(), r.mode(), r.uid(), r.gid(), r.mtime())
        && (l.file_type() == FileType::Hardlink || l.target() == r.target());
    if !same {
        let sizes = (size(left, nodes.0), size(right, nodes.1));
        out.push(Difference { path: left.path(nodes.0), left: Some(sizes.0), right: Some(sizes.1) });
    }
}

fn visible(tree: &Tree, folder: NodeId) -> Vec<NodeId> {
    tree.children(folder).iter().copied().filter(|n| tree.seen(*n, View::Whole).is_some()).collect()
}

fn size(tree: &Tree, node: NodeId) -> u64 {
    tree.totals(node, View::Whole).size
}
