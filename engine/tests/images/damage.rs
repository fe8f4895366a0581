//! Damage of every file of the data root: it opens, says what is broken and whom that hits, and loading the image again repairs it.

use std::fs;
use std::path::{Path, PathBuf};

use outcrop_engine::image::{ListOptions, SaveFormat};
use outcrop_layers::digest::{ChainId, DiffId};

use crate::support::{Image, Root, check_whole, diff_id, docker_archive, layer, load, save};

fn layers() -> [Vec<u8>; 2] {
    [layer(&[("etc/", ""), ("etc/passwd", "root:0")]), layer(&[("app", "binary")])]
}

fn archive() -> Vec<u8> {
    docker_archive(&[Image::new(&["a:1"], &layers()), Image::new(&["b:1"], &layers()[..1])])
}

/// The register's entry of layer `n` of the image.
fn entry(root: &Path, n: usize) -> PathBuf {
    let diffs: Vec<DiffId> = layers().iter().map(|layer| diff_id(layer)).collect();
    root.join("image/overlay2/layerdb/sha256").join(ChainId::all(&diffs)[n].0.hex())
}

fn content(root: &Path, n: usize) -> PathBuf {
    let cache = fs::read_to_string(entry(root, n).join("cache-id")).expect("reads");
    root.join("overlay2").join(cache)
}

fn zero(path: &Path) {
    let length = fs::metadata(path).expect("is there").len();
    fs::write(path, vec![0; length as usize]).expect("writes");
}

fn cut(path: &Path) {
    let bytes = fs::read(path).expect("is there");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("writes");
}

fn empty(path: &Path) {
    fs::write(path, "").expect("writes");
}

fn gone(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removes");
}

type Harm = fn(&Path);

/// What is done to a root, and whether the indices alone show it.
const TABLE: &[(&str, bool, Harm)] = &[
    ("base entry empty", true, |root| {
        gone(&entry(root, 0));
        fs::create_dir(entry(root, 0)).expect("creates");
    }),
    ("base entry gone", true, |root| gone(&entry(root, 0))),
    ("top entry gone", true, |root| gone(&entry(root, 1))),
    ("diff empty", true, |root| empty(&entry(root, 0).join("diff"))),
    ("size empty", true, |root| empty(&entry(root, 0).join("size"))),
    ("size is text", true, |root| fs::write(entry(root, 1).join("size"), "many").expect("writes")),
    ("cache-id empty", true, |root| empty(&entry(root, 0).join("cache-id"))),
    ("cache-id leads out", true, |root| fs::write(entry(root, 1).join("cache-id"), "../../etc").expect("writes")),
    ("parent gone", true, |root| gone(&entry(root, 1).join("parent"))),
    ("tar-split empty", true, |root| empty(&entry(root, 0).join("tar-split.json.gz"))),
    ("tar-split cut", false, |root| cut(&entry(root, 0).join("tar-split.json.gz"))),
    ("tar-split zeroed", false, |root| zero(&entry(root, 1).join("tar-split.json.gz"))),
    ("tar-split gone", false, |root| gone(&entry(root, 1).join("tar-split.json.gz"))),
    ("base content gone", true, |root| gone(&content(root, 0))),
    ("top content gone", true, |root| gone(&content(root, 1))),
    ("diff directory gone", true, |root| gone(&content(root, 0).join("diff"))),
    ("file empty", false, |root| empty(&content(root, 0).join("diff/etc/passwd"))),
    ("file flipped", false, |root| fs::write(content(root, 0).join("diff/etc/passwd"), "toor:0").expect("writes")),
    ("file gone", false, |root| gone(&content(root, 1).join("diff/app"))),
    ("configuration empty", true, |root| configuration(root, empty)),
    ("configuration cut", true, |root| configuration(root, cut)),
    ("configuration zeroed", true, |root| configuration(root, zero)),
    ("configuration gone", true, |root| configuration(root, gone)),
    ("names empty", true, |root| empty(&root.join("image/overlay2/repositories.json"))),
    ("names cut", true, |root| cut(&root.join("image/overlay2/repositories.json"))),
    ("names zeroed", true, |root| zero(&root.join("image/overlay2/repositories.json"))),
];

fn configuration(root: &Path, harm: fn(&Path)) {
    let id = Image::new(&["a:1"], &layers()).id();
    harm(&root.join("image/overlay2/imagedb/content/sha256").join(&id[7..]));
}

