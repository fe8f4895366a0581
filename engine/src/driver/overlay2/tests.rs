use std::os::unix::fs::MetadataExt;

use super::*;

/// A data root with the driver's directories and one for what is staged.
struct Root {
    dir: tempfile::TempDir,
    driver: Overlay2,
}

impl Root {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let driver = Overlay2::new(dir.path(), false);
        driver.prepare().expect("prepares");
        fs::create_dir(dir.path().join("txn")).expect("directory");
        Self { dir, driver }
    }

    fn txn(&self) -> PathBuf {
        self.dir.path().join("txn")
    }

    fn layer(&self, parent: Option<&CacheId>, file: &str) -> CacheId {
        let id = CacheId::random().expect("random");
        let staged = self.driver.stage(&self.txn().join(&id)).expect("stages");
        fs::write(staged.path().join("diff").join(file), file).expect("file");
        self.driver.publish(staged, &id, parent).expect("publishes");
        id
    }

    fn text(&self, id: &CacheId, name: &str) -> String {
        fs::read_to_string(self.driver.dir(id).join(name)).expect(name)
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("metadata").mode() & 0o7777
}

#[test]
fn layout_is_dockers() {
    let root = Root::new();
    let base = root.layer(None, "a");
    let middle = root.layer(Some(&base), "b");
    let top = root.layer(Some(&middle), "c");
    let links = [&base, &middle, &top].map(|id| root.text(id, "link"));
    for (link, id) in links.iter().zip([&base, &middle, &top]) {
        assert!(link.len() == 26 && link.bytes().all(|b| LETTERS.contains(&b)), "{link}");
        let target = fs::read_link(root.driver.home().join("l").join(link)).expect("link");
        assert_eq!(target, PathBuf::from(format!("../{id}/diff")));
    }
    assert_eq!(root.text(&top, "lower"), format!("l/{}:l/{}", links[1], links[0]));
    let dir = root.driver.dir(&base);
    assert!(!dir.join("lower").exists() && !dir.join("work").exists());
    let modes = [("", 0o710), ("diff", 0o755), ("committed", 0o600)].map(|(name, _)| mode(&dir.join(name)));
    assert_eq!(modes, [0o710, 0o755, 0o600]);
    assert_eq!(mode(&root.driver.dir(&top).join("work")), 0o700);
    assert!(!root.driver.dir(&top).join("committed").exists());
    assert_eq!(root.driver.parents(&top).expect("parents"), [middle.clone(), base.clone()]);
    let mut all = [base.clone(), middle.clone(), top.clone()];
    all.sort();
    assert_eq!(root.driver.list().expect("list"), all);

    // A lost short name is found again by what the layer itself says.
    fs::remove_file(root.driver.home().join("l").join(&links[0])).expect("removes");
    assert_eq!(root.driver.parents(&top).expect("parents"), [middle, base]);
}

#[test]
fn publishing_replaces_nothing() {
    let root = Root::new();
    let id = root.layer(None, "a");
    let staged = root.driver.stage(&root.txn().join("again")).expect("stages");
    assert!(matches!(root.driver.publish(staged, &id, None), Err(DriverError::Exists { .. })));
    let staged = root.driver.stage(&root.txn().join("orphan")).expect("stages");
    let none = CacheId::random().expect("random");
    assert!(matches!(root.driver.publish(staged, &none, Some(&none)), Err(DriverError::Missing { .. })));
    for name in ["again", "orphan"] {
        root.driver.discard(&root.txn().join(name)).expect("discards");
    }
    assert_eq!(fs::read_dir(root.txn()).expect("txn").count(), 0);
    assert_eq!(fs::read_dir(root.driver.home().join("l")).expect("l").count(), 1);
}

