//! Files below a directory that others change: nothing leads out of it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::event::Node;
use crate::sys::handle::{self, Handle};
use crate::sys::view;

/// Longest extended attribute that is looked at, in bytes.
const LONGEST_VALUE: usize = 4096;

/// Opens a directory that paths will be relative to.
pub(crate) fn directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a directory that is looked at for long, so that looking changes nothing in it where the kernel allows that. The second
/// value is whether nobody else uses the mount that it is on.
pub(crate) fn view(path: &Path) -> io::Result<(OwnedFd, bool)> {
    view::open(path).map(|dir| (dir, true)).or_else(|_| Ok((directory(path)?, false)))
}

/// Opens `path` below `dir` without following any link; an empty path is `dir` itself.
pub(crate) fn open(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match (rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve), path.iter().rposition(|byte| *byte == b'/')) {
        // NO_SYMLINKS refuses a link as the last component even for O_PATH: its directory is opened first then.
        (Err(Errno::LOOP), Some(slash)) if flags.contains(OFlags::PATH) => {
            let within = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::openat2(dir, &path[..slash], within, Mode::empty(), resolve)?;
            Ok(rustix::fs::openat(folder, &path[slash + 1..], flags, Mode::empty())?)
        }
        (Err(Errno::LOOP), None) if flags.contains(OFlags::PATH) => {
            Ok(rustix::fs::openat(dir, path, flags, Mode::empty())?)
        }
        (opened, _) => Ok(opened?),
    }
}

/// What an O_PATH descriptor stands for.
pub(crate) fn stat(file: BorrowedFd<'_>) -> io::Result<Stat> {
    Ok(rustix::fs::statat(file, c"", AtFlags::EMPTY_PATH)?)
}

/// An extended attribute of what a descriptor stands for; `None` when it has none, or its filesystem keeps none.
pub(crate) fn xattr(file: BorrowedFd<'_>, name: &str) -> Option<Vec<u8>> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut value = vec![0; LONGEST_VALUE];
    let length = rustix::fs::getxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

/// The handle of `name` in `dir`, or device and inode where files have no handles.
pub(crate) fn identity(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Handle> {
    let name = CString::new(name).map_err(io::Error::from)?;
    handle::of(dir, &name).or_else(|error| match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::EOVERFLOW | libc::ENOSYS | libc::EPERM) => by_inode(dir, &name),
        _ => Err(error),
    })
}

fn by_inode(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Handle> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let stat = rustix::fs::statat(dir.as_fd(), name, flags)?;
    Ok([[0xff; 4].as_slice(), &stat.st_dev.to_ne_bytes(), &stat.st_ino.to_ne_bytes()].concat().into())
}

/// What kind of file `stat` tells of, `None` for a whiteout as overlayfs makes them: a character device 0:0.
pub(crate) fn node(stat: &Stat) -> Option<Node> {
    use rustix::fs::FileType;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(Node::File),
        FileType::Directory => Some(Node::Directory),
        FileType::Symlink => Some(Node::Symlink),
        FileType::CharacterDevice if stat.st_rdev == 0 => None,
        _ => Some(Node::Special),
    }
}
