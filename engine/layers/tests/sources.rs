//! Layers read in place from data roots made for the purpose.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcrop_layers::digest::{ChainId, DiffId, Digest, ImageId};
use outcrop_layers::entry::Kind;
use outcrop_layers::index::LayerIndex;
use outcrop_layers::index::cache::IndexCache;
use outcrop_layers::source::data_root::{DataRoot, DataRootImage, Driver};
use outcrop_layers::source::{LayerSource, SourceError, indexes};
use rustix::fs::{CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// A data root with one image whose layers are empty folders.
struct Root {
    folder: tempfile::TempDir,
    driver: &'static str,
    id: ImageId,
    chain: Vec<ChainId>,
}

impl Root {
    fn new(driver: &'static str, layers: usize) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let diff_ids: Vec<DiffId> = (0..layers).map(|n| DiffId(Digest::of(&[n as u8]))).collect();
        let history: Vec<_> =
            (1..=layers).map(|n| serde_json::json!({"created_by": format!("RUN step {n}")})).collect();
        let config = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history});
        let config = config.to_string();
        let chain = ChainId::all(&diff_ids);
        let root = Self { folder, driver, id: ImageId(Digest::of(config.as_bytes())), chain };
        root.write(&format!("image/{driver}/imagedb/content/sha256/{}", root.id.0.hex()), &config);
        let id = root.id;
        let names = format!(r#"{{"Repositories":{{"x":{{"x:1":"{id}","x@sha256:0":"{id}"}}}}}}"#);
        root.write(&format!("image/{driver}/repositories.json"), &names);
        for (n, chain) in root.chain.iter().enumerate() {
            root.write(&format!("image/{driver}/layerdb/sha256/{}/cache-id", chain.0.hex()), &format!("cache{n}"));
            fs::create_dir_all(root.layer(n)).expect("layer folder");
        }
        root
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn layer(&self, n: usize) -> PathBuf {
        match self.driver {
            "vfs" => self.path().join(format!("vfs/dir/cache{n}")),
            _ => self.path().join(format!("overlay2/cache{n}/diff")),
        }
    }

    fn write(&self, path: &str, text: &str) {
        write(self.path(), path, text);
    }

    fn record(&self, n: usize) -> PathBuf {
        self.path().join("image").join(self.driver).join("layerdb/sha256").join(self.chain[n].0.hex())
    }

    fn image(&self) -> DataRootImage {
        DataRoot::open(self.path()).expect("opens").image(&self.id).expect("image")
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    fs::write(path, text).expect("written");
}

/// Sets the time of a file, so that copies of it are told from rewrites.
fn set_time(path: &Path, seconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).expect("sets the time");
}

fn list(index: &LayerIndex) -> Vec<String> {
    index.entries().map(|e| format!("{} {:?}", e.path().escape_ascii(), without_disk(e.kind()))).collect()
}

fn without_disk(kind: Kind) -> Kind {
    match kind {
        Kind::File { size, .. } => Kind::File { size, disk: None },
        kind => kind,
    }
}

fn read(image: &DataRootImage, layer: usize) -> Arc<LayerIndex> {
    image.index(layer, &|_| (), &|| false).expect("index")
}

#[test]
fn reads_overlay2_in_place() {
    let root = Root::new("overlay2", 2);
    write(&root.layer(0), "etc/passwd", "root");
    write(&root.layer(0), "etc/shadow", "");
    symlink("../../../etc/passwd", root.layer(0).join("etc/link")).expect("link");
    fs::hard_link(root.layer(0).join("etc/passwd"), root.layer(0).join("etc/also")).expect("hard link");
    rustix::fs::mknodat(CWD, root.layer(0).join("pipe"), FileType::Fifo, Mode::RUSR, 0).expect("pipe");
    let opened = DataRoot::open(root.path()).expect("opens");
    assert_eq!((opened.driver(), opened.problems()), (Driver::Overlay2, &[][..]));
    assert_eq!(opened.images()[0].tags, ["x:1"]);
    let image = opened.image(&root.id).expect("image");
    assert_eq!(image.layers()[1].created_by, "RUN step 2");
    assert_eq!(image.layers()[1].cache_id.as_deref(), Some("cache1"));
    let index = read(&image, 0);
    let expected = [
        " Directory",
        "etc Directory",
        "etc/also File(4 B, disk None)",
        "etc/link Symlink(../../../etc/passwd)",
        "etc/passwd Hardlink(etc/also)",
        "etc/shadow File(0 B, disk None)",
        "pipe Fifo",
    ];
    assert_eq!(list(&index), expected);
    assert_eq!((index.files(), index.bytes()), (2, 4));
    assert!(index.disk().is_some());
}

#[test]
fn opens_files_and_nothing_else() {
    let root = Root::new("overlay2", 1);
    let layer = root.layer(0);
    write(&layer, "a/file", "content");
    write(root.path(), "secret", "outside");
    symlink(root.path().join("secret"), layer.join("a/out")).expect("link");
    symlink(root.path(), layer.join("up")).expect("link");
    rustix::fs::mknodat(CWD, layer.join("pipe"), FileType::Fifo, Mode::RUSR, 0).expect("pipe");
    let image = root.image();
    let mut text = String::new();
    image.open(0, b"a/file").expect("opens").read_to_string(&mut text).expect("reads");
    assert_eq!(text, "content");
    for (path, error) in [
        ("a", "a in layer 1 is a folder, not a file that can be read"),
        ("", " in layer 1 is a folder, not a file that can be read"),
        ("a/out", "a/out in layer 1 is a symbolic link, not a file that can be read"),
        ("pipe", "pipe in layer 1 is a named pipe, not a file that can be read"),
        ("up/secret", "layer 1 has no up/secret"),
        ("../../../secret", "layer 1 has no ../../../secret"),
        ("a/../../../../secret", "layer 1 has no a/../../../../secret"),
        ("no", "layer 1 has no no"),
    ] {
        let refused = image.open(0, path.as_bytes()).map(|_| ()).expect_err(path);
        assert_eq!(refused.to_string(), error);
    }
    assert!(matches!(image.open(7, b"a").map(|_| ()), Err(SourceError::NoLayer { .. })));
}

#[test]
fn names_what_is_missing_and_reads_the_rest() {
    let root = Root::new("overlay2", 4);
    write(&root.layer(3), "fine", "x");
    fs::remove_dir_all(root.layer(0)).expect("removed");
    fs::write(root.record(1).join("cache-id"), "").expect("emptied");
    fs::remove_dir_all(root.record(2)).expect("removed");
    let image = root.image();
    let found = indexes(&image, &|_, _| (), &|| false).expect("not cancelled");
    let found: Vec<String> = found
        .into_iter()
        .map(|index| index.map_or_else(|error| error.to_string(), |index| format!("{} files", index.files())))
        .collect();
    for (text, part) in
        std::iter::zip(&found, ["folder of layer 1", "cache-id of layer 2", "record of layer 3", "1 files"])
    {
        assert!(text.starts_with(part), "{text}");
    }
    assert!(found[1].contains("is empty"), "{}", found[1]);
    fs::write(root.record(1).join("cache-id"), "../../../etc").expect("written");
    let error = root.image().index(1, &|_| (), &|| false).expect_err("no way out");
    assert!(error.to_string().contains("is damaged"), "{error}");
    let config = root.path().join(format!("image/overlay2/imagedb/content/sha256/{}", root.id.0.hex()));
    fs::write(&config, "{}").expect("written");
    fs::write(root.path().join("image/overlay2/repositories.json"), "").expect("emptied");
    let opened = DataRoot::open(root.path()).expect("opens all the same");
    assert_eq!((opened.images().len(), opened.images()[0].tags.len(), opened.problems().len()), (1, 0, 1));
    let error = opened.image(&root.id).expect_err("damaged").to_string();
    assert!(error.contains(&root.id.to_string()) && error.contains(&Digest::of(b"{}").to_string()), "{error}");
}

#[test]
fn cancels() {
    let root = Root::new("overlay2", 1);
    for n in 0..600 {
        write(&root.layer(0), &format!("f{n}"), "");
    }
    let image = root.image();
    assert!(matches!(image.index(0, &|_| (), &|| true), Err(SourceError::Cancelled)));
    assert!(matches!(indexes(&image, &|_, _| (), &|| true), Err(SourceError::Cancelled)));
}

#[test]
fn deep_folders_do_not_run_out_of_descriptors() {
    let root = Root::new("overlay2", 1);
    let mut at = rustix::fs::open(root.layer(0), rustix::fs::OFlags::PATH, Mode::empty()).expect("opens");
    for _ in 0..1200 {
        rustix::fs::mkdirat(&at, "deep", Mode::RWXU).expect("folder");
        at = rustix::fs::openat(&at, "deep", rustix::fs::OFlags::PATH, Mode::empty()).expect("opens");
    }
    assert_eq!(read(&root.image(), 0).len(), 1201);
}

#[test]
#[ignore = "needs extended attributes in the temporary folder: run by .ci/run"]
fn understands_marks_of_mounts_with_userxattr() {
    let root = Root::new("overlay2", 1);
    let layer = root.layer(0);
    write(&layer, "gone", "");
    write(&layer, "kept", "");
    write(&layer, "new/file", "1");
    write(&layer, "x/file", "1");
    let set =
        |path: &str, name: &str, value: &[u8]| rustix::fs::setxattr(layer.join(path), name, value, XattrFlags::empty());
    set("gone", "user.overlay.whiteout", b"y").expect("a file system with extended attributes");
    set("new", "user.overlay.opaque", b"y").expect("attribute");
    set("x", "user.overlay.opaque", b"x").expect("attribute");
    set("kept", "user.comment", b"hello").expect("attribute");
    let index = read(&root.image(), 0);
    let list = list(&index);
    assert!(list.contains(&"gone Whiteout".to_owned()), "{list:?}");
    assert!(list.contains(&"new Directory(opaque)".to_owned()), "{list:?}");
    assert!(list.contains(&"x Directory".to_owned()), "{list:?}");
    let kept = index.find(b"kept").expect("entry");
    assert_eq!(kept.xattrs(), [(&b"user.comment"[..], &b"hello"[..])]);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn understands_marks_of_dockerd() {
    let root = Root::new("overlay2", 1);
    let layer = root.layer(0);
    rustix::fs::mknodat(CWD, layer.join("gone"), FileType::CharacterDevice, Mode::empty(), 0).expect("whiteout");
    assert!(fs::symlink_metadata(layer.join("gone")).expect("there").file_type().is_char_device());
    write(&layer, "new/file", "1");
    rustix::fs::setxattr(layer.join("new"), "trusted.overlay.opaque", b"y", XattrFlags::empty()).expect("opaque");
    let image = root.image();
    assert_eq!(list(&read(&image, 0))[1..3], ["gone Whiteout", "new Directory(opaque)"]);
    let error = image.open(0, b"gone").map(|_| ()).expect_err("no file").to_string();
    assert_eq!(error, "gone in layer 1 is a whiteout, not a file that can be read");
}

#[test]
fn vfs_layers_are_differences_of_copies() {
    let root = Root::new("vfs", 2);
    for n in 0..2 {
        for (path, text) in [("a/same", "same"), ("a/new", "old"), ("b/x/y", "1"), ("c/z", "2"), ("l1", "link")] {
            write(&root.layer(n), path, text);
        }
        fs::hard_link(root.layer(n).join("l1"), root.layer(n).join("l2")).expect("link");
    }
    fs::remove_dir_all(root.layer(1).join("b")).expect("removed");
    fs::remove_dir_all(root.layer(1).join("c")).expect("removed");
    write(&root.layer(1), "c", "now a file");
    write(&root.layer(1), "a/new", "newer");
    fs::set_permissions(root.layer(1).join("l1"), fs::Permissions::from_mode(0o600)).expect("mode");
    for n in 0..2 {
        for path in ["", "a", "a/same", "l1", "c"] {
            set_time(&root.layer(n).join(path), 1000);
        }
    }
    let image = root.image();
    let expected = [
        "a/new File(5 B, disk None)",
        "b Whiteout",
        "c File(10 B, disk None)",
        "l1 File(4 B, disk None)",
        "l2 Hardlink(l1)",
    ];
    assert_eq!(list(&read(&image, 1)), expected);
    assert_eq!(read(&image, 0).files(), 5);
}

#[test]
fn indexes_are_cached_by_what_they_are_made_of() {
    let root = Root::new("overlay2", 1);
    write(&root.layer(0), "a/file", "content");
    let folder = tempfile::tempdir().expect("temporary folder");
    let cache = IndexCache::new(folder.path().join("cache"));
    let image = || {
        let opened = DataRoot::open(root.path()).expect("opens").with_cache(Some(cache.clone()));
        opened.image(&root.id).expect("image")
    };
    let first = list(&read(&image(), 0));
    // Deeper changes are not noticed: layers do not change. A new layer folder is.
    write(&root.layer(0), "a/unnoticed", "");
    assert_eq!(list(&read(&image(), 0)), first);
    let files: Vec<_> = fs::read_dir(folder.path().join("cache")).expect("cache").flatten().collect();
    assert_eq!(files.len(), 1);
    let mut bytes = fs::read(files[0].path()).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(files[0].path(), bytes).expect("damaged");
    assert_eq!(read(&image(), 0).files(), 2);
    fs::rename(root.layer(0), root.path().join("old")).expect("moved");
    write(&root.layer(0), "other", "");
    assert_eq!(list(&read(&image(), 0)).len(), 2);
}
