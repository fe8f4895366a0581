//! What the caller decides: which engine, which terminal, which keys. The crate itself reads no environment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::keymap::Keymap;
use crate::safe_text::Charset;
use crate::size::Units;
use crate::theme::Level;

/// What the screens show.
pub enum Backend {
    /// An engine behind the Docker API, already connected.
    Engine(Docker),
    /// An image archive or OCI layout that is only read.
    Archive(PathBuf),
    /// Nothing answered; [`Options::tried`] says what was asked.
    None,
}

/// Which kind of engine answers, as the top line says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The engine in this process.
    #[default]
    Embedded,
    /// A Docker daemon.
    Docker,
    /// Podman's service.
    Podman,
    /// A file.
    Archive,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Archive => "archive",
        }
    }
}

/// Where the connection leads.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Which kind of engine.
    pub kind: Kind,
    /// The data root, socket, context or file, for the top line.
    pub place: String,
    /// Why the engine only reads, when it does.
    pub read_only: Option<String>,
    /// Whether the engine runs without root.
    pub rootless: bool,
    /// Whether the engine's files are on this machine, so that its layer directories may be read in place.
    pub local: bool,
    /// The `-H` value for copied docker commands, when the plain command would reach another engine.
    pub docker_host: Option<String>,
}

impl Connection {
    /// Whether a container has to be asked, when it is started, to tell who writes: the kernel tells an ordinary user no
    /// processes, and only the embedded engine has another way.
    pub(crate) fn asks_who(&self) -> bool {
        self.kind == Kind::Embedded && self.rootless
    }
}

/// One place where an engine was looked for.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Socket, host or context.
    pub place: String,
    /// Why it was tried: `DOCKER_HOST`, `context "desktop"`, `default socket`.
    pub why: String,
    /// What went wrong.
    pub error: String,
}

/// Opens the embedded engine when the user asks for it.
pub type Open = Box<dyn Fn() -> BoxFuture<'static, Result<(Docker, Connection), String>> + Send + Sync>;

/// A build context that is ready to be sent.
pub struct Packed {
    /// The Dockerfile's path in it.
    pub dockerfile: String,
    /// The paths in it of the Dockerfiles to compare with.
    pub others: Vec<String>,
    /// The context as a tar.
    pub tar: BoxStream<'static, io::Result<Bytes>>,
}

/// Packs a folder without what `.dockerignore` leaves out, for a Dockerfile and others to compare with.
pub type Pack = Arc<dyn Fn(&Path, &Path, &[PathBuf]) -> Result<Packed, String> + Send + Sync>;
/// Asks the engine itself to watch the container with this ID, for engines whose files are not on this machine: an update a line, as
/// `/outcrop/watch` of outcrop's API has them.
pub type Watching =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<BoxStream<'static, Result<Bytes, String>>, String>> + Send + Sync>;

/// Says who the user is at registries: the name of a header of the Docker API, and its value. With an image's name it is
/// `X-Registry-Auth` for its registry, without one `X-Registry-Config` for all.
pub type Users = Arc<dyn Fn(Option<&str>) -> Result<(&'static str, String), String> + Send + Sync>;

/// What the caller does for the screens on an engine.
#[derive(Clone, Default)]
pub(crate) struct Lent {
    pub(crate) pack: Option<Pack>,
    pub(crate) watching: Option<Watching>,
    pub(crate) users: Option<Users>,
}

/// Everything [`run`](crate::run()) needs.
pub struct Options {
    /// What the screens show.
    pub backend: Backend,
    /// Where it leads.
    pub connection: Connection,
    /// Where an engine was looked for, in order.
    pub tried: Vec<Tried>,
    /// Opens the embedded engine; offered when nothing else answers.
    pub embedded: Option<Open>,
    /// Packs build contexts; without it nothing can be built.
    pub pack: Option<Pack>,
    /// Asks the engine to watch a container.
    pub watching: Option<Watching>,
    /// Says who the user is at registries; without it nobody is anybody there.
    pub users: Option<Users>,
    /// Which keys do what.
    pub keys: Keymap,
    /// How many colours the terminal has.
    pub level: Level,
    /// Whether the ground is light.
    pub light: bool,
    /// A theme file's text, over the built-in one.
    pub theme: Option<String>,
    /// What the locale can show.
    pub charset: Charset,
    /// Decimal or binary sizes.
    pub units: Units,
    /// Seconds that the clock here is before UTC's; it shows when things were written.
    pub zone: i32,
    /// Whether the mouse is used.
    pub mouse: bool,
    /// Folder of the layer index cache; none keeps nothing.
    pub cache: Option<PathBuf>,
    /// Folder for nameless temporary files, as large as an image.
    pub spool: PathBuf,
    /// Folder that files are saved to unless another is typed.
    pub save_to: PathBuf,
    /// Name of an image to select first.
    pub select: Option<String>,
}

impl Options {
    /// Options with every default for a `backend` at `connection`.
    pub fn new(backend: Backend, connection: Connection) -> Self {
        Self {
            backend,
            connection,
            tried: Vec::new(),
            embedded: None,
            pack: None,
            watching: None,
            users: None,
            keys: Keymap::default(),
            level: Level::True,
            light: false,
            theme: None,
            charset: Charset::Unicode,
            units: Units::Decimal,
            zone: 0,
            mouse: true,
            cache: None,
            spool: PathBuf::from("/var/tmp"),
            save_to: PathBuf::from("."),
            select: None,
        }
    }
}

/// Says why the terminal could not be used, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The terminal refused.
    #[error("cannot use this terminal: {0}; `--plain` needs none")]
    Terminal(#[from] io::Error),
    /// A theme file is wrong.
    #[error("theme: {0}")]
    Theme(String),
    /// The engine answered with an error where there is no screen to show it on.
    #[error("{0}")]
    Engine(String),
}
