//! What happens: input, answers, news of jobs; and what the screens ask to be done.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use outcrop_layers::tree::NodeId;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::client::differences::Difference;
use crate::content::{Content, Reading};
use crate::job::{Cancel, JobId, JobNews};
use crate::launch::{Ground, Looked};
use crate::live::{Batch, Kept};
use crate::model::{ContainerDetail, ContainerRow, Detail, Disk, ImageRow, News, Past, Plan, Recipe, VolumeRow};
use crate::options::Connection;
use crate::popup::Line;
use crate::screen::containers::Asking;
use crate::screen::files::rows::{Row, Spec};
use crate::work::{Task, Work};

/// Something happened.
#[derive(Debug)]
pub(crate) enum Message {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(u16, u16),
    Data(Data),
    Job(JobId, JobNews),
    /// The embedded engine was opened; the loop takes the connection, the screens learn of it as [`Data::Connected`].
    Opened(Box<Connection>, bollard::Docker),
    /// A wait asked for with [`Request::Wait`] is over.
    Waited(u64),
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Data {
    Server(Server),
    Images(Vec<ImageRow>),
    Details(Vec<Detail>),
    /// What happened to an engine's object, so that lists are asked for again.
    Changed,
    /// Something short to say.
    Notice(String),
    /// Something went wrong.
    Failed(String),
    /// An image's files were read, or why not.
    Content {
        image: String,
        reading: Reading,
    },
    /// Lines of the file tree made beside the screen.
    Rows {
        generation: u64,
        rows: Vec<Row>,
    },
    /// Paths that a search found, the best first.
    Found {
        generation: u64,
        nodes: Vec<NodeId>,
        total: usize,
    },
    /// A file's content, to be looked at.
    Peek {
        generation: u64,
        result: Result<Peek, String>,
    },
    /// What differs between two images.
    Differences {
        left: String,
        right: String,
        list: Vec<Difference>,
    },
    /// Two versions of a file, line by line.
    Show {
        title: String,
        lines: Vec<Line>,
    },
    /// Whether the engine answers, when that changes.
    Answers(bool),
    /// The engine refused to remove an image without force.
    Conflict {
        references: Vec<String>,
        why: String,
    },
    /// The embedded engine was opened.
    Connected(Box<Connection>),
    /// The containers, or why there are none to be seen.
    Containers(Result<Vec<ContainerRow>, String>),
    Container(Box<ContainerDetail>),
    /// Bytes of containers' writable layers, for a dialog.
    ContainerSizes(Asking, HashMap<String, u64>),
    /// What a container changed was read, or why not. Without its image's layers what a change came from is not known.
    Changes {
        container: String,
        reading: Reading,
    },
    /// Lines of a container's log; `end` says why no more will come.
    Logs {
        generation: u64,
        bytes: Vec<u8>,
        end: Option<String>,
    },
    Processes {
        container: String,
        result: Result<Processes, String>,
    },
    /// News of a program in a terminal.
    Terminal(u64, TerminalNews),
    /// What a watch told, live or from a recording.
    Live(u64, Batch),
    /// The volumes, or why there are none to be seen.
    Volumes(Result<Vec<VolumeRow>, String>),
    /// Bytes of every volume the engine measured.
    VolumeSizes(Result<Vec<(String, u64)>, String>),
    /// Who used volumes, as far as the engine's events tell.
    VolumePasts(Vec<(String, Past)>),
    VolumeContent {
        volume: String,
        reading: Reading,
    },
    /// What a launch form has to know of image and engine.
    Ground(Box<Ground>),
    /// What is at a path of this machine.
    Looked(Looked),
    /// What is on the engine's disk, or why that is not known.
    Disk(Result<Disk, String>),
    /// What builds would do, or why that is not known.
    Plans {
        generation: u64,
        result: Result<Vec<Plan>, String>,
    },
    /// News of a build, and the milliseconds since it began.
    Build {
        generation: u64,
        millis: u64,
        news: News,
    },
    /// A container was started from the launch form.
    Launched {
        container: String,
        name: String,
        terminal: bool,
    },
    /// The engine refused to remove a container without force.
    Stubborn {
        containers: Vec<crate::work::Named>,
        why: String,
    },
}

/// The processes of a container, as `top` tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    pub(crate) titles: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// News of a program in a terminal.
#[derive(Debug)]
pub(crate) enum TerminalNews {
    /// It runs; the text says what.
    Started(String),
    Output(Vec<u8>),
    /// It is over; the text says how.
    Ended(String),
}

/// What a terminal is told.
#[derive(Debug)]
pub(crate) enum TerminalInput {
    Bytes(Vec<u8>),
    Resize(u16, u16),
}

/// What runs in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminalKind {
    /// A shell beside the container's own program.
    Shell,
    /// The container's own program; `start` it once attached, so that nothing it says is missed.
    Attach { start: bool },
}

