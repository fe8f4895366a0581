//! Archives that are unpacked: an OCI layout as a directory. No name leads out of it, whatever links are in it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat2};

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

impl Directory {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a regular file in it and tells its size; `None` if there is none of that name. Anything else of that name is
    /// not opened, only looked at.
    pub(super) fn file(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        let open = |flags: OFlags| {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            openat2(&self.0, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
        };
        let look = match open(OFlags::PATH) {
            Ok(look) => look,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        require_regular(&look)?;
        let file = open(OFlags::RDONLY | OFlags::NONBLOCK)?;
        // It may have been replaced between.
        let size = require_regular(&file)?;
        Ok(Some((file.into(), size)))
    }
}

fn require_regular(file: &OwnedFd) -> io::Result<u64> {
    let stat = rustix::fs::fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        return Ok(stat.st_size as u64);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file; refused"))
}
