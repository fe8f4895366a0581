//! What can go wrong with containers.

use std::io;
use std::path::PathBuf;

/// Says why something with a container failed; [`ContainerError::kind`] tells the API's status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// There is none of that name or ID.
    #[error("No such container: {0}")]
    NotFound(String),
    /// There is no such exec.
    #[error("No such exec instance: {0}")]
    NoExec(String),
    /// A file or directory in a container is missing.
    #[error("{0}")]
    NoPath(String),
    /// The prefix of an ID fits several.
    #[error("Multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    /// Something of that name is there, or the container is in the wrong state.
    #[error("{0}")]
    Conflict(String),
    /// Nothing is to be done: started already, stopped already.
    #[error("{0}")]
    NotModified(String),
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The container could not be started; the text is what Docker clients look at for the exit code (127, 126).
    #[error("{0}")]
    Start(String),
    /// What the text says is not possible here.
    #[error("{0}")]
    Unsupported(String),
    /// A file's content is not what it should be.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Classes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerErrorKind {
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 304.
    NotModified,
    /// 400.
    Invalid,
    /// 500.
    Internal,
}

impl ContainerError {
    /// Its class.
    pub fn kind(&self) -> ContainerErrorKind {
        match self {
            Self::NotFound(_) | Self::NoExec(_) | Self::NoPath(_) => ContainerErrorKind::NotFound,
            Self::Conflict(_) => ContainerErrorKind::Conflict,
            Self::NotModified(_) => ContainerErrorKind::NotModified,
            Self::Invalid(_) | Self::Ambiguous(_) | Self::Unsupported(_) => ContainerErrorKind::Invalid,
            Self::Start(text) if exit_code_of_failure(text) != 128 => ContainerErrorKind::Invalid,
            Self::Start(_) | Self::Damaged { .. } | Self::Io { .. } => ContainerErrorKind::Internal,
        }
    }
}

/// The exit code that Docker gives a container whose start failed with `message`.
pub(crate) fn exit_code_of_failure(message: &str) -> i32 {
    let any = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if any(&["executable file not found", "no such file or directory", "system cannot find the file specified"]) {
        127
    } else if any(&["permission denied", "not a directory", "is a directory"]) {
        126
    } else {
        128
    }
}

/// Turns an input or output error into ours.
pub(crate) trait Doing<T> {
    /// Adds what was tried and on what.
    fn doing(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, ContainerError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, ContainerError> {
        self.map_err(|error| ContainerError::Io { what, path: path.into(), source: error.into() })
    }
}

/// What everything here gives.
pub(crate) type Result<T, E = ContainerError> = std::result::Result<T, E>;
