//! Starts to write unpacked content to its disk while more of it is unpacked, so that the sync before it is registered is short.
//!
//! The kernel itself starts only when a tenth of the memory is unwritten, or after 30 s.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::sys::fs;

/// Bytes that are unpacked between two syncs; an image of less is written by the last sync alone.
const EVERY: u64 = 64 << 20;

/// A thread that syncs whenever so many bytes were unpacked since it last began to. It has ended when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct WriteBack {
    unwritten: Cell<u64>,
    thread: OnceCell<Option<Syncing>>,
}

#[derive(Debug)]
struct Syncing {
    wanted: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl WriteBack {
    /// Notes that `bytes` more were unpacked on the file system of `on`.
    pub(crate) fn add(&self, bytes: u64, on: impl FnOnce() -> Option<File>) {
        self.unwritten.set(self.unwritten.get() + bytes);
        if self.unwritten.get() < EVERY {
            return;
        }
        let syncing = self.thread.get_or_init(|| on().and_then(Syncing::start));
        // While it is busy it takes nothing; the next bytes ask again.
        if syncing.as_ref().is_some_and(|syncing| syncing.wanted.try_send(()).is_ok()) {
            self.unwritten.set(0);
        }
    }
}

impl Drop for WriteBack {
    fn drop(&mut self) {
        if let Some(Syncing { wanted, thread }) = self.thread.take().flatten() {
            drop(wanted);
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

impl Syncing {
    /// Where no thread can be had, the last sync does it all.
    fn start(on: File) -> Option<Self> {
        let (wanted, asked) = sync_channel(0);
        let run = move || {
            while asked.recv().is_ok() {
                // An error is told by the sync that counts, before the layers are registered.
                let _ = fs::syncfs(&on);
            }
        };
        let thread = std::thread::Builder::new().name("write-back".into()).spawn(run).ok()?;
        Some(Self { wanted, thread })
    }
}