#[test]
fn damage_is_named_and_loading_again_repairs_it() {
    for (what, shows, harm) in TABLE {
        let root = Root::new();
        load(&root.open(), &archive()).expect("loads");
        let link = fs::read_to_string(content(&root.path(), 0).join("link")).expect("has a link");
        harm(&root.path());
        let engine = root.open();
        let list = engine.images().list(&ListOptions::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(!list.is_empty(), "{what}");
        let problems = engine.problems();
        assert_eq!(!problems.is_empty(), *shows, "{what}: {problems:?}");
        for problem in &problems {
            assert!(!problem.hits.is_empty() && !problem.what.is_empty(), "{what}: {problem:?}");
        }
        if !shows {
            let error = save(&engine, &["a:1"], SaveFormat::Docker).expect_err(what).to_string();
            eprintln!("{what}: {error}");
        }
        load(&engine, &archive()).unwrap_or_else(|e| panic!("{what}: loading again: {e}"));
        let again = root.open();
        assert_eq!(again.problems(), [], "{what}");
        let list = again.images().list(&ListOptions::default()).expect("lists");
        let mut names: Vec<String> = list.iter().flat_map(|summary| summary.tags.clone()).collect();
        names.sort();
        assert_eq!(names, ["a:1", "b:1"], "{what}");
        save(&again, &["a:1", "b:1"], SaveFormat::Docker).unwrap_or_else(|e| panic!("{what}: {e}"));
        // The layer above must still find the one below, whatever was repaired of it.
        let lower = fs::read_to_string(content(&root.path(), 1).join("lower")).expect("has a lower");
        let below = root.path().join("overlay2").join(lower.trim());
        assert_eq!(
            below.canonicalize().ok(),
            content(&root.path(), 0).join("diff").canonicalize().ok(),
            "{what}: {link}"
        );
        // Where the register has lost its content's name and no layer above knows it, the old directory is nobody's.
        if !["top entry gone", "cache-id leads out"].contains(what) {
            check_whole(&root.path());
        }
    }
}

#[test]
fn names_come_back_without_loading() {
    for harm in [empty, cut, zero, gone] {
        let root = Root::new();
        load(&root.open(), &archive()).expect("loads");
        let path = root.path().join("image/overlay2/repositories.json");
        harm(&path);
        let engine = root.open();
        let list = engine.images().list(&ListOptions::default()).expect("lists");
        assert!(list.len() == 2 && list.iter().all(|summary| summary.tags.is_empty()), "{list:?}");
        if !path.exists() {
            // A root without the file is a root without names: nobody can tell that there were any.
            continue;
        }
        assert_eq!(engine.problems().iter().map(|p| p.path.clone()).collect::<Vec<_>>(), std::slice::from_ref(&path));
        let done = engine.repair().expect("repairs");
        assert!(done.len() == 1 && done[0].contains("2 names"), "{done:?}");
        engine.images().resolve("a:1").expect("has its name again");
        assert_eq!(engine.problems(), []);
    }
}

#[test]
fn volumes_are_known_by_their_directories() {
    for harm in [empty, cut, zero] {
        let root = Root::new();
        drop(root.open());
        fs::create_dir_all(root.path().join("volumes/data/_data")).expect("creates");
        fs::write(root.path().join("volumes/data/_data/file"), "12345").expect("writes");
        harm(&root.path().join("volumes/metadata.db"));
        let engine = root.open();
        let usage = engine.usage().expect("counts");
        assert_eq!(usage.volumes.iter().map(|v| (v.name.as_str(), v.size)).collect::<Vec<_>>(), [("data", 5)]);
        let problems = engine.problems();
        assert_eq!(problems.iter().flat_map(|p| p.hits.clone()).collect::<Vec<_>>(), ["volume data"], "{problems:?}");
        assert_eq!(engine.repair().expect("repairs").len(), 1);
        assert_eq!(engine.problems(), []);
        assert_eq!(root.open().usage().expect("counts").volumes.len(), 1);
    }
}

#[test]
fn what_others_left_behind_is_listed_and_left_alone() {
    let root = Root::new();
    let orphan = root.path().join("overlay2").join("ab".repeat(32));
    drop(root.open());
    fs::create_dir_all(orphan.join("diff")).expect("creates");
    fs::write(orphan.join("diff/x"), "1234").expect("writes");
    let engine = root.open();
    let found = engine.usage().expect("counts").orphans;
    assert_eq!(found.iter().map(|o| (o.path.clone(), o.size)).collect::<Vec<_>>(), [(orphan.clone(), 4)]);
    load(&engine, &archive()).expect("loads");
    drop(engine);
    assert!(root.open().usage().is_ok() && orphan.join("diff/x").exists());
}
