use std::fs;
use std::os::fd::AsFd;

use outcrop_layers::entry::Kind;

use super::*;
use crate::layer::apply::tests::support::{Item, directory, entry, file, hardlink, symlink, tar};
use crate::layer::apply::{ApplyOptions, apply};
use crate::progress::Cancel;

/// Unpacks a tar; gives the directory and its record.
fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().expect("directory");
    let fd = fs::File::open(dir.path()).expect("target");
    let cancel = Cancel::new();
    let rootless = !rustix::process::geteuid().is_root();
    let options = ApplyOptions { rootless, floor: 0, cancel: &cancel, on_bytes: &|_| {} };
    let mut split = Vec::new();
    apply(bytes, fd.as_fd(), &options, &mut split).expect("applies");
    (dir, split)
}

fn exported(dir: &tempfile::TempDir, split: &[u8]) -> Result<Vec<u8>, ExportError> {
    let fd = fs::File::open(dir.path()).expect("source");
    let mut out = Vec::new();
    export(fd.as_fd(), split, &mut out).map(|n| {
        assert_eq!(n, out.len() as u64);
        out
    })
}

fn comes_back(what: &str, items: &[Item]) {
    let bytes = tar(items);
    let (dir, split) = unpacked(&bytes);
    let back = exported(&dir, &split).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(back == bytes, "{what}: {} bytes of {}", back.len(), bytes.len());
}

#[test]
fn the_same_bytes() {
    let big: Vec<u8> = (0..2_500_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    comes_back("nothing", &[]);
    comes_back(
        "all types",
        &[
            directory("./"),
            directory("d"),
            file("d/big", &big),
            file("./d/dot", b"x"),
            file("/d/slash", b"y"),
            file("d/../up", b"z"),
            symlink("l", b"/etc"),
            hardlink("h", "d/big"),
            entry("fifo", Kind::Fifo),
            file(".wh.gone", b""),
            file("d/.wh..wh..opq", b""),
            file(".wh.odd", b"a whiteout with content"),
            file(b"\xff\xfe\n", b"name"),
            file("x".repeat(200), b"long"),
        ],
    );
}

#[test]
fn paths_that_come_twice() {
    comes_back("file over file", &[file("a", b"first"), file("a", b"second!"), file("a", b"3")]);
    comes_back("link over file", &[file("a", b"first"), symlink("a", b"b"), file("./a", b"x")]);
    comes_back("file over directory", &[directory("d"), file("d/e/f", b"deep"), file("d/g", b"x"), file("d", b"flat")]);
    comes_back(
        "hard link over file",
        &[file("a", b"first"), file("b", b"second"), hardlink("a", "b"), file("b", b"!")],
    );
    comes_back("file over hard link", &[file("a", b"first"), hardlink("b", "a"), file("b", b"other"), file("a", b"x")]);
}

#[test]
fn paths_through_links() {
    let links = [directory("x"), directory("y"), file("y/f", b"in y"), symlink("l", b"x"), file("l/f", b"via l")];
    comes_back("through a link", &links);
    comes_back("the link moves", &[&links[..], &[symlink("l", b"y"), file("l/g", b"via l again")]].concat());
    comes_back("the real name is replaced", &[&links[..], &[file("x/f", b"mine")]].concat());
    comes_back("the link's name is replaced", &[&links[..], &[file("l/f", b"once more")]].concat());
    comes_back("replaced through a link", &[directory("x"), file("x/f", b"1"), symlink("l", b"x"), file("l/f", b"22")]);
    let over = [directory("x"), file("x/d/f", b"1"), symlink("l", b"/x"), file("l/d", b"22")];
    comes_back("a directory replaced through a link", &over);
}

#[test]
fn damage_is_named_with_expected_and_found() {
    let (dir, split) = unpacked(&tar(&[file("d/a", b"12345"), file("b", b"x")]));
    let at = dir.path().join("d/a");
    let says = |parts: &[&str]| {
        let text = exported(&dir, &split).expect_err("is damaged").to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    fs::write(&at, "123").expect("file");
    says(&["d/a", "5 bytes", "3 bytes"]);
    fs::write(&at, "1234567").expect("file");
    says(&["d/a", "5 bytes"]);
    fs::write(&at, "12346").expect("file");
    says(&["d/a", "CRC-64"]);
    fs::remove_file(&at).expect("removes");
    says(&["d/a"]);
    std::os::unix::fs::symlink("../b", &at).expect("link");
    says(&["d/a", "symbolic link"]);
    fs::remove_file(&at).expect("removes");
    rustix::fs::mknodat(rustix::fs::CWD, &at, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("pipe");
    says(&["d/a", "named pipe"]);
    let (_, cut) = (0, &split[..split.len() / 2]);
    assert!(exported(&dir, cut).is_err());
    assert!(exported(&dir, b"no gzip").is_err());
}
