//! Streams that stop when somebody asks to.

use std::io::{self, Read, Write};

use crate::image::ImageError;
use crate::progress::Ctx;

/// An error while reading what a client sends.
pub(super) fn stream_error(name: &str, error: &io::Error) -> ImageError {
    if error.get_ref().and_then(|inner| inner.downcast_ref::<Cancelled>()).is_some() {
        return ImageError::Cancelled;
    }
    ImageError::Layer { name: name.into(), detail: error.to_string() }
}

#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
struct Cancelled;

/// Stops when it is asked to.
pub(super) struct Stoppable<'a, T> {
    pub(super) inner: T,
    pub(super) ctx: Ctx<'a>,
}

impl<T> Stoppable<'_, T> {
    fn check(&self) -> io::Result<()> {
        if self.ctx.cancel.is_cancelled() { Err(io::Error::other(Cancelled)) } else { Ok(()) }
    }
}

impl<T: Read> Read for Stoppable<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.read(buffer)
    }
}

impl<T: Write> Write for Stoppable<'_, T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
