//! The one client: the Docker API through bollard, or a file that is only read.

mod archive;
pub(crate) mod content;
pub(crate) mod differences;
mod engine;
mod file;
pub(crate) mod find;
mod peek;
mod recording;

use tokio::sync::mpsc::UnboundedSender;

use crate::job::{JobId, JobNews};
use crate::message::{Data, Message, Request};

pub(crate) use archive::ArchiveClient;
pub(crate) use engine::EngineClient;
pub(crate) use file::NewFile;

/// Where answers go.
#[derive(Clone, Debug)]
pub(crate) struct Out(pub(crate) UnboundedSender<Message>);

impl Out {
    pub(crate) fn data(&self, data: Data) {
        // The receiver is gone only when the program ends.
        let _ = self.0.send(Message::Data(data));
    }

    pub(crate) fn job(&self, id: JobId, news: JobNews) {
        let _ = self.0.send(Message::Job(id, news));
    }
}

/// Who answers requests.
pub(crate) enum Client {
    Engine(EngineClient),
    Archive(ArchiveClient),
    None,
}

impl Client {
    /// Starts the work of a request; answers come as messages.
    pub(crate) fn start(&self, request: Request) {
        match self {
            Self::Engine(engine) => engine.start(request),
            Self::Archive(archive) => archive.start(request),
            Self::None => {}
        }
    }
}
