//! Who may change a root: dockerd's lock, read-only roots, directories that are none.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

use outcrop_engine::image::{ErrorKind, ListOptions, SaveFormat};
use outcrop_engine::{Access, Engine, OpenError, OpenOptions};

use crate::support::{Image, Root, docker_archive, layer, load, options, save, state};

fn loaded() -> Root {
    let root = Root::new();
    load(&root.open(), &docker_archive(&[Image::new(&["a:1"], &[layer(&[("x", "1")])])])).expect("loads");
    root
}

#[test]
fn a_new_root_has_dockers_modes() {
    let root = Root::new();
    let engine = root.open();
    assert_eq!(engine.access(), &Access::ReadWrite);
    let mode = |path: &str| fs::metadata(root.path().join(path)).expect(path).permissions().mode() & 0o7777;
    for (path, expected) in [
        ("", 0o710),
        ("image", 0o700),
        ("image/overlay2", 0o700),
        ("overlay2", 0o710),
        ("overlay2/l", 0o700),
        ("volumes", 0o701),
        ("tmp", 0o700),
        ("containers", 0o710),
        ("volumes/metadata.db", 0o600),
        ("outcrop", 0o700),
    ] {
        assert_eq!(mode(path), expected, "{path}");
    }
    assert!(matches!(root.open().access(), Access::ReadWrite), "several at once");
}

#[test]
fn while_dockerd_has_it_it_is_only_read() {
    let root = loaded();
    let before = state(&root.path());
    let lock = File::open(root.path().join("volumes/metadata.db")).expect("opens");
    lock.lock().expect("locks as dockerd does");
    let engine = root.open();
    let Access::ReadOnly { why } = engine.access() else { panic!("may write") };
    assert!(why.contains(&format!("pid {}", std::process::id())), "{why}");
    assert_eq!(engine.images().list(&ListOptions::default()).expect("lists").len(), 1);
    save(&engine, &["a:1"], SaveFormat::Docker).expect("saves");
    let image = engine.images().resolve("a:1").expect("is there");
    let error = engine.images().tag(&image, &"b:1".parse().expect("a name")).expect_err("read-only");
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert_eq!(load(&engine, &[]).expect_err("read-only").kind(), ErrorKind::ReadOnly);
    assert_eq!(state(&root.path()), before);
}

#[test]
fn while_outcrop_has_it_dockerd_is_kept_out() {
    let root = loaded();
    let engine = root.open();
    let lock = File::open(root.path().join("volumes/metadata.db")).expect("opens");
    assert!(lock.try_lock().is_err());
    let looking = Engine::open(&OpenOptions { read_only: true, ..options(&root.path()) }).expect("opens");
    drop(engine);
    lock.try_lock().expect("looking at it locks nobody out");
    assert_eq!(looking.images().list(&ListOptions::default()).expect("lists").len(), 1);
}

#[test]
fn a_directory_that_is_something_else_is_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("letter.txt"), "dear").expect("writes");
    assert!(matches!(Engine::open(&options(dir.path())), Err(OpenError::NotARoot(_))));
    fs::create_dir(dir.path().join("containers")).expect("creates");
    assert!(matches!(Engine::open(&options(dir.path())), Err(OpenError::NotARoot(_))), "/etc may have one too");
    let missing = OpenOptions { read_only: true, ..options(&dir.path().join("missing")) };
    assert!(matches!(Engine::open(&missing), Err(OpenError::Io { .. })));
}

#[test]
fn a_root_that_cannot_be_written_is_read() {
    if crate::support::is_root() {
        eprintln!("skipped: root writes everywhere; run as an ordinary user");
        return;
    }
    let root = loaded();
    let set = |mode| {
        for path in ["outcrop", "outcrop/txn", "volumes/metadata.db"] {
            fs::set_permissions(root.path().join(path), fs::Permissions::from_mode(mode)).expect("sets");
        }
    };
    set(0o500);
    let engine = root.open();
    assert!(matches!(engine.access(), Access::ReadOnly { .. }), "{:?}", engine.access());
    assert_eq!(engine.images().list(&ListOptions::default()).expect("lists").len(), 1);
    set(0o700);
}
