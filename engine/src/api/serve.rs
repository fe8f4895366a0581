//! The API on a socket.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::Api;

/// How long requests under way may take to finish once the end is asked for.
const FINISH: Duration = Duration::from_secs(5);
/// How long cancelled work may take to clean up.
const CLEAN: Duration = Duration::from_secs(20);
/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_mins(1);
/// How long to wait when the system has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// Says why the API cannot be put on a socket.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Something else has this name.
    #[error("{} exists and is no socket; remove it or serve elsewhere", .0.display())]
    NotASocket(PathBuf),
    /// Somebody answers there.
    #[error("{} is in use by a running program; stop it or serve elsewhere", .0.display())]
    InUse(PathBuf),
    /// An address that all the network could reach.
    #[error(
        "{0} can be reached from elsewhere, and whoever reaches it owns this machine; serve on 127.0.0.1, [::1] or a unix socket"
    )]
    NotLocal(SocketAddr),
    /// A system call failed.
    #[error("cannot {what} {place}: {source}")]
    Io {
        /// The verb.
        what: &'static str,
        /// The path or address.
        place: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A unix socket, open to its owner, and to a group if one is given.
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// ID of the group that may use it.
        group: Option<u32>,
    },
    /// TCP, on this machine only.
    Tcp(SocketAddr),
}

/// A socket that is listened on. A unix socket's file is removed when this is dropped.
pub struct Listener {
    kind: Kind,
    name: String,
    /// Kept to be removed at the end.
    _file: Option<SocketFile>,
}

enum Kind {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection of either kind.
type Stream = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// The file of a unix socket, removed on drop if it is still the one that was made.
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Listens on `address`. A socket that nobody answers on any more is replaced; anything else is not.
    pub async fn bind(address: &Address) -> Result<Self, ServeError> {
        match address {
            Address::Unix { path, group } => Self::unix(path, *group).await,
            Address::Tcp(address) if !address.ip().is_loopback() => Err(ServeError::NotLocal(*address)),
            Address::Tcp(address) => {
                let io = |source| ServeError::Io { what: "listen on", place: address.to_string(), source };
                let listener = TcpListener::bind(address).await.map_err(io)?;
                let name = format!("tcp://{}", listener.local_addr().map_err(io)?);
                Ok(Self { kind: Kind::Tcp(listener), name, _file: None })
            }
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        Ok(match &self.kind {
            Kind::Unix(listener) => Box::new(listener.accept().await?.0),
            Kind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }

    /// What clients give as host.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Binds in a private directory beside the place, sets owner and mode, and only then moves it there: at no moment
    /// can somebody connect who may not.
    async fn unix(path: &Path, group: Option<u32>) -> Result<Self, ServeError> {
        let io = |what: &'static str, at: &Path| {
            let place = at.display().to_string();
            move |source| ServeError::Io { what, place, source }
        };
        let existing = std::fs::symlink_metadata(path).ok();
        if let Some(existing) = existing {
            if !existing.file_type().is_socket() {
                return Err(ServeError::NotASocket(path.to_owned()));
            }
            if UnixStream::connect(path).await.is_ok() {
                return Err(ServeError::InUse(path.to_owned()));
            }
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io("name", path)(io::Error::other(error)))?;
        let private = parent.join(format!(".outcrop-{}", hex::encode(random)));
        {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().mode(0o700).create(&private).map_err(io("make", &private))?;
        }
        let temporary = private.join("s");
        let bound = (|| {
            let listener = UnixListener::bind(&temporary).map_err(io("listen on", path))?;
            if let Some(group) = group {
                std::os::unix::fs::chown(&temporary, None, Some(group)).map_err(io("give to its group", path))?;
            }
            let mode = if group.is_some() { 0o660 } else { 0o600 };
            std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(mode)).map_err(io("protect", path))?;
            let made = std::fs::symlink_metadata(&temporary).map_err(io("look at", path))?;
            std::fs::rename(&temporary, path).map_err(io("put in place", path))?;
            Ok((listener, SocketFile { path: path.to_owned(), inode: (made.dev(), made.ino()) }))
        })();
        let _ = std::fs::remove_file(&temporary);
        let _ = std::fs::remove_dir(&private);
        let (listener, file) = bound?;
        Ok(Self { kind: Kind::Unix(listener), _file: Some(file), name: format!("unix://{}", path.display()) })
    }
}

/// Answers on `listener` until `stop` resolves; then finishes or cancels what is under way.
///
/// New connections are refused at once. Requests have five seconds to finish; then their work is cancelled and cleans up.
/// Returns how many pieces of work were cancelled.
pub async fn serve(api: &Api, listener: Listener, stop: impl Future<Output = ()>) -> usize {
    raise_descriptor_limit();
    resume(api);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) => answer(stream, api, &mut connections),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }
    drop(listener);
    api.stop();
    let _ = tokio::time::timeout(FINISH, async { while connections.join_next().await.is_some() {} }).await;
    let left = api.work().running();
    api.work().cancel();
    let _ = tokio::time::timeout(CLEAN, api.work().idle()).await;
    left
}

