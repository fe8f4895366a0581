//! Requests that the client has no calls for: hijacked connections, answers whose headers matter, bodies as they come.

use std::io;
use std::path::PathBuf;

use bollard::errors::Error as Client;
use bollard::{BollardRequest, body_full, body_try_stream};
use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use outcrop_engine::api::{Api, transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};

use super::{Connection, collect, ssh};
use crate::report::value::Value;

/// What a request leads through. Each request has a connection of its own.
pub(super) enum Wire {
    /// The engine in this process.
    Embedded(Api),
    /// A socket.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
    /// Arguments of the program `ssh`.
    Ssh(Vec<String>),
}

/// A connection that is no longer HTTP: what it says, and where to say something. Shutting the second down leaves the first open.
pub(crate) struct Hijacked {
    /// What the other side sends.
    pub(crate) output: ReadHalf<TokioIo<hyper::upgrade::Upgraded>>,
    /// What it is sent.
    pub(crate) input: WriteHalf<TokioIo<hyper::upgrade::Upgraded>>,
}

/// What a request carries.
pub(crate) enum Payload {
    /// Nothing.
    None,
    /// JSON.
    Json(serde_json::Value),
    /// A tar, as it comes.
    Tar(std::pin::Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
}

impl Wire {
    /// Reads an address that [`super::client`] accepts.
    pub(super) fn of(address: &str) -> Result<Self, String> {
        match address.split_once("://") {
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some(("tcp" | "http", host)) => {
                let host = host.trim_end_matches('/');
                let port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                Ok(Self::Tcp(if port { host.to_owned() } else { format!("{host}:2375") }))
            }
            _ => ssh::arguments(address).map(Self::Ssh),
        }
    }

    async fn send(&self, request: BollardRequest) -> io::Result<Response<Incoming>> {
        match self {
            Self::Embedded(api) => transport::send(api.service(), request).await,
            Self::Unix(path) => exchange(UnixStream::connect(path).await?, request).await,
            Self::Tcp(address) => exchange(TcpStream::connect(address).await?, request).await,
            Self::Ssh(arguments) => ssh::send(arguments, request).await,
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: BollardRequest,
) -> io::Result<Response<Incoming>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(io::Error::other)
}

impl Connection {
    /// Sends a request and returns the answer; one with an error's status becomes that error.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        payload: Payload,
    ) -> Result<Response<Incoming>, Client> {
        let request = build(method, path, payload, false)?;
        checked(self.wire.send(request).await?).await
    }

    /// Sends a request in the name of a user of a registry: `auth` is the header `X-Registry-Auth`.
    pub(crate) async fn request_as(
        &self,
        method: Method,
        path: &str,
        auth: &str,
    ) -> Result<Response<Incoming>, Client> {
        let mut request = build(method, path, Payload::None, false)?;
        let mut value = HeaderValue::from_str(auth).map_err(io::Error::other)?;
        value.set_sensitive(true);
        request.headers_mut().insert("x-registry-auth", value);
        checked(self.wire.send(request).await?).await
    }

    /// Sends JSON, or nothing, and returns the JSON that comes back; [`Value::Null`] for an empty answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        json: Option<serde_json::Value>,
    ) -> Result<Value, Client> {
        read(self.request(method, path, json.map_or(Payload::None, Payload::Json)).await?).await
    }

    /// As [`Connection::call`] with POST and no body.
    pub(crate) async fn post(&self, path: &str) -> Result<Value, Client> {
        self.call(Method::POST, path, None).await
    }

    /// Takes the connection over: an attach or an exec.
    pub(crate) async fn hijack(&self, path: &str, json: Option<serde_json::Value>) -> Result<Hijacked, Client> {
        let request = build(Method::POST, path, json.map_or(Payload::None, Payload::Json), true)?;
        let answer = checked(self.wire.send(request).await?).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(io::Error::other(format!("unable to upgrade to tcp, received {}", answer.status())).into());
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(io::Error::other)?;
        let (output, input) = tokio::io::split(TokioIo::new(upgraded));
        Ok(Hijacked { output, input })
    }
}

fn build(method: Method, path: &str, payload: Payload, upgrade: bool) -> Result<BollardRequest, Client> {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "outcrop");
    if upgrade {
        request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
    }
    let (kind, body) = match payload {
        Payload::None => (None, body_full(Bytes::new())),
        Payload::Json(json) => (Some("application/json"), body_full(json.to_string().into())),
        Payload::Tar(stream) => (Some("application/x-tar"), body_try_stream(stream)),
    };
    if let Some(kind) = kind {
        request = request.header(CONTENT_TYPE, kind);
    }
    request.body(body).map_err(|error| io::Error::other(format!("{path:?}: {error}")).into())
}

/// Turns an answer that tells of an error into the error.
async fn checked(answer: Response<Incoming>) -> Result<Response<Incoming>, Client> {
    let status = answer.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS || status == StatusCode::NOT_MODIFIED {
        return Ok(answer);
    }
    let bytes = collect(into_stream(answer)).await?;
    let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let message = json
        .as_ref()
        .and_then(|json| json["message"].as_str())
        .map_or_else(|| String::from_utf8_lossy(&bytes).trim().to_owned(), str::to_owned);
    Err(Client::DockerResponseServerError { status_code: status.as_u16(), message })
}

/// The JSON of an answer; [`Value::Null`] for an empty one.
pub(crate) async fn read(answer: Response<Incoming>) -> Result<Value, Client> {
    let bytes = collect(into_stream(answer)).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|err| Client::JsonSerdeError { err })
}

/// The bytes of an answer, as they come.
pub(crate) fn into_stream(answer: Response<Incoming>) -> impl Stream<Item = Result<Bytes, Client>> {
    futures_util::stream::unfold(answer.into_body(), |mut body| async {
        loop {
            let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await?;
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => return Some((Ok(data), body)),
                Ok(Err(_)) => {} // trailers
                Err(error) => return Some((Err(io::Error::other(error).into()), body)),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        let tcp = |address| match Wire::of(address) {
            Ok(Wire::Tcp(place)) => place,
            _ => String::new(),
        };
        assert_eq!(tcp("tcp://127.0.0.1:99/"), "127.0.0.1:99");
        assert_eq!(tcp("tcp://host"), "host:2375");
        assert!(matches!(Wire::of("unix:///a/b"), Ok(Wire::Unix(path)) if path.as_os_str() == "/a/b"));
        assert!(matches!(Wire::of("ssh://me@host"), Ok(Wire::Ssh(_))));
        assert!(Wire::of("ftp://host").is_err());
    }
}
