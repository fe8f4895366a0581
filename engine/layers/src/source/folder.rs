//! Indexes a layer's folder in place: what overlayfs has as one lower or upper directory.
//!
//! Everything is done relative to open folders and never follows a link, so nothing outside can be reached whatever the layer
//! holds. Folders are read, lower names are never looked up: fuse-overlayfs answers look-ups it should not.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;

use crate::entry::{Entry, Kind, Time, Xattr};
use crate::index::{IndexBuilder, IndexError, LayerIndex};
use crate::tar::is_overlay_xattr;

/// How deep every folder is kept open while what is in it is read; below, only each [`KEPT`]th is.
const ALL_OPEN: usize = 64;

/// See [`ALL_OPEN`].
const KEPT: usize = 32;

/// Deepest folder that is read. No path of more than 4,096 bytes can be named to the kernel.
const DEEPEST: usize = 4096;

/// Most bytes the kernel has for the names of a file's attributes, and for the value of one.
const LARGEST_XATTR: usize = 64 << 10;

/// Entries between two looks at `cancel`.
const STRIDE: u64 = 256;

/// Says why a folder cannot be indexed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Too much of something.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Too deep.
    #[error("folders are nested more than {DEEPEST} deep")]
    Deep,
    /// Reading failed.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The path in the folder, escaped.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

fn failed(path: &[u8], errno: Errno) -> FolderError {
    FolderError::Io { path: path.escape_ascii().to_string(), source: errno.into() }
}

/// Opens a folder that is the root of a layer.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, path, FOLDER, Mode::empty())
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder still to be read.
struct Todo {
    path: Vec<u8>,
    /// An open folder above it, and how many bytes of the path lead there.
    from: (Arc<OwnedFd>, usize),
    depth: usize,
}

impl Todo {
    /// The folder `path` in this one, which is open as `fd`.
    fn below(&self, fd: &Arc<OwnedFd>, path: Vec<u8>) -> Self {
        let keep = self.depth < ALL_OPEN || self.depth.is_multiple_of(KEPT);
        let from = if keep { (Arc::clone(fd), self.path.len()) } else { self.from.clone() };
        Self { path, from, depth: self.depth + 1 }
    }
}

/// Indexes what is in a folder as a layer: translates overlayfs's whiteouts and opaque marks, drops its attributes, finds hard links.
///
/// `progress` is told the number of entries so far. Files that vanish meanwhile are left out.
///
/// # Errors
/// When something cannot be read, is too much, or on cancelling.
pub fn index(root: impl AsFd, progress: &dyn Fn(u64), cancel: &dyn Fn() -> bool) -> Result<LayerIndex, FolderError> {
    let mut walk = Walk { builder: IndexBuilder::new(), links: HashMap::new(), buffer: Vec::new() };
    let root = Arc::new(open_beneath(&root.as_fd(), b"", FOLDER).map_err(|e| failed(b"", e))?);
    let mut todo = vec![Todo { path: Vec::new(), from: (root, 0), depth: 0 }];
    let mut done = 0;
    while let Some(folder) = todo.pop() {
        let Some(fd) = open_folder(&folder)? else { continue };
        if folder.depth == 0 {
            walk.root_entry(&fd)?;
        }
        for entry in Dir::read_from(&fd).map_err(|e| failed(&folder.path, e))? {
            let entry = entry.map_err(|e| failed(&folder.path, e))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if let Some(path) = walk.entry(&fd, &folder.path, name)? {
                todo.push(folder.below(&fd, path));
            }
            done += 1;
            if done % STRIDE == 0 {
                progress(done);
                if cancel() {
                    return Err(FolderError::Cancelled);
                }
            }
        }
    }
    progress(done);
    Ok(walk.builder.finish())
}

/// Opens a folder; `None` when it is gone.
fn open_folder(folder: &Todo) -> Result<Option<Arc<OwnedFd>>, FolderError> {
    if folder.depth > DEEPEST {
        return Err(FolderError::Deep);
    }
    let (from, skip) = &folder.from;
    match open_beneath(from, &folder.path[*skip..], FOLDER) {
        Ok(fd) => Ok(Some(Arc::new(fd))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed(&folder.path, errno)),
    }
}

