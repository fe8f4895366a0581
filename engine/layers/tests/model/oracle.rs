//! Random images, each computed a second time the plain way: maps of paths, one layer after the other.

use std::collections::{BTreeMap, BTreeSet};

use outcrop_layers::entry::Kind;
use outcrop_layers::tree::Tree;
use outcrop_layers::view::{Mark, View};
use outcrop_layers::waste::Waste;

use crate::text;

/// A small generator: the same images for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A layer without contradictions: nothing below a file, no path twice.
fn random_layer(random: &mut Random) -> String {
    let mut words = Vec::new();
    let mut files: Vec<String> = Vec::new();
    let mut closed: BTreeSet<String> = BTreeSet::new();
    let names = ["a", "b", "c"];
    let mut paths: Vec<String> = names.map(str::to_owned).into();
    paths.extend(names.iter().flat_map(|x| names.map(|y| format!("{x}/{y}"))));
    let two: Vec<String> = paths[3..].to_vec();
    paths.extend(two.iter().flat_map(|x| ["a", "b"].map(|y| format!("{x}/{y}"))));
    for path in paths {
        let above = path.match_indices('/').any(|(at, _)| closed.contains(&path[..at]));
        if above || random.below(3) == 0 {
            continue;
        }
        match random.below(12) {
            0..3 => words.push(format!("{path}/")),
            3 => words.push(format!("{path}/!")),
            4..7 => {
                words.push(format!("{path}={}@{}", random.below(4) * 10, random.below(2)));
                files.push(path.clone());
                closed.insert(path);
            }
            7 if !files.is_empty() => {
                words.push(format!("{path}=>{}", files[random.below(files.len() as u64) as usize]));
                closed.insert(path);
            }
            8 => {
                words.push(format!("{path}->x"));
                closed.insert(path);
            }
            9..11 => {
                words.push(format!("-{path}"));
                closed.insert(path);
            }
            _ => {}
        }
    }
    words.join(" ")
}

/// A path of the plain computation: the layer it comes from, and for a file which one it is and its size.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    layer: usize,
    file: Option<(String, u64)>,
    folder: bool,
}

type Map = BTreeMap<String, Plain>;

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Puts a layer on top; the bytes it stores.
fn put(map: &mut Map, layer: usize, line: &str) -> u64 {
    let entries: Vec<_> = line.split_whitespace().map(text::entry).collect();
    let path_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    for entry in &entries {
        let path = path_of(&entry.path);
        match entry.kind {
            Kind::Whiteout => map.retain(|p, _| *p != path && !is_below(p, &path)),
            Kind::Directory { opaque: true } => map.retain(|p, _| !is_below(p, &path)),
            _ => {}
        }
    }
    let mut stored = 0;
    let mut sizes = BTreeMap::new();
    for entry in &entries {
        let path = path_of(&entry.path);
        for (at, _) in path.match_indices('/') {
            let above = map.entry(path[..at].to_owned()).or_insert(Plain { layer, file: None, folder: true });
            if !above.folder {
                *above = Plain { layer, file: None, folder: true };
            }
        }
        let file = match &entry.kind {
            Kind::Whiteout => continue,
            Kind::File { size, .. } => {
                stored += size;
                sizes.insert(path.clone(), *size);
                Some((format!("{layer}:{path}"), *size))
            }
            Kind::Hardlink { target } => {
                let target = path_of(target);
                Some((format!("{layer}:{target}"), sizes[&target]))
            }
            _ => None,
        };
        let folder = entry.kind.is_directory();
        if !folder {
            map.retain(|p, _| !is_below(p, &path));
        }
        map.insert(path, Plain { layer, file, folder });
    }
    stored
}

fn alive(map: &Map) -> u64 {
    let files: BTreeMap<_, _> = map.values().filter_map(|p| p.file.clone()).collect();
    files.values().sum()
}

fn check(tree: &Tree, layer: usize, map: &Map, stored: u64, shown: &str) {
    let view = View::UpTo(layer);
    let mut seen = BTreeMap::new();
    for node in tree.nodes().skip(1) {
        if let Some(found) = tree.seen(node, view).filter(|s| s.mark != Mark::Removed) {
            seen.insert(text::shown(&tree.path(node)), found.layer);
        }
    }
    let expected: BTreeMap<_, _> = map.iter().map(|(path, plain)| (path.clone(), plain.layer)).collect();
    assert_eq!(seen, expected, "after layer {layer} of {shown}");
    let totals = tree.totals(tree.root(), view);
    assert_eq!(totals.size, alive(map), "alive after layer {layer} of {shown}");
    assert_eq!(totals.files, map.values().filter(|p| !p.folder).count() as u64, "files after layer {layer} of {shown}");
    assert_eq!(totals.hidden, stored - totals.size, "hidden after layer {layer} of {shown}");
    for node in tree.nodes() {
        let path = text::shown(&tree.path(node));
        let below = |p: &&String| path.is_empty() || **p == path || is_below(p, &path);
        let files = map.iter().filter(|(p, plain)| below(p) && !plain.folder).count() as u64;
        assert_eq!(tree.totals(node, view).files, files, "files in {path} after layer {layer} of {shown}");
        let own =
            |mark| tree.subtree(node).filter(|n| tree.seen(*n, view).is_some_and(|s| s.mark == mark)).count() as u64;
        let totals = tree.totals(node, view);
        let counts = [totals.added, totals.changed, totals.removed];
        assert_eq!(
            counts,
            [Mark::Added, Mark::Changed, Mark::Removed].map(own),
            "counts in {path} at {layer} of {shown}"
        );
        let children = tree.children(node).iter().map(|n| tree.totals(*n, view).size).sum::<u64>();
        let is_folder = !tree.children(node).is_empty();
        assert!(!is_folder || totals.size >= children, "{path} at {layer} of {shown}");
    }
}

#[test]
fn random_images_agree_with_the_plain_computation() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let lines: Vec<String> = (0..2 + random.below(5)).map(|_| random_layer(&mut random)).collect();
        let tree = Tree::build(&lines.iter().map(|l| text::layer(l)).collect::<Vec<_>>());
        let (mut map, mut stored) = (Map::new(), 0);
        let shown = format!("seed {seed}:\n{}", lines.join("\n"));
        for (layer, line) in lines.iter().enumerate() {
            stored += put(&mut map, layer, line);
            check(&tree, layer, &map, stored, &shown);
        }
        let waste = Waste::of(&tree);
        assert_eq!((waste.total, waste.alive), (stored, alive(&map)), "{shown}");
        assert_eq!(waste.wasted, stored - alive(&map), "{shown}");
    }
}
