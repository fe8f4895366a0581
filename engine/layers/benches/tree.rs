//! The model on an image of 18 layers and 135,000 entries, about what a large application image has.
//!
//! `cargo bench -p outcrop-layers`. A frame must not take 16 ms; opening from the cache stays well under 100 ms.

use std::sync::Arc;

use divan::{Bencher, black_box};
use outcrop_layers::digest::{DiffId, Digest};
use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::index::cache::IndexCache;
use outcrop_layers::index::{IndexBuilder, LayerIndex};
use outcrop_layers::tree::Tree;
use outcrop_layers::view::View;
use outcrop_layers::waste::Waste;

const LAYERS: u32 = 18;
const ENTRIES: u32 = 135_000;
/// Lines on a tall screen.
const VISIBLE: usize = 60;

fn main() {
    divan::main();
}

fn entry(path: String, kind: Kind, seconds: i64) -> Entry {
    let mode = if kind.is_directory() { 0o755 } else { 0o644 };
    let mtime = Time { seconds, nanoseconds: 0 };
    Entry { path: path.into_bytes().into(), kind, mode, uid: 0, gid: 0, mtime, xattrs: Vec::new() }
}

/// Layers with folders of 20 files four levels deep, in tar order; every tenth entry is one of a lower layer again, or its removal.
fn layers() -> Vec<Vec<Entry>> {
    let each = ENTRIES / LAYERS;
    (0..LAYERS)
        .map(|layer| {
            let mut entries = Vec::with_capacity(each as usize);
            for at in 0..each {
                let of = if at % 10 == 9 { layer / 2 } else { layer };
                let folder = format!("usr/lib/package-{}/module-{}", of * 40 + at / 200, at / 20 % 10);
                let (path, kind) = match at % 20 {
                    0 => (folder, Kind::Directory { opaque: false }),
                    19 if of < layer => (format!("{folder}/file-{}.py", at % 20), Kind::Whiteout),
                    5 => (format!("{folder}/file-5.py"), Kind::Symlink { target: b"file-6.py"[..].into() }),
                    n => (format!("{folder}/file-{n}.py"), Kind::File { size: u64::from(at % 977) * 20, disk: None }),
                };
                entries.push(entry(path, kind, i64::from(layer)));
            }
            entries
        })
        .collect()
}

fn index(entries: &[Entry]) -> LayerIndex {
    let mut builder = IndexBuilder::new();
    for entry in entries {
        builder.entry(entry).expect("fits");
    }
    builder.finish()
}

fn indexes() -> Vec<Arc<LayerIndex>> {
    layers().iter().map(|entries| Arc::new(index(entries))).collect()
}

#[divan::bench]
fn index_from_entries(bencher: Bencher) {
    let layers = layers();
    bencher.bench(|| layers.iter().map(|entries| index(entries).len()).sum::<usize>());
}

#[divan::bench]
fn load_from_cache(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let cache = IndexCache::new(folder.path());
    let ids: Vec<DiffId> = (0..LAYERS).map(|n| DiffId(Digest::of(&n.to_le_bytes()))).collect();
    for (id, index) in ids.iter().zip(indexes()) {
        cache.store(*id, b"bench", &index).expect("stored");
    }
    bencher.bench(|| ids.iter().filter_map(|id| cache.load(*id, b"bench")).map(|i| i.bytes()).sum::<u64>());
}

#[divan::bench]
fn build_tree(bencher: Bencher) {
    let indexes = indexes();
    bencher.bench(|| Tree::build(&indexes));
}

#[divan::bench]
fn find_waste(bencher: Bencher) {
    let tree = Tree::build(&indexes());
    bencher.bench(|| Waste::of(&tree));
}

/// All that a frame asks of the tree: what is seen and the sums, of every visible line.
#[divan::bench]
fn one_frame(bencher: Bencher) {
    let tree = Tree::build(&indexes());
    let folder = tree.find(b"usr/lib").expect("there");
    let lines: Vec<_> = tree.children(folder).iter().take(VISIBLE).copied().collect();
    bencher.bench(|| {
        let view = black_box(View::UpTo(12));
        let sums = lines.iter().map(|n| tree.totals(*n, view).size).sum::<u64>();
        sums + lines.iter().filter(|n| tree.seen(**n, view).is_some()).count() as u64
    });
}

/// The same for all paths: what a list of everything, or a filter over it, would ask.
#[divan::bench]
fn every_path(bencher: Bencher) {
    let tree = Tree::build(&indexes());
    bencher.bench(|| tree.nodes().filter(|n| tree.seen(*n, View::UpTo(12)).is_some()).count());
}
