//! Layers as they should be. Those that should not be are in `hostile`.

mod hostile;
pub(crate) mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use outcrop_layers::digest::{DiffId, Digest};

use self::support::{Unpacked, directory, entry, file, hardlink, opaque_key, symlink, tar, unpack};
use crate::sys::node;
use outcrop_layers::entry::{Kind, Time};

#[test]
fn files_with_their_metadata() {
    let mut a = file("dir/a", b"hello");
    a.0.mode = 0o4751;
    a.0.mtime = Time { seconds: -5, nanoseconds: 0 };
    a.0.xattrs = vec![(b"user.note"[..].into(), b"\0x"[..].into())];
    let mut dir = directory("dir");
    dir.0.mode = 0o1777;
    let mut fifo = entry("dir/fifo", Kind::Fifo);
    fifo.0.mode = 0o666;
    let bytes = tar(&[dir, a, symlink("dir/s", b"../\xff/nowhere"), hardlink("dir/h", "dir/a"), fifo]);
    let Unpacked { dir, result } = unpack(&bytes);
    let applied = result.expect("applies");
    assert_eq!(applied.diff_id, DiffId(Digest::of(&bytes)));
    let link = b"../\xff/nowhere".len() as u64;
    assert_eq!((applied.size, applied.entries, applied.tar_bytes), (5 + link, 5, bytes.len() as u64));
    assert_eq!(applied.warnings, [""; 0]);

    let at = |name: &str| dir.path().join("dir").join(name);
    let meta = fs::symlink_metadata(at("a")).expect("file");
    assert_eq!(meta.mode() & 0o7777, 0o4751);
    assert_eq!((meta.mtime(), meta.nlink()), (-5, 2));
    let fd = fs::File::open(dir.path().join("dir")).expect("directory");
    assert_eq!(node::xattr(&fd, b"a", b"user.note").expect("reads"), Some(b"\0x".to_vec()));
    assert_eq!(node::read_link(&fd, b"s").expect("link"), b"../\xff/nowhere");
    assert_eq!(fs::symlink_metadata(at("s")).expect("link").mtime(), 1_000_000_000);
    let fifo = fs::symlink_metadata(at("fifo")).expect("pipe");
    assert!(fifo.file_type().is_fifo() && fifo.mode() & 0o777 == 0o666);
    let meta = fs::metadata(dir.path().join("dir")).expect("directory");
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o1777, 1_000_000_000), "times are set after the content");
}

#[test]
fn the_root_has_metadata_too() {
    let mut root = directory("");
    root.0.mode = 0o700;
    let Unpacked { dir, result } = unpack(&tar(&[root, file("a", b"")]));
    result.expect("applies");
    let meta = fs::metadata(dir.path()).expect("root");
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o700, 1_000_000_000));
}

#[test]
fn parents_that_have_no_entry() {
    let Unpacked { dir, result } = unpack(&tar(&[file("a/b/c/d", b"x"), file("a/b/e", b"y")]));
    result.expect("applies");
    assert_eq!(fs::read(dir.path().join("a/b/c/d")).expect("file"), b"x");
    assert_eq!(fs::metadata(dir.path().join("a/b")).expect("directory").permissions().mode() & 0o777, 0o755);
}

#[test]
fn whiteouts_and_opaque_marks() {
    let entries = [
        directory("d"),
        file("d/.wh.gone", b""),
        file("d/.wh..wh..opq", b""),
        file(".wh.top", b""),
        file("n/.wh.x", b""),
    ];
    let Unpacked { dir, result } = unpack(&tar(&entries));
    result.expect("applies");
    for path in ["d/gone", "top", "n/x"] {
        let meta = fs::symlink_metadata(dir.path().join(path)).expect(path);
        assert!(meta.file_type().is_char_device() && meta.rdev() == 0, "{path}");
    }
    assert_eq!(fs::read_dir(dir.path().join("d")).expect("directory").count(), 1);
    let fd = fs::File::open(dir.path()).expect("root");
    assert_eq!(node::xattr(&fd, b"d", opaque_key()).expect("reads"), Some(b"y".to_vec()));
    assert_eq!(node::xattr(&fd, b"n", opaque_key()).expect("reads"), None);
}

