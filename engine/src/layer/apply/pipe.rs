//! Reads and decompresses a layer on one thread and hashes it on another, while the caller's thread writes files.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use outcrop_layers::digest::{Digest, Hashing};

use crate::progress::Cancel;

/// Bytes that travel at once.
const CHUNK: usize = 256 << 10;

/// How many full chunks may wait; what is in memory is bounded by this.
const WAITING: usize = 8;

/// What the reading thread sends to the two others.
struct Chunk {
    bytes: Vec<u8>,
    filled: usize,
}

/// The ends of the channels: full chunks to two threads, and empty ones back from whichever has done with them last.
pub(super) struct Ends {
    pub(super) feed: Feed,
    pub(super) pump: Pump,
    pub(super) hasher: Hasher,
}

/// Makes the ends.
pub(super) fn ends() -> Ends {
    let (full, arriving) = sync_channel(WAITING);
    let (also, hashed) = sync_channel(WAITING);
    let (back, empty) = sync_channel(WAITING + 3);
    Ends {
        feed: Feed { arriving, back: back.clone(), current: None, position: 0 },
        pump: Pump { full, also, empty },
        hasher: Hasher { arriving: hashed, back },
    }
}

/// The reading thread's end.
pub(super) struct Pump {
    full: SyncSender<io::Result<Arc<Chunk>>>,
    also: SyncSender<Arc<Chunk>>,
    empty: Receiver<Vec<u8>>,
}

impl Pump {
    /// Reads `source` to its end, or until nobody listens any more.
    pub(super) fn run(self, mut source: impl Read) {
        loop {
            let mut bytes = self.empty.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
            let (filled, failed) = fill(&mut source, &mut bytes);
            let ended = filled < bytes.len();
            if filled > 0 {
                let chunk = Arc::new(Chunk { bytes, filled });
                if self.also.send(Arc::clone(&chunk)).is_err() || self.full.send(Ok(chunk)).is_err() {
                    return;
                }
            }
            if let Some(error) = failed {
                // That nobody listens any more is as good an end.
                let _ = self.full.send(Err(error));
                return;
            }
            if ended {
                return;
            }
        }
    }
}

/// The hashing thread's end.
pub(super) struct Hasher {
    arriving: Receiver<Arc<Chunk>>,
    back: SyncSender<Vec<u8>>,
}

impl Hasher {
    /// Digest and length of all that was read.
    pub(super) fn run(self) -> (Digest, u64) {
        let mut hashing = Hashing::new(io::sink());
        for chunk in self.arriving {
            // A sink takes everything.
            let _ = io::Write::write_all(&mut hashing, &chunk.bytes[..chunk.filled]);
            give_back(&self.back, chunk);
        }
        let (digest, bytes, _) = hashing.finish();
        (digest, bytes)
    }
}

/// The writing thread's end.
pub(super) struct Feed {
    arriving: Receiver<io::Result<Arc<Chunk>>>,
    back: SyncSender<Vec<u8>>,
    current: Option<Arc<Chunk>>,
    position: usize,
}

/// [`Feed`] that tells its progress and stops when asked to.
pub(super) struct Watched<'a> {
    pub(super) feed: Feed,
    pub(super) cancel: &'a Cancel,
    pub(super) on_bytes: &'a dyn Fn(u64),
    pub(super) total: u64,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let (read, chunk_ended) = self.feed.take(buffer)?;
        self.total += read as u64;
        if chunk_ended {
            (self.on_bytes)(self.total);
        }
        Ok(read)
    }
}

impl Feed {
    /// Copies what is there; tells also whether that was the end of a chunk.
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        if self.current.is_none() {
            match self.arriving.recv() {
                Ok(chunk) => self.current = Some(chunk?),
                Err(_) => return Ok((0, true)),
            }
            self.position = 0;
        }
        let Some(chunk) = &self.current else { return Ok((0, true)) };
        let rest = &chunk.bytes[self.position..chunk.filled];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.position += n;
        if self.position < chunk.filled {
            return Ok((n, false));
        }
        if let Some(chunk) = self.current.take() {
            give_back(&self.back, chunk);
        }
        Ok((n, true))
    }
}

/// Sends a buffer back if nobody else reads it any more.
fn give_back(back: &SyncSender<Vec<u8>>, chunk: Arc<Chunk>) {
    if let Some(chunk) = Arc::into_inner(chunk) {
        // A full channel or a thread that has ended needs no buffer back.
        let _ = back.try_send(chunk.bytes);
    }
}

/// Reads until the buffer is full, the end, or an error.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}
