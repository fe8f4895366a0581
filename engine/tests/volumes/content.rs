//! What is in volumes: filling, measuring, archives, clones.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use outcrop_engine::progress::Cancel;
use outcrop_engine::volume::{Compression, Create, VolumeError};

use super::{Root, map, named, quiet};

#[test]
fn a_new_volume_gets_the_images_content_once() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    let image = root.directory.path().join("image");
    fs::create_dir_all(image.join("srv/www/sub")).unwrap();
    fs::write(image.join("srv/www/sub/index"), "hello").unwrap();
    symlink("/etc/passwd", image.join("srv/www/link")).unwrap();
    symlink("srv/www", image.join("www")).unwrap();
    fs::set_permissions(image.join("srv/www"), fs::Permissions::from_mode(0o1770)).unwrap();
    let rootfs = File::open(&image).unwrap();
    let fill = |path: &str| volumes.fill("data", rootfs.as_fd(), path, &Cancel::new());
    assert_eq!(fill("/nothing/here").unwrap(), None);
    assert_eq!(fill("/srv/www/sub/index").unwrap(), None);
    assert_eq!(fill("/www").unwrap(), Some(5));
    let data = root.path("volumes/data/_data");
    assert_eq!(fs::read_to_string(data.join("sub/index")).unwrap(), "hello");
    assert_eq!(fs::read_link(data.join("link")).unwrap().to_str(), Some("/etc/passwd"));
    assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o1770);
    fs::write(image.join("srv/www/late"), "x").unwrap();
    assert_eq!(fill("/www").unwrap(), None, "a volume with content is left alone");
    assert!(!data.join("late").exists());
    root.nothing_left();
}

#[test]
fn an_empty_volume_that_somebody_has_mounted_is_filled_in_place() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    root.container("c1", "web", "data", true);
    let inode = fs::metadata(root.path("volumes/data/_data")).unwrap().ino();
    let image = root.directory.path().join("image");
    fs::create_dir_all(image.join("data")).unwrap();
    fs::write(image.join("data/file"), "content").unwrap();
    let rootfs = File::open(&image).unwrap();
    assert_eq!(volumes.fill("data", rootfs.as_fd(), "/data", &Cancel::new()).unwrap(), Some(7));
    assert_eq!(fs::metadata(root.path("volumes/data/_data")).unwrap().ino(), inode);
}

#[test]
fn links_in_the_path_stay_in_the_image() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    let outside = root.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "x").unwrap();
    let image = root.directory.path().join("image");
    fs::create_dir(&image).unwrap();
    symlink(&outside, image.join("absolute")).unwrap();
    symlink("../outside", image.join("up")).unwrap();
    let rootfs = File::open(&image).unwrap();
    for path in ["/absolute", "/up", "/../outside"] {
        assert_eq!(volumes.fill("data", rootfs.as_fd(), path, &Cancel::new()).unwrap(), None, "{path}");
    }
}

#[test]
fn a_subpath_does_not_lead_out() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    let data = root.path("volumes/data/_data");
    fs::create_dir_all(data.join("inner/deep")).unwrap();
    fs::write(data.join("file"), "x").unwrap();
    symlink("../../../..", data.join("up")).unwrap();
    symlink("/", data.join("top")).unwrap();
    let inode = |path: &str| {
        let attached = volumes.attach("data", path)?;
        Ok::<_, VolumeError>(rustix::fs::fstat(attached.fd()).unwrap().st_ino)
    };
    let own = |path: &str| fs::metadata(data.join(path)).unwrap().ino();
    assert_eq!(inode("inner/deep").unwrap(), own("inner/deep"));
    assert_eq!(inode("up").unwrap(), own("."));
    assert_eq!(inode("top/inner").unwrap(), own("inner"));
    assert_eq!(inode("../..").unwrap(), own("."));
    assert!(!volumes.attach("data", "file").unwrap().is_directory());
    assert!(inode("up/etc").is_err());
    assert!(inode("nothing").unwrap_err().to_string().starts_with("volume data: nothing: "));
}

#[test]
fn measures_and_lists() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    let data = root.path("volumes/data/_data");
    fs::create_dir_all(data.join("a/b")).unwrap();
    fs::write(data.join("a/b/one"), [0; 100]).unwrap();
    fs::write(data.join("a/two"), [0; 20]).unwrap();
    fs::hard_link(data.join("a/two"), data.join("three")).unwrap();
    symlink("a/two", data.join("z")).unwrap();
    let size = volumes.measure("data").unwrap();
    assert_eq!((size.bytes, size.files, size.directories), (120, 3, 2));
    assert!(size.last_written.is_some());
    let tree = volumes.tree("data", "", 1).unwrap();
    let shown: Vec<_> =
        tree.iter().map(|item| (String::from_utf8_lossy(&item.path).into_owned(), item.size, item.files)).collect();
    assert_eq!(shown, [("a".to_owned(), 120, 2), ("three".to_owned(), 20, 0), ("z".to_owned(), 0, 0)]);
    assert_eq!(tree[2].link.as_deref(), Some(&b"a/two"[..]));
    let deep: Vec<_> = volumes.tree("data", "a", 9).unwrap().into_iter().map(|item| item.path).collect();
    assert_eq!(deep, [b"b".to_vec().into_boxed_slice(), b"b/one".to_vec().into(), b"two".to_vec().into()]);
}

