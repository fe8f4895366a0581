//! Giving an image a name.

use std::collections::BTreeMap;

use outcrop_layers::digest::ImageId;

use super::repositories::Repositories;
use super::{Image, ImageError, Images, Reference, ReferenceError};
use crate::root::files;
use crate::root::transaction::Transaction;

impl Images {
    /// Gives the image a name; takes it from the image that has it. A reference without a tag gets `latest`.
    pub fn tag(&self, image: &Image, reference: &Reference) -> Result<(), ImageError> {
        if reference.digest().is_some() {
            return Err(ReferenceError::TagWithDigest.into());
        }
        let layout = self.layout();
        // The lock is taken after the transaction, so that a failing one is undone without it.
        let mut transaction = self.shared.root.begin()?;
        let held = self.shared.root.change()?;
        if !layout.content(image.id).exists() {
            return Err(ImageError::NotFound(image.id.to_string()));
        }
        let mut index = Repositories::read_to_change(layout).map_err(self.unreadable())?;
        index.set(reference, image.id);
        let unwritable = || ImageError::io("write", layout.repositories());
        index.write(&mut transaction).map_err(unwritable())?;
        self.note_tagged(&mut transaction, image.id).map_err(unwritable())?;
        drop(held);
        transaction.finish().map_err(unwritable())?;
        self.tell("tag", image.id, &reference.clone().or_latest().familiar());
        Ok(())
    }

    /// Writes when the image was tagged, as dockerd does.
    pub(crate) fn note_tagged(&self, transaction: &mut Transaction, id: ImageId) -> std::io::Result<()> {
        let directory = self.layout().metadata(id);
        files::make_directory(&directory, 0o700)?;
        let now = jiff::Timestamp::now().to_string();
        transaction.publish_file(&directory.join("lastUpdated"), now.as_bytes(), 0o600)
    }

    /// Tells followers what happened to an image. `name` is what Docker puts into the attribute of that name.
    pub(crate) fn tell(&self, action: &str, id: ImageId, name: &str) {
        let stored = self.shared.configs.get(self.layout(), id).ok().and_then(Result::ok);
        let mut attributes: BTreeMap<String, String> =
            stored.map(|stored| super::list::labels(&stored.config)).unwrap_or_default();
        attributes.insert("name".into(), name.into());
        self.shared.events.log("image", action, &id.to_string(), attributes);
    }
}
