//! The history of an image, as `docker history` tells it.

use super::list::created;
use super::{Image, ImageError, Images, references};
use crate::image::repositories::Repositories;

/// One row, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryItem {
    /// The image's ID where one is known for this step, else `<missing>`.
    pub id: String,
    /// Seconds since 1970; 0 if not told.
    pub created: i64,
    /// The command.
    pub created_by: String,
    /// `name:tag` of that image.
    pub tags: Vec<String>,
    /// Bytes of the layer's regular files; 0 for a step without layer.
    pub size: u64,
    /// Comment.
    pub comment: String,
}

impl Images {
    /// The steps that made the image, newest first.
    ///
    /// Steps are those of the configuration; sizes come from the register of layers. IDs are known for the image itself and, down the
    /// chain of parents, for images that were built here.
    pub fn history(&self, image: &Image) -> Result<Vec<HistoryItem>, ImageError> {
        let mut chains = image.chains.iter();
        let mut items = Vec::with_capacity(image.config().history.len());
        for step in &image.config().history {
            let size = if step.empty_layer {
                0
            } else {
                let chain = chains.next().ok_or_else(|| ImageError::Damaged {
                    path: self.layout().content(image.id),
                    detail: "its history has more layers than its root file system".into(),
                })?;
                self.shared.layers.size(self.layout(), *chain).unwrap_or(0)
            };
            items.push(HistoryItem {
                id: "<missing>".into(),
                created: created(step.created.as_deref()),
                created_by: step.created_by.clone().unwrap_or_default(),
                tags: Vec::new(),
                size,
                comment: step.comment.clone().unwrap_or_default(),
            });
        }
        items.reverse();
        self.name_steps(image, &mut items)?;
        Ok(items)
    }

    fn name_steps(&self, image: &Image, items: &mut [HistoryItem]) -> Result<(), ImageError> {
        let index = Repositories::read(self.layout()).map_err(self.unreadable())?;
        let mut id = Some(image.id);
        for item in items {
            let Some(known) = id else { break };
            item.id = known.to_string();
            item.tags =
                index.of_image(known).iter().filter(|r| r.digest().is_none()).map(ToString::to_string).collect();
            id = references::parent_of(self.layout(), known);
        }
        Ok(())
    }
}
