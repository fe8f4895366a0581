//! Sending a file or standard input to an engine, and telling how far it is.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::Failure;
use crate::report::progress::Meter;

/// Bytes read at once.
const CHUNK: u64 = 1 << 20;
/// Chunks that wait to be sent.
const WAITING: usize = 4;

/// What is sent.
pub(crate) enum Source {
    /// A file, and its size.
    File(File, u64),
    /// Standard input, which is no terminal, and its first bytes.
    Stdin(Vec<u8>),
}

impl Source {
    /// Opens a file. A FIFO or device is read like standard input; a directory is refused.
    pub(crate) fn file(path: &Path) -> Result<Self, Failure> {
        let open = |error: io::Error| Failure::new(format!("open {}: {}", path.display(), reason(&error)));
        let file = File::open(path).map_err(open)?;
        let about = file.metadata().map_err(open)?;
        if about.is_dir() {
            return Err(Failure::new(format!("read {}: is a directory", path.display())));
        }
        Ok(Self::File(file, about.len()))
    }

    /// Standard input; a terminal, and an input that is closed or empty, is refused with `refusal`.
    pub(crate) fn stdin(refusal: &str) -> Result<Self, Failure> {
        if io::stdin().is_terminal() {
            return Err(Failure::new(refusal));
        }
        let mut first = vec![0; 512];
        let read = io::stdin()
            .read(&mut first)
            .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
        first.truncate(read);
        if first.is_empty() { Err(Failure::new(refusal)) } else { Ok(Self::Stdin(first)) }
    }

    /// Bytes in it, if that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::File(_, size) => Some(*size).filter(|size| *size > 0),
            Self::Stdin(_) => None,
        }
    }

    /// Reads it on a thread of its own.
    pub(crate) fn stream(self, meter: Meter) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let reader: Box<dyn Read + Send> = match self {
            Self::File(file, _) => Box::new(file),
            Self::Stdin(first) => Box::new(io::Cursor::new(first).chain(io::stdin())),
        };
        stream(reader, meter)
    }
}

/// The system's words without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// Reads `reader` on a thread of its own, which ends when nobody listens any more.
pub(crate) fn stream(
    mut reader: Box<dyn Read + Send>,
    meter: Meter,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream_of(meter, move |sender| {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK as usize);
            let read = reader.by_ref().take(CHUNK).read_to_end(&mut chunk);
            let end = chunk.is_empty() || read.is_err();
            if !chunk.is_empty() && sender.blocking_send(Ok(chunk.into())).is_err() {
                return;
            }
            if let Err(error) = read {
                let _ = sender.blocking_send(Err(error));
            }
            if end {
                return;
            }
        }
    })
}

/// Streams what `make` sends from a thread of its own.
pub(crate) fn stream_of(
    meter: Meter,
    make: impl FnOnce(mpsc::Sender<io::Result<Bytes>>) + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || make(sender));
    futures_util::stream::unfold((receiver, meter), |(mut receiver, meter)| async {
        let chunk = receiver.recv().await?;
        if let Ok(chunk) = &chunk {
            meter.add(chunk.len() as u64);
        }
        Some((chunk, (receiver, meter)))
    })
}

/// A stream of a kind that is known only when it runs.
pub(super) type Boxed = std::pin::Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A stream that counts, and keeps the error that it broke off with.
pub(super) struct Counted {
    /// The same stream.
    pub(super) stream: Boxed,
    /// Bytes that have passed.
    pub(super) bytes: Arc<AtomicU64>,
    /// Why it broke off.
    pub(super) error: Arc<Mutex<Option<io::Error>>>,
}

/// Counts what passes, and keeps why it broke off.
pub(super) fn counted(stream: Boxed) -> Counted {
    let (bytes, error) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
    let (count, keep) = (Arc::clone(&bytes), Arc::clone(&error));
    let stream = stream.map(move |chunk| {
        match &chunk {
            Ok(chunk) => drop(count.fetch_add(chunk.len() as u64, Ordering::Relaxed)),
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
            }
        }
        chunk
    });
    Counted { stream: Box::pin(stream), bytes, error }
}

/// Sends what is written to it in large pieces.
pub(crate) struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Chunks {
    /// Nothing is sent before a piece is full, or `flush` is called.
    pub(crate) fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { sender, buffer: Vec::new() }
    }

    /// What breaks the stream off with an error.
    pub(crate) fn breaker(&self) -> impl FnOnce(io::Error) + use<> {
        let sender = self.sender.clone();
        move |error| drop(sender.blocking_send(Err(error)))
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() as u64 >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.buffer);
        if chunk.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(chunk.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Waits for `work`, or for Ctrl-C: then the work is dropped, which cancels it.
pub(crate) async fn or_interrupted<T>(
    what: &str,
    meter: &Meter,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let done = tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::with_code(format!("{what} cancelled: nothing of it was kept"), 130)),
    };
    meter.clear();
    done
}
