//! Volumes: storage that outlives containers, in Docker's `volumes/` folder.
//!
//! A volume is a folder: `volumes/<name>/_data`. What else is known of it, its labels and options, is in `volumes/metadata.db`, the file
//! that dockerd reads. `opts.json` beside `_data` says what is to be mounted over it, if anything is.

mod archive;
mod attach;
mod copy;
mod create;
mod error;
mod fill;
mod list;
mod measure;
mod metadata;
mod name;
mod options;
mod remove;

pub use archive::Compression;
pub use attach::Attached;
pub use create::{Create, Provided};
pub use error::{User, VolumeError};
pub use measure::{Item, Size};
pub use name::check_name;
pub use remove::Pruned;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::Shared;
use crate::events::Events;
use crate::root::lock::Changing;
use crate::root::transaction::Transaction;
use crate::root::{Access, Layout};

/// The label that docker gives volumes nobody named.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its driver: `local`.
    pub driver: String,
    /// Where its files are.
    pub mountpoint: PathBuf,
    /// When its folder was made, seconds since 1970.
    pub created: i64,
    /// Its labels; `None` where none were given, which docker tells apart from an empty set.
    pub labels: Option<BTreeMap<String, String>>,
    /// The driver's options.
    pub options: Option<BTreeMap<String, String>>,
}

impl Volume {
    /// Whether nobody gave it a name: docker's label says so, or, from older engines, a name of 64 digits and no label.
    pub fn is_anonymous(&self) -> bool {
        match &self.labels {
            Some(labels) if !labels.is_empty() => labels.contains_key(ANONYMOUS),
            _ => self.name.len() == 64 && self.name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        }
    }
}

/// The volumes of a data root. Clones are cheap; every call blocks.
#[derive(Clone)]
pub struct Volumes {
    layout: Layout,
    access: Access,
    /// For events that cannot be written; a container's shim has none.
    shared: Option<Arc<Shared>>,
}

impl Volumes {
    /// Those of an open engine.
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            layout: shared.root.layout().clone(),
            access: shared.root.access().clone(),
            shared: Some(Arc::clone(shared)),
        }
    }

    /// Those of a root that the caller knows to be open for changes, without the engine: for a container's shim.
    pub fn of_root(root: &Path) -> Self {
        Self { layout: Layout::new(root, ""), access: Access::ReadWrite, shared: None }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.layout.volumes().join(name)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder(name).join("_data")
    }

    /// Whether there is a volume of that name.
    pub fn exists(&self, name: &str) -> bool {
        check_name(name).is_ok() && std::fs::symlink_metadata(self.data(name)).is_ok_and(|data| data.is_dir())
    }

    fn must_exist(&self, name: &str) -> Result<(), VolumeError> {
        if self.exists(name) { Ok(()) } else { Err(VolumeError::NotFound(name.to_owned())) }
    }

    fn writable(&self) -> Result<(), VolumeError> {
        match &self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly { why } => Err(VolumeError::ReadOnly(why.clone())),
        }
    }

    fn begin(&self) -> Result<Transaction, VolumeError> {
        self.writable()?;
        Transaction::begin(&self.layout).map_err(VolumeError::io("write in", self.layout.transactions()))
    }

    fn change(&self) -> Result<Changing, VolumeError> {
        self.writable()?;
        Changing::wait(&self.layout.lock()).map_err(VolumeError::io("lock", self.layout.lock()))
    }

    fn log(&self, action: &str, name: &str, more: &[(&str, &str)]) {
        let attributes = std::iter::once(("driver", "local")).chain(more.iter().copied());
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        match &self.shared {
            Some(shared) => shared.events.log("volume", action, name, attributes),
            None => Events::new(self.layout.events(), true).log("volume", action, name, attributes),
        }
    }
}
