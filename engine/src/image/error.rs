//! What goes wrong with images.

use std::io;
use std::path::{Path, PathBuf};

use outcrop_layers::archive::ArchiveError;
use outcrop_layers::digest::{DiffId, Digest, ImageId};

use super::reference::ReferenceError;
use crate::driver::DriverError;
use crate::filters::FilterError;
use crate::layer::apply::ApplyError;
use crate::registry::RegistryError;

/// The class of an error: what an API answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Status 404.
    NotFound,
    /// Status 401: a registry wants a user and a password.
    Unauthorized,
    /// Status 409.
    Conflict,
    /// Status 400.
    Invalid,
    /// Status 403: the root is open for reading only.
    ReadOnly,
    /// Status 507 (500 for old clients): the file system is full.
    NoSpace,
    /// Status 500: something on disk is not what it should be.
    Damaged,
    /// Stopped on request; nobody is left to answer.
    Cancelled,
    /// Status 500.
    Internal,
}

/// Says what failed, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image answers to that name.
    #[error("No such image: {0}")]
    NotFound(String),
    /// No layer is stored under that chain.
    #[error("layer {0} does not exist")]
    NoLayer(String),
    /// Several IDs begin so.
    #[error("ambiguous digest string: {prefix} begins {}", list_ids(ids))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// The images it could be.
        ids: Vec<ImageId>,
    },
    /// Not a reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Not a filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Something uses it.
    #[error("{0}")]
    Conflict(String),
    /// The request cannot be right.
    #[error("{0}")]
    Invalid(String),
    /// The root may only be read.
    #[error("the data root is open for reading only: {0}")]
    ReadOnly(String),
    /// The file system is full.
    #[error("no space left on the file system of {}: {detail}", path.display())]
    NoSpace {
        /// Where it was written.
        path: PathBuf,
        /// Bytes needed and free.
        detail: String,
    },
    /// A stored file is not what it should be.
    #[error("{} is damaged: {detail}; load or pull the image again to repair it", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What was expected and what was found.
        detail: String,
    },
    /// The layer in the archive is not the one that its image names.
    #[error("layer {layer}: diff ID differs: expected {expected}, got {found}")]
    DiffId {
        /// Number of the layer, from 1, base first.
        layer: usize,
        /// What the configuration says.
        expected: DiffId,
        /// What the bytes are.
        found: DiffId,
    },
    /// The archive is none, is damaged, or has something that is refused.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The storage driver failed.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A blob's name is not its digest.
    #[error("{name}: digest differs: expected {expected}, got {found}")]
    Digest {
        /// Its name in the archive.
        name: String,
        /// What the name or a descriptor says.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// A layer cannot be read or unpacked.
    #[error("layer {name}: {detail}")]
    Layer {
        /// Its name in the archive, or its digest.
        name: String,
        /// Why.
        detail: String,
    },
    /// A registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
    /// A system call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The verb: `read`, `write`, `rename`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading the request's body or writing the answer failed.
    #[error("cannot {what}: {source}")]
    Stream {
        /// What was being done.
        what: &'static str,
        /// What the stream said.
        source: io::Error,
    },
}

fn registry_kind(error: &RegistryError) -> ErrorKind {
    match error {
        RegistryError::NotFound(_) | RegistryError::Denied { .. } => ErrorKind::NotFound,
        RegistryError::Unauthorized { .. } => ErrorKind::Unauthorized,
        RegistryError::Unsupported(_) => ErrorKind::Invalid,
        RegistryError::Local { source, .. } if is_full(source) => ErrorKind::NoSpace,
        RegistryError::Cancelled => ErrorKind::Cancelled,
        RegistryError::Host { .. }
        | RegistryError::Cut { .. }
        | RegistryError::Digest { .. }
        | RegistryError::Local { .. } => ErrorKind::Internal,
    }
}

fn list_ids(ids: &[ImageId]) -> String {
    ids.iter().map(|id| id.0.short()).collect::<Vec<_>>().join(", ")
}

impl ImageError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::ReadOnly(_) => ErrorKind::ReadOnly,
            Self::NoSpace { .. } | Self::Archive(ArchiveError::Space { .. }) => ErrorKind::NoSpace,
            Self::Driver(error) if error.is_no_space() => ErrorKind::NoSpace,
            Self::Damaged { .. }
            | Self::NoLayer(_)
            | Self::Driver(DriverError::Missing { .. } | DriverError::Damaged { .. }) => ErrorKind::Damaged,
            Self::Registry(error) => registry_kind(error),
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Io { .. } | Self::Stream { .. } | Self::Archive(ArchiveError::Io { .. }) | Self::Driver(_) => {
                ErrorKind::Internal
            }
            Self::Ambiguous { .. }
            | Self::Reference(_)
            | Self::Filter(_)
            | Self::Invalid(_)
            | Self::DiffId { .. }
            | Self::Digest { .. }
            | Self::Layer { .. }
            | Self::Archive(_) => ErrorKind::Invalid,
        }
    }

    /// Tells why a layer was not unpacked.
    pub(crate) fn apply(name: &str, root: &Path, error: ApplyError) -> Self {
        let mut sources = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let full = sources.any(|source| source.downcast_ref::<io::Error>().is_some_and(is_full));
        match error {
            ApplyError::Cancelled => Self::Cancelled,
            error if full || error.is_no_space() => Self::NoSpace { path: root.into(), detail: error.to_string() },
            error => Self::Layer { name: name.into(), detail: error.to_string() },
        }
    }

    /// Tells a failed system call; a full file system becomes [`ImageError::NoSpace`].
    pub(crate) fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| {
            if is_full(&source) {
                Self::NoSpace { path, detail: format!("cannot {what} ({source})") }
            } else {
                Self::Io { what, path, source }
            }
        }
    }
}

/// Whether the error is that a file system or a quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
