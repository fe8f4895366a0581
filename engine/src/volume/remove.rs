//! Removing volumes.

use std::collections::BTreeMap;

use super::{User, VolumeError, Volumes, metadata};
use crate::filters::Filters;

/// What a prune removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The volumes' names.
    pub names: Vec<String>,
    /// Bytes of their files.
    pub bytes: u64,
    /// Volumes that could not be removed, and why.
    pub kept: Vec<(String, String)>,
}

impl Volumes {
    /// Removes a volume with its content. With `force`, one that is not there is no error.
    ///
    /// # Errors
    /// [`VolumeError::InUse`] while containers have it, running or not; [`VolumeError::Mounted`] while something is mounted in it.
    pub fn remove(&self, name: &str, force: bool) -> Result<(), VolumeError> {
        self.writable()?;
        if !self.exists(name) {
            return if force { Ok(()) } else { Err(VolumeError::NotFound(name.to_owned())) };
        }
        free(name, self.users(name)?)?;
        self.unmount_unused(name)?;
        let mut transaction = self.begin()?;
        let held = self.change()?;
        // Under the lock once more: no container can come in between.
        free(name, self.users(name)?)?;
        // What is mounted in it would be emptied together with it.
        if let Some(path) = self.mounted_in(name)? {
            drop(held);
            return Err(VolumeError::Mounted { volume: name.to_owned(), path });
        }
        let folder = self.folder(name);
        let gone = transaction.take_away(&folder).map_err(VolumeError::io("remove", &folder));
        // A damaged metadata.db must not keep a volume alive; its entry means nothing without the folder.
        let _ = metadata::remove(&self.layout, &held, &[name]);
        self.forget_lock(name);
        drop(held);
        gone?;
        transaction.finish().map_err(VolumeError::io("write in", self.layout.transactions()))?;
        self.log("destroy", name, &[]);
        Ok(())
    }

    /// Removes volumes that no container has: anonymous ones, or with the filter `all=true` named ones too. Filters: `all`,
    /// `label`, `label!`.
    ///
    /// # Errors
    /// Unknown filters; the volumes cannot be listed. One that cannot be removed is told in [`Pruned::kept`].
    pub fn prune(&self, filters: &Filters) -> Result<Pruned, VolumeError> {
        self.writable()?;
        filters.accept(&["all", "label", "label!"])?;
        let all = filters.flag("all", false)?;
        let used = self.all_users()?;
        let mut pruned = Pruned::default();
        for volume in self.all()? {
            let none = BTreeMap::new();
            let labels = volume.labels.as_ref().unwrap_or(&none);
            let meant = (all || volume.is_anonymous())
                && filters.labels_match("label", labels)
                && !(filters.has("label!") && filters.labels_match("label!", labels));
            if !meant || used.contains_key(&volume.name) {
                continue;
            }
            // A volume of the host's or a server's files has no bytes here.
            let own = volume.options.as_ref().is_none_or(BTreeMap::is_empty);
            let bytes = if own { self.measure(&volume.name).map_or(0, |size| size.bytes) } else { 0 };
            match self.remove(&volume.name, true) {
                Ok(()) => {
                    pruned.bytes += bytes;
                    pruned.names.push(volume.name);
                }
                Err(error) => pruned.kept.push((volume.name, error.to_string())),
            }
        }
        self.log("prune", "", &[("reclaimed", &pruned.bytes.to_string())]);
        Ok(pruned)
    }
}

fn free(name: &str, users: Vec<User>) -> Result<(), VolumeError> {
    if users.is_empty() { Ok(()) } else { Err(VolumeError::InUse { volume: name.to_owned(), users }) }
}
