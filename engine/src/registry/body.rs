//! Bodies of requests: nothing, a document, a file.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;

/// Bytes read at once.
const CHUNK: usize = 128 << 10;

/// A body of any kind.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What a request carries; it can be sent again.
#[derive(Clone)]
pub(super) enum Content {
    /// Nothing.
    Empty,
    /// A document.
    Bytes(Bytes),
    /// A file from its beginning, with its length; what was read of it is counted.
    File(Arc<File>, u64, Arc<AtomicU64>),
}

impl Content {
    /// The length in bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length, _) => *length,
        }
    }

    /// Makes a body of it.
    pub(super) fn body(&self) -> io::Result<Body> {
        Ok(match self {
            Self::Empty => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            Self::Bytes(bytes) => Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync(),
            Self::File(file, _, sent) => {
                sent.store(0, Ordering::Relaxed);
                let mut file = file.try_clone()?;
                file.rewind()?;
                let sent = Arc::clone(sent);
                StreamBody::new(stream::iter(std::iter::from_fn(move || next(&mut file, &sent)))).boxed_unsync()
            }
        })
    }
}

fn next(file: &mut File, sent: &AtomicU64) -> Option<io::Result<Frame<Bytes>>> {
    let mut chunk = vec![0; CHUNK];
    match file.read(&mut chunk) {
        Ok(0) => None,
        Ok(read) => {
            chunk.truncate(read);
            sent.fetch_add(read as u64, Ordering::Relaxed);
            Some(Ok(Frame::data(chunk.into())))
        }
        Err(error) => Some(Err(error)),
    }
}
