//! Tells how far a stream was read, and stops it.

use std::io::{self, Read};

/// Bytes between two calls.
const STRIDE: u64 = 1 << 20;

/// The error of a stream that was stopped.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
pub(super) struct Cancelled;

/// A stream that tells how far it is.
pub(super) struct Watched<'a, R> {
    inner: R,
    bytes: u64,
    next: u64,
    progress: &'a dyn Fn(u64),
    cancel: &'a dyn Fn() -> bool,
}

impl<'a, R> Watched<'a, R> {
    pub(super) fn new(inner: R, progress: &'a dyn Fn(u64), cancel: &'a dyn Fn() -> bool) -> Self {
        Self { inner, bytes: 0, next: 0, progress, cancel }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes >= self.next {
            (self.progress)(self.bytes);
            if (self.cancel)() {
                return Err(io::Error::other(Cancelled));
            }
            self.next = self.bytes + STRIDE;
        }
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
