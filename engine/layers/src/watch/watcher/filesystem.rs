//! A fanotify mark on a whole filesystem: everything, with the process; for root.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::{Seen, Watcher};
use crate::sys::fanotify::{Fanotify, mask};
use crate::watch::event::Evidence;
use crate::watch::raw;

/// Sees every change on one filesystem.
pub(crate) struct Filesystem(Fanotify);

impl Filesystem {
    /// Marks the filesystem that `dir` is on.
    ///
    /// # Errors
    /// See [`Fanotify::of_filesystems`] and [`Fanotify::mark_filesystem`].
    pub(crate) fn new(dir: BorrowedFd<'_>) -> io::Result<Self> {
        let group = Fanotify::of_filesystems()?;
        group.mark_filesystem(dir)?;
        Ok(Self(group))
    }
}

impl Watcher for Filesystem {
    fn evidence(&self) -> Evidence {
        Evidence::Fanotify
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn watch(&mut self, _: BorrowedFd<'_>, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn overlook(&mut self, dir: BorrowedFd<'_>) {
        // Otherwise its own openings are told, which means nothing and only takes time.
        let _ = self.0.ignore_openings(dir);
    }

    fn parse(&mut self, bytes: &[u8], report: &mut dyn FnMut(Seen<'_>)) {
        parse(bytes, report);
    }

    fn sees_by_directory(&self) -> bool {
        false
    }

    fn names_processes(&self) -> bool {
        true
    }
}

/// Events of a fanotify group as reports.
pub(super) fn parse(bytes: &[u8], report: &mut dyn FnMut(Seen<'_>)) {
    for event in raw::events(bytes) {
        report(if event.is(mask::OVERFLOW) { Seen::Overflow } else { Seen::Event(event) });
    }
}
