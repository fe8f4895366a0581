//! The published table of waste.

use std::fmt::Write as _;

use outcrop_layers::tree::Tree;
use outcrop_layers::waste::Waste;

use crate::text::{layer, shown};

const TABLE: &str = include_str!("waste.txt");

/// What the table should say of an image.
fn told(tree: &Tree) -> String {
    let waste = Waste::of(tree);
    let Waste { total, alive, wasted, dive, .. } = &waste;
    assert_eq!(waste.items.iter().map(|i| i.bytes).sum::<u64>(), *wasted);
    assert_eq!(alive + wasted, *total);
    assert_eq!(waste.by_cause().iter().map(|(_, bytes)| bytes).sum::<u64>(), *wasted);
    let mut text = format!(
        "= {total} stored, {alive} alive, {wasted} wasted, dive: {} wasted, score {:.3}",
        dive.wasted, dive.score
    );
    for item in &waste.items {
        let doubt = if item.is_guess() { "?" } else { "" };
        let [path, at] = [item.node, item.at].map(|node| shown(&tree.path(node)));
        let (layer, by) = (item.layer + 1, item.by + 1);
        write!(text, "\n- {path}@{layer} {} {}{doubt} by {by} at {at}", item.bytes, item.cause).expect("a string");
    }
    text
}

#[test]
fn waste_is_what_the_table_says() {
    let table = TABLE.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n");
    let mut cases = 0;
    let mut wrong = String::new();
    for case in table.trim().split("\n\n") {
        let (title, rest) = case.split_once('\n').expect("a title");
        let layers: Vec<_> = rest.lines().take_while(|line| !line.starts_with("= ")).collect();
        let expected = rest.lines().skip(layers.len()).collect::<Vec<_>>().join("\n");
        let found = told(&Tree::build(&layers.into_iter().map(layer).collect::<Vec<_>>()));
        if found != expected {
            write!(wrong, "\n{title}\n{found}\n").expect("a string");
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases >= 26, "{cases} cases");
}
