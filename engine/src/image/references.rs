//! Who refers to images, layers and their content: computed from the disk, under the root's short lock.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use outcrop_layers::config::{ImageConfig, LARGEST_DOCUMENT};
use outcrop_layers::digest::{ChainId, Digest, ImageId};

use super::repositories::Repositories;
use crate::container::Container;
use crate::driver::CacheId;
use crate::layer::store;
use crate::root::files;
use crate::root::layout::Layout;
use crate::root::recovery;

/// The IDs of all stored configurations.
pub(crate) fn image_ids(layout: &Layout) -> io::Result<Vec<ImageId>> {
    let names = files::names(&layout.contents())?;
    Ok(names.iter().filter_map(|name| Digest::from_hex(name).ok()).map(ImageId).collect())
}

/// The image that `id` was built from.
pub(crate) fn parent_of(layout: &Layout, id: ImageId) -> Option<ImageId> {
    files::read_text(&layout.metadata(id).join("parent")).ok().flatten()?.trim().parse().ok()
}

/// The parent of each image that has one.
pub(crate) fn parents(layout: &Layout) -> io::Result<HashMap<ImageId, ImageId>> {
    let mut parents = HashMap::new();
    for name in files::names(&layout.metadatas())? {
        let Ok(id) = Digest::from_hex(&name).map(ImageId) else { continue };
        // What has lost its configuration is nobody's child.
        if let Some(parent) = parent_of(layout, id).filter(|_| layout.content(id).exists()) {
            parents.insert(id, parent);
        }
    }
    Ok(parents)
}

/// Children of each image that has any.
pub(crate) fn children(layout: &Layout) -> io::Result<HashMap<ImageId, Vec<ImageId>>> {
    let mut children: HashMap<ImageId, Vec<ImageId>> = HashMap::new();
    for (id, parent) in parents(layout)? {
        children.entry(parent).or_default().push(id);
    }
    Ok(children)
}

/// Whether a name, a child or a container needs the image.
pub(crate) fn image_is_used(layout: &Layout, id: ImageId) -> io::Result<bool> {
    let repositories = Repositories::read(layout)?;
    // With a damaged index nobody knows whether it has a name.
    Ok(repositories.damage().is_some()
        || repositories.ids().any(|named| named == id)
        || children(layout)?.contains_key(&id)
        || Container::all(layout)?.iter().any(|container| container.image == Some(id)))
}

/// The chains that something needs.
pub(crate) struct UsedChains {
    by_images: HashSet<ChainId>,
    /// How many registered layers lie on each.
    below: HashMap<ChainId, usize>,
    parents: HashMap<ChainId, ChainId>,
}

impl UsedChains {
    pub(crate) fn contains(&self, chain: ChainId) -> bool {
        self.by_images.contains(&chain) || self.below.get(&chain).is_some_and(|layers| *layers > 0)
    }

    /// Says that a layer is gone, so that the one below has one less.
    pub(crate) fn forget(&mut self, chain: ChainId) {
        if let Some(layers) = self.parents.get(&chain).and_then(|parent| self.below.get_mut(parent)) {
            *layers -= 1;
        }
    }
}

/// Finds the chains that images, containers, other layers and living transactions (but for `except`) need.
pub(crate) fn used_chains(layout: &Layout, except: Option<&Path>) -> io::Result<UsedChains> {
    let mut by_images = recovery::leases(layout, except)?;
    for id in image_ids(layout)? {
        let bytes = match files::read(&layout.content(id), LARGEST_DOCUMENT as u64) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => continue,
            // Not to be read now is not the same as not needing its layers.
            Err(error) => return Err(error),
        };
        // A damaged configuration tells no layers; loading its image again brings them back.
        if let Ok(config) = ImageConfig::parse(&bytes) {
            by_images.extend(ChainId::all(&config.rootfs.diff_ids));
        }
    }
    for container in files::names(&layout.mounts())? {
        let parent = files::read_text(&layout.mounts().join(container).join("parent"))?;
        by_images.extend(parent.and_then(|text| text.trim().parse::<ChainId>().ok()));
    }
    let mut used = UsedChains { by_images, below: HashMap::new(), parents: HashMap::new() };
    for chain in store::all(layout)? {
        let parent = files::read_text(&layout.layer(chain).join("parent"))?;
        if let Some(parent) = parent.and_then(|text| text.parse().ok()) {
            used.parents.insert(chain, parent);
            *used.below.entry(parent).or_default() += 1;
        }
    }
    Ok(used)
}

/// How many layers and containers are registered with each content.
#[derive(Default)]
pub(crate) struct UsedCaches(HashMap<String, usize>);

impl UsedCaches {
    pub(crate) fn contains(&self, cache: &CacheId) -> bool {
        self.0.get(cache.as_str()).is_some_and(|entries| *entries > 0)
    }

    /// Says that one entry is gone.
    pub(crate) fn forget(&mut self, cache: &CacheId) {
        if let Some(entries) = self.0.get_mut(cache.as_str()) {
            *entries = entries.saturating_sub(1);
        }
    }

    fn add(&mut self, cache: Option<String>) {
        if let Some(cache) = cache {
            *self.0.entry(cache).or_default() += 1;
        }
    }
}

/// Finds the content that layers and containers are registered with.
pub(crate) fn used_caches(layout: &Layout) -> io::Result<UsedCaches> {
    let mut used = UsedCaches::default();
    for chain in store::all(layout)? {
        used.add(files::read_text(&layout.layer(chain).join("cache-id"))?);
    }
    for container in files::names(&layout.mounts())? {
        for name in ["mount-id", "init-id"] {
            used.add(files::read_text(&layout.mounts().join(&container).join(name))?);
        }
    }
    Ok(used)
}
