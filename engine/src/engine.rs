//! The engine: one data root, opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::driver::Driver;
use crate::driver::overlay2::Overlay2;
use crate::events::Events;
use crate::image::Images;
use crate::image::facts::FactCache;
use crate::image::store::ConfigCache;
use crate::info::Info;
use crate::layer::store::LayerCache;
use crate::registry::Registries;
use crate::root::{Access, OpenError, Problem, Root};
use crate::usage::DiskUsage;
use crate::volume::Volumes;

/// Which data root to open, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// The data root. Created with its parents if it is not there.
    pub root: PathBuf,
    /// Change nothing, take no lock: for looking at a root that somebody else uses.
    pub read_only: bool,
    /// Whether the process has the rights of an ordinary user (also: root of a user namespace of its own).
    pub rootless: bool,
    /// Storage driver; `None` takes the one that the root was written with, `overlay2` for a new one.
    pub driver: Option<String>,
    /// The program that runs beside each container, which must call [`shim::main`](crate::container::shim::main) first of
    /// all; `None` for this very one.
    pub shim: Option<PathBuf>,
    /// How registries are reached.
    pub registries: Registries,
}

impl OpenOptions {
    /// Reading and writing, as root, with the root's own storage driver.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ..Self::default() }
    }
}

/// An open data root. Clones are cheap and share one; any thread may use it; every call blocks.
#[derive(Clone)]
pub struct Engine {
    images: Images,
}

/// What all handles of one engine share.
pub(crate) struct Shared {
    pub(crate) root: Root,
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) configs: ConfigCache,
    pub(crate) layers: LayerCache,
    pub(crate) facts: FactCache,
    pub(crate) events: Events,
    pub(crate) shim: Option<PathBuf>,
    pub(crate) registries: Arc<Registries>,
}

impl Engine {
    /// Opens a data root: creates it if needed, locks it against dockerd, removes what killed processes left.
    ///
    /// If dockerd has it, or it cannot be written, it is open for reading only: see [`Engine::access`].
    pub fn open(options: &OpenOptions) -> Result<Self, OpenError> {
        let root = Root::open(options)?;
        let events = Events::new(root.layout().events(), root.access() == &Access::ReadWrite);
        let driver = Box::new(Overlay2::new(root.layout().root(), options.rootless));
        let shared = Arc::new(Shared {
            root,
            driver,
            configs: ConfigCache::default(),
            layers: LayerCache::default(),
            facts: FactCache::default(),
            events,
            shim: options.shim.clone(),
            registries: Arc::new(options.registries.clone()),
        });
        let engine = Self { images: Images { shared } };
        if engine.access() == &Access::ReadWrite {
            crate::build::sweep(engine.shared().root.layout(), &engine.containers());
        }
        Ok(engine)
    }

    /// The images.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// The volumes.
    pub fn volumes(&self) -> Volumes {
        Volumes::new(self.shared())
    }

    /// What happened, and what happens.
    pub fn events(&self) -> &Events {
        &self.shared().events
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.shared().root.layout().root()
    }

    /// Whether it may be changed, and if not, why.
    pub fn access(&self) -> &Access {
        self.shared().root.access()
    }

    /// Name of the storage driver (`overlay2`).
    pub fn driver(&self) -> &str {
        self.shared().root.layout().driver()
    }

    /// What is damaged, in words, with the images that it hits. Reads the indices, not the layers.
    pub fn problems(&self) -> Vec<Problem> {
        crate::root::damage::find(self.shared())
    }

    /// Writes damaged indices (`repositories.json`, `metadata.db`) anew from what can still be known, and says what it did.
    pub fn repair(&self) -> Result<Vec<String>, crate::image::ImageError> {
        crate::root::damage::repair(self.shared())
    }

    /// What `docker info` tells of the engine and its host.
    pub fn info(&self) -> Info {
        Info::collect(self.shared())
    }

    /// What takes how much room. Walks volumes and container layers, so it may take seconds.
    pub fn usage(&self) -> Result<DiskUsage, crate::image::ImageError> {
        DiskUsage::collect(&self.images)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.images.shared
    }
}
