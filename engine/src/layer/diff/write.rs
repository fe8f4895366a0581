//! A layer's tar from the upper directory of an overlay, in Docker's manner: names sorted within each directory, `.wh.` files for
//! what is removed, times in whole seconds.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use outcrop_layers::entry::{Entry, Kind, Time, Xattr};
use outcrop_layers::tar::is_overlay_xattr;
use rustix::fs::{FileType, OFlags, Stat};

use super::{DiffError, PaxWriter};
use crate::sys::walk::{self, Met, Visitor, WalkError};
use crate::sys::{beneath, fd, node};

/// Bytes copied at once.
const BUFFER: usize = 256 << 10;

/// Writes the layer's tar of the upper directory `upper` to `out` and gives its length in bytes. `rootless` tells whether
/// overlayfs' attributes are `user.overlay.*`.
///
/// Sockets are left out, which tar does not have. Attributes of overlayfs and of the host's security modules stay behind. A file
/// that grows or shrinks meanwhile is cut or filled with zeros.
///
/// # Errors
/// When a file cannot be read, or the tar not written.
pub fn diff_tar(upper: impl AsFd, rootless: bool, out: impl Write) -> Result<u64, DiffError> {
    let mut writing = Writing::new(out, rootless, true);
    walk::walk(upper, &mut writing)?;
    let (bytes, _) = writing.tar.finish().map_err(DiffError::Write)?;
    Ok(bytes)
}

/// Writes the directory `root` with all below it to `out`, as an ordinary archive, and gives its length in bytes. Nothing in it means
/// anything to overlayfs, times have nanoseconds, and the first entry is the directory itself. Else as [`diff_tar`].
///
/// # Errors
/// As [`diff_tar`].
pub fn plain_tar(root: impl AsFd, out: impl Write) -> Result<u64, DiffError> {
    let mut writing = Writing::new(out, false, false);
    let inside = beneath::open(&root, b"", OFlags::RDONLY | OFlags::DIRECTORY);
    let inside = inside.map_err(|source| WalkError { path: Box::default(), source })?;
    let met = Met { dir: inside.as_fd(), name: b".", path: b"", kind: FileType::Directory };
    writing.plain(&met)?;
    walk::walk(&root, &mut writing)?;
    let (bytes, _) = writing.tar.finish().map_err(DiffError::Write)?;
    Ok(bytes)
}

struct Writing<W: Write> {
    tar: PaxWriter<W>,
    rootless: bool,
    /// Whether it is a layer, in which overlayfs' own things become marks.
    layer: bool,
    /// First names of files that have several.
    linked: HashMap<(u64, u64), Box<[u8]>>,
    buffer: Vec<u8>,
}

impl<W: Write> Visitor for Writing<W> {
    type Error = DiffError;

    fn meet(&mut self, met: &Met<'_>) -> Result<bool, DiffError> {
        if !self.layer {
            return self.plain(met);
        }
        let stat = met.stat()?;
        if node::is_whiteout(&stat) {
            self.mark(met, &[b".wh.", met.name].concat(), false, &stat)?;
            return Ok(false);
        }
        let Some(kind) = self.kind(met, &stat)? else { return Ok(false) };
        let is_file = matches!(kind, Kind::File { .. });
        let xattrs = if matches!(kind, Kind::Hardlink { .. }) { Vec::new() } else { xattrs(met)? };
        self.tar.entry(&entry(met.path.into(), kind, &stat, xattrs)).map_err(DiffError::Write)?;
        if is_file {
            self.content(met, stat.st_size as u64)?;
        }
        if met.kind.is_dir() && super::is_opaque(met.dir, met.name, self.rootless).map_err(|e| met.error(e))? {
            self.mark(met, b".wh..wh..opq", true, &stat)?;
        }
        Ok(true)
    }
}

impl<W: Write> Writing<io::BufWriter<W>> {
    fn new(out: W, rootless: bool, layer: bool) -> Self {
        let out = io::BufWriter::with_capacity(BUFFER, out);
        Self { tar: PaxWriter::new(out), rootless, layer, linked: HashMap::new(), buffer: vec![0; BUFFER] }
    }
}

