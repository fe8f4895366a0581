//! What happens: input, answers, news of jobs; and what the screens ask to be done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use outcrop_layers::tree::NodeId;

use crate::client::differences::Difference;
use crate::content::{Content, Reading};
use crate::job::{Cancel, JobId, JobNews};
use crate::model::{Detail, ImageRow};
use crate::options::Connection;
use crate::popup::Line;
use crate::screen::images::rows::{Row, Spec};

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
    /// The engine refused to remove an image without force.
    Conflict {
        references: Vec<String>,
        why: String,
    },
    /// The embedded engine was opened.
    Connected(Box<Connection>),
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
    SaveImages {
        job: JobId,
        cancel: Cancel,
        references: Vec<String>,
        path: PathBuf,
        expected: u64,
    },
}
