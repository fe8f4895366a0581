//! Makes all that was unpacked appear: content, register, configurations, names, each durable before the next.

use std::io;
use std::path::PathBuf;

use outcrop_layers::digest::{ChainId, ImageId};

use super::{NewImage, Origin, Replaced, Staging};
use crate::driver::{CacheId, Staged};
use crate::image::repositories::Repositories;
use crate::image::store::is_stored;
use crate::image::{ImageError, repair};
use crate::layer::store::Layer;
use crate::root::files;
use crate::root::layout::Layout;
use crate::root::lock::Changing;
use crate::root::transaction::Record;

/// One layer to register.
pub(super) struct Step {
    pub(super) layer: Layer,
    /// The staged entry of the register.
    pub(super) entry: PathBuf,
    pub(super) content: Content,
}

/// Where its content comes from.
pub(super) enum Content {
    /// A new directory.
    New(Staged),
    /// A directory under the name of one that is missing.
    Again(Staged),
    /// The staged one takes the place of a damaged one.
    Exchanged { staged: Staged, target: PathBuf },
    /// What is there is right; only the register was damaged.
    Stays,
}

impl Staging<'_> {
    /// Registers images; all of them or, if it fails, none.
    pub(crate) fn publish(mut self, new: &[NewImage]) -> Result<Replaced, ImageError> {
        let plan = self.plan(new)?;
        let root = self.images.layout().root().to_path_buf();
        // One sync for all content; it takes as long as writing it, so nobody is kept waiting meanwhile.
        files::sync_file_system(&root).map_err(ImageError::io("sync", &root))?;
        if self.ctx.cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        let held = self.images.shared.root.change()?;
        let replaced = self.publish_within(&held, plan, new)?;
        let leases: Vec<ChainId> = self
            .transaction
            .records()
            .iter()
            .rev()
            .filter_map(|record| if let Record::Lease(chain) = record { Some(*chain) } else { None })
            .collect();
        // Whoever removed an image meanwhile left these layers to us.
        let layout = self.images.layout();
        crate::root::recovery::collect(layout, &held, self.transaction.directory(), &leases)
            .map_err(ImageError::io("clean up", layout.layers()))?;
        drop(held);
        self.transaction.finish().map_err(ImageError::io("write in", layout.transactions()))?;
        Ok(replaced)
    }

    fn publish_within(&mut self, held: &Changing, plan: Vec<Step>, new: &[NewImage]) -> Result<Replaced, ImageError> {
        let layout = self.images.layout().clone();
        self.announce(&plan, new)?;
        let mut entries = Vec::new();
        for step in plan {
            if let Some(entry) = self.publish_content(&layout, step)? {
                entries.push(entry);
            }
        }
        if !entries.is_empty() {
            files::sync_file_system(layout.root()).map_err(ImageError::io("sync", layout.root()))?;
        }
        for (chain, entry) in &entries {
            repair::put(entry, &layout.layer(*chain)).map_err(ImageError::io("register", layout.layer(*chain)))?;
        }
        files::sync_directory(&layout.layers()).map_err(ImageError::io("sync", layout.layers()))?;
        self.publish_images(held, new)
    }

    /// Writes the intent: all that is about to appear.
    fn announce(&mut self, plan: &[Step], new: &[NewImage]) -> Result<(), ImageError> {
        let layout = self.images.layout();
        let mut records = Vec::new();
        for step in plan {
            if matches!(step.content, Content::New(_)) {
                records.push(Record::Cache(step.layer.cache.clone()));
            }
            if !layout.layer(step.layer.chain).exists() {
                records.push(Record::Chain(step.layer.chain));
            }
        }
        let missing = new.iter().map(NewImage::id).filter(|id| !layout.content(*id).exists());
        records.extend(missing.map(Record::Image));
        self.transaction.note(records).map_err(ImageError::io("write in", self.transaction.directory()))
    }

    /// Makes a layer's content appear, unless another process was faster; tells the entry that is to be registered.
    fn publish_content(&self, layout: &Layout, step: Step) -> Result<Option<(ChainId, PathBuf)>, ImageError> {
        let Step { layer, entry, content } = step;
        let driver = &self.images.shared.driver;
        let is_registered = || Layer::read(layout, layer.chain).is_ok_and(|found| found.is_some());
        let parent = || -> Result<Option<CacheId>, ImageError> {
            let Some(parent) = layer.parent else { return Ok(None) };
            // A parent of the same load is not registered yet.
            if let Some(cache) = self.published(parent) {
                return Ok(Some(cache));
            }
            Ok(Some(self.images.layer(parent)?.cache))
        };
        match content {
            Content::New(_) if !layout.layer(layer.chain).exists() || !is_registered() => {}
            Content::New(_) => return Ok(None),
            _ => {}
        }
        match content {
            Content::New(staged) => driver.publish(staged, &layer.cache, parent()?.as_ref())?,
            Content::Again(staged) => {
                repair::keep_link(layout, layer.chain, &layer.cache, staged.path())
                    .map_err(ImageError::io("repair", layout.data().join(&layer.cache)))?;
                driver.publish(staged, &layer.cache, parent()?.as_ref())?;
            }
            Content::Exchanged { staged, target } => {
                repair::exchange(&staged.path().join("diff"), &target).map_err(ImageError::io("repair", &target))?;
            }
            Content::Stays => {}
        }
        self.published.borrow_mut().insert(layer.chain, layer.cache);
        Ok(Some((layer.chain, entry)))
    }

    fn published(&self, chain: ChainId) -> Option<CacheId> {
        self.published.borrow().get(&chain).cloned()
    }

    /// Registers configurations and names.
    fn publish_images(&mut self, _held: &Changing, new: &[NewImage]) -> Result<Replaced, ImageError> {
        let layout = self.images.layout();
        let mut index = Repositories::read_to_change(layout).map_err(self.images.unreadable())?;
        let mut replaced = Vec::new();
        let mut renamed = false;
        for image in new {
            let id = image.id();
            let path = layout.content(id);
            if !is_stored(layout, id) {
                self.transaction.publish_file(&path, &image.config, 0o600).map_err(ImageError::io("write", &path))?;
            }
            match image.origin {
                Origin::Loaded => {}
                Origin::Made => {
                    self.images.note_tagged(&mut self.transaction, id).map_err(ImageError::io("write", &path))?;
                }
                Origin::Built(parent) => self.note_built(id, parent).map_err(ImageError::io("write", &path))?,
            }
            let lost = image.names.iter().filter_map(|name| Some((name.familiar(), index.set(name, id)?))).collect();
            renamed |= !image.names.is_empty();
            replaced.push(lost);
        }
        if renamed {
            index.write(&mut self.transaction).map_err(ImageError::io("write", layout.repositories()))?;
        }
        Ok(replaced)
    }

    /// Notes what an image was built from, as dockerd does (`parent`; `builtLocally` since its version 25).
    fn note_built(&mut self, id: ImageId, parent: Option<ImageId>) -> io::Result<()> {
        let directory = self.images.layout().metadata(id);
        files::make_directory(&directory, 0o700)?;
        if let Some(parent) = parent {
            self.transaction.publish_file(&directory.join("parent"), parent.to_string().as_bytes(), 0o600)?;
        }
        self.transaction.publish_file(&directory.join("builtLocally"), b"1", 0o600)
    }
}
