//! A conversation with a container: this program's standard streams on one side, a hijacked connection on the other.

use std::io::{self, Read, Write};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::detach_keys::DetachKeys;
use super::tty::{self, Raw};
use super::{Failure, signals};
use crate::connect::{Connection, Hijacked};
use crate::report::filter;

/// Bytes handed on at once.
const CHUNK: usize = 32 << 10;

/// What takes part in the conversation.
pub(crate) struct Streams {
    /// Whether standard input is sent.
    pub(crate) stdin: bool,
    /// Whether the container has a terminal: one stream as it is, not two in frames.
    pub(crate) tty: bool,
    /// The keys that end the conversation, not the container.
    pub(crate) keys: DetachKeys,
    /// The endpoint that is told the terminal's size.
    pub(crate) resize: String,
}

/// Why a conversation ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// The container has nothing more to say.
    Closed,
    /// The detach keys were typed.
    Detached,
}

impl Streams {
    /// Talks until one side ends it. A terminal is raw meanwhile and is always restored; a signal that ends the program ends the
    /// conversation first.
    pub(crate) async fn talk(self, connection: &Arc<Connection>, hijacked: Hijacked) -> Result<End, Failure> {
        let Hijacked { output, input } = hijacked;
        let raw = if self.tty && self.stdin { Raw::enter().map_err(|error| terminal(&error))? } else { None };
        let keys = raw.as_ref().map(|_| self.keys);
        let sizes = self.tty.then(|| tokio::spawn(follow_size(Arc::clone(connection), self.resize)));
        let typed = async { if self.stdin { send(input, keys).await } else { hold(input).await } };
        let signalled = async { if raw.is_some() { signals::ending().await } else { std::future::pending().await } };
        let ended = tokio::select! {
            done = receive(output, self.tty) => done.map(|()| End::Closed),
            () = typed => Ok(End::Detached),
            number = signalled => Err(Failure::silent(128 + number)),
        };
        if let Some(sizes) = sizes {
            sizes.abort();
        }
        drop(raw);
        ended
    }
}

fn terminal(error: &io::Error) -> Failure {
    Failure::new(format!("cannot use the terminal: {error}"))
}

/// Keeps the sending side open without sending.
async fn hold<W>(input: W) {
    let _open = input;
    std::future::pending::<()>().await;
}

/// Sends standard input; ends only when the detach keys were typed. At the end of input the sending side is closed, and what the
/// container still says arrives.
async fn send(mut input: impl AsyncWriteExt + Unpin, mut keys: Option<DetachKeys>) {
    let mut typed = read_stdin();
    while let Some(bytes) = typed.recv().await {
        let (bytes, detached) = match &mut keys {
            Some(keys) => keys.feed(&bytes),
            None => (bytes, false),
        };
        if input.write_all(&bytes).await.is_err() {
            break; // the container reads no more
        }
        if detached {
            return;
        }
        let _ = input.flush().await;
    }
    let _ = input.shutdown().await;
    std::future::pending::<()>().await;
}

/// Reads standard input on a thread that nobody waits for: a read of a terminal cannot be called off.
fn read_stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        loop {
            match io::stdin().read(&mut buffer) {
                Ok(0) => return,
                Ok(read) if sender.blocking_send(buffer[..read].to_vec()).is_err() => return,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
        }
    });
    receiver
}

/// Tells the size of the terminal, now and whenever it changes.
async fn follow_size(connection: Arc<Connection>, path: String) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else { return };
    loop {
        let mut patience = 5;
        while let Some((rows, columns)) = tty::size() {
            let (rows, columns) = (rows.to_string(), columns.to_string());
            let path = filter::query(&path, &[("h", Some(rows.as_str())), ("w", Some(columns.as_str()))]);
            // A container that has just been started may not have its terminal yet.
            if connection.post(&path).await.is_ok() || patience == 0 {
                break;
            }
            patience -= 1;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        if changes.recv().await.is_none() {
            return;
        }
    }
}

/// Prints what comes until there is no more.
pub(crate) async fn receive(mut output: impl AsyncReadExt + Unpin, tty: bool) -> Result<(), Failure> {
    let mut frames = Frames::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match output.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            // An engine that ends the connection the hard way has said all it had.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(Failure::new(format!("the connection to the container broke: {error}"))),
        };
        let bytes = &buffer[..read];
        tokio::task::block_in_place(|| if tty { print(1, bytes) } else { frames.feed(bytes, &mut print) })?;
    }
}

/// Writes to standard output (1) or standard error (2), as it is.
fn print(stream: u8, bytes: &[u8]) -> io::Result<()> {
    fn all(mut out: impl Write, bytes: &[u8]) -> io::Result<()> {
        out.write_all(bytes)?;
        out.flush()
    }
    if stream == 2 { all(io::stderr().lock(), bytes) } else { all(io::stdout().lock(), bytes) }
}

/// Takes two streams in frames apart: a byte for the stream, three zeros, the length, the content.
#[derive(Default)]
pub(crate) struct Frames {
    header: Vec<u8>,
    left: usize,
}

impl Frames {
    /// Hands on the content of what came, a piece at a time, with the number of its stream.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        each: &mut dyn FnMut(u8, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let need = 8 - self.header.len();
                let (head, rest) = bytes.split_at(need.min(bytes.len()));
                self.header.extend_from_slice(head);
                bytes = rest;
                let [stream, _, _, _, length @ ..] = self.header.as_slice() else { continue };
                let Ok(length) = <[u8; 4]>::try_from(length) else { continue };
                if *stream > 3 {
                    return Err(io::Error::other(format!("the engine sent a frame of unknown kind {stream}")));
                }
                self.left = u32::from_be_bytes(length) as usize;
                if self.left == 0 {
                    self.header.clear();
                }
                continue;
            }
            let (content, rest) = bytes.split_at(self.left.min(bytes.len()));
            // Kind 3 is what the engine itself has to say.
            each(if self.header[0] >= 2 { 2 } else { 1 }, content)?;
            bytes = rest;
            self.left -= content.len();
            if self.left == 0 {
                self.header.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_frames_apart_wherever_they_are_cut() {
        let frame = |stream: u8, text: &str| [&[stream, 0, 0, 0, 0, 0, 0, text.len() as u8], text.as_bytes()].concat();
        let all = [frame(1, "out"), frame(2, "err"), frame(1, ""), frame(0, "\u{1}x"), frame(3, "daemon")].concat();
        for piece in 1..all.len() {
            let (mut frames, mut heard) = (Frames::default(), [Vec::new(), Vec::new()]);
            for bytes in all.chunks(piece) {
                let mut each = |stream: u8, bytes: &[u8]| {
                    heard[usize::from(stream) - 1].extend_from_slice(bytes);
                    Ok(())
                };
                frames.feed(bytes, &mut each).expect("frames");
            }
            assert_eq!(heard, [b"out\x01x".to_vec(), b"errdaemon".to_vec()], "pieces of {piece}");
        }
        assert!(Frames::default().feed(&[9; 8], &mut |_, _| Ok(())).is_err());
    }
}
