//! inotify: the last resort. It says in which directory something changed; what, is read from there.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::{Seen, Watcher};
use crate::sys::handle::Handle;
use crate::watch::event::Evidence;

/// `IN_Q_OVERFLOW` of `linux/inotify.h`.
const OVERFLOW: u32 = 0x4000;
/// Bytes of `struct inotify_event` before the name.
const HEADER: usize = 16;

/// Sees in which of its directories something changes.
pub(crate) struct Inotify {
    queue: OwnedFd,
    directories: HashMap<i32, Handle>,
}

impl Inotify {
    /// Makes a queue.
    ///
    /// # Errors
    /// EMFILE when the user has too many.
    pub(crate) fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { queue, directories: HashMap::new() })
    }
}

impl Watcher for Inotify {
    fn evidence(&self) -> Evidence {
        Evidence::Inotify
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    fn watch(&mut self, dir: BorrowedFd<'_>, handle: &[u8]) -> io::Result<()> {
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::ATTRIB
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ONLYDIR;
        let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let watch = inotify::add_watch(&self.queue, path, flags)?;
        self.directories.insert(watch, handle.into());
        Ok(())
    }

    fn parse(&mut self, mut bytes: &[u8], report: &mut dyn FnMut(Seen<'_>)) {
        while let Some(header) = bytes.get(..HEADER) {
            let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            if word(4) & OVERFLOW != 0 {
                report(Seen::Overflow);
            } else if let Some(handle) = self.directories.get(&(word(0) as i32)) {
                report(Seen::Changed(handle));
            }
            bytes = bytes.get(HEADER + word(12) as usize..).unwrap_or_default();
        }
    }
}
