use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use outcrop_layers::entry::{Kind, Time};
use outcrop_layers::tar::{Member, TarReader};
use rustix::fs::{CWD, FileType, Mode};

use super::*;
use crate::layer::apply::tests::support::opaque_key;
use crate::sys::node;

fn rootless() -> bool {
    !rustix::process::geteuid().is_root()
}

/// A directory with files in it: `d/` is a directory, `l -> x` a link, `.wh.w` a whiteout, `o/!` an opaque directory.
fn layer(paths: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    let fd = File::open(root.path()).expect("root");
    for path in paths {
        let at = root.path().join(path.trim_end_matches(['/', '!']));
        if let Some((from, to)) = path.split_once(" -> ") {
            symlink(to, root.path().join(from)).expect("link");
        } else if path.ends_with('!') {
            fs::create_dir_all(&at).expect("directory");
            let name = path.trim_end_matches("/!").as_bytes();
            node::set_xattr(&fd, name, opaque_key(), b"y").expect("attribute");
        } else if path.ends_with('/') {
            fs::create_dir_all(&at).expect("directory");
        } else {
            fs::create_dir_all(at.parent().expect("parent")).expect("directory");
            let name = at.file_name().and_then(|n| n.to_str()).expect("name");
            if let Some(name) = name.strip_prefix(".wh.") {
                let parent = File::open(at.parent().expect("parent")).expect("parent");
                node::create_whiteout(&parent, name.as_bytes()).expect("whiteout");
            } else {
                fs::write(&at, path).expect("file");
            }
        }
    }
    settle(root.path());
    root
}

/// Gives all files the same time.
fn settle(path: &Path) {
    for entry in fs::read_dir(path).expect("directory") {
        let entry = entry.expect("entry");
        if entry.file_type().expect("type").is_dir() {
            settle(&entry.path());
        }
        let dir = File::open(path).expect("directory");
        node::set_times(&dir, entry.file_name().as_encoded_bytes(), 1_000_000_000, 5).expect("times");
    }
}

fn listed(upper: &tempfile::TempDir, lowers: &[&tempfile::TempDir]) -> Vec<String> {
    let open = |dir: &tempfile::TempDir| File::open(dir.path()).expect("opens");
    let lowers: Vec<_> = lowers.iter().map(|dir| open(dir)).collect();
    let found = changes(open(upper), &lowers, rootless()).expect("compares");
    found.iter().map(|c| format!("{} {}", c.kind.letter(), c.path.escape_ascii())).collect()
}

