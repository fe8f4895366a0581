//! The lower directories: which of them a path comes from.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{OFlags, SeekFrom, Stat};

use super::beneath;
use super::event::{How, Lower, Node};
use super::overlay::Overlay;
use crate::sys::handle::Handle;

/// Directories whose layers are remembered.
const REMEMBERED: usize = 20_000;

/// The lower directories of one overlay, opened. They do not change while it is mounted.
pub(crate) struct Lowers {
    /// Base first; `None` for one that could not be opened.
    layers: Vec<Option<OwnedFd>>,
    /// Which of them are on a mount that only this watch uses.
    own: Vec<bool>,
    userxattr: bool,
    /// Per directory the layers that have it, topmost first, down to where one hides the rest.
    directories: HashMap<Box<[u8]>, Arc<[usize]>>,
}

/// A file found in a lower layer.
pub(crate) struct Found {
    /// Where.
    pub(crate) lower: Lower,
    /// What it is.
    pub(crate) node: Node,
    /// Its metadata.
    pub(crate) stat: Stat,
    /// Its handle, where files have handles.
    pub(crate) handle: Option<Handle>,
}

impl Lowers {
    /// Opens the directories; tells which could not be opened.
    pub(crate) fn open(overlay: &Overlay) -> (Self, Vec<String>) {
        let mut missing = Vec::new();
        let mut open = |path: &std::path::Path| match beneath::view(path) {
            Ok((dir, own)) => (Some(dir), own),
            Err(error) => {
                missing.push(format!("cannot open the lower directory {}: {error}", path.display()));
                (None, false)
            }
        };
        let (layers, own) = overlay.lowers.iter().map(|lower| open(&lower.path)).unzip();
        (Self { layers, own, userxattr: overlay.userxattr, directories: HashMap::new() }, missing)
    }

    /// Those directories that are on a mount that only this watch uses.
    pub(crate) fn views(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.layers.iter().zip(&self.own).filter_map(|(dir, own)| Some(dir.as_ref()?.as_fd()).filter(|_| *own))
    }

    /// The attribute `overlay.NAME` in the namespace of this mount.
    pub(crate) fn attribute(&self, name: &str) -> String {
        let namespace = if self.userxattr { "user" } else { "trusted" };
        format!("{namespace}.overlay.{name}")
    }

    /// The layers that have the directory `path`, as a merged directory would show them.
    fn having(&mut self, path: &[u8]) -> Arc<[usize]> {
        if let Some(known) = self.directories.get(path) {
            return known.clone();
        }
        let above: Arc<[usize]> = match path.iter().rposition(|byte| *byte == b'/') {
            _ if path.is_empty() => (0..self.layers.len()).rev().collect(),
            Some(slash) => self.having(&path[..slash]),
            None => self.having(b""),
        };
        let mut having = Vec::new();
        for &layer in above.iter() {
            let Some(dir) = &self.layers[layer] else { continue };
            let Ok(file) = beneath::open(dir.as_fd(), path, OFlags::PATH) else { continue };
            let Ok(stat) = beneath::stat(file.as_fd()) else { continue };
            if beneath::node(&stat) != Some(Node::Directory) {
                break; // a whiteout or a file hides what is below
            }
            having.push(layer);
            if beneath::xattr(file.as_fd(), &self.attribute("opaque")).is_some_and(|value| value == b"y") {
                break;
            }
        }
        if self.directories.len() >= REMEMBERED {
            self.directories.clear();
        }
        let having: Arc<[usize]> = having.into();
        self.directories.insert(path.into(), having.clone());
        having
    }

    /// The topmost file that lower layers have at `path`; `None` when there is none, or it has been removed.
    pub(crate) fn find(&mut self, path: &[u8]) -> Option<Found> {
        self.each(path, |_| true)
    }

    /// The file whose handle is `handle`: of those at `path`, in whichever layer.
    pub(crate) fn find_handle(&mut self, path: &[u8], handle: &[u8]) -> Option<Found> {
        let mut found = self.each(path, |found| found.handle.as_deref() == Some(handle))?;
        found.lower.how = How::Handle;
        Some(found)
    }

