//! Connections that become raw streams, for attach and exec: 101, then bytes both ways until the process ends.
//!
//! Output of a process without a terminal comes in frames: one byte 1 or 2 for the stream, three zeros, four of length.

mod keys;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::container::protocol::{self, Frame, Kind};
use crate::container::{Attached, Stream};
pub(super) use keys::Keys;

/// How often it is looked whether a client that sends nothing more is still there.
const LOOK: Duration = Duration::from_secs(1);
/// Room for what a client without an upgrade has not read yet, in bytes.
const ROOM: usize = 64 << 10;

/// How output is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Not at all: a terminal's.
    Raw,
    /// Each piece after a header that names its stream.
    Multiplexed,
}

impl Framing {
    /// That of a process with or without a terminal.
    pub(super) fn of(tty: bool) -> Self {
        if tty { Self::Raw } else { Self::Multiplexed }
    }

    /// What it calls itself to a client that asked for API version 1.`asked`.
    pub(super) fn media_type(self, asked: Option<u16>) -> HeaderValue {
        HeaderValue::from_static(if self == Self::Multiplexed && asked.is_none_or(|minor| minor >= 42) {
            "application/vnd.docker.multiplexed-stream"
        } else {
            "application/vnd.docker.raw-stream"
        })
    }

    /// A piece of output, wrapped.
    pub(super) fn wrap(self, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        if self == Self::Raw {
            return bytes.to_vec();
        }
        let mut all = Vec::with_capacity(bytes.len() + 8);
        all.extend([if stream == Stream::Stderr { 2 } else { 1 }, 0, 0, 0]);
        all.extend((bytes.len() as u32).to_be_bytes());
        all.extend(bytes);
        all
    }
}

/// How a hijacked connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The process did.
    Process,
    /// The client went, by its detach keys or otherwise.
    Detached,
}

/// What is to be joined to the client.
pub(super) struct Plan {
    /// The process's shim.
    pub(super) attached: Attached,
    /// How its output is wrapped.
    pub(super) framing: Framing,
    /// Sent before anything of the process.
    pub(super) first: Vec<u8>,
    /// Keys that end the connection and leave the process running.
    pub(super) keys: Option<Keys>,
}

/// The client's end of a connection that was taken over.
type Client = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection that can be taken over.
pub(super) struct Hijack(Option<OnUpgrade>);

impl Hijack {
    /// Takes what is needed from a request.
    pub(super) fn of(request: &mut Request) -> Self {
        let asked = request.headers().contains_key(UPGRADE);
        Self(asked.then(|| hyper::upgrade::on(request)))
    }

    /// Answers, and joins client and process from then on. `then` is called at the end.
    pub(super) fn join(
        self,
        plan: Plan,
        media_type: HeaderValue,
        then: impl FnOnce(Ended) + Send + 'static,
    ) -> Response {
        self.answer(media_type, |client| async { then(joined(client, plan).await) })
    }

    /// Answers with a text on the standard output, and nothing else.
    pub(super) fn say(self, framing: Framing, text: &str, media_type: HeaderValue) -> Response {
        let first = framing.wrap(Stream::Stdout, text.as_bytes());
        self.answer(media_type, |mut client| async move {
            let _ = client.write_all(&first).await;
            let _ = client.shutdown().await;
        })
    }

    /// Answers, and leaves the connection to `talk`. A client that asked for no upgrade gets what is written as a body.
    fn answer<T: Future<Output = ()> + Send + 'static>(
        self,
        media_type: HeaderValue,
        talk: impl FnOnce(Client) -> T + Send + 'static,
    ) -> Response {
        let Some(upgrade) = self.0 else {
            let (near, far) = tokio::io::duplex(ROOM);
            tokio::spawn(async move { talk(Box::new(far)).await });
            let body = futures_util::stream::unfold(near, |mut near| async move {
                let mut chunk = bytes::BytesMut::with_capacity(ROOM);
                match near.read_buf(&mut chunk).await {
                    Ok(0) => None,
                    Ok(_) => Some((Ok(chunk.freeze()), near)),
                    Err(error) => Some((Err(error), near)),
                }
            });
            return ([(CONTENT_TYPE, media_type)], Body::from_stream(body)).into_response();
        };
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => talk(Box::new(TokioIo::new(upgraded))).await,
                Err(error) => tracing::debug!(%error, "a client went before its connection was taken over"),
            }
        });
        let headers = [
            (CONTENT_TYPE, media_type),
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("tcp")),
        ];
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        response.extensions_mut().insert(hyper::ext::ReasonPhrase::from_static(b"UPGRADED"));
        response
    }
}