/// Starts the containers that are to run always, beside the first answers.
fn resume(api: &Api) {
    if api.writable().is_err() {
        return;
    }
    let containers = api.engine().containers();
    tokio::task::spawn_blocking(move || match containers.resume() {
        Ok(failed) => {
            for (id, error) in failed {
                tracing::warn!(id, %error, "a container was not started again");
            }
        }
        Err(error) => tracing::warn!(%error, "containers were not started again"),
    });
}

fn answer(stream: Stream, api: &Api, connections: &mut JoinSet<()>) {
    let service = api.service().map_request(|request: Request<Incoming>| request.map(axum::body::Body::new));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(512 << 10);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).with_upgrades();
    let mut stopped = api.stopped();
    connections.spawn(async move {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = async { drop(stopped.wait_for(|stop| *stop).await) } => {
                // Answers the request under way, and takes no other.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

/// Lets this process open as many files as the system allows it: idle clients cost one each.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, OpenOptions};

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().expect("temporary directory")
    }

    fn unix(path: &Path) -> Address {
        Address::Unix { path: path.to_owned(), group: None }
    }

    #[tokio::test]
    async fn a_socket_is_private_and_replaces_only_dead_sockets() {
        let scratch = scratch();
        let path = scratch.path().join("s");
        std::fs::write(&path, "precious").expect("writes");
        assert!(matches!(Listener::bind(&unix(&path)).await, Err(ServeError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).expect("is still there"), "precious");
        std::fs::remove_file(&path).expect("removes");
        let listener = Listener::bind(&unix(&path)).await.expect("binds");
        assert_eq!(std::fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
        assert!(matches!(Listener::bind(&unix(&path)).await, Err(ServeError::InUse(_))));
        drop(listener);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
        Listener::bind(&unix(&path)).await.expect("replaces a socket that nobody answers on");
        assert_eq!(std::fs::read_dir(scratch.path()).expect("lists").count(), 0, "nothing is left over");
    }

    #[tokio::test]
    async fn only_this_machine_may_come_by_tcp() {
        let address = Address::Tcp("0.0.0.0:0".parse().expect("is an address"));
        assert!(matches!(Listener::bind(&address).await, Err(ServeError::NotLocal(_))));
    }

    #[tokio::test]
    async fn answers_beside_a_thousand_idle_connections_and_stops() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let scratch = scratch();
        let engine = Engine::open(&OpenOptions { rootless: true, ..OpenOptions::new(scratch.path().join("root")) });
        let api = Api::new(engine.expect("opens"));
        let path = scratch.path().join("s");
        let listener = Listener::bind(&unix(&path)).await.expect("binds");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move { serve(&api, listener, async { drop(stopped.await) }).await });
        tokio::task::yield_now().await;
        let mut idle = Vec::new();
        for _ in 0..1000 {
            idle.push(UnixStream::connect(&path).await.expect("connects"));
        }
        let mut client = UnixStream::connect(&path).await.expect("connects");
        client.write_all(b"GET /v1.41/_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("writes");
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(5), client.read_to_string(&mut answer))
            .await
            .expect("in time")
            .expect("reads");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("OK") && answer.contains("api-version: 1.47"),
            "{answer}"
        );
        stop.send(()).expect("is waiting");
        assert_eq!(server.await.expect("ends"), 0);
        assert!(!path.exists());
    }
}
