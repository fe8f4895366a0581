//! Loading and saving.

use outcrop_engine::image::{ErrorKind, ListOptions, SaveFormat};

use crate::support::{Image, Root, add, check_whole, docker_archive, layer, load, members, save, state};

#[test]
fn what_is_loaded_is_listed_and_saved_byte_for_byte() {
    let root = Root::new();
    let engine = root.open();
    let base = layer(&[("etc/", ""), ("etc/passwd", "root"), ("bin/sh", "#!")]);
    let top = layer(&[("etc/.wh.passwd", ""), ("app", "x")]);
    let a = Image::new(&["a:1", "b/c:2"], &[base.clone(), top.clone()]);
    let b = Image::new(&["plain:latest"], std::slice::from_ref(&base));
    let archive = docker_archive(&[a, b]);
    let loaded = load(&engine, &archive).expect("loads");
    assert_eq!(loaded.iter().map(|l| l.tags.clone()).collect::<Vec<_>>(), [vec!["a:1", "b/c:2"], vec!["plain:latest"]]);
    check_whole(&root.path());
    let list = engine.images().list(&ListOptions { shared: true, ..ListOptions::default() }).expect("lists");
    let sizes: Vec<_> = list.iter().map(|s| (s.tags[0].as_str(), s.size, s.shared_size)).collect();
    assert_eq!(sizes, [("a:1", 7, Some(6)), ("plain:latest", 6, Some(6))]);
    assert!(list.iter().all(|summary| summary.problems.is_empty()), "{list:?}");
    for format in [SaveFormat::Docker, SaveFormat::Oci] {
        let saved = save(&engine, &["a", "b/c:2", "plain"], format).expect("saves");
        let members = members(&saved);
        for content in [&base, &top] {
            let name = format!("blobs/sha256/{}", crate::support::diff_id(content).0.hex());
            assert_eq!(members.get(&name), Some(content), "{name}");
        }
        assert_eq!(members.contains_key("manifest.json"), format == SaveFormat::Docker);
        let other = Root::new();
        let again = other.open();
        let reloaded = load(&again, &saved).expect("loads what was saved");
        assert_eq!(reloaded.iter().map(|l| l.id).collect::<Vec<_>>(), loaded.iter().map(|l| l.id).collect::<Vec<_>>());
        check_whole(&other.path());
    }
}

#[test]
fn loading_twice_changes_nothing() {
    let root = Root::new();
    let engine = root.open();
    let image = Image::new(&["a:1"], &[layer(&[("x", "1")]), layer(&[("y", "2")])]);
    let archive = docker_archive(&[image]);
    load(&engine, &archive).expect("loads");
    let before = state(&root.path());
    load(&engine, &archive).expect("loads again");
    assert_eq!(state(&root.path()), before);
    let saved = save(&engine, &["a:1"], SaveFormat::Docker).expect("saves");
    load(&engine, &saved).expect("loads its own archive");
    assert_eq!(state(&root.path()), before);
}

#[test]
fn one_layer_may_lie_on_several_others() {
    let root = Root::new();
    let engine = root.open();
    let [a, b, empty] = [layer(&[("a", "1")]), layer(&[("b", "2")]), layer(&[])];
    let images = [
        Image::new(&["one:1"], &[a.clone(), empty.clone(), b.clone(), empty.clone()]),
        Image::new(&["two:1"], &[b, empty, a]),
    ];
    load(&engine, &docker_archive(&images)).expect("loads");
    check_whole(&root.path());
}

#[test]
fn bytes_that_are_not_what_they_should_be_register_nothing() {
    let root = Root::new();
    let engine = root.open();
    let before = state(&root.path());
    let good = layer(&[("x", "1")]);
    let mut wrong = Image::new(&["a:1"], std::slice::from_ref(&good));
    wrong.layers = vec![layer(&[("x", "2")])];
    let error = load(&engine, &docker_archive(&[Image::new(&["ok:1"], std::slice::from_ref(&good)), wrong]))
        .expect_err("differs");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    assert!(text.contains("layer 1: diff ID differs") && text.matches("sha256:").count() == 2, "{text}");
    assert_eq!(state(&root.path()), before);

    let mut upper = Image::new(&["UPPER:x"], std::slice::from_ref(&good));
    upper.tags = vec!["UPPER:x"];
    let error = load(&engine, &docker_archive(&[upper])).expect_err("upper case").to_string();
    assert!(error.contains("must be lowercase") && error.contains("upper:x"), "{error}");

    let mut windows = Image::new(&["w:1"], &[good]);
    windows.config = String::from_utf8(windows.config).expect("text").replace("\"linux\"", "\"windows\"").into_bytes();
    let error = load(&engine, &docker_archive(&[windows])).expect_err("windows").to_string();
    assert!(error.contains("cannot load windows image on linux"), "{error}");
    assert_eq!(state(&root.path()), before);
}

#[test]
fn what_is_no_archive_says_so() {
    let root = Root::new();
    let engine = root.open();
    let before = state(&root.path());
    let mut other = tar::Builder::new(Vec::new());
    add(&mut other, "hello.txt", b"hello");
    let whole = docker_archive(&[Image::new(&["a:1"], &[layer(&[("x", &"1".repeat(5000))])])]);
    for (archive, says) in [
        (Vec::new(), "empty"),
        (b"just a text file\n".to_vec(), "no image archive"),
        (other.into_inner().expect("memory"), "manifest.json"),
        (whole[..whole.len() / 2].to_vec(), ""),
        (whole[..700].to_vec(), ""),
    ] {
        let error = load(&engine, &archive).expect_err(says).to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
        assert_eq!(state(&root.path()), before, "{error}");
    }
}

#[test]
fn a_name_moves_to_the_new_image() {
    let root = Root::new();
    let engine = root.open();
    let old = Image::new(&["a:1"], &[layer(&[("x", "1")])]);
    let new = Image::new(&["a:1"], &[layer(&[("x", "2")])]);
    let old_id = old.id();
    load(&engine, &docker_archive(&[old])).expect("loads");
    let loaded = load(&engine, &docker_archive(&[new])).expect("loads");
    assert_eq!(
        loaded[0].replaced.iter().map(|(n, id)| (n.clone(), id.to_string())).collect::<Vec<_>>(),
        [("a:1".to_owned(), old_id)]
    );
    let list = engine.images().list(&ListOptions::default()).expect("lists");
    assert_eq!(list.iter().filter(|summary| summary.tags.is_empty()).count(), 1);
}
