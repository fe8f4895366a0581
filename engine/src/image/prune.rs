//! Removing images that nothing uses.

use std::collections::{BTreeMap, HashMap};

use outcrop_layers::digest::ChainId;

use super::list::until;
use super::{ErrorKind, ImageError, Images, ListOptions, Removed, Summary};
use crate::filters::Filters;
use crate::layer::store;
use crate::progress::Ctx;

impl Images {
    /// Removes unused images, and tells what went and how many bytes that freed.
    ///
    /// Filters: `dangling` (default true: only those without a name; false: all that no container uses), `until`, `label`,
    /// `label!`. Images that something needs are passed over.
    pub fn prune(&self, filters: &Filters, ctx: Ctx<'_>) -> Result<(Vec<Removed>, u64), ImageError> {
        filters.accept(&["dangling", "until", "label", "label!"])?;
        let dangling_only = filters.flag("dangling", true)?;
        let until = until(filters)?;
        self.shared.root.writable()?;
        let sizes: HashMap<String, u64> = store::all(self.layout())
            .map_err(self.unreadable())?
            .into_iter()
            .filter_map(|chain: ChainId| Some((chain.to_string(), self.shared.layers.size(self.layout(), chain)?)))
            .collect();
        let keeps = |summary: &Summary| {
            until.is_some_and(|until| summary.created > until)
                || !filters.labels_match("label", &summary.labels)
                || filters.has("label!") && filters.labels_match("label!", &summary.labels)
                || dangling_only && !summary.tags.is_empty()
        };
        let mut removed = Vec::new();
        // Images that others were built from are not in this list: they go with their last child.
        for summary in self.list(&ListOptions::default())?.iter().filter(|summary| !keeps(summary)) {
            if ctx.cancel.is_cancelled() {
                break;
            }
            let names: Vec<String> = match (summary.tags.is_empty(), summary.digests.is_empty()) {
                (true, true) => vec![summary.id.0.hex()],
                _ => [summary.tags.clone(), summary.digests.clone()].concat(),
            };
            for name in names {
                match self.remove(&name, false, true, ctx) {
                    Ok(gone) => removed.extend(gone),
                    Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let freed =
            removed.iter().filter_map(|r| if let Removed::Deleted(id) = r { sizes.get(id) } else { None }).sum();
        let attributes = BTreeMap::from([("reclaimed".into(), format!("{freed}"))]);
        self.shared.events.log("image", "prune", "", attributes);
        Ok((removed, freed))
    }
}
