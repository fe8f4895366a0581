//! Fuzzy search over all paths of a view.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use nucleo_matcher::Utf32Str;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use outcrop_layers::tree::{NodeId, Tree};

use crate::job::Cancel;
use crate::safe_text::from_bytes;
use crate::screen::files::rows::{Spec, is_shown};

/// Most paths shown.
const MOST: usize = 1000;

/// Finds paths, the best first, and counts all; nothing when cancelled.
pub(crate) fn find(tree: &Tree, spec: &Spec, text: &str, cancel: &Cancel) -> Option<(Vec<NodeId>, usize)> {
    let pattern = Pattern::parse(text, CaseMatching::Smart, Normalization::Smart);
    let mut matcher = crate::filter::matcher(true);
    let mut buffer = Vec::new();
    let mut best: BinaryHeap<Reverse<(u32, Reverse<usize>, NodeId)>> = BinaryHeap::with_capacity(MOST + 1);
    let mut total = 0;
    // Depth first: the path grows and shrinks along the way.
    let mut path = String::new();
    let mut lengths: Vec<(NodeId, usize)> = Vec::new();
    for node in tree.nodes().skip(1) {
        if node.index() % 4096 == 0 && cancel.is_cancelled() {
            return None;
        }
        while lengths.last().is_some_and(|(above, _)| !tree.contains(*above, node)) {
            lengths.pop();
        }
        path.truncate(lengths.last().map_or(0, |(_, length)| *length));
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&from_bytes(tree.name(node)));
        lengths.push((node, path.len()));
        if !is_shown(tree, node, spec) {
            continue;
        }
        if let Some(score) = pattern.score(Utf32Str::new(&path, &mut buffer), &mut matcher) {
            total += 1;
            best.push(Reverse((score, Reverse(path.len()), node)));
            if best.len() > MOST {
                best.pop();
            }
        }
    }
    let nodes = best.into_sorted_vec().into_iter().map(|Reverse((_, _, node))| node).collect();
    Some((nodes, total))
}
