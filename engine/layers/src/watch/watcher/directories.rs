//! fanotify marks on each directory: for ordinary users, and where a filesystem takes no mark as a whole.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::filesystem::parse;
use super::{Seen, Watcher};
use crate::sys::fanotify::Fanotify;
use crate::watch::event::Evidence;

/// Sees changes in the directories it was told of.
pub(crate) struct Directories {
    group: Fanotify,
    privileged: bool,
}

impl Directories {
    /// Makes a group; with root's rights one that loses nothing and names processes.
    ///
    /// # Errors
    /// See [`Fanotify::of_directories`].
    pub(crate) fn new() -> io::Result<Self> {
        match Fanotify::of_filesystems() {
            Ok(group) => Ok(Self { group, privileged: true }),
            Err(_) => Ok(Self { group: Fanotify::of_directories()?, privileged: false }),
        }
    }
}

impl Watcher for Directories {
    fn evidence(&self) -> Evidence {
        Evidence::Directories
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }

    fn watch(&mut self, dir: BorrowedFd<'_>, _: &[u8]) -> io::Result<()> {
        self.group.mark_directory(dir)
    }

    fn parse(&mut self, bytes: &[u8], report: &mut dyn FnMut(Seen<'_>)) {
        parse(bytes, report);
    }

    fn names_processes(&self) -> bool {
        self.privileged
    }
}
