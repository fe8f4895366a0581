//! What can go wrong with a build.

use std::io;
use std::path::{Path, PathBuf};

use outcrop_layers::digest::ImageId;

use super::problem::Problem;
use crate::container::{ContainerError, ContainerErrorKind};
use crate::image::{ErrorKind, ImageError};

/// Says why nothing was built. What was built before the step that failed stays for the cache.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile, or something that a step of it names: file, line and word are told.
    #[error(transparent)]
    Dockerfile(#[from] Problem),
    /// The options, or the context.
    #[error("{0}")]
    Invalid(String),
    /// A command of a step failed.
    #[error("The command '{command}' returned a non-zero code: {code}{place}{}", kept(image.as_ref()))]
    Command {
        /// Its words.
        command: String,
        /// Its exit code.
        code: i32,
        /// File and line, in words.
        place: String,
        /// The image of the step before.
        image: Option<ImageId>,
    },
    /// Something with an image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Something with a step's container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
}

fn kept(image: Option<&ImageId>) -> String {
    image.map_or_else(String::new, |id| format!("\nthe steps before it are kept: see them in image {}", id.0.short()))
}

impl BuildError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Dockerfile(_) | Self::Invalid(_) => ErrorKind::Invalid,
            Self::Command { .. } => ErrorKind::Internal,
            Self::Image(error) => error.kind(),
            Self::Container(error) => match error.kind() {
                ContainerErrorKind::NotFound => ErrorKind::NotFound,
                ContainerErrorKind::Conflict => ErrorKind::Conflict,
                ContainerErrorKind::Invalid | ContainerErrorKind::NotModified => ErrorKind::Invalid,
                ContainerErrorKind::Internal => ErrorKind::Internal,
            },
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// A failed system call; a full file system is told as such.
    pub(crate) fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path: PathBuf = path.as_ref().into();
        move |error| Self::Image(ImageError::io(what, path)(error))
    }
}

/// What everything here gives.
pub(crate) type Result<T, E = BuildError> = std::result::Result<T, E>;