/// A first look at a file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peek {
    /// What it is.
    pub(crate) about: Vec<String>,
    /// Its lines, or its bytes as a dump.
    pub(crate) lines: Vec<String>,
    /// Whether these are lines with numbers.
    pub(crate) numbered: bool,
}

/// What an engine says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    pub(crate) root: String,
    pub(crate) driver: String,
    pub(crate) rootless: bool,
}

/// Something to be done outside of the screens.
#[derive(Debug)]
pub(crate) enum Request {
    Server,
    List,
    Details(Vec<String>),
    Watch,
    Wait(Duration, u64),
    Copy(String),
    Mouse(bool),
    Redraw,
    OpenEmbedded,
    Tag {
        image: String,
        repository: String,
        tag: String,
    },
    /// Reads an image's files; `export` when the engine may be asked for the whole image.
    Content {
        job: JobId,
        cancel: Cancel,
        image: String,
        export: bool,
    },
    Rows {
        generation: u64,
        content: Arc<Content>,
        spec: Spec,
        cancel: Cancel,
    },
    Find {
        generation: u64,
        content: Arc<Content>,
        spec: Spec,
        text: String,
        cancel: Cancel,
    },
    Peek {
        generation: u64,
        content: Arc<Content>,
        layer: usize,
        path: Vec<u8>,
    },
    Differences {
        left: Arc<Content>,
        right: Arc<Content>,
    },
    Diff {
        content: Arc<Content>,
        path: Vec<u8>,
        from: usize,
        to: usize,
    },
    SaveFile {
        job: JobId,
        cancel: Cancel,
        content: Arc<Content>,
        layer: usize,
        path: Vec<u8>,
        to: PathBuf,
    },
    Containers,
    Container(String),
    /// Asks for the bytes of these containers' writable layers.
    ContainerSizes(Asking, Vec<String>),
    /// Reads what a container changed.
    Changes {
        job: JobId,
        cancel: Cancel,
        container: String,
    },
    Logs {
        generation: u64,
        cancel: Cancel,
        container: String,
    },
    Processes(String),
    Terminal {
        generation: u64,
        container: String,
        kind: TerminalKind,
        size: (u16, u16),
        input: UnboundedReceiver<TerminalInput>,
    },
    /// Watches what a container writes until `stop` is told, or its sender gone.
    Live {
        generation: u64,
        container: String,
        kept: Arc<Kept>,
        stop: oneshot::Receiver<()>,
    },
    /// Saves the recording of a watch.
    SaveRecording {
        job: JobId,
        kept: Arc<Kept>,
        to: PathBuf,
    },
    /// Reads a recording.
    OpenRecording {
        generation: u64,
        path: PathBuf,
    },
    Volumes,
    VolumeSizes,
    VolumePasts,
    /// Reads what is in a volume: in its folder, or through a container that mounts it.
    VolumeContent {
        job: JobId,
        cancel: Cancel,
        volume: String,
        mountpoint: String,
        through: Option<(String, String)>,
    },
    /// Asks for what a launch form has to know.
    Ground(String),
    /// Looks at a path of this machine.
    Look(String),
    /// Asks what is on the engine's disk.
    Disk,
    /// Asks what a build would do, and what the same would do with other Dockerfiles of the folder.
    Plan {
        job: JobId,
        cancel: Cancel,
        generation: u64,
        recipe: Recipe,
        others: Vec<String>,
    },
    Build {
        job: JobId,
        cancel: Cancel,
        generation: u64,
        recipe: Recipe,
    },
    /// Work that is to begin: becomes [`Request::Work`] with a job.
    Begin(Task),
    Work {
        job: JobId,
        cancel: Cancel,
        work: Work,
    },
    /// The dialog was agreed to: becomes a [`Request::Remove`] with a job.
    RemoveAsked {
        references: Vec<String>,
        force: bool,
    },
    /// The dialog was agreed to: becomes a [`Request::Prune`] with a job.
    PruneAsked,
    Remove {
        job: JobId,
        cancel: Cancel,
        references: Vec<String>,
        force: bool,
    },
    Prune {
        job: JobId,
    },
    Load {
        job: JobId,
        cancel: Cancel,
        path: PathBuf,
    },
    Pull {
        job: JobId,
        cancel: Cancel,
        name: String,
    },
    Push {
        job: JobId,
        cancel: Cancel,
        name: String,
    },
    SaveImages {
        job: JobId,
        cancel: Cancel,
        references: Vec<String>,
        path: PathBuf,
        expected: u64,
    },
}
