//! Takes away what an earlier entry of the layer made, and keeps what the layer's record needs of it.

use std::os::fd::AsFd;

use rustix::fs::FileType;

use super::{At, Unpacker};
use crate::layer::apply::{ApplyError, shown};
use crate::sys::dirs::Directory;
use crate::sys::walk::{self, Met, Visitor, WalkError};
use crate::sys::{beneath, node};

impl Unpacker<'_> {
    /// Removes what is at `path`, after keeping what the layer's record needs of it.
    pub(super) fn replace(&mut self, dir: &Directory, path: &[u8]) -> Result<(), ApplyError> {
        let (_, name) = beneath::parent_and_name(path);
        let at = At { path };
        let real = dir.real(name).unwrap_or_else(|| path.into());
        self.dirs.forget();
        self.replaced = true;
        let there = node::stat(dir, name).map_err(at.error("look at what is there"))?;
        match FileType::from_raw_mode(there.st_mode) {
            FileType::RegularFile => {
                let size = there.st_size as u64;
                if there.st_nlink == 1 {
                    self.size = self.size.saturating_sub(size);
                }
                self.keep_known(dir, name, &real, size)?;
            }
            FileType::Directory => {
                let below = node::open_directory(dir, name).map_err(at.error("replace the directory"))?;
                walk::walk(&below, &mut Keeping { unpacker: self, directory: &real })?;
            }
            FileType::Symlink if there.st_nlink == 1 => self.size = self.size.saturating_sub(there.st_size as u64),
            _ => {}
        }
        let doing = "replace what an earlier entry made there";
        walk::remove_tree(dir, name).map_err(|error| at.error(doing)(error.source))
    }

    /// Keeps the content of a file that is about to be replaced, if the record knows it by the name `path`.
    pub(super) fn keep_known(&mut self, dir: impl AsFd, name: &[u8], path: &[u8], size: u64) -> Result<(), ApplyError> {
        if self.elsewhere.remove(path) { Ok(()) } else { self.keep(dir, name, path, size) }
    }

    /// Keeps a file's content under the name `path`.
    pub(super) fn keep(&mut self, dir: impl AsFd, name: &[u8], path: &[u8], size: u64) -> Result<(), ApplyError> {
        // A plain archive has no record.
        if size == 0 || !self.marks {
            return Ok(());
        }
        self.space.take(size)?;
        let at = At { path };
        let file = node::open_file(dir, name).map_err(at.error("keep what is replaced"))?;
        self.kept.keep(path, file).map_err(|error| self.no_space(error, size, "keep what is replaced", &at))
    }
}

/// Keeps the content of all files of a directory that is about to be replaced.
struct Keeping<'k, 'a> {
    unpacker: &'k mut Unpacker<'a>,
    directory: &'k [u8],
}

impl Visitor for Keeping<'_, '_> {
    type Error = ApplyError;

    fn meet(&mut self, met: &Met<'_>) -> Result<bool, ApplyError> {
        if !met.kind.is_file() && !met.kind.is_symlink() {
            return Ok(true);
        }
        let stat = met.stat()?;
        let size = stat.st_size as u64;
        if stat.st_nlink == 1 {
            self.unpacker.size = self.unpacker.size.saturating_sub(size);
        }
        if met.kind.is_file() {
            self.unpacker.keep_known(met.dir, met.name, &[self.directory, b"/", met.path].concat(), size)?;
        }
        Ok(true)
    }
}

impl From<WalkError> for ApplyError {
    fn from(error: WalkError) -> Self {
        Self::Entry { path: shown(&error.path), doing: "replace the directory", source: error.source }
    }
}
