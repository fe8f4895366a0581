//! Importing a root file system.

use outcrop_engine::image::{ErrorKind, ImportOptions};
use outcrop_engine::progress::{Cancel, Ctx};
use serde_json::json;

use crate::support::{Root, check_whole, diff_id, layer, state};

#[test]
fn a_tar_becomes_an_image_with_the_changes_asked_for() {
    let root = Root::new();
    let engine = root.open();
    let tar = layer(&[("bin/", ""), ("bin/sh", "#!")]);
    let cancel = Cancel::new();
    let options = ImportOptions {
        reference: Some("mine".into()),
        changes: vec!["CMD [\"sh\"]".into(), "ENV A=1 B=2".into(), "LABEL x=y".into()],
        ..ImportOptions::default()
    };
    let id = engine.images().import(&tar[..], &options, Ctx { progress: &|_| {}, cancel: &cancel }).expect("imports");
    check_whole(&root.path());
    let image = engine.images().resolve("mine").expect("has the name");
    assert_eq!((image.id, image.tags.clone(), image.size), (id, vec!["mine:latest".to_owned()], 2));
    assert_eq!(image.layers(), [diff_id(&tar)]);
    let config = json!({"Cmd": ["sh"], "Env": ["A=1", "B=2"], "Labels": {"x": "y"}});
    assert_eq!(image.config().config, Some(config));
    assert!(image.last_tagged.is_some());
    let history = engine.images().history(&image).expect("has one");
    assert_eq!((history.len(), history[0].comment.as_str(), history[0].size), (1, "Imported from -", 2));
}

#[test]
fn what_is_wrong_is_found_before_anything_is_read() {
    struct Unread;
    impl std::io::Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("was read");
        }
    }
    let root = Root::new();
    let engine = root.open();
    let before = state(&root.path());
    let cancel = Cancel::new();
    for options in [
        ImportOptions { reference: Some("UP".into()), ..ImportOptions::default() },
        ImportOptions { changes: vec!["RUN x".into()], ..ImportOptions::default() },
        ImportOptions { platform: Some("windows/amd64".into()), ..ImportOptions::default() },
        ImportOptions { platform: Some("a/b/c/d".into()), ..ImportOptions::default() },
    ] {
        let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
        let error = engine.images().import(Unread, &options, ctx).expect_err("is wrong");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(state(&root.path()), before);
}

#[test]
fn cancelled_or_broken_it_leaves_nothing() {
    let root = Root::new();
    let engine = root.open();
    let before = state(&root.path());
    let cancel = Cancel::new();
    cancel.cancel();
    let tar = layer(&[("x", &"1".repeat(100_000))]);
    let options = ImportOptions::default();
    let error = engine.images().import(&tar[..], &options, Ctx { progress: &|_| {}, cancel: &cancel });
    assert_eq!(error.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    let cancel = Cancel::new();
    let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
    assert!(engine.images().import(&tar[..50_000], &options, ctx).is_err());
    assert!(engine.images().import(&b"no tar at all, but long enough to look at"[..], &options, ctx).is_err());
    assert_eq!(state(&root.path()), before);
}
