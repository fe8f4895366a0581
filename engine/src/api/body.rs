//! Bodies as blocking readers and writers, and the work that reads and writes them.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::progress::{Cancel, Progress};

/// Chunks that may wait between the socket and the engine, either way.
const WAITING: usize = 16;
/// How much is written before it is sent on, in bytes.
const CHUNK: usize = 256 << 10;
/// How long the rest of a body is read away after the engine has had enough, so that the client sees the answer.
const DRAIN: Duration = Duration::from_secs(10);

/// Reads a body away, as far as that goes in reasonable time.
pub(super) async fn drain(body: Body) {
    let mut stream = body.into_data_stream();
    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
    let _ = tokio::time::timeout(DRAIN, rest).await;
}

/// Reads a request's body on a blocking thread. A body that ends early is an error, not an end.
pub(super) struct BodyReader {
    chunks: mpsc::Receiver<Part>,
    chunk: Bytes,
    ended: Ended,
}

/// What arrives. A channel that closes before its end was cut off: a part of an archive must not pass for the whole.
enum Part {
    Chunk(Bytes),
    Failed(axum::Error),
    End,
}

/// Whether, and how, the body has ended.
enum Ended {
    No,
    Well,
    Badly,
}

impl BodyReader {
    /// Starts to receive `body`.
    pub(super) fn new(body: Body) -> Self {
        let (sender, chunks) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut stream = body.into_data_stream();
            while let Some(chunk) = stream.next().await {
                if sender.send(chunk.map_or_else(Part::Failed, Part::Chunk)).await.is_err() {
                    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
                    let _ = tokio::time::timeout(DRAIN, rest).await;
                    return;
                }
            }
            let _ = sender.send(Part::End).await;
        });
        Self { chunks, chunk: Bytes::new(), ended: Ended::No }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !buffer.is_empty() {
            match self.ended {
                Ended::No => {}
                Ended::Well => return Ok(0),
                Ended::Badly => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            match self.chunks.blocking_recv() {
                Some(Part::Chunk(chunk)) => self.chunk = chunk,
                Some(Part::End) => self.ended = Ended::Well,
                Some(Part::Failed(error)) => {
                    self.ended = Ended::Badly;
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
                }
                None => self.ended = Ended::Badly,
            }
        }
        let n = buffer.len().min(self.chunk.len());
        buffer[..n].copy_from_slice(&self.chunk[..n]);
        self.chunk.advance(n);
        Ok(n)
    }
}

/// Writes a response's body from a blocking thread.
pub(super) struct BodyWriter {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl BodyWriter {
    fn send(&mut self, chunk: io::Result<Bytes>) -> io::Result<()> {
        self.chunks.blocking_send(chunk).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))
    }

    /// Breaks the answer off, so that the client does not take it for complete.
    pub(super) fn abort(&mut self, why: &dyn std::error::Error) {
        let _ = self.send(Err(io::Error::other(why.to_string())));
    }

    /// Sends one JSON document and a line end, at once. The end is one byte: bollard 0.21 takes `\r\n` that comes in a piece of its own
    /// for the beginning of another document.
    pub(super) fn line(&mut self, value: &impl Serialize) {
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            let _ = self.send(Ok(line.into()));
        }
    }

    /// Sends a step: one that counts may get lost when the client is slow to read, one that says something new is waited for.
    pub(super) fn step(&mut self, step: &Progress) {
        if step.current > 0 {
            self.progress(step);
        } else {
            self.line(&Line::progress(step));
        }
    }

    /// Sends one JSON document unless the client is slow to read: for progress, which the next one replaces.
    pub(super) fn progress(&self, step: &Progress) {
        if self.chunks.capacity() > WAITING / 2
            && let Ok(mut line) = serde_json::to_vec(&Line::progress(step))
        {
            line.push(b'\n');
            let _ = self.chunks.try_send(Ok(line.into()));
        }
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK + (64 << 10))).freeze();
        self.send(Ok(chunk))
    }
}

/// A line of a stream of progress (moby's `jsonmessage`).
#[derive(Default, Serialize)]
pub(super) struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'a str>,
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    error_detail: Option<ErrorDetail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aux: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    message: &'a str,
}

impl<'a> Line<'a> {
    /// Text for the user.
    pub(super) fn stream(text: String) -> Self {
        Self { stream: Some(text), ..Self::default() }
    }