#[test]
fn removing_leaves_nothing_and_follows_nothing() {
    let root = Root::new();
    let id = root.layer(None, "a");
    let outside = root.dir.path().join("outside");
    fs::create_dir(&outside).expect("directory");
    fs::write(outside.join("kept"), "").expect("file");
    std::os::unix::fs::symlink(&outside, root.driver.diff_dir(&id).join("link")).expect("link");
    let usage = root.driver.usage(&id).expect("usage");
    assert_eq!((usage.apparent, usage.files), (1 + outside.as_os_str().len() as u64, 2));
    root.driver.remove(&id, &root.txn()).expect("removes");
    assert!(outside.join("kept").exists());
    assert!(!root.driver.exists(&id));
    assert_eq!(fs::read_dir(root.driver.home()).expect("home").count(), 1, "only l is left");
    assert_eq!(fs::read_dir(root.driver.home().join("l")).expect("l").count(), 0);
    assert_eq!(fs::read_dir(root.txn()).expect("txn").count(), 0);
    assert!(matches!(root.driver.remove(&id, &root.txn()), Err(DriverError::Missing { .. })));
}

#[test]
fn what_a_killed_removal_left_goes_with_its_short_name() {
    let root = Root::new();
    let id = root.layer(None, "a");
    let at = root.txn().join("half");
    fs::rename(root.driver.dir(&id), &at).expect("moves");
    root.driver.discard(&at).expect("discards");
    assert_eq!(fs::read_dir(root.driver.home().join("l")).expect("l").count(), 0);
    root.driver.discard(&at).expect("there is nothing any more");
}

