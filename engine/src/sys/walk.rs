//! Walking and removing directory trees of any depth with one open directory, following no link.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// One file met on the way.
pub struct Met<'a> {
    /// The directory it is in.
    pub dir: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a [u8],
    /// Its path from where the walk began, without a leading `/`.
    pub path: &'a [u8],
    /// What it is.
    pub kind: FileType,
}

impl Met<'_> {
    /// Its metadata.
    pub fn stat(&self) -> Result<Stat, WalkError> {
        super::node::stat(self.dir, self.name).map_err(|source| self.error(source))
    }

    /// An error about it.
    pub fn error(&self, source: io::Error) -> WalkError {
        WalkError { path: self.path.into(), source }
    }
}

/// Says at which file a walk failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.escape_ascii())]
pub struct WalkError {
    /// Path from where the walk began; empty for that directory itself.
    pub path: Box<[u8]>,
    /// Why.
    pub source: io::Error,
}

/// Gets what a walk meets.
pub trait Visitor {
    /// What it fails with.
    type Error: From<WalkError>;

    /// Is called for each file and directory before its content, names in byte order; tells whether to go into a directory.
    fn meet(&mut self, met: &Met<'_>) -> Result<bool, Self::Error>;

    /// Is called when a directory that was gone into is left.
    fn leave(&mut self, _met: &Met<'_>) -> Result<(), Self::Error> {
        Ok(())
    }
}

struct Level {
    names: std::vec::IntoIter<(CString, FileType)>,
    device: u64,
    inode: u64,
    /// Length of the path of this directory.
    path: usize,
}

/// Walks the tree below `root`, which itself is not met.
///
/// # Errors
/// Those of the visitor, and those of reading directories. A directory that is moved away during the walk ends it with an error.
pub fn walk<V: Visitor>(root: impl AsFd, visitor: &mut V) -> Result<(), V::Error> {
    let mut path = Vec::new();
    let fail = |path: &[u8], source: io::Error| V::Error::from(WalkError { path: path.into(), source });
    let mut at = super::beneath::open(root, b"", OFlags::RDONLY | OFlags::DIRECTORY).map_err(|e| fail(&path, e))?;
    let mut levels = vec![read(&at, 0).map_err(|e| fail(&path, e))?];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path);
        if let Some((name, kind)) = level.names.next() {
            push(&mut path, name.as_bytes());
            let met = Met { dir: at.as_fd(), name: name.as_bytes(), path: &path, kind };
            if visitor.meet(&met)? && kind.is_dir() {
                at = super::node::open_directory(&at, name.as_bytes()).map_err(|e| fail(&path, e))?;
                levels.push(read(&at, path.len()).map_err(|e| fail(&path, e))?);
            }
            continue;
        }
        levels.pop();
        let Some(above) = levels.last() else { break };
        at = up(&at, above).map_err(|e| fail(&path, e))?;
        let name = path[above.path..].strip_prefix(b"/").unwrap_or(&path[above.path..]);
        visitor.leave(&Met { dir: at.as_fd(), name, path: &path, kind: FileType::Directory })?;
    }
    Ok(())
}

/// Removes what is at `name` in `dir`, with all below it. That there is nothing is no error.
///
/// # Errors
/// Names the file that cannot be removed; what was removed before stays removed.
pub fn remove_tree(dir: impl AsFd, name: &[u8]) -> Result<(), WalkError> {
    let dir = dir.as_fd();
    let at = |source: io::Error| WalkError { path: name.into(), source };
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {}
        Err(error) => return Err(at(error.into())),
    }
    if !FileType::from_raw_mode(super::node::stat(dir, name).map_err(at)?.st_mode).is_dir() {
        return Err(at(rustix::io::Errno::PERM.into()));
    }
    clear(dir, name)?;
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).map_err(|e| at(e.into()))
}

/// Removes all that is in the directory `name` of `dir`.
pub fn clear(dir: impl AsFd, name: &[u8]) -> Result<(), WalkError> {
    let at = |source: io::Error| WalkError { path: name.into(), source };
    make_enterable(dir.as_fd(), name).map_err(at)?;
    let root = super::node::open_directory(&dir, name).map_err(at)?;
    walk(&root, &mut Remove).map_err(|e| WalkError { path: [name, b"/", &e.path].concat().into(), ..e })
}

struct Remove;

impl Visitor for Remove {
    type Error = WalkError;

    fn meet(&mut self, met: &Met<'_>) -> Result<bool, WalkError> {
        if met.kind.is_dir() {
            make_enterable(met.dir, met.name).map_err(|e| met.error(e))?;
            return Ok(true);
        }
        match rustix::fs::unlinkat(met.dir, met.name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(met.error(error.into())),
        }
    }

    fn leave(&mut self, met: &Met<'_>) -> Result<(), WalkError> {
        rustix::fs::unlinkat(met.dir, met.name, AtFlags::REMOVEDIR).map_err(|e| met.error(e.into()))
    }
}

/// Gives an ordinary user back the rights to empty their own directory.
fn make_enterable(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    if rustix::process::geteuid().is_root() || super::node::stat(dir, name)?.st_mode & 0o700 == 0o700 {
        return Ok(());
    }
    super::node::chmod(dir, name, 0o700)
}

fn read(dir: &OwnedFd, path: usize) -> io::Result<Level> {
    let stat = rustix::fs::fstat(dir)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => FileType::from_raw_mode(super::node::stat(dir, name.to_bytes())?.st_mode),
            kind => kind,
        };
        names.push((name.to_owned(), kind));
    }
    names.sort_unstable_by(|(a, _): &(CString, FileType), (b, _)| a.cmp(b));
    Ok(Level { names: names.into_iter(), device: stat.st_dev, inode: stat.st_ino, path })
}

/// Goes from a directory to the one it was reached from.
fn up(at: &OwnedFd, above: &Level) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::openat(at, "..", flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&parent)?;
    if (stat.st_dev, stat.st_ino) != (above.device, above.inode) {
        return Err(io::Error::other("was moved while it was read"));
    }
    Ok(parent)
}

fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}