struct Walk {
    builder: IndexBuilder,
    /// The first name of each file that has several.
    links: HashMap<(u32, u32, u64), Box<[u8]>>,
    buffer: Vec<u8>,
}

impl Walk {
    fn root_entry(&mut self, fd: &OwnedFd) -> Result<(), FolderError> {
        let stat =
            rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map_err(|e| failed(b"", e))?;
        let xattrs = self.xattrs(&format!("/proc/self/fd/{}/.", fd.as_raw_fd()).into_bytes(), b"")?;
        let kind = Kind::Directory { opaque: is_opaque(&xattrs) };
        self.add(Vec::new(), kind, &stat, xattrs)
    }

    /// Adds an entry; its path when it is a folder to be read.
    fn entry(&mut self, fd: &OwnedFd, folder: &[u8], name: &CStr) -> Result<Option<Vec<u8>>, FolderError> {
        let mut path = Vec::with_capacity(folder.len() + 1 + name.count_bytes());
        path.extend_from_slice(folder);
        if !folder.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = match rustix::fs::statx(fd, name, flags, StatxFlags::BASIC_STATS) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(&path, errno)),
        };
        let file_type = FileType::from_raw_mode(stat.stx_mode.into());
        // Others have none that belong to a layer.
        let xattrs = if matches!(file_type, FileType::RegularFile | FileType::Directory) {
            self.xattrs(&[format!("/proc/self/fd/{}/", fd.as_raw_fd()).as_bytes(), name.to_bytes()].concat(), &path)?
        } else {
            Vec::new()
        };
        let kind = match self.kind(fd, name, &stat, &xattrs, &path) {
            Ok(kind) => kind,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(&path, errno)),
        };
        let is_folder = kind.is_directory();
        self.add(path.clone(), kind, &stat, xattrs)?;
        Ok(is_folder.then_some(path))
    }

    fn add(&mut self, path: Vec<u8>, kind: Kind, stat: &Statx, mut xattrs: Vec<Xattr>) -> Result<(), FolderError> {
        xattrs.retain(|(name, _)| !is_overlay_xattr(name) && **name != *b"security.selinux");
        xattrs.sort();
        self.builder.entry(&Entry {
            path: path.into(),
            kind,
            mode: stat.stx_mode & 0o7777,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            mtime: Time { seconds: stat.stx_mtime.tv_sec, nanoseconds: stat.stx_mtime.tv_nsec },
            xattrs,
        })?;
        Ok(())
    }

    fn kind(&mut self, fd: &OwnedFd, name: &CStr, stat: &Statx, xattrs: &[Xattr], path: &[u8]) -> Result<Kind, Errno> {
        let (major, minor) = (stat.stx_rdev_major, stat.stx_rdev_minor);
        Ok(match FileType::from_raw_mode(stat.stx_mode.into()) {
            FileType::Directory => Kind::Directory { opaque: is_opaque(xattrs) },
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(fd, name, Vec::new())?;
                Kind::Symlink { target: target.into_bytes().into() }
            }
            FileType::CharacterDevice if (major, minor) == (0, 0) => Kind::Whiteout,
            FileType::CharacterDevice => Kind::CharDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            _ if stat.stx_size == 0 && overlay(xattrs, b"whiteout").is_some() => Kind::Whiteout,
            _ => self.file(stat, path),
        })
    }

    fn file(&mut self, stat: &Statx, path: &[u8]) -> Kind {
        if stat.stx_nlink > 1 {
            let inode = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
            if let Some(first) = self.links.get(&inode) {
                return Kind::Hardlink { target: first.clone() };
            }
            self.links.insert(inode, path.into());
        }
        Kind::File { size: stat.stx_size, disk: Some(stat.stx_blocks.saturating_mul(512)) }
    }

    /// Reads the attributes of a file without opening it, so that no pipe or device is touched.
    fn xattrs(&mut self, at: &[u8], path: &[u8]) -> Result<Vec<Xattr>, FolderError> {
        self.buffer.resize(LARGEST_XATTR, 0);
        let at = CString::new(at).map_err(|_| failed(path, Errno::INVAL))?;
        let length = match rustix::fs::llistxattr(&*at, &mut self.buffer[..]) {
            Ok(0) | Err(Errno::NOTSUP | Errno::NOENT) => return Ok(Vec::new()),
            Ok(length) => length,
            Err(errno) => return Err(failed(path, errno)),
        };
        let names = self.buffer[..length].to_vec();
        let mut xattrs = Vec::new();
        for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            match rustix::fs::lgetxattr(&*at, OsStr::from_bytes(name), &mut self.buffer[..]) {
                Ok(length) => xattrs.push((name.into(), self.buffer[..length].into())),
                Err(Errno::NODATA | Errno::NOENT | Errno::PERM | Errno::NOTSUP) => {}
                Err(errno) => return Err(failed(path, errno)),
            }
        }
        Ok(xattrs)
    }
}

