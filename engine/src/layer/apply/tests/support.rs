//! Makes tars, also such as no tool makes, and unpacks them.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use outcrop_layers::entry::{Entry, Kind, Time};

use crate::layer::apply::{Applied, ApplyError, ApplyOptions, apply};
use crate::layer::diff::PaxWriter;
use crate::progress::Cancel;

/// An entry and its content.
pub(crate) type Item = (Entry, Vec<u8>);

pub(crate) struct Unpacked {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) result: Result<Applied, ApplyError>,
}

pub(crate) fn entry(path: impl AsRef<[u8]>, kind: Kind) -> Item {
    let entry = Entry {
        path: path.as_ref().into(),
        kind,
        mode: 0o755,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Time { seconds: 1_000_000_000, nanoseconds: 0 },
        xattrs: Vec::new(),
    };
    (entry, Vec::new())
}

pub(crate) fn file(path: impl AsRef<[u8]>, content: &[u8]) -> Item {
    let (mut entry, _) = entry(path, Kind::File { size: content.len() as u64, disk: None });
    entry.mode = 0o644;
    (entry, content.to_vec())
}

pub(crate) fn directory(path: &str) -> Item {
    entry(path, Kind::Directory { opaque: false })
}

pub(crate) fn symlink(path: &str, target: &[u8]) -> Item {
    entry(path, Kind::Symlink { target: target.into() })
}

pub(crate) fn hardlink(path: &str, target: &str) -> Item {
    entry(path, Kind::Hardlink { target: target.as_bytes().into() })
}

pub(crate) fn tar(items: &[Item]) -> Vec<u8> {
    let mut writer = PaxWriter::new(Vec::new());
    for (entry, content) in items {
        writer.entry(entry).expect("entry");
        writer.write_all(content).expect("content");
    }
    writer.finish().expect("ends").1
}

/// Sets a tar header's checksum anew after a change.
pub(crate) fn checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|&b| u32::from(b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

pub(crate) fn opaque_key() -> &'static [u8] {
    if rustix::process::geteuid().is_root() { b"trusted.overlay.opaque" } else { b"user.overlay.opaque" }
}

pub(crate) fn unpack(tar: &[u8]) -> Unpacked {
    unpack_with(tar, 0, &|_| {})
}

pub(crate) fn unpack_with(tar: impl Read + Send, floor: u64, on_bytes: &dyn Fn(u64)) -> Unpacked {
    let dir = tempfile::tempdir().expect("directory");
    let target = std::fs::File::open(dir.path()).expect("target");
    let cancel = Cancel::new();
    let options = ApplyOptions { rootless: !rustix::process::geteuid().is_root(), floor, cancel: &cancel, on_bytes };
    let result = apply(tar, target.as_fd(), &options, std::io::sink());
    Unpacked { dir, result }
}

/// An empty file of another owner.
pub(crate) fn owned(path: &str, uid: u32) -> Item {
    let mut item = file(path, b"");
    item.0.uid = uid;
    item
}
