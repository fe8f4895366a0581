//! What views show.

use outcrop_layers::tree::{NodeId, Tree};
use outcrop_layers::view::{Mark, View};

use crate::text::{self, shown};

/// What a view shows, a word a path: mark, path, and `#` the layer it comes from.
fn show(tree: &Tree, view: View) -> String {
    let word = |node: NodeId| {
        let seen = tree.seen(node, view)?;
        let mark = match seen.mark {
            Mark::Same => "",
            Mark::Inside => ">",
            Mark::Added => "+",
            Mark::Changed => "~",
            Mark::Removed => "-",
        };
        Some(format!("{mark}{}#{}", shown(&tree.path(node)), seen.layer))
    };
    tree.nodes().skip(1).filter_map(word).collect::<Vec<_>>().join(" ")
}

fn totals(tree: &Tree, path: &str, view: View) -> String {
    let t = tree.totals(tree.find(path.as_bytes()).expect("path"), view);
    format!("{} B {} files +{} ~{} -{} hides {}", t.size, t.files, t.added, t.changed, t.removed, t.hidden)
}

const IMAGE: &str = "
    a/ a/x=10 a/y=20 b/ b/z=30 c->a
    a/@1 a/x=15@1 -b d/ d/n=5
    a/ a/!@1 a/x=15@1*600 a/w=1 -nothing
    -a
";

#[test]
fn views_show_layers_and_what_they_make() {
    let tree = text::tree(IMAGE);
    assert_eq!(show(&tree, View::Layer(0)), "+a#0 +a/x#0 +a/y#0 +b#0 +b/z#0 +c#0");
    assert_eq!(show(&tree, View::Layer(1)), ">a#1 ~a/x#1 -b#0 -b/z#0 +d#1 +d/n#1");
    assert_eq!(show(&tree, View::UpTo(1)), ">a#1 ~a/x#1 a/y#0 -b#0 -b/z#0 c#0 +d#1 +d/n#1");
    assert_eq!(show(&tree, View::Layer(2)), ">a#2 +a/w#2 ~a/x#2 -a/y#0");
    assert_eq!(show(&tree, View::UpTo(2)), ">a#2 +a/w#2 ~a/x#2 -a/y#0 c#0 d#1 d/n#1");
    assert_eq!(show(&tree, View::Layer(3)), "-a#2 -a/w#2 -a/x#2");
    assert_eq!(show(&tree, View::Whole), "c#0 d#1 d/n#1");
}

#[test]
fn totals_follow_the_view() {
    let tree = text::tree(IMAGE);
    assert_eq!(totals(&tree, "", View::Layer(0)), "60 B 4 files +6 ~0 -0 hides 0");
    assert_eq!(totals(&tree, "", View::Layer(1)), "20 B 2 files +2 ~1 -2 hides 40");
    assert_eq!(totals(&tree, "", View::UpTo(1)), "40 B 4 files +2 ~1 -2 hides 40");
    assert_eq!(totals(&tree, "a", View::UpTo(1)), "35 B 2 files +0 ~1 -0 hides 10");
    assert_eq!(totals(&tree, "a", View::Layer(2)), "16 B 2 files +1 ~1 -1 hides 35");
    assert_eq!(totals(&tree, "a", View::Whole), "0 B 0 files +0 ~0 -0 hides 61");
    assert_eq!(totals(&tree, "", View::Whole), "5 B 2 files +0 ~0 -0 hides 91");
    assert_eq!(totals(&tree, "d", View::Layer(3)), "0 B 0 files +0 ~0 -0 hides 0");
}

#[test]
fn an_empty_image_has_a_root() {
    let tree = Tree::build(&[]);
    assert_eq!((tree.len(), tree.is_empty()), (1, true));
    assert!(tree.seen(tree.root(), View::Whole).is_none());
    let tree = text::tree("-gone");
    assert_eq!(show(&tree, View::Layer(0)), "");
    assert!(tree.seen(tree.root(), View::Layer(0)).is_some());
}