impl<W: Write> Writing<W> {
    /// An entry that stands for itself.
    fn plain(&mut self, met: &Met<'_>) -> Result<bool, DiffError> {
        let stat = met.stat()?;
        let Some(kind) = self.kind(met, &stat)? else { return Ok(false) };
        let is_file = matches!(kind, Kind::File { .. });
        let xattrs = if matches!(kind, Kind::Hardlink { .. }) { Vec::new() } else { xattrs(met)? };
        let mut entry = entry(met.path.into(), kind, &stat, xattrs);
        entry.mtime.nanoseconds = stat.st_mtime_nsec as u32;
        self.tar.entry(&entry).map_err(DiffError::Write)?;
        if is_file {
            self.content(met, stat.st_size as u64)?;
        }
        Ok(true)
    }

    fn kind(&mut self, met: &Met<'_>, stat: &Stat) -> Result<Option<Kind>, DiffError> {
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !kind.is_dir() && stat.st_nlink > 1 {
            let target = self.linked.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| met.path.into());
            if **target != *met.path {
                return Ok(Some(Kind::Hardlink { target: target.clone() }));
            }
        }
        Ok(Some(match kind {
            FileType::RegularFile => Kind::File { size: stat.st_size as u64, disk: None },
            FileType::Directory => Kind::Directory { opaque: false },
            FileType::Symlink => {
                let target = node::read_link(met.dir, met.name).map_err(|e| met.error(e))?;
                Kind::Symlink { target: target.into() }
            }
            FileType::CharacterDevice => Kind::CharDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::Fifo => Kind::Fifo,
            _ => return Ok(None),
        }))
    }

    /// An empty file that says something about its directory.
    fn mark(&mut self, met: &Met<'_>, name: &[u8], inside: bool, stat: &Stat) -> Result<(), DiffError> {
        let directory = if inside { met.path } else { beneath::parent_and_name(met.path).0 };
        let path = if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() };
        let mut entry = entry(path.into(), Kind::File { size: 0, disk: None }, stat, Vec::new());
        entry.mode = 0o600;
        self.tar.entry(&entry).map_err(DiffError::Write)
    }

    fn content(&mut self, met: &Met<'_>, size: u64) -> Result<(), DiffError> {
        let fail = |e: io::Error| DiffError::Walk(met.error(e));
        let mut file = open(met).map_err(fail)?;
        let mut left = size;
        while left > 0 {
            let wanted = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = match file.read(&mut self.buffer[..wanted]) {
                Ok(0) => {
                    self.buffer[..wanted].fill(0);
                    wanted
                }
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(fail(error)),
            };
            self.tar.write_all(&self.buffer[..n]).map_err(DiffError::Write)?;
            left -= n as u64;
        }
        Ok(())
    }
}

/// Opens a file that was met, if it is still a regular one.
fn open(met: &Met<'_>) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(met.dir, met.name, flags, rustix::fs::Mode::empty())?;
    if !FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode).is_file() {
        return Err(io::Error::other("was replaced while it was read"));
    }
    fd::reopen(found, OFlags::RDONLY).map(Into::into)
}

fn entry(path: Box<[u8]>, kind: Kind, stat: &Stat, xattrs: Vec<Xattr>) -> Entry {
    let mtime = Time { seconds: stat.st_mtime, nanoseconds: 0 };
    Entry { path, kind, mode: (stat.st_mode & 0o7777) as u16, uid: stat.st_uid, gid: stat.st_gid, mtime, xattrs }
}

fn xattrs(met: &Met<'_>) -> Result<Vec<Xattr>, WalkError> {
    let mut kept = Vec::new();
    for key in node::xattr_names(met.dir, met.name).map_err(|e| met.error(e))? {
        let belongs =
            key == b"security.capability" || key.starts_with(b"user.") || key.starts_with(b"system.posix_acl_");
        if !belongs || is_overlay_xattr(&key) {
            continue;
        }
        if let Some(value) = node::xattr(met.dir, met.name, &key).map_err(|e| met.error(e))? {
            kept.push((key.into(), value.into()));
        }
    }
    Ok(kept)
}
