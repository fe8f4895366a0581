//! Paths of Docker's layout.
//!
//! ```text
//! image/<driver>/imagedb/{content,metadata}/sha256/<image ID>
//! image/<driver>/layerdb/{sha256/<chain ID>,mounts/<container ID>,tmp}
//! image/<driver>/repositories.json
//! <driver>/<cache ID>/        layers' content
//! containers/<container ID>/  volumes/<name>/_data  volumes/metadata.db
//! outcrop/                    ours: lock, txn/, downloads/, events.log; dockerd does not look at it
//! ```

use std::path::{Path, PathBuf};

use outcrop_layers::digest::{ChainId, ImageId};

/// Paths in one data root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    root: PathBuf,
    driver: String,
}

impl Layout {
    pub(crate) fn new(root: &Path, driver: &str) -> Self {
        Self { root: root.into(), driver: driver.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn driver(&self) -> &str {
        &self.driver
    }

    /// Directories of a data root with the modes that dockerd gives them, parents first.
    pub(crate) fn directories(&self) -> Vec<(PathBuf, u32)> {
        let image = self.image();
        vec![
            (self.root.join("image"), 0o700),
            (image.clone(), 0o700),
            (image.join("imagedb"), 0o700),
            (image.join("imagedb/content"), 0o700),
            (self.contents(), 0o700),
            (image.join("imagedb/metadata"), 0o700),
            (self.metadatas(), 0o700),
            (image.join("layerdb"), 0o700),
            (self.layers(), 0o700),
            (self.mounts(), 0o700),
            (image.join("layerdb/tmp"), 0o700),
            (self.data(), 0o710),
            (self.data().join("l"), 0o700),
            (self.containers(), 0o710),
            (self.root.join("tmp"), 0o700),
        ]
    }

    /// `image/<driver>`
    pub(crate) fn image(&self) -> PathBuf {
        self.root.join("image").join(&self.driver)
    }

    /// The index of names.
    pub(crate) fn repositories(&self) -> PathBuf {
        self.image().join("repositories.json")
    }

    /// Our copy of it, to rebuild it from.
    pub(crate) fn repositories_copy(&self) -> PathBuf {
        self.own().join("repositories.json")
    }

    /// All configurations.
    pub(crate) fn contents(&self) -> PathBuf {
        self.image().join("imagedb/content/sha256")
    }

    /// One configuration.
    pub(crate) fn content(&self, id: ImageId) -> PathBuf {
        self.contents().join(id.0.hex())
    }

    /// Parent and last tagging of all images.
    pub(crate) fn metadatas(&self) -> PathBuf {
        self.image().join("imagedb/metadata/sha256")
    }

    /// Parent and last tagging of one image.
    pub(crate) fn metadata(&self, id: ImageId) -> PathBuf {
        self.metadatas().join(id.0.hex())
    }

    /// All layers.
    pub(crate) fn layers(&self) -> PathBuf {
        self.image().join("layerdb/sha256")
    }

    /// One layer.
    pub(crate) fn layer(&self, chain: ChainId) -> PathBuf {
        self.layers().join(chain.0.hex())
    }

    /// The layers that containers have.
    pub(crate) fn mounts(&self) -> PathBuf {
        self.image().join("layerdb/mounts")
    }

    /// Content of all layers.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join(&self.driver)
    }

    /// Containers.
    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// Volumes.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// The bolt file whose lock dockerd holds.
    pub(crate) fn metadata_db(&self) -> PathBuf {
        self.volumes().join("metadata.db")
    }

    /// Our own directory.
    pub(crate) fn own(&self) -> PathBuf {
        self.root.join("outcrop")
    }

    /// Running transactions.
    pub(crate) fn transactions(&self) -> PathBuf {
        self.own().join("txn")
    }

    /// Layers that are being downloaded.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.own().join("downloads")
    }

    /// What is known of layers at registries.
    pub(crate) fn distribution(&self) -> PathBuf {
        self.image().join("distribution")
    }

    /// The lock of short changes.
    pub(crate) fn lock(&self) -> PathBuf {
        self.own().join("lock")
    }

    /// The data root's random ID.
    pub(crate) fn id(&self) -> PathBuf {
        self.own().join("id")
    }

    /// Room that is given up when a removal finds the disk full.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.own().join("reserve")
    }

    /// What lists show, remembered.
    pub(crate) fn facts(&self) -> PathBuf {
        self.own().join("facts.json")
    }

    /// What was found out about the file system.
    pub(crate) fn tried(&self) -> PathBuf {
        self.own().join("filesystem.json")
    }

    /// The event log.
    pub(crate) fn events(&self) -> PathBuf {
        self.own().join("events.log")
    }
}
