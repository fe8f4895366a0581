//! Finding volumes, and who has them.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::{AtFlags, StatxFlags};

use super::metadata::Entry;
use super::options::Options;
use super::{User, Volume, VolumeError, Volumes, check_name, metadata};
use crate::container::Container;
use crate::filters::{Filters, fits};
use crate::root::files;

/// Largest `opts.json` that is read, bytes.
const LARGEST: u64 = 1 << 20;

impl Volumes {
    /// Lists volumes by name. Filters: `dangling`, `driver`, `label`, `name` (a regular expression).
    ///
    /// A damaged `metadata.db` takes labels away, not volumes.
    ///
    /// # Errors
    /// Unknown filters; the folder cannot be read.
    pub fn list(&self, filters: &Filters) -> Result<Vec<Volume>, VolumeError> {
        filters.accept(&["dangling", "driver", "label", "name"])?;
        let dangling = if filters.has("dangling") { Some(filters.flag("dangling", true)?) } else { None };
        let mut volumes = self.all()?;
        volumes.retain(|volume| {
            let none = BTreeMap::new();
            filters.allows("driver", &volume.driver)
                && filters.labels_match("label", volume.labels.as_ref().unwrap_or(&none))
                && (!filters.has("name") || filters.get("name").any(|pattern| fits(pattern, &volume.name)))
        });
        if let Some(wanted) = dangling {
            let users = self.all_users()?;
            volumes.retain(|volume| users.contains_key(&volume.name) != wanted);
        }
        Ok(volumes)
    }

    /// Tells about one volume.
    ///
    /// # Errors
    /// [`VolumeError::NotFound`].
    pub fn inspect(&self, name: &str) -> Result<Volume, VolumeError> {
        self.must_exist(name)?;
        Ok(self.described(name, metadata::read(&self.layout).remove(name)))
    }

    /// The containers that have a volume.
    ///
    /// # Errors
    /// The containers cannot be listed.
    pub fn users(&self, name: &str) -> Result<Vec<User>, VolumeError> {
        Ok(self.all_users()?.remove(name).unwrap_or_default())
    }

    pub(super) fn all(&self) -> Result<Vec<Volume>, VolumeError> {
        let folder = self.layout.volumes();
        let mut names = files::names(&folder).map_err(VolumeError::io("read", &folder))?;
        names.retain(|name| check_name(name).is_ok() && self.exists(name));
        names.sort();
        let mut entries = metadata::read(&self.layout);
        Ok(names.into_iter().map(|name| self.described(&name, entries.remove(&name))).collect())
    }

    /// All volumes that containers have, with the containers.
    pub(super) fn all_users(&self) -> Result<BTreeMap<String, Vec<User>>, VolumeError> {
        let containers = Container::all(&self.layout).map_err(VolumeError::io("read", self.layout.containers()))?;
        let mut users: BTreeMap<String, Vec<User>> = BTreeMap::new();
        for container in containers {
            for volume in &container.volumes {
                let user = User { id: container.id.clone(), name: container.name.clone(), running: container.running };
                users.entry(volume.clone()).or_default().push(user);
            }
        }
        Ok(users)
    }

    pub(super) fn described(&self, name: &str, entry: Option<Entry>) -> Volume {
        let entry = entry.unwrap_or_default();
        let options = entry.options.or_else(|| self.options(name).map(|options| options.given()));
        let driver = if entry.driver.is_empty() { "local".to_owned() } else { entry.driver };
        Volume {
            name: name.to_owned(),
            driver,
            mountpoint: self.data(name),
            created: born(&self.folder(name)),
            labels: entry.labels,
            options,
        }
    }

    /// What is to be mounted over it. An `opts.json` that cannot be read counts as none here; [`Volumes::attach`] refuses it.
    pub(super) fn options(&self, name: &str) -> Option<Options> {
        self.read_options(name).ok().flatten()
    }

    pub(super) fn read_options(&self, name: &str) -> Result<Option<Options>, VolumeError> {
        let path = self.folder(name).join("opts.json");
        let bytes = files::if_there(files::read(&path, LARGEST)).map_err(VolumeError::io("read", &path))?;
        let parsed = bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| serde_json::from_slice(&bytes)).transpose();
        parsed.map_err(|error| VolumeError::io("read", &path)(error.into()))
    }
}

/// When a folder was made, seconds since 1970; its last change where the file system does not know.
fn born(path: &Path) -> i64 {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let Ok(stat) = rustix::fs::statx(rustix::fs::CWD, path, flags, StatxFlags::BTIME | StatxFlags::MTIME) else {
        return 0;
    };
    if stat.stx_mask & StatxFlags::BTIME.bits() != 0 { stat.stx_btime.tv_sec } else { stat.stx_mtime.tv_sec }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_by_pattern() {
        for (pattern, name, expected) in [
            ("at", "data", true),
            ("^at", "data", false),
            ("^da", "data", true),
            ("ta$", "data", true),
            ("^data$", "data", true),
            ("^data$", "data2", false),
            ("", "x", true),
        ] {
            assert_eq!(super::fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