async fn joined(client: Client, plan: Plan) -> Ended {
    match join(client, plan).await {
        Ok(ended) => ended,
        Err(error) => {
            tracing::debug!(%error, "a hijacked connection ended early");
            Ended::Detached
        }
    }
}

/// Bytes both ways, until one side ends.
async fn join(client: Client, plan: Plan) -> io::Result<Ended> {
    let Plan { attached, framing, first, mut keys } = plan;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_shim, mut to_shim) = connect(attached)?.into_split();
    let silent = AtomicBool::new(false);
    let output = async {
        to_client.write_all(&first).await?;
        let mut frames = Frames::default();
        loop {
            let Some(frame) = next(&mut from_shim, &mut frames, &mut to_client, &silent).await? else { break };
            let stream = match frame.kind {
                Kind::Stdout => Stream::Stdout,
                Kind::Stderr => Stream::Stderr,
                Kind::Exit | Kind::Failed | Kind::Removed => break,
                _ => continue,
            };
            to_client.write_all(&framing.wrap(stream, &frame.content)).await?;
            to_client.flush().await?;
        }
        Ok(Ended::Process)
    };
    let input = async {
        let mut bytes = vec![0; 16 << 10];
        loop {
            let read = from_client.read(&mut bytes).await?;
            if read == 0 {
                break;
            }
            let (passed, detached) = match &mut keys {
                Some(keys) => keys.pass(&bytes[..read]),
                None => (bytes[..read].to_vec(), false),
            };
            if !passed.is_empty() {
                to_shim.write_all(&protocol::encode(Kind::Stdin, &passed)).await?;
            }
            if detached {
                return Ok(Ended::Detached);
            }
        }
        // The process may have gone before its input: its output is still to come.
        let _ = to_shim.write_all(&protocol::encode(Kind::EndOfStdin, b"")).await;
        silent.store(true, Ordering::Relaxed);
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = output => ended,
        ended = input => ended,
    };
    let _ = to_client.shutdown().await;
    ended
}

/// The shim's next message. A client that has ended its input is looked after meanwhile: its going shows in nothing else.
async fn next(
    shim: &mut (impl AsyncRead + Unpin),
    frames: &mut Frames,
    client: &mut (impl AsyncWrite + Unpin),
    silent: &AtomicBool,
) -> io::Result<Option<Frame>> {
    loop {
        tokio::select! {
            frame = frames.next(shim) => return frame,
            () = tokio::time::sleep(LOOK) => if silent.load(Ordering::Relaxed) {
                look_after(client).await?;
            },
        }
    }
}

/// Writes nothing, which fails once the client has gone.
async fn look_after(client: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    std::future::poll_fn(|context| Pin::new(&mut *client).poll_write(context, b"")).await.map(drop)
}

/// The connection to a shim, for waiting without a thread.
pub(super) fn connect(attached: Attached) -> io::Result<UnixStream> {
    let stream = attached.into_stream();
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Reads a shim's messages. Nothing is lost when a call is given up.
#[derive(Default)]
pub(super) struct Frames(Vec<u8>);

impl Frames {
    /// The next; nothing when the shim has gone.
    pub(super) async fn next(&mut self, shim: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = protocol::take(&mut self.0)? {
                return Ok(Some(frame));
            }
            self.0.reserve(16 << 10);
            if shim.read_buf(&mut self.0).await? == 0 {
                return Ok(None);
            }
        }
    }
}
