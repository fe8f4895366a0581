//! What sees that something happens: one trait, and the kernel's mechanisms behind it.

mod directories;
mod filesystem;
mod inotify;

use std::io;
use std::os::fd::BorrowedFd;

pub(crate) use directories::Directories;
pub(crate) use filesystem::Filesystem;
pub(crate) use inotify::Inotify;

use super::event::Evidence;
use super::raw::Raw;

/// A mechanism of the kernel that reports changes below directories.
pub(crate) trait Watcher: Send {
    /// What it is called in events.
    fn evidence(&self) -> Evidence;

    /// What is read to get its reports; it never blocks.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Begins to see what happens in `dir`, whose handle is `handle`. Called for each directory.
    ///
    /// # Errors
    /// What the kernel answers: no right to, not on this filesystem, too many of them.
    fn watch(&mut self, dir: BorrowedFd<'_>, handle: &[u8]) -> io::Result<()>;

    /// Sees no more what is opened through the mount that `dir` is on, which only this watch uses.
    fn overlook(&mut self, _dir: BorrowedFd<'_>) {}

    /// Hands on what `bytes`, as they were read from the descriptor, tell.
    fn parse(&mut self, bytes: &[u8], report: &mut dyn FnMut(Seen<'_>));

    /// Whether it sees only directories that it was told of: what happened in a new one before that must be looked for.
    fn sees_by_directory(&self) -> bool {
        true
    }

    /// Whether reports name the process.
    fn names_processes(&self) -> bool {
        false
    }
}

/// A report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// An event with all that fanotify tells.
    Event(Raw<'a>),
    /// Something changed in the directory with this handle.
    Changed(&'a [u8]),
    /// Reports were lost.
    Overflow,
}
