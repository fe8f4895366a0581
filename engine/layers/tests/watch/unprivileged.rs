//! Without root: what is promised is that what is told equals what is there.

use std::fs;

use outcrop_layers::watch::{Evidence, LowerLayer, Options, Overlay};

use crate::support::{Watching, events, short};

/// The directories of an overlay that nobody has mounted: the test does what overlayfs would do.
#[test]
fn directories_are_watched_without_rights() {
    for only in [None, Some(Evidence::Inotify), Some(Evidence::Scan)] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["lower/dir", "upper", "work/work"] {
            fs::create_dir_all(at(name)).expect("made");
        }
        fs::write(at("lower/dir/file"), "lower").expect("written");
        let lowers = vec![LowerLayer { path: at("lower"), created_by: None }];
        let overlay = Overlay {
            name: "test".into(),
            upper: at("upper"),
            work: at("work"),
            lowers,
            userxattr: true,
            metacopy: false,
            notices: None,
        };
        let watch = Watching::start(Options { only, ..Options::default() });
        let attached = watch.attach(overlay).expect("attaches");
        assert!(attached.names_processes || !attached.notes.is_empty(), "{attached:?}");
        fs::create_dir_all(at("upper/new/deep")).expect("made");
        fs::write(at("upper/new/deep/file"), "content").expect("written");
        let mut taken = Vec::new();
        watch.until(&mut taken, "create new/deep/file");
        fs::rename(at("upper/new"), at("upper/renamed")).expect("renamed");
        fs::remove_file(at("upper/renamed/deep/file")).expect("removed");
        fs::write(at("upper/last"), "!").expect("written");
        taken.extend(watch.finished());
        let told = short(&events(&taken)).join("\n");
        assert!(told.contains("create last node=file"), "{only:?}:\n{told}");
        assert!(told.contains("renamed"), "{only:?}:\n{told}");
    }
}
