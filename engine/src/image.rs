//! Images: listing, resolving, loading, saving, tagging, removing.

pub mod change;
pub(crate) mod distribution;
pub mod error;
pub(crate) mod facts;
pub mod history;
pub mod host;
pub mod import;
pub mod list;
pub mod load;
pub mod prune;
pub mod pull;
pub mod push;
pub mod reference;
pub(crate) mod references;
pub mod remove;
mod repair;
pub(crate) mod repositories;
mod resolve;
pub mod save;
pub(crate) mod staging;
pub mod store;
pub mod tag;
mod write_back;

use std::sync::Arc;

use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::{ChainId, DiffId, ImageId};

pub use error::{ErrorKind, ImageError};
pub use history::HistoryItem;
pub use import::ImportOptions;
pub use list::{ListOptions, Summary};
pub use load::{LoadOptions, Loaded};
pub use pull::{PullOptions, Pulled};
pub use push::{PushOptions, Pushed};
pub use reference::{Reference, ReferenceError};
pub use remove::Removed;
pub use save::SaveFormat;
pub use store::Stored;

use crate::engine::Shared;

/// The images of a data root; a cheap handle that any thread may use.
///
/// Every call reads the disk: other processes change the same root. All calls block.
#[derive(Clone)]
pub struct Images {
    pub(crate) shared: Arc<Shared>,
}

/// One image with all that `docker inspect` tells of it.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of the configuration.
    pub id: ImageId,
    /// The configuration as stored, byte for byte, and parsed.
    pub stored: Arc<Stored>,
    /// `name:tag`, familiar form, sorted.
    pub tags: Vec<String>,
    /// `name@sha256:…`, familiar form, sorted.
    pub digests: Vec<String>,
    /// The image that a build made this one from, if it is known.
    pub parent: Option<ImageId>,
    /// When it was last tagged, as stored (RFC 3339 with nanoseconds).
    pub last_tagged: Option<String>,
    /// Chain IDs of the layers, base first.
    pub chains: Vec<ChainId>,
    /// Sum of the layers' regular files in bytes; 0 counted for a layer that is missing.
    pub size: u64,
    /// What is wrong with its layers, in words; empty when all is well.
    pub problems: Vec<String>,
}

impl Image {
    /// The parsed configuration.
    pub fn config(&self) -> &ImageConfig {
        &self.stored.config
    }

    /// Diff IDs of the layers, base first.
    pub fn layers(&self) -> &[DiffId] {
        &self.stored.config.rootfs.diff_ids
    }
}
