//! Which engine to talk to, and talking to it. Everything goes through [`bollard`], the embedded engine too.

mod context;
mod embedded;
mod ssh;
mod target;
mod wire;

use std::path::PathBuf;

use bollard::{API_DEFAULT_VERSION, Docker};
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::header::HeaderValue;
use outcrop_engine::api::Api;
use outcrop_engine::registry::Registries;

pub(crate) use target::{Choice, Target};
pub(crate) use wire::{Hijacked, Payload, into_stream, read};

use crate::report::value::Value;
use wire::Wire;

/// How long an engine may take to begin to answer, in seconds: loading and saving may take hours.
const PATIENCE: u64 = 24 * 3600;
/// The largest JSON answer that is read whole, in bytes.
const LARGEST: usize = 256 << 20;

/// An engine, and how it was reached.
pub(crate) struct Connection {
    /// The client.
    pub(crate) docker: Docker,
    /// Where it leads.
    pub(crate) target: Target,
    /// The embedded engine's API, when it is that.
    pub(crate) api: Option<Api>,
    /// The way there for what the client has no calls for.
    wire: Wire,
}

/// Says why no engine could be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The data root cannot be opened.
    #[error(transparent)]
    Open(#[from] outcrop_engine::OpenError),
    /// A context, host or socket that cannot be.
    #[error("{0}")]
    Choice(String),
    /// The client refused.
    #[error("cannot connect to {place}: {source}")]
    Client {
        /// The host.
        place: String,
        /// What the client said.
        source: bollard::errors::Error,
    },
}

/// Connects to `target`. For sockets nothing is sent yet. `registries` is for the embedded engine.
pub(crate) async fn connect(
    target: Target,
    rootless: bool,
    registries: Registries,
) -> Result<Connection, ConnectError> {
    match target {
        Target::Embedded { root } => {
            let api = embedded::open(root.clone(), rootless, registries).await?;
            Connection::embedded(api, root)
        }
        Target::Host { ref address, .. } => {
            let (docker, wire) = (client(address)?, Wire::of(address).map_err(ConnectError::Choice)?);
            Ok(Connection { docker, target, api: None, wire })
        }
    }
}

fn client(address: &str) -> Result<Docker, ConnectError> {
    let client = |result: Result<Docker, bollard::errors::Error>| {
        result.map_err(|source| ConnectError::Client { place: address.to_owned(), source })
    };
    match address.split_once("://") {
        Some(("unix", path)) if !std::path::Path::new(path).exists() => Err(ConnectError::Choice(unreachable(address))),
        Some(("unix", path)) => client(Docker::connect_with_unix(path, PATIENCE, API_DEFAULT_VERSION)),
        Some(("tcp" | "http", _)) => client(Docker::connect_with_http(address, PATIENCE, API_DEFAULT_VERSION)),
        Some(("ssh", _)) => client(ssh::client(address)),
        _ => Err(ConnectError::Choice(format!("cannot connect to {address:?}: write unix://, tcp:// or ssh://"))),
    }
}

/// Docker's words for an engine that does not answer.
pub(crate) fn unreachable(address: &str) -> String {
    format!(
        "Cannot connect to the Docker daemon at {address}. Is the docker daemon running? (outcrop's own engine needs none: leave -H, DOCKER_HOST and --context out)"
    )
}

impl Connection {
    /// A connection to `api`, the engine of `root` in this process.
    pub(crate) fn embedded(api: Api, root: PathBuf) -> Result<Self, ConnectError> {
        let docker = embedded::client(&api)?;
        Ok(Self { docker, target: Target::Embedded { root }, api: Some(api.clone()), wire: Wire::Embedded(api) })
    }

    /// The JSON that the engine answers at `path`, with every field and in its order. (The client's own calls know only
    /// the fields of its own version of the API.)
    pub(crate) async fn get(&self, path: &str) -> Result<Value, bollard::errors::Error> {
        let bytes = self.bytes(path).await?;
        serde_json::from_slice(&bytes).map_err(|err| bollard::errors::Error::JsonSerdeError { err })
    }

    /// The bytes that the engine answers at `path`.
    pub(crate) async fn bytes(&self, path: &str) -> Result<Bytes, bollard::errors::Error> {
        collect(stream(&self.docker, path)).await
    }
}

/// Reads an answer whole, up to [`LARGEST`].
async fn collect(
    stream: impl futures_util::Stream<Item = Result<Bytes, bollard::errors::Error>>,
) -> Result<Bytes, bollard::errors::Error> {
    let mut stream = std::pin::pin!(stream);
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if all.len() + chunk.len() > LARGEST {
            return Err(std::io::Error::other(format!("an answer is larger than {LARGEST} bytes")).into());
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

/// Streams what the engine answers to `GET path`.
///
/// bollard has no call for this, but one that streams bytes from a path of its own: the path is changed under way.
pub(crate) fn stream(
    docker: &Docker,
    path: &str,
) -> impl futures_util::Stream<Item = Result<Bytes, bollard::errors::Error>> + use<> {
    at(docker, path).export_image("any")
}

/// A client whose every request goes to `path`.
pub(crate) fn at(docker: &Docker, path: &str) -> Docker {
    at_with(docker, path, Vec::new())
}

/// The same, with headers.
pub(crate) fn at_with(docker: &Docker, path: &str, headers: Vec<(&'static str, HeaderValue)>) -> Docker {
    let path = path.to_owned();
    docker.clone().with_request_modifier(move |mut request| {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = path.parse().ok();
        if let Ok(uri) = parts.try_into() {
            *request.uri_mut() = uri;
        }
        for (name, value) in &headers {
            request.headers_mut().insert(*name, value.clone());
        }
        request
    })
}

/// Makes a name safe to stand in a path: what is not part of a reference or an ID is percent-encoded.
pub(crate) fn in_path(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b':' | b'@' | b'/' => out.push(byte.into()),
            _ => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    // A path is tidied before it is sent: `..` would leave the resource.
    if out.split('/').any(|part| part == "." || part == "..") { out.replace('/', "%2F") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_path() {
        for (name, want) in [
            ("app:1", "app:1"),
            ("localhost:5000/a/b@sha256:00", "localhost:5000/a/b@sha256:00"),
            ("a b?c#d%", "a%20b%3Fc%23d%25"),
            ("../containers", "..%2Fcontainers"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(in_path(name), want);
        }
    }
}