/// An attribute of overlayfs, as root's mounts or as those with `userxattr` keep it.
fn overlay<'a>(xattrs: &'a [Xattr], name: &[u8]) -> Option<&'a [u8]> {
    let is = |found: &[u8]| {
        [&b"trusted.overlay."[..], b"user.overlay."].iter().any(|p| found.strip_prefix(*p) == Some(name))
    };
    xattrs.iter().find(|(found, _)| is(found)).map(|(_, value)| &**value)
}

/// `y` is opaque; `x` only says that whiteouts in it are files with an attribute.
fn is_opaque(xattrs: &[Xattr]) -> bool {
    overlay(xattrs, b"opaque") == Some(b"y")
}

/// Opens a path relative to a folder, following no link anywhere.
fn open_beneath(root: &dyn AsFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let (folders, name) = match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[][..], path),
    };
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = None;
    for part in folders.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
        let from = at.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        at = Some(rustix::fs::openat(from, part_name(part)?, step, Mode::empty())?);
    }
    let name = if name.is_empty() { OsStr::new(".") } else { part_name(name)? };
    let from = at.as_ref().map_or(root.as_fd(), AsFd::as_fd);
    rustix::fs::openat(from, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn part_name(part: &[u8]) -> Result<&OsStr, Errno> {
    if part == b".." || part == b"." || part.contains(&b'/') { Err(Errno::INVAL) } else { Ok(OsStr::from_bytes(part)) }
}

/// Why a file of a folder was not opened.
pub(super) enum NotOpened {
    /// There is none.
    Missing,
    /// It is something else: `a folder`.
    NotAFile(&'static str),
    /// Opening failed.
    Failed(Errno),
}

/// Opens a regular file in a layer's folder. What it is is looked at first: opening a pipe waits, opening a device does things.
pub(super) fn open(root: impl AsFd, path: &[u8]) -> Result<Box<dyn Read + Send>, NotOpened> {
    let gone = |errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL => NotOpened::Missing,
        errno => NotOpened::Failed(errno),
    };
    let look = open_beneath(&root.as_fd(), path, OFlags::PATH).map_err(gone)?;
    let before = rustix::fs::fstat(&look).map_err(NotOpened::Failed)?;
    let kind = what_is(FileType::from_raw_mode(before.st_mode), before.st_rdev);
    if let Some(kind) = kind {
        return Err(NotOpened::NotAFile(kind));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open_beneath(&root.as_fd(), path, flags).map_err(gone)?;
    let after = rustix::fs::fstat(&file).map_err(NotOpened::Failed)?;
    if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino) {
        return Err(NotOpened::Missing);
    }
    Ok(Box::new(File::from(file)))
}

fn what_is(file_type: FileType, device: u64) -> Option<&'static str> {
    match file_type {
        FileType::RegularFile => None,
        FileType::Directory => Some("a folder"),
        FileType::Symlink => Some("a symbolic link"),
        FileType::CharacterDevice if device == 0 => Some("a whiteout"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        FileType::Unknown => Some("of unknown type"),
    }
}