#[test]
fn a_backup_comes_back_as_it_was() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&Create { labels: Some(map(&[("a", "b")])), ..named("data") }).unwrap();
    let data = root.path("volumes/data/_data");
    fs::create_dir_all(data.join("sub/leer é")).unwrap();
    fs::write(data.join("sub/file"), vec![b'x'; 100_000]).unwrap();
    fs::write(data.join(".wh.name"), "a name like others here").unwrap();
    fs::set_permissions(data.join("sub/file"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(data.join("sub/file"), data.join("again")).unwrap();
    symlink("../../../../etc/passwd", data.join("out")).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o1777)).unwrap();
    for (compression, magic) in [
        (Compression::None, &b""[..]),
        (Compression::Gzip, &[0x1f, 0x8b]),
        (Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        let mut archive = Vec::new();
        let bytes = volumes.backup("data", compression, &mut archive).unwrap();
        assert!(bytes > 100_000 && archive.starts_with(magic));
        let name = format!("back-{compression:?}").to_lowercase();
        let made =
            quiet(|ctx| volumes.restore(&name, Some(map(&[("from", "backup")])), archive.as_slice(), ctx)).unwrap();
        assert_eq!(made.labels, Some(map(&[("from", "backup")])));
        same(&data, &made.mountpoint);
        // And so again: the same bytes.
        let mut again = Vec::new();
        volumes.backup(&name, compression, &mut again).unwrap();
        assert_eq!(again, archive);
        assert!(matches!(
            quiet(|ctx| volumes.restore(&name, None, archive.as_slice(), ctx)),
            Err(VolumeError::Exists(_))
        ));
    }
    root.nothing_left();
}

/// Compares two folders: names, types, content, modes, owners, times.
fn same(a: &std::path::Path, b: &std::path::Path) {
    let (x, y) = (fs::symlink_metadata(a).expect("reads"), fs::symlink_metadata(b).expect("reads"));
    assert_eq!(
        (x.mode(), x.uid(), x.gid(), x.mtime(), x.mtime_nsec()),
        (y.mode(), y.uid(), y.gid(), y.mtime(), y.mtime_nsec()),
        "{}",
        a.display()
    );
    if x.is_dir() {
        let names = |path: &std::path::Path| {
            let mut names: Vec<_> =
                fs::read_dir(path).expect("reads").map(|entry| entry.expect("reads").file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(a), names(b));
        for name in names(a) {
            same(&a.join(&name), &b.join(&name));
        }
    } else if x.is_symlink() {
        assert_eq!(fs::read_link(a).expect("reads"), fs::read_link(b).expect("reads"));
    } else {
        assert_eq!(x.nlink(), y.nlink());
        assert!(fs::read(a).expect("reads") == fs::read(b).expect("reads"), "{}", a.display());
    }
}

#[test]
fn what_is_no_archive_makes_no_volume() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    fs::write(root.path("volumes/data/_data/file"), vec![7; 50_000]).unwrap();
    let mut whole = Vec::new();
    volumes.backup("data", Compression::Gzip, &mut whole).unwrap();
    let hostile = {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..12].copy_from_slice(b"../../escape");
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, &b""[..]).unwrap();
        tar.into_inner().unwrap()
    };
    for archive in [Vec::new(), b"just text".to_vec(), whole[..whole.len() / 2].to_vec(), hostile] {
        assert!(quiet(|ctx| volumes.restore("made", None, archive.as_slice(), ctx)).is_err());
        assert!(!volumes.exists("made"));
        root.nothing_left();
    }
    assert!(!root.directory.path().join("escape").exists());
}

#[test]
fn a_clone_is_a_volume_of_its_own() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&Create { labels: Some(map(&[("a", "b")])), ..named("data") }).unwrap();
    let data = root.path("volumes/data/_data");
    fs::create_dir(data.join("sub")).unwrap();
    File::create(data.join("sub/file")).unwrap().write_all(&[1; 9999]).unwrap();
    let made = volumes.clone_to("data", "copy", &Cancel::new()).unwrap();
    assert_eq!(made.labels, Some(map(&[("a", "b")])));
    same(&data, &made.mountpoint);
    fs::write(made.mountpoint.join("sub/file"), "other").unwrap();
    assert_eq!(fs::metadata(data.join("sub/file")).unwrap().len(), 9999);
    assert!(matches!(volumes.clone_to("data", "copy", &Cancel::new()), Err(VolumeError::Exists(_))));
    assert!(matches!(volumes.clone_to("nope", "copy2", &Cancel::new()), Err(VolumeError::NotFound(_))));
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(matches!(volumes.clone_to("data", "copy3", &cancel), Err(VolumeError::Cancelled)));
    assert!(!volumes.exists("copy3"));
    root.nothing_left();
}

#[test]
fn folders_go_in_and_out_and_links_lead_nowhere() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    let data = root.path("volumes/data/_data");
    fs::create_dir_all(data.join("in/sub")).unwrap();
    fs::write(data.join("in/sub/file"), "x").unwrap();
    let mut tar = Vec::new();
    volumes.read_folder("data", "in", &mut tar).unwrap();
    fs::create_dir(data.join("to")).unwrap();
    fs::write(data.join("to/stays"), "y").unwrap();
    quiet(|ctx| volumes.write_folder("data", "to", tar.as_slice(), ctx)).unwrap();
    assert_eq!(fs::read_to_string(data.join("to/sub/file")).unwrap(), "x");
    assert!(data.join("to/stays").exists());
    let outside = root.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "x").unwrap();
    symlink(&outside, data.join("trap")).unwrap();
    assert!(quiet(|ctx| volumes.write_folder("data", "trap", tar.as_slice(), ctx)).is_err());
    assert!(volumes.read_file("data", "trap/secret").is_err());
    assert!(volumes.read_file("data", "in/sub/file").is_ok());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}