#[test]
fn changes_are_those_of_the_merged_trees() {
    let base = layer(&["a", "d/e/f", "d/g", "gone/x", "l -> a", "kind"]);
    let middle = layer(&[".wh.gone", "d/h", "new"]);
    let cases: [(&[&str], &[&str]); 14] = [
        (&[], &[]),
        (&["b"], &["A /b"]),
        (&["n/o/p"], &["A /n", "A /n/o", "A /n/o/p"]),
        (&["a"], &[]),
        (&["d/e/z"], &["C /d", "C /d/e", "A /d/e/z"]),
        (&[".wh.a", "d/.wh.g"], &["D /a", "C /d", "D /d/g"]),
        (&[".wh.d"], &["D /d"]),
        (&[".wh.gone", ".wh.never"], &[]),
        (&["gone/x"], &["A /gone", "A /gone/x"]),
        (&["kind/inside"], &["C /kind", "A /kind/inside"]),
        (&["d"], &["C /d"]),
        (&["l -> elsewhere"], &["C /l"]),
        (&["d/!", "d/g", "d/i"], &["C /d", "D /d/e", "D /d/h", "A /d/i"]),
        (&["fresh/!", "fresh/x"], &["A /fresh", "A /fresh/x"]),
    ];
    for (upper, expected) in cases {
        let mut found = listed(&layer(upper), &[&middle, &base]);
        let mut expected: Vec<String> = expected.iter().map(|s| (*s).to_owned()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{upper:?}");
    }
    // An opaque directory of a lower layer hides what is below that.
    let opaque = layer(&["d/!", "d/only"]);
    assert_eq!(listed(&layer(&["d/g"]), &[&opaque, &base]), ["C /d", "A /d/g"]);
}

#[test]
fn metadata_makes_a_change() {
    let base = layer(&["a", "b", "d/x"]);
    let upper = layer(&["a", "b", "d/x"]);
    assert_eq!(listed(&upper, &[&base]), [""; 0]);
    fs::set_permissions(upper.path().join("a"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode");
    let fd = File::open(upper.path()).expect("root");
    node::set_times(&fd, b"b", 1_000_000_000, 0).expect("times");
    node::set_times(&fd, b"d", 5, 0).expect("times");
    assert_eq!(
        listed(&upper, &[&base]),
        ["C /a"],
        "fractions that one side lacks, and times of directories, do not count"
    );
    node::set_times(&fd, b"b", 1_000_000_001, 5).expect("times");
    assert_eq!(listed(&upper, &[&base]), ["C /a", "C /b"]);
}

fn members(tar: &[u8]) -> Vec<Member> {
    let mut reader = TarReader::new(tar);
    let mut found = Vec::new();
    while let Some(entry) = reader.next().expect("reads") {
        found.push(entry.header);
    }
    found
}

fn written(upper: &tempfile::TempDir) -> Vec<u8> {
    let fd = File::open(upper.path()).expect("opens");
    let mut out = Vec::new();
    let bytes = diff_tar(&fd, rootless(), &mut out).expect("writes");
    assert_eq!(bytes, out.len() as u64);
    assert_eq!(bytes % 512, 0);
    out
}

#[test]
fn a_layer_of_an_upper_directory() {
    let upper = layer(&["b", "a/z", "a/!", "a/.wh.y", ".wh.gone", "s -> b"]);
    fs::hard_link(upper.path().join("b"), upper.path().join("c")).expect("link");
    let long = "x".repeat(150);
    fs::write(upper.path().join(&long), "").expect("file");
    rustix::fs::mknodat(CWD, upper.path().join("p"), FileType::Fifo, Mode::RWXU, 0).expect("pipe");
    let socket = std::os::unix::net::UnixListener::bind(upper.path().join("socket")).expect("socket");
    let fd = File::open(upper.path()).expect("root");
    node::set_xattr(&fd, b"b", b"user.note", b"kept").expect("attribute");
    let found = members(&written(&upper));
    drop(socket);
    let names: Vec<_> = found.iter().map(|m| String::from_utf8_lossy(&m.name).into_owned()).collect();
    assert_eq!(names, ["a/", "a/.wh..wh..opq", "a/.wh.y", "a/z", "b", "c", ".wh.gone", "p", "s", &long]);
    let of = |name: &str| found.iter().find(|m| m.name == name.as_bytes()).expect(name);
    assert_eq!(of("c").kind, Kind::Hardlink { target: b"b"[..].into() });
    assert_eq!(of("s").kind, Kind::Symlink { target: b"b"[..].into() });
    assert_eq!(of("p").kind, Kind::Fifo);
    assert_eq!(of("b").xattrs, [(b"user.note"[..].into(), b"kept"[..].into())]);
    assert_eq!(of("a/").xattrs, [], "overlayfs' own attributes stay behind");
    assert_eq!(of("b").mtime, Time { seconds: 1_000_000_000, nanoseconds: 0 });
    assert_eq!(of(".wh.gone").kind, Kind::File { size: 0, disk: None });
}

/// What is written as a layer and applied again is written the same.
#[test]
fn there_and_back_again() {
    let upper = layer(&["b", "a/z", "a/!", "a/.wh.y", ".wh.gone", "s -> /abs", "d/e/f"]);
    let first = written(&upper);
    let back = crate::layer::apply::tests::support::unpack(&first);
    back.result.expect("applies");
    assert!(written(&back.dir) == first);
}

#[test]
fn large_numbers_need_pax() {
    let mut entry = crate::layer::apply::tests::support::file("big", b"").0;
    entry.kind = Kind::File { size: 9 << 30, disk: None };
    (entry.uid, entry.gid, entry.mtime.seconds) = (3_000_000, u32::MAX - 1, -7);
    let mut out = Vec::new();
    PaxWriter::new(&mut out).entry(&entry).expect("header");
    let mut reader = TarReader::new(&out[..]);
    let found = reader.next().expect("reads").expect("an entry").header;
    assert_eq!((found.uid, found.gid, found.mtime.seconds), (3_000_000, u32::MAX - 1, -7));
    assert_eq!((found.kind.size(), found.stored), (9 << 30, 9 << 30));
}

/// Against a real overlay.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn what_overlayfs_makes_of_it() {
    let lower = layer(&["a", "d/e/f", "d/g", "keep/x", "moved/y"]);
    let dir = tempfile::tempdir().expect("directory");
    for name in ["up", "work", "at"] {
        fs::create_dir(dir.path().join(name)).expect("directory");
    }
    let upper = Some((dir.path().join("up"), dir.path().join("work")));
    let lowers = vec![lower.path().into()];
    let overlay = crate::sys::mount::Overlay { base: dir.path().into(), lowers, upper, userxattr: false };
    let at = dir.path().join("at");
    overlay.mount(&at).expect("mounts");
    let change = || -> io::Result<()> {
        fs::remove_file(at.join("a"))?;
        fs::remove_dir_all(at.join("d"))?;
        fs::create_dir(at.join("d"))?;
        fs::write(at.join("d/h"), "")?;
        fs::create_dir(at.join("fresh"))?;
        fs::set_permissions(at.join("keep/x"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
    };
    let changed = change();
    crate::sys::mount::unmount(&at).expect("unmounts");
    changed.expect("changes");
    let open = |path: &Path| File::open(path).expect("opens");
    let found = changes(open(&dir.path().join("up")), &[open(lower.path())], false).expect("compares");
    let found: Vec<_> = found.iter().map(|c| format!("{} {}", c.kind.letter(), c.path.escape_ascii())).collect();
    let expected = ["D /a", "C /d", "D /d/e", "D /d/g", "A /d/h", "A /fresh", "C /keep", "C /keep/x"];
    // The new directory's time of change is not the old one's, which does not count; its mode may be the same.
    assert_eq!(found, expected);
    let mut out = Vec::new();
    diff_tar(open(&dir.path().join("up")).as_fd(), false, &mut out).expect("writes");
    let names: Vec<_> = members(&out).iter().map(|m| String::from_utf8_lossy(&m.name).into_owned()).collect();
    assert_eq!(names, [".wh.a", "d/", "d/.wh..wh..opq", "d/h", "fresh/", "keep/", "keep/x"]);
}
