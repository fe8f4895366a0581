//! A full disk: loading says so and leaves nothing, reading and removing go on.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use outcrop_engine::Engine;
use outcrop_engine::image::{ErrorKind, ListOptions, SaveFormat};
use outcrop_engine::progress::{Cancel, Ctx};

use crate::support::{Image, check_whole, docker_archive, layer, load, options, save, state};

/// A small file system of its own, unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn new(megabytes: u32) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mounts");
        Self(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("creates");
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_full_disk_is_told_and_left_again() {
    // A load leaves a twentieth of a small disk free: 60 MB do not fit on 62.
    let small = Small::new(62);
    let root = small.0.path().join("root");
    let engine = Engine::open(&options(&root)).expect("opens");
    let image = Image::new(&["a:1", "a:2"], &[layer(&[("x", "1")])]);
    load(&engine, &docker_archive(&[image])).expect("loads");
    let before = state(&root);
    let large = layer(&[("large", &"x".repeat(60 << 20))]);
    let error = load(&engine, &docker_archive(&[Image::new(&["big:1"], &[large])])).expect_err("does not fit");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(error.to_string().contains("tmpfs at") && error.to_string().contains("are free"), "{error}");
    assert_eq!(state(&root), before);

    fill(&small.0.path().join("filler"));
    let list = || Engine::open(&options(&root)).expect("opens").images().list(&ListOptions::default()).expect("lists");
    assert_eq!(list().len(), 1);
    save(&Engine::open(&options(&root)).expect("opens"), &["a:1"], SaveFormat::Docker).expect("saves");
    let cancel = Cancel::new();
    for name in ["a:2", "a:1"] {
        let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
        engine.images().remove(name, false, true, ctx).expect("removes on a full disk");
    }
    assert_eq!(list().len(), 0);
    check_whole(&root);
}
