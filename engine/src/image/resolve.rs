//! Finding an image by what a user calls it.

use std::sync::Arc;

use outcrop_layers::digest::{ChainId, ImageId};

use super::reference::AnyReference;
use super::repositories::Repositories;
use super::{Image, ImageError, Images, references};
use crate::layer::store::Layer;
use crate::root::files;

impl Images {
    /// Finds an image by name (`latest` if it has no tag), digest, ID or the beginning of an ID, in Docker's order.
    pub fn resolve(&self, name: &str) -> Result<Image, ImageError> {
        let id = self.find(name)?;
        self.get(id)
    }

    /// The image with this ID, with its names and what its layers tell.
    pub fn get(&self, id: ImageId) -> Result<Image, ImageError> {
        let layout = self.layout();
        let path = layout.content(id);
        let stored = match self.shared.configs.get(layout, id) {
            Ok(Ok(stored)) if path.exists() => stored,
            Ok(Err(detail)) => return Err(ImageError::Damaged { path, detail }),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ImageError::io("read", path)(error));
            }
            _ => return Err(ImageError::NotFound(id.to_string())),
        };
        let names = Repositories::read(layout).map_err(self.unreadable())?.by_image().remove(&id).unwrap_or_default();
        let chains = ChainId::all(&stored.config.rootfs.diff_ids);
        let mut image = Image {
            id,
            stored: Arc::clone(&stored),
            tags: names.tags,
            digests: names.digests,
            parent: references::parent_of(layout, id),
            last_tagged: files::read_text(&layout.metadata(id).join("lastUpdated")).ok().flatten(),
            size: 0,
            problems: Vec::new(),
            chains,
        };
        for chain in &image.chains {
            match self.layer(*chain) {
                Ok(layer) => image.size += layer.size,
                Err(error) => image.problems.push(error.to_string()),
            }
        }
        Ok(image)
    }

    /// What the register says of a layer, with its content there.
    pub(crate) fn layer(&self, chain: ChainId) -> Result<Layer, ImageError> {
        let layout = self.layout();
        let found = Layer::read(layout, chain).and_then(|layer| match layer {
            Some(layer) => layer.check(layout).map(|()| Some(layer)),
            None => Ok(None),
        });
        match found {
            Ok(Some(layer)) => Ok(layer),
            Ok(None) => Err(ImageError::NoLayer(chain.to_string())),
            Err(damage) => Err(ImageError::Damaged { path: damage.path, detail: damage.what }),
        }
    }

    /// Finds the ID.
    pub(crate) fn find(&self, name: &str) -> Result<ImageId, ImageError> {
        let layout = self.layout();
        let reference = match AnyReference::parse(name)? {
            AnyReference::Id(digest) => {
                let id = ImageId(digest);
                return if layout.content(id).exists() {
                    Ok(id)
                } else {
                    Err(ImageError::NotFound(digest.to_string()))
                };
            }
            AnyReference::Name(reference) => reference,
        };
        let index = Repositories::read(layout).map_err(self.unreadable())?;
        if let Some(id) = index.get(&reference) {
            return Ok(id);
        }
        match self.find_prefix(name)? {
            Some(id) => Ok(id),
            None => Err(ImageError::NotFound(reference.or_latest().familiar())),
        }
    }

    /// The only image whose ID begins so.
    pub(crate) fn find_prefix(&self, text: &str) -> Result<Option<ImageId>, ImageError> {
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(None);
        }
        let mut ids = references::image_ids(self.layout()).map_err(self.unreadable())?;
        ids.retain(|id| id.0.hex().starts_with(prefix));
        ids.sort_unstable();
        match ids[..] {
            [] => Ok(None),
            [id] => Ok(Some(id)),
            _ => Err(ImageError::Ambiguous { prefix: text.into(), ids }),
        }
    }
}