    /// A word on what is being done.
    pub(super) fn status(text: &'a str) -> Self {
        Self { status: Some(text), ..Self::default() }
    }

    /// The work failed: the last line.
    pub(super) fn error(message: &'a str) -> Self {
        Self::failed(message, None)
    }

    /// The same, with the exit code of what failed.
    pub(super) fn failed(message: &'a str, code: Option<i32>) -> Self {
        Self { error_detail: Some(ErrorDetail { code, message }), error: Some(message), ..Self::default() }
    }

    /// Something for the client itself.
    pub(super) fn aux(value: serde_json::Value) -> Self {
        Self { aux: Some(value), ..Self::default() }
    }

    fn progress(step: &'a Progress) -> Self {
        let detail = Detail { current: Some(step.current).filter(|n| *n > 0), total: step.total };
        let id = Some(step.id.as_str()).filter(|id| !id.is_empty());
        Self { status: Some(&step.status), detail: Some(detail), id, ..Self::default() }
    }
}

/// What is under way on blocking threads.
#[derive(Default)]
pub struct Work {
    next: AtomicU64,
    running: Mutex<Vec<(u64, Cancel)>>,
    ended: Notify,
}

impl Work {
    /// How many pieces of work are under way.
    pub fn running(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Asks all of them to stop. They clean up, and then end.
    pub fn cancel(&self) {
        for (_, cancel) in self.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            cancel.cancel();
        }
    }

    /// Waits until none is left.
    pub async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }

    fn begin(&self, cancel: &Cancel) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push((number, cancel.clone()));
        number
    }

    fn end(&self, number: u64) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != number);
        self.ended.notify_waiters();
    }
}

/// Takes work off the list even when it panics.
struct Listed {
    work: std::sync::Arc<Work>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.work.end(self.number);
    }
}

/// Asks the work to stop when the answer is no longer wanted.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs `job` on a blocking thread and returns at once the body that it writes. When the client goes, the job's
/// [`Cancel`] is set.
pub(super) fn stream(work: &std::sync::Arc<Work>, job: impl FnOnce(BodyWriter, &Cancel) + Send + 'static) -> Body {
    let (sender, chunks) = mpsc::channel(WAITING);
    let cancel = Cancel::new();
    let listed = Listed { number: work.begin(&cancel), work: std::sync::Arc::clone(work) };
    let guard = CancelOnDrop(cancel.clone());
    tokio::task::spawn_blocking(move || {
        let _listed = listed;
        job(BodyWriter { chunks: sender, buffer: BytesMut::new() }, &cancel);
    });
    Body::from_stream(ReceiverStream::new(chunks).map(move |chunk| {
        let _guard = &guard;
        chunk
    }))
}

/// Runs a job that answers as a whole, on the list of work. When the client goes, the job's [`Cancel`] is set.
pub(super) async fn whole<T: Send + 'static>(
    work: &std::sync::Arc<Work>,
    job: impl FnOnce(&Cancel) -> T + Send + 'static,
) -> Result<T, super::error::ApiError> {
    let cancel = Cancel::new();
    let listed = Listed { number: work.begin(&cancel), work: std::sync::Arc::clone(work) };
    let _guard = CancelOnDrop(cancel.clone());
    let task = tokio::task::spawn_blocking(move || {
        let _listed = listed;
        job(&cancel)
    });
    task.await.map_err(|error| super::error::ApiError::panicked(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_and_a_broken_one_fails() {
        let chunks = [Ok(Bytes::from("ab")), Ok(Bytes::from("cd")), Err(io::Error::other("cut"))];
        let mut reader = BodyReader::new(Body::from_stream(futures_util::stream::iter(chunks)));
        let read = tokio::task::spawn_blocking(move || {
            let mut four = [0; 4];
            reader.read_exact(&mut four).expect("four bytes");
            (four, reader.read(&mut [0]).is_err(), reader.read(&mut [0]).is_err())
        });
        assert_eq!(read.await.expect("reads"), (*b"abcd", true, true));
    }

    #[tokio::test]
    async fn dropping_the_answer_cancels() {
        let work = std::sync::Arc::<Work>::default();
        let body = stream(&work, |mut out, cancel| {
            while !cancel.is_cancelled() {
                let _ = out.write_all(&[0; 1 << 14]);
            }
        });
        assert_eq!(work.running(), 1);
        drop(body);
        tokio::time::timeout(Duration::from_secs(5), work.idle()).await.expect("ends");
    }
}
