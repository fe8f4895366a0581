//! Volumes: a row of the list, who uses it, and who did.

use crate::model::container::is_anonymous;

/// A container that mounts a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) writable: bool,
    pub(crate) alive: bool,
}

/// The last container that mounted a volume, as far as the engine's events tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Its name, or its short ID.
    pub(crate) container: String,
    pub(crate) image: String,
    /// Seconds since 1970: when it mounted the volume, and when it was removed.
    pub(crate) mounted: i64,
    pub(crate) removed: Option<i64>,
}

/// A row of the list of volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VolumeRow {
    pub(crate) name: String,
    pub(crate) driver: String,
    /// Its folder on the engine's machine.
    pub(crate) mountpoint: String,
    /// Seconds since 1970.
    pub(crate) created: i64,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) users: Vec<User>,
    pub(crate) inspect: String,
}

impl VolumeRow {
    pub(crate) fn is_anonymous(&self) -> bool {
        is_anonymous(&self.name) || self.labels.iter().any(|(name, _)| name == "com.docker.volume.anonymous")
    }

    pub(crate) fn is_used(&self) -> bool {
        !self.users.is_empty()
    }
}