    fn each(&mut self, path: &[u8], wanted: impl Fn(&Found) -> bool) -> Option<Found> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let folder = slash.map_or(&b""[..], |slash| &path[..slash]);
        for &layer in self.having(folder).iter() {
            let Some(dir) = &self.layers[layer] else { continue };
            let Ok(file) = beneath::open(dir.as_fd(), path, OFlags::PATH) else { continue };
            let Ok(stat) = beneath::stat(file.as_fd()) else { continue };
            let node = beneath::node(&stat)?; // a whiteout: the file was removed
            let handle = crate::sys::handle::of(file.as_fd(), c"").ok();
            let lower = Lower { layer, path: path.into(), size: stat.st_size as u64, how: How::Path };
            let found = Found { lower, node, stat, handle };
            if wanted(&found) {
                return Some(found);
            }
        }
        None
    }

    /// Opens the content of a lower file.
    pub(crate) fn content(&self, lower: &Lower) -> Option<OwnedFd> {
        let dir = self.layers.get(lower.layer)?.as_ref()?;
        beneath::open(dir.as_fd(), &lower.path.0, OFlags::RDONLY | OFlags::NONBLOCK).ok()
    }

    /// Bytes that copying a file's content takes: holes are skipped.
    pub(crate) fn bytes_to_copy(&self, found: &Found) -> u64 {
        let size = found.stat.st_size as u64;
        if found.node != Node::File || found.stat.st_blocks as u64 * 512 >= size {
            return if found.node == Node::File { size } else { 0 };
        }
        // Fewer blocks than bytes: a sparse file, or one that its filesystem has compressed.
        self.content(&found.lower).map_or(size, |file| data(&file, size))
    }
}

/// Bytes of a file that are no holes.
fn data(file: &OwnedFd, size: u64) -> u64 {
    let (mut at, mut sum) = (0, 0);
    while at < size {
        let Ok(start) = rustix::fs::seek(file, SeekFrom::Data(at)) else { break };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(size).min(size);
        if end <= start {
            break;
        }
        sum += end - start;
        at = end;
    }
    sum
}

/// The file handle in the attribute `overlay.origin` (`struct ovl_fh`): version 0, magic 0xfb, length, flags, type, UUID, handle.
pub(crate) fn origin(value: &[u8]) -> Option<Handle> {
    const HEADER: usize = 21;
    let length = usize::from(*value.get(2)?);
    if value[0] != 0 || value[1] != 0xfb || length > value.len() || length < HEADER {
        return None;
    }
    let kind = i32::from(value[4]);
    Some([&kind.to_ne_bytes(), &value[HEADER..length]].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_origins() {
        let mut value = vec![0, 0xfb, 29, 0, 1];
        value.extend([7; 16]);
        value.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        let handle = origin(&value).expect("is one");
        assert_eq!(&handle[..4], &1i32.to_ne_bytes());
        assert_eq!(&handle[4..], [1, 2, 3, 4, 5, 6, 7, 8]);
        for wrong in [&value[..28], &[], &[0, 0xfb], &[1, 0xfb, 3], &[0, 0xfa, 29, 0, 1]] {
            assert_eq!(origin(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn finds_what_a_merged_directory_shows() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("base/a/x", "base");
        write("base/a/y", "base");
        write("base/file/z", "hidden");
        write("top/a/x", "the top");
        write("top/file", "hides a directory");
        let lower = |name: &str| super::super::overlay::LowerLayer { path: folder.path().join(name), created_by: None };
        let overlay = Overlay { lowers: vec![lower("base"), lower("none"), lower("top")], ..Overlay::default() };
        let (mut lowers, missing) = Lowers::open(&overlay);
        assert_eq!(missing.len(), 1);
        let mut layer = |path: &[u8]| lowers.find(path).map(|found| (found.lower.layer, found.lower.size));
        assert_eq!(layer(b"a/x"), Some((2, 7)));
        assert_eq!(layer(b"a/y"), Some((0, 4)));
        assert_eq!(layer(b"file"), Some((2, 17)));
        assert_eq!(layer(b"file/z"), None);
        assert_eq!(layer(b"a/none"), None);
        let handle = lowers.find(b"a/y").and_then(|found| found.handle);
        if let Some(handle) = handle {
            assert_eq!(lowers.find_handle(b"a/y", &handle).map(|found| found.lower.how), Some(How::Handle));
            assert!(lowers.find_handle(b"a/x", &handle).is_none());
        }
    }

    #[test]
    fn holes_are_not_copied() {
        use std::io::{Seek, Write};
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut file = std::fs::File::create(folder.path().join("sparse")).expect("created");
        file.seek(std::io::SeekFrom::Start(1 << 20)).expect("sought");
        file.write_all(&[1; 4096]).expect("written");
        let lower = super::super::overlay::LowerLayer { path: folder.path().into(), created_by: None };
        let (mut lowers, _) = Lowers::open(&Overlay { lowers: vec![lower], ..Overlay::default() });
        let found = lowers.find(b"sparse").expect("there");
        assert_eq!((found.lower.size, lowers.bytes_to_copy(&found)), ((1 << 20) + 4096, 4096));
    }
}
