//! Directories found in-root by their paths, and kept open for the paths that follow.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::{beneath, fd, node};

/// How many directories stay open: layers are written and read directory by directory, so that few are enough.
const OPEN: usize = 16;

/// Directories below a root, most recently used last.
pub(crate) struct Dirs {
    root: Directory,
    open: Vec<(Box<[u8]>, Directory)>,
}

/// An open directory.
#[derive(Clone)]
pub(crate) struct Directory {
    fd: Rc<OwnedFd>,
    /// Where it really is, if its path has links in it.
    real: Option<Rc<[u8]>>,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Directory {
    /// Where a file in it really is, if that is not its path.
    pub(crate) fn real(&self, name: &[u8]) -> Option<Box<[u8]>> {
        self.real.as_ref().map(|real| below(real, name))
    }
}

impl Dirs {
    pub(crate) fn new(root: impl AsFd) -> io::Result<Self> {
        let fd = Rc::new(beneath::open_directory(root, b"")?);
        Ok(Self { root: Directory { fd, real: None }, open: Vec::with_capacity(OPEN) })
    }

    /// The root itself.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Finds the directory `path`; links on the way are resolved inside the root.
    pub(crate) fn find(&mut self, path: &[u8]) -> io::Result<Directory> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        if let Some(at) = self.open.iter().rposition(|(known, _)| **known == *path) {
            let last = self.open.len() - 1;
            self.open[at..=last].rotate_left(1);
            return Ok(self.open[last].1.clone());
        }
        let found = match beneath::open_plain_directory(self.root(), path) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                let fd = beneath::open_directory(self.root(), path)?;
                let real = Some(self.place_of(&fd)?);
                Directory { fd: Rc::new(fd), real }
            }
            fd => Directory { fd: Rc::new(fd?), real: None },
        };
        self.keep(path.into(), found.clone());
        Ok(found)
    }

    /// Finds the directory `path`, making what is missing of it as directories of this process with mode 0755.
    pub(crate) fn find_or_make(&mut self, path: &[u8]) -> io::Result<Directory> {
        match self.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(path),
            found => found,
        }
    }

    /// Keeps the directory `path`, which has just been opened by its `parent` and name.
    pub(crate) fn remember(&mut self, path: Box<[u8]>, parent: &Directory, fd: OwnedFd) {
        let (_, name) = beneath::parent_and_name(&path);
        let real = parent.real(name).map(Into::into);
        self.keep(path, Directory { fd: Rc::new(fd), real });
    }

    /// Forgets all: something that may be on the way to them was removed.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
    }

    fn keep(&mut self, path: Box<[u8]>, found: Directory) {
        if self.open.len() == OPEN {
            self.open.remove(0);
        }
        self.open.push((path, found));
    }

    /// Makes the directories that are missing, after finding by bisection how many of them exist.
    fn make(&mut self, path: &[u8]) -> io::Result<Directory> {
        let slashes = path.iter().enumerate().filter(|&(_, &b)| b == b'/').map(|(at, _)| at);
        let ends: Vec<usize> = slashes.chain([path.len()]).collect();
        let mut error = None;
        let existing = ends.partition_point(|&end| match beneath::open_directory(self.root(), &path[..end]) {
            Ok(_) => true,
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => {
                error = Some(e);
                false
            }
        });
        if let Some(error) = error {
            return Err(error);
        }
        let mut begin = if existing == 0 { 0 } else { ends[existing - 1] + 1 };
        let mut at = self.find(&path[..begin.saturating_sub(1)])?.fd;
        for &end in &ends[existing..] {
            let name = &path[begin..end];
            node::create_directory(&at, name)?;
            let next = node::open_directory(&at, name)?;
            node::fchmod(&next, 0o755)?;
            at = Rc::new(next);
            begin = end + 1;
        }
        self.find(path)
    }

    /// Where an open directory is below the root.
    fn place_of(&self, fd: &OwnedFd) -> io::Result<Rc<[u8]>> {
        let path = |fd: BorrowedFd<'_>| rustix::fs::readlink(fd::in_proc(fd), Vec::new());
        let (root, whole) = (path(self.root())?.into_bytes(), path(fd.as_fd())?.into_bytes());
        let outside = || io::Error::other("the directory is not below the root");
        let rest = whole.strip_prefix(root.as_slice()).ok_or_else(outside)?;
        Ok(rest.strip_prefix(b"/").unwrap_or(rest).into())
    }
}

fn below(directory: &[u8], name: &[u8]) -> Box<[u8]> {
    if directory.is_empty() { name.into() } else { [directory, b"/", name].concat().into() }
}
