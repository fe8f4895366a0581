//! Layers that are made to hurt: everything ends, in bounded time and memory.

use std::sync::Arc;

use outcrop_layers::advice::advice;
use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::index::{IndexBuilder, IndexError};
use outcrop_layers::tree::Tree;
use outcrop_layers::view::View;
use outcrop_layers::waste::Waste;

use crate::text;

fn entry(path: &[u8], kind: Kind) -> Entry {
    Entry { path: path.into(), kind, mode: 0, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() }
}

fn file(path: &[u8], size: u64) -> Entry {
    entry(path, Kind::File { size, disk: None })
}

#[test]
fn folders_nested_without_end() {
    let deep = "a/".repeat(100_000);
    let layer = |size| {
        let mut builder = IndexBuilder::new();
        for name in 0..20 {
            builder.entry(&file(format!("{deep}{name}").as_bytes(), size)).expect("fits");
        }
        Arc::new(builder.finish())
    };
    let removed = text::layer("-a");
    let tree = Tree::build(&[layer(10), layer(20), removed]);
    let waste = Waste::of(&tree);
    assert_eq!((waste.total, waste.wasted, waste.items.len()), (600, 600, 40));
    assert_eq!(tree.totals(tree.root(), View::UpTo(1)).size, 400);
    assert!(advice(&tree, &waste).is_empty());
}

#[test]
fn opaque_folders_inside_each_other() {
    let deep: Vec<String> = (1..400).map(|n| "a/".repeat(n)).collect();
    let lower: Vec<String> = deep.iter().map(|folder| format!("{folder}f=1")).collect();
    let upper: Vec<String> = deep.iter().map(|folder| format!("{folder}!")).collect();
    let layers: Vec<_> = (0..20).map(|n| text::layer(&if n % 2 == 0 { &lower } else { &upper }.join(" "))).collect();
    let waste = Waste::of(&Tree::build(&layers));
    assert_eq!((waste.total, waste.alive), (399 * 10, 0));
}

#[test]
fn sizes_beyond_all_disks_and_paths_that_are_none() {
    let mut builder = IndexBuilder::new();
    for name in [b"a", b"b", b"c"] {
        builder.entry(&file(name, u64::MAX)).expect("claims only");
    }
    for path in [&b"../x"[..], b"a//b", b"./a", b"a/.", b"/a", b"a/", b"x\0y"] {
        assert!(matches!(builder.entry(&file(path, 1)), Err(IndexError::Path { .. })), "{path:?}");
    }
    let index = Arc::new(builder.finish());
    assert_eq!((index.len(), index.bytes()), (3, u64::MAX));
    let tree = Tree::build(&[index, text::layer("-a -b")]);
    assert_eq!(Waste::of(&tree).wasted, u64::MAX);
    let _ = tree.totals(tree.root(), View::Whole);
}

#[test]
fn links_to_links_and_to_themselves() {
    let links = "a=>b b=>a c=>c d=>e e=5 f=>d g=>nowhere h=>dir dir/ i=>h";
    let tree = text::tree(links);
    let index = tree.layer(0);
    assert_eq!((index.files(), index.bytes()), (1, 5));
    for (path, size) in [("d", 5), ("e", 5), ("f", 5), ("a", 0), ("c", 0), ("g", 0), ("h", 0), ("i", 0)] {
        assert_eq!(index.find(path.as_bytes()).expect(path).size(), size, "{path}");
    }
    let waste = Waste::of(&Tree::build(&[Arc::clone(index), text::layer("-d -e")]));
    assert_eq!((waste.total, waste.wasted), (5, 0));
}