/// OCI image specification, "Whiteouts": they apply to lower layers only, wherever they stand in the layer.
#[test]
fn whiteouts_hide_lower_layers_only() {
    let first = tar(&[file(".wh.f", b""), file("f", b"x"), file(".wh.d", b""), directory("d"), file("d/x", b"")]);
    let last = tar(&[file("f", b"x"), file(".wh.f", b""), directory("d"), file("d/x", b""), file(".wh.d", b"")]);
    for bytes in [first, last] {
        let Unpacked { dir, result } = unpack(&bytes);
        result.expect("applies");
        assert_eq!(fs::read(dir.path().join("f")).expect("file"), b"x");
        assert!(dir.path().join("d/x").exists());
        let fd = fs::File::open(dir.path()).expect("root");
        let opaque = node::xattr(&fd, b"d", opaque_key()).expect("reads");
        assert_eq!(opaque, Some(b"y".to_vec()), "the lower directory stays hidden");
    }
}

#[test]
fn the_later_entry_wins() {
    type Make = fn(&str) -> support::Item;
    let kinds: [(&str, Make); 6] = [
        ("file", |p| file(p, b"content")),
        ("directory", directory),
        ("symlink", |p| symlink(p, b"elsewhere")),
        ("hardlink", |p| hardlink(p, "other")),
        ("fifo", |p| entry(p, Kind::Fifo)),
        ("whiteout", |p| file(format!(".wh.{p}"), b"")),
    ];
    for (first, make_first) in kinds {
        for (second, make_second) in kinds {
            let bytes = tar(&[file("other", b"12345678"), make_first("x"), make_second("x")]);
            let Unpacked { dir, result } = unpack(&bytes);
            let applied = result.unwrap_or_else(|e| panic!("{second} over {first}: {e}"));
            let meta = fs::symlink_metadata(dir.path().join("x")).expect("is there");
            let is = meta.file_type();
            let stays = if second == "whiteout" { first } else { second };
            let found = if is.is_dir() {
                "directory"
            } else if is.is_symlink() {
                "symlink"
            } else if is.is_fifo() {
                "fifo"
            } else if is.is_char_device() {
                "whiteout"
            } else if meta.nlink() == 2 {
                "hardlink"
            } else {
                "file"
            };
            assert_eq!(found, stays, "{second} over {first}");
            let own = match stays {
                "file" => 7,
                "symlink" => 9,
                _ => 0,
            };
            assert_eq!(applied.size, 8 + own, "{second} over {first}");
        }
    }
    let bytes = tar(&[directory("d"), file("d/kept", b""), directory("d"), file("d/b", b"")]);
    let Unpacked { dir, result } = unpack(&bytes);
    result.expect("applies");
    assert_eq!(fs::read_dir(dir.path().join("d")).expect("directory").count(), 2);
}

#[test]
fn directories_behind_links_are_found_in_root() {
    let entries = [
        directory("usr"),
        directory("usr/bin"),
        symlink("bin", b"usr/bin"),
        symlink("abs", b"/usr"),
        file("bin/a", b""),
        file("abs/b", b""),
    ];
    let Unpacked { dir, result } = unpack(&tar(&entries));
    result.expect("applies");
    assert!(dir.path().join("usr/bin/a").exists() && dir.path().join("usr/b").exists());
}

