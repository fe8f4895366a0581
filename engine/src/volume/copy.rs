//! Copies a tree of files as it is: owners, modes, times, extended attributes, hard links, holes; links are copied, never followed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outcrop_layers::tar::is_overlay_xattr;
use rustix::fs::{FileType, SeekFrom, Stat};
use rustix::io::Errno;

use crate::progress::Cancel;
use crate::sys::dirs::Dirs;
use crate::sys::walk::{self, Met, Visitor, WalkError};
use crate::sys::{beneath, node};

/// Bytes copied at once.
const BUFFER: usize = 1 << 20;

/// Says at which file a copy failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error(transparent)]
    File(#[from] WalkError),
    #[error("cancelled")]
    Cancelled,
}

/// Copies all that is in the directory `from` to the directory `to`, which gets the metadata of `from` too. Gives the bytes of the files
/// that were copied.
///
/// Without root, what only root may do (owners, devices) is left out.
pub(super) fn tree(from: impl AsFd, to: impl AsFd, cancel: &Cancel) -> Result<u64, CopyError> {
    let at = |source| WalkError { path: Box::default(), source };
    let rootless = !rustix::process::geteuid().is_root();
    let dirs = Dirs::new(&to).map_err(at)?;
    let mut copying = Copying { dirs, cancel, rootless, linked: HashMap::new(), bytes: 0 };
    let top = beneath::open(&from, b"", rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY).map_err(at)?;
    walk::walk(&from, &mut copying)?;
    let stat = rustix::fs::fstat(&top).map_err(|error| at(error.into()))?;
    copying.metadata(top.as_fd(), b".", to.as_fd(), b".", &stat).map_err(at)?;
    Ok(copying.bytes)
}

struct Copying<'a> {
    dirs: Dirs,
    cancel: &'a Cancel,
    rootless: bool,
    /// First names of files that have several, in the copy.
    linked: HashMap<(u64, u64), Box<[u8]>>,
    bytes: u64,
}

impl Visitor for Copying<'_> {
    type Error = CopyError;

    fn meet(&mut self, met: &Met<'_>) -> Result<bool, CopyError> {
        if self.cancel.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let stat = met.stat()?;
        self.one(met, &stat).map_err(|source| met.error(source))?;
        Ok(true)
    }

    fn leave(&mut self, met: &Met<'_>) -> Result<(), CopyError> {
        let stat = met.stat()?;
        let (parent, name) = beneath::parent_and_name(met.path);
        let to = self.dirs.find(parent).map_err(|source| met.error(source))?;
        Ok(self.metadata(met.dir, met.name, to.as_fd(), name, &stat).map_err(|source| met.error(source))?)
    }
}

impl Copying<'_> {
    fn one(&mut self, met: &Met<'_>, stat: &Stat) -> io::Result<()> {
        let (parent, name) = beneath::parent_and_name(met.path);
        let to = self.dirs.find(parent)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !kind.is_dir() && stat.st_nlink > 1 {
            let first = self.linked.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| met.path.into()).clone();
            if *first != *met.path {
                let (parent, first_name) = beneath::parent_and_name(&first);
                return node::create_hardlink(self.dirs.find(parent)?, first_name, &to, name);
            }
        }
        match kind {
            FileType::Directory => {
                // What is there already stays; its metadata come when it is left.
                return match node::create_directory(&to, name) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        node::open_directory(&to, name).map(drop)
                    }
                    other => other,
                };
            }
            FileType::RegularFile => {
                let from = node::open_file(met.dir, met.name)?;
                let new = File::from(node::create_file(&to, name, 0o600)?);
                self.bytes += content(&from, &new, self.cancel)?;
            }
            FileType::Symlink => node::create_symlink(&to, name, &node::read_link(met.dir, met.name)?)?,
            kind => {
                let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
                match node::create_special(&to, name, kind, major, minor) {
                    Err(error) if self.rootless && error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
                    other => other?,
                }
            }
        }
        self.metadata(met.dir, met.name, to.as_fd(), name, stat)
    }

    fn metadata(
        &self,
        from: BorrowedFd<'_>,
        name: &[u8],
        to: BorrowedFd<'_>,
        new: &[u8],
        stat: &Stat,
    ) -> io::Result<()> {
        let allowed = |result: io::Result<()>| match result {
            Err(error)
                if self.rootless
                    && matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) =>
            {
                Ok(())
            }
            other => other,
        };
        allowed(node::chown(to, new, stat.st_uid, stat.st_gid))?;
        if !FileType::from_raw_mode(stat.st_mode).is_symlink() {
            node::chmod(to, new, (stat.st_mode & 0o7777) as u16)?;
        }
        for key in node::xattr_names(from, name)? {
            // Overlayfs' own are none of the content; the host's security modules label the copy themselves.
            if is_overlay_xattr(&key) || (key.starts_with(b"security.") && key != b"security.capability") {
                continue;
            }
            if let Some(value) = node::xattr(from, name, &key)? {
                match node::set_xattr(to, new, &key, &value) {
                    Err(error) if error.raw_os_error() == Some(Errno::NOTSUP.raw_os_error()) => {}
                    other => allowed(other)?,
                }
            }
        }
        node::set_times(to, new, stat.st_mtime, stat.st_mtime_nsec as u32)
    }
}

