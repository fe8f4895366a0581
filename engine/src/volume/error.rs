//! What goes wrong with volumes.

use std::io;
use std::path::{Path, PathBuf};

use crate::filters::FilterError;
use crate::image::ErrorKind;
use crate::layer::apply::ApplyError;
use crate::layer::diff::DiffError;
use crate::mount::MountError;
use crate::root::bolt::update::UpdateError;

/// A container that has a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The container's ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
}

/// Says what failed, on which volume, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// There is no volume of that name.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// The request cannot be right; docker's words, with a hint.
    #[error(transparent)]
    Invalid(#[from] MountError),
    /// No such driver: `local` is the only one.
    #[error("create {volume}: error looking up volume plugin {driver}: plugin \"{driver}\" not found")]
    Driver {
        /// The volume that was to be created.
        volume: String,
        /// The driver that was asked for.
        driver: String,
    },
    /// Containers have it.
    #[error("remove {volume}: volume is in use - [{}]", ids(users))]
    InUse {
        /// The volume.
        volume: String,
        /// The containers.
        users: Vec<User>,
    },
    /// Something is mounted in it.
    #[error("{volume}: {} is mounted; stop what uses it, or unmount it", path.display())]
    Mounted {
        /// The volume.
        volume: String,
        /// Where.
        path: PathBuf,
    },
    /// There is a volume of that name already.
    #[error("{0}: there is a volume of that name already; choose another name, or remove it first")]
    Exists(String),
    /// Its storage could not be mounted.
    #[error(
        "error while mounting volume '{path}': failed to mount local volume: mount {device}:{path}, data: {data}: {source}"
    )]
    Mount {
        /// The mount point.
        path: String,
        /// The device.
        device: String,
        /// The options.
        data: String,
        /// What the system said.
        source: io::Error,
    },
    /// A path in it cannot be used.
    #[error("volume {volume}: {path}: {source}")]
    Path {
        /// The volume.
        volume: String,
        /// The path in it.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Not a filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The root may only be read.
    #[error("the data root is open for reading only: {0}")]
    ReadOnly(String),
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
    /// An archive could not be unpacked.
    #[error("cannot unpack the archive: {0}")]
    Unpack(#[source] ApplyError),
    /// Files could not be read into an archive.
    #[error("cannot pack the volume: {0}")]
    Pack(#[source] DiffError),
    /// The file with the volumes' labels cannot be changed; it is as it was.
    #[error("{}: {detail}; the volume is there, its labels are not: repair the data root", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A system call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn ids(users: &[User]) -> String {
    users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>().join(", ")
}

impl VolumeError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) | Self::Driver { .. } => ErrorKind::NotFound,
            Self::InUse { .. } | Self::Mounted { .. } | Self::Exists(_) => ErrorKind::Conflict,
            Self::Invalid(_)
            | Self::Filter(_)
            | Self::Path { .. }
            | Self::Unpack(ApplyError::Tar(_) | ApplyError::Refused { .. }) => ErrorKind::Invalid,
            Self::ReadOnly(_) => ErrorKind::ReadOnly,
            Self::Cancelled | Self::Unpack(ApplyError::Cancelled) => ErrorKind::Cancelled,
            Self::Unpack(error) if error.is_no_space() => ErrorKind::NoSpace,
            Self::Io { source, .. } if is_full(source) => ErrorKind::NoSpace,
            Self::Metadata { .. } => ErrorKind::Damaged,
            Self::Unpack(_) | Self::Pack(_) | Self::Mount { .. } | Self::Io { .. } => ErrorKind::Internal,
        }
    }

    /// What to do about it, where more can be said than the message says.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid(error) => error.hint.clone(),
            Self::InUse { users, .. } => {
                let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
                Some(format!(
                    "used by {}: remove {} first",
                    names.join(", "),
                    if names.len() == 1 { "it" } else { "them" }
                ))
            }
            _ => None,
        }
    }

    pub(super) fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { what, path, source }
    }

    pub(super) fn metadata(path: &Path) -> impl FnOnce(UpdateError) -> Self {
        let path = path.to_path_buf();
        move |error| match error {
            UpdateError::Bolt(error) => Self::Metadata { path, detail: error.to_string() },
            UpdateError::Io(source) => Self::Io { what: "write", path, source },
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
