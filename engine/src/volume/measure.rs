//! How much a volume holds.

use std::collections::HashSet;

use outcrop_layers::entry::Time;
use rustix::fs::FileType;

use super::{VolumeError, Volumes};
use crate::sys::node;
use crate::sys::walk::{self, Met, Visitor, WalkError};

/// What is in a volume, counted. Files with several names count once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of regular files.
    pub bytes: u64,
    /// Bytes on disk.
    pub disk: u64,
    /// Files that are no directories.
    pub files: u64,
    /// Directories, without the top.
    pub directories: u64,
    /// When a file was last written, and its path in the volume.
    pub last_written: Option<(Time, Box<[u8]>)>,
}

/// One file of a volume, in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its path in the volume.
    pub path: Box<[u8]>,
    /// Type and permissions, as `st_mode` has them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes: of a file its own, of a directory those of all files below it.
    pub size: u64,
    /// Files below a directory; 0 for all else.
    pub files: u64,
    /// When it was last written.
    pub mtime: Time,
    /// Where a link leads, verbatim.
    pub link: Option<Box<[u8]>>,
}

impl Volumes {
    /// Counts what a volume holds, by a walk: the cost is that of reading its directories. Other file systems mounted in it are walked too.
    ///
    /// # Errors
    /// No such volume; a directory cannot be read.
    pub fn measure(&self, name: &str) -> Result<Size, VolumeError> {
        let attached = self.attach(name, "")?;
        let mut measuring = Measuring::default();
        walk::walk(attached.fd(), &mut measuring).map_err(|error| of(name, error))?;
        Ok(measuring.size)
    }

    /// Lists a volume's files below the folder `path` in it, directories before what is in them and names in byte order; `depth` levels
    /// of them, of which everything deeper is counted in the directories' sums.
    ///
    /// # Errors
    /// No such volume, no such folder in it; a directory cannot be read.
    pub fn tree(&self, name: &str, path: &str, depth: usize) -> Result<Vec<Item>, VolumeError> {
        let attached = self.attach(name, path)?;
        let mut listing = Listing { items: Vec::new(), open: Vec::new(), depth, seen: HashSet::new() };
        walk::walk(attached.fd(), &mut listing).map_err(|error| of(name, error))?;
        Ok(listing.items)
    }
}

fn of(volume: &str, error: WalkError) -> VolumeError {
    VolumeError::Path { volume: volume.to_owned(), path: error.path.escape_ascii().to_string(), source: error.source }
}

#[derive(Default)]
struct Measuring {
    size: Size,
    seen: HashSet<(u64, u64)>,
}

impl Visitor for Measuring {
    type Error = WalkError;

    fn meet(&mut self, met: &Met<'_>) -> Result<bool, WalkError> {
        let stat = met.stat()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind.is_dir() {
            self.size.directories += 1;
            return Ok(true);
        }
        if stat.st_nlink > 1 && !self.seen.insert((stat.st_dev, stat.st_ino)) {
            return Ok(false);
        }
        self.size.files += 1;
        self.size.disk += stat.st_blocks as u64 * 512;
        if kind.is_file() {
            self.size.bytes += stat.st_size as u64;
            let time = Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 };
            if self.size.last_written.as_ref().is_none_or(|(last, _)| *last < time) {
                self.size.last_written = Some((time, met.path.into()));
            }
        }
        Ok(false)
    }
}

/// How many directories a path has above its last part.
fn level(path: &[u8]) -> usize {
    path.split(|&byte| byte == b'/').count() - 1
}

struct Listing {
    items: Vec<Item>,
    /// The directories that the walk is in, by their place in the list.
    open: Vec<usize>,
    depth: usize,
    seen: HashSet<(u64, u64)>,
}

impl Visitor for Listing {
    type Error = WalkError;

    fn meet(&mut self, met: &Met<'_>) -> Result<bool, WalkError> {
        let stat = met.stat()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let level = level(met.path);
        let size = if kind.is_file() { stat.st_size as u64 } else { 0 };
        if !kind.is_dir() && (stat.st_nlink == 1 || self.seen.insert((stat.st_dev, stat.st_ino))) {
            for &above in &self.open {
                self.items[above].size += size;
                self.items[above].files += 1;
            }
        }
        if level < self.depth {
            let link = kind.is_symlink().then(|| node::read_link(met.dir, met.name)).transpose();
            let link = link.map_err(|error| met.error(error))?.map(Into::into);
            let mtime = Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 };
            let (mode, uid, gid) = (stat.st_mode, stat.st_uid, stat.st_gid);
            if kind.is_dir() {
                self.open.push(self.items.len());
            }
            self.items.push(Item { path: met.path.into(), mode, uid, gid, size, files: 0, mtime, link });
        }
        Ok(true)
    }

    fn leave(&mut self, met: &Met<'_>) -> Result<(), WalkError> {
        if level(met.path) < self.depth {
            self.open.pop();
        }
        Ok(())
    }
}