/// Copies content with its holes; shares blocks where the file system can. Gives the bytes of data.
fn content(mut from: &File, mut to: &File, cancel: &Cancel) -> io::Result<u64> {
    let length = from.metadata()?.len();
    let mut done = 0;
    let mut at = 0;
    while at < length {
        let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            // A file system that does not know of holes has none.
            Err(_) => at,
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start)).unwrap_or(length).min(length);
        from.seek(io::SeekFrom::Start(start))?;
        to.seek(io::SeekFrom::Start(start))?;
        let mut left = end.saturating_sub(start);
        while left > 0 {
            if cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = some(from, to, left)?;
            if n == 0 {
                break;
            }
            left -= n;
            done += n;
        }
        at = end.max(start + 1);
    }
    to.set_len(length)?;
    to.flush()?;
    from.seek(io::SeekFrom::Start(0))?;
    Ok(done)
}

/// Copies a part from where both files stand.
fn some(mut from: &File, mut to: &File, left: u64) -> io::Result<u64> {
    let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(64 * BUFFER);
    match rustix::fs::copy_file_range(from, None, to, None, wanted) {
        Ok(n) => return Ok(n as u64),
        Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let mut buffer = vec![0; BUFFER.min(wanted)];
    let n = from.read(&mut buffer)?;
    to.write_all(&buffer[..n])?;
    Ok(n as u64)
}

/// Whether a directory has nothing in it.
pub(super) fn is_empty(directory: &OwnedFd) -> io::Result<bool> {
    for entry in rustix::fs::Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn copies_what_is_there_and_follows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub/deep")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(from.join("sub/file"), "content").unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(from.join("sub/file"), from.join("z-link")).unwrap();
        symlink("../secret", from.join("out")).unwrap();
        symlink("/etc", from.join("etc")).unwrap();
        let sparse = File::create(from.join("sparse")).unwrap();
        sparse.set_len(64 << 20).unwrap();
        rustix::fs::utimensat(rustix::fs::CWD, from.join("sub").as_path(), &times(), rustix::fs::AtFlags::empty())
            .unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1777)).unwrap();
        let _ = rustix::fs::setxattr(from.join("sub").as_path(), "user.mark", b"x", rustix::fs::XattrFlags::empty());

        let (a, b) = (File::open(&from).unwrap(), File::open(&to).unwrap());
        assert_eq!(tree(&a, &b, &Cancel::new()).unwrap(), 7);
        assert_eq!(fs::read_to_string(to.join("z-link")).unwrap(), "content");
        let meta = |path: &str| fs::symlink_metadata(to.join(path)).unwrap();
        assert_eq!(meta("sub/file").ino(), meta("z-link").ino());
        assert_eq!(meta("sub/file").mode() & 0o7777, 0o4751);
        assert_eq!(meta(".").mode() & 0o7777, 0o1777);
        assert_eq!((meta("sub").mtime(), meta("sub").mtime_nsec()), (1_000_000_000, 5));
        assert_eq!(fs::read_link(to.join("out")).unwrap().to_str(), Some("../secret"));
        assert!(meta("etc").is_symlink());
        assert_eq!(meta("sparse").len(), 64 << 20);
        assert!(meta("sparse").blocks() < 1000);
        assert!(meta("sub/deep").is_dir());
    }

    fn times() -> rustix::fs::Timestamps {
        let time = rustix::fs::Timespec { tv_sec: 1_000_000_000, tv_nsec: 5 };
        rustix::fs::Timestamps { last_access: time, last_modification: time }
    }

    #[test]
    fn stops_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::create_dir(dir.path().join("to")).unwrap();
        let cancel = Cancel::new();
        cancel.cancel();
        let (a, b) = (File::open(dir.path().join("a")).unwrap(), File::open(dir.path().join("to")).unwrap());
        assert!(matches!(tree(&a, &b, &cancel), Err(CopyError::Cancelled)));
    }
}