#[test]
fn groups_are_not_inherited() {
    let mut dir = directory("d");
    dir.0.mode = 0o2755;
    let Unpacked { dir, result } = unpack(&tar(&[file("before", b""), dir, file("d/a", b""), directory("d/b")]));
    result.expect("applies");
    let own = fs::metadata(dir.path().join("before")).expect("file").gid();
    for path in ["d/a", "d/b"] {
        assert_eq!(fs::metadata(dir.path().join(path)).expect(path).gid(), own, "{path}");
    }
    assert_eq!(fs::metadata(dir.path().join("d/b")).expect("directory").mode() & 0o7777, 0o755);
}

#[test]
fn progress_and_cancelling() {
    let content = vec![7; 3 << 20];
    let bytes = tar(&[file("a", &content), file("b", &content)]);
    let told = std::cell::RefCell::new(Vec::new());
    let Unpacked { result, .. } = support::unpack_with(&bytes[..], 0, &|n| told.borrow_mut().push(n));
    result.expect("applies");
    let told = told.into_inner();
    assert!(told.is_sorted() && told.last() == Some(&(bytes.len() as u64)), "{told:?}");

    let cancel = crate::progress::Cancel::new();
    let target = tempfile::tempdir().expect("directory");
    let fd = fs::File::open(target.path()).expect("target");
    let on_bytes = |n| {
        if n > 1 << 20 {
            cancel.cancel();
        }
    };
    let options = super::ApplyOptions { rootless: true, floor: 0, cancel: &cancel, on_bytes: &on_bytes };
    let result = super::apply(&bytes[..], std::os::fd::AsFd::as_fd(&fd), &options, std::io::sink());
    assert!(matches!(result, Err(super::ApplyError::Cancelled)));
    assert!(!target.path().join("b").exists());
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn root_keeps_owners_devices_and_capabilities() {
    // Version 2, cap_net_raw+ep (linux/capability.h).
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut ping = file("ping", b"x");
    (ping.0.uid, ping.0.gid, ping.0.mode) = (123_456, 3_000_000_000, 0o4755);
    ping.0.xattrs = vec![(b"security.capability"[..].into(), capability[..].into())];
    let mut null = entry("null", Kind::CharDevice { major: 1, minor: 3 });
    null.0.mode = 0o666;
    let mut link = symlink("link", b"ping");
    link.0.uid = 7;
    let mut dir = directory("dir");
    (dir.0.gid, dir.0.mode) = (7, 0o2755);
    // version 2; user::rwx user:1:rwx group::r-x mask::rwx other::r-x (linux/posix_acl_xattr.h)
    let acl: Vec<u8> = [(1u16, 7u16, u32::MAX), (2, 7, 1), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)]
        .iter()
        .flat_map(|(tag, perm, id)| [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat())
        .collect();
    dir.0.xattrs = vec![(b"system.posix_acl_default"[..].into(), [&2u32.to_le_bytes()[..], &acl].concat().into())];
    let Unpacked { dir, result } = unpack(&tar(&[ping, null, link, dir, file("dir/inside", b"")]));
    assert_eq!(result.expect("applies").warnings, [""; 0]);
    let meta = |name: &str| fs::symlink_metadata(dir.path().join(name)).expect("is there");
    assert_eq!(
        (meta("ping").uid(), meta("ping").gid(), meta("ping").mode() & 0o7777),
        (123_456, 3_000_000_000, 0o4755)
    );
    assert_eq!((meta("null").rdev(), meta("null").mode() & 0o777), (0x103, 0o666));
    assert_eq!((meta("link").uid(), meta("dir").gid()), (7, 7));
    assert_eq!((meta("dir/inside").gid(), meta("dir/inside").mode() & 0o777), (0, 0o644));
    let fd = fs::File::open(dir.path()).expect("root");
    assert_eq!(node::xattr(&fd, b"ping", b"security.capability").expect("reads"), Some(capability.to_vec()));
    assert!(node::xattr(&fd, b"dir", b"system.posix_acl_default").expect("reads").is_some());
    let inside = fs::File::open(dir.path().join("dir")).expect("directory");
    assert_eq!(node::xattr(&inside, b"inside", b"system.posix_acl_access").expect("reads"), None);
}