#[test]
fn damage_is_named() {
    let root = Root::new();
    let base = root.layer(None, "a");
    let top = root.layer(Some(&base), "b");
    for bad in ["", "/etc", "l/../../etc", "l/A:x", "l/A::l/B"] {
        fs::write(root.driver.dir(&top).join("lower"), bad).expect("file");
        let error = root.driver.parents(&top).expect_err(bad);
        assert!(matches!(error, DriverError::Damaged { .. }), "{bad}: {error}");
        assert!(root.driver.mount(&top, &root.txn()).is_err());
    }
    fs::remove_dir_all(root.driver.diff_dir(&base)).expect("removes");
    assert!(matches!(root.driver.mount(&base, &root.txn()), Err(DriverError::Missing { .. })));
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn mounts_128_lower_layers_with_a_long_root() {
    let mut root = Root::new();
    let home = root.dir.path().join("x".repeat(200)).join("y".repeat(200));
    fs::create_dir_all(&home).expect("directory");
    root.driver = Overlay2::new(&home, false);
    root.driver.prepare().expect("prepares");
    fs::rename(root.txn(), home.join("txn")).expect("moves");
    std::os::unix::fs::symlink(home.join("txn"), root.txn()).expect("link");
    let mut below = None;
    for n in 0..=MOST_LOWERS {
        below = Some(root.layer(below.as_ref(), &format!("file{n}")));
    }
    let top = below.expect("layers");
    let at = root.dir.path().join("at");
    fs::create_dir(&at).expect("directory");
    root.driver.mount(&top, &at).expect("mounts");
    assert_eq!(fs::read_dir(&at).expect("merged").count(), MOST_LOWERS + 1);
    fs::write(at.join("new"), "").expect("writable");
    fs::remove_file(at.join("file0")).expect("removes");
    root.driver.unmount(&at).expect("unmounts");
    assert!(root.driver.diff_dir(&top).join("new").exists());
    let changes = root.driver.changes(&top).expect("changes");
    let lines = changes.iter().map(|c| format!("{} {}", c.kind.letter(), String::from_utf8_lossy(&c.path)));
    assert_eq!(lines.collect::<Vec<_>>(), ["D /file0", "A /file128", "A /new"]);

    let staged = root.driver.stage(&root.txn().join("over")).expect("stages");
    let over = CacheId::random().expect("random");
    assert!(matches!(root.driver.publish(staged, &over, Some(&top)), Err(DriverError::Deep { .. })));
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn parents_are_mounted_read_only() {
    let root = Root::new();
    let base = root.layer(None, "a");
    let at = root.dir.path().join("at");
    fs::create_dir(&at).expect("directory");
    root.driver.mount(&base, &at).expect("mounts");
    fs::write(at.join("b"), "").expect("a layer without children is writable");
    root.driver.unmount(&at).expect("unmounts");
    let top = root.layer(Some(&base), "c");
    root.driver.mount(&base, &at).expect("mounts");
    assert_eq!(fs::write(at.join("d"), "").expect_err("read-only").kind(), io::ErrorKind::ReadOnlyFilesystem);
    root.driver.unmount(&at).expect("unmounts");
    root.driver.unmount(&at).expect("nothing is mounted any more");
    root.driver.mount(&top, &at).expect("mounts");
    assert!(at.join("a").exists() && at.join("b").exists() && at.join("c").exists());
    root.driver.unmount(&at).expect("unmounts");
    let found = crate::driver::probe::probe(&root.txn(), false).expect("probes");
    assert!(found.works(false) && found.problems.is_empty(), "{found:?}");
}

/// An ordinary user, one ID only: what the kernel then still does for overlays.
#[test]
fn works_in_a_user_namespace() {
    use std::os::fd::AsFd;

    use outcrop_layers::entry::Kind;

    use crate::layer::apply::tests::support;

    let root = Root::new();
    let driver = Overlay2::new(root.dir.path(), true);
    for dir in [root.dir.path(), driver.home(), &driver.home().join("l"), &root.txn()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).expect("mode");
    }
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let checked = crate::sys::userns::in_child("", |_| {
        let probe = crate::driver::probe::probe(&root.txn(), true).map_err(|e| text(&e))?;
        if !probe.works(true) {
            return Err(format!("skip: {:?}", probe.problems));
        }
        let mut below = None;
        for layer in [&["a", "d/b", "d/c"][..], &[".wh.a", "d/.wh..wh..opq", "d/e"]] {
            let id = CacheId::random().map_err(|e| text(&e))?;
            let staged = driver.stage(&root.txn().join(&id)).map_err(|e| text(&e))?;
            let cancel = crate::progress::Cancel::new();
            let options =
                crate::layer::apply::ApplyOptions { rootless: true, floor: 0, cancel: &cancel, on_bytes: &|_| {} };
            let mut items: Vec<_> = layer.iter().map(|path| support::owned(path, 1234)).collect();
            items.push(support::entry("null", Kind::CharDevice { major: 1, minor: 3 }));
            let tar = support::tar(&items);
            let applied = crate::layer::apply::apply(&tar[..], staged.diff().as_fd(), &options, io::sink());
            let warnings = applied.map_err(|e| text(&e))?.warnings;
            if warnings.len() != 2 || !warnings[0].contains("belong to this user") || !warnings[1].contains("devices") {
                return Err(format!("{warnings:?}"));
            }
            driver.publish(staged, &id, below.as_ref()).map_err(|e| text(&e))?;
            below = Some(id);
        }
        let top = CacheId::random().map_err(|e| text(&e))?;
        driver.create(&top, below.as_ref(), &root.txn()).map_err(|e| text(&e))?;
        let at = root.txn().join("at");
        fs::create_dir(&at).map_err(|e| text(&e))?;
        driver.mount(&top, &at).map_err(|e| text(&e))?;
        fs::remove_file(at.join("d/e")).map_err(|e| text(&e))?;
        fs::write(at.join("new"), "").map_err(|e| text(&e))?;
        let seen: Vec<_> = [".", "d"].iter().map(|d| fs::read_dir(at.join(d)).map(Iterator::count).ok()).collect();
        driver.unmount(&at).map_err(|e| text(&e))?;
        let changes = driver.changes(&top).map_err(|e| text(&e))?;
        let lines: Vec<_> =
            changes.iter().map(|c| format!("{} {}", c.kind.letter(), String::from_utf8_lossy(&c.path))).collect();
        driver.remove(&top, &root.txn()).map_err(|e| text(&e))?;
        if seen != [Some(2), Some(0)] || lines != ["C /d", "D /d/e", "A /new"] {
            return Err(format!("{seen:?} {lines:?}"));
        }
        Ok(())
    });
    match checked {
        Err(text) if text.contains("no user namespace") || text.starts_with("skip: ") => eprintln!("skipped: {text}"),
        checked => checked.expect("works"),
    }
}
