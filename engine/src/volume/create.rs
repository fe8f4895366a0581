//! Making volumes.

use std::collections::BTreeMap;
use std::path::Path;

use super::metadata::{self, Entry};
use super::options::Options;
use super::{ANONYMOUS, Volume, VolumeError, Volumes, check_name};
use crate::mount::{Kind, MountPoint};
use crate::root::files;

/// What a new volume is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Create {
    /// Its name; empty for an anonymous volume, which gets a random one.
    pub name: String,
    /// The driver; empty for `local`, the only one.
    pub driver: String,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// The driver's options: `type`, `device`, `o`.
    pub options: Option<BTreeMap<String, String>>,
}

/// What became of the mounts of a new container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provided {
    /// Volumes that were made for it.
    pub created: Vec<String>,
}

impl Volumes {
    /// Makes a volume, or finds the one that has the name already, whatever else is asked for: so does docker.
    ///
    /// Its folder becomes visible at once, with its labels.
    ///
    /// # Errors
    /// Docker's words for bad names and options; those of writing.
    pub fn create(&self, request: &Create) -> Result<Volume, VolumeError> {
        self.writable()?;
        let name = if request.name.is_empty() { random_name()? } else { request.name.clone() };
        check_name(&name)?;
        if !matches!(request.driver.as_str(), "" | "local") {
            return Err(VolumeError::Driver { volume: name, driver: request.driver.clone() });
        }
        if self.exists(&name) {
            return self.inspect(&name);
        }
        let none = BTreeMap::new();
        let options = Options::check(&name, request.options.as_ref().unwrap_or(&none))?;
        let mut labels = request.labels.clone();
        if request.name.is_empty() {
            labels.get_or_insert_default().entry(ANONYMOUS.to_owned()).or_default();
        }
        let entry = Entry { name, driver: "local".into(), labels, options: request.options.clone() };
        let made = self.publish(&entry, |data| {
            let Some(options) = &options else { return Ok(()) };
            let path = data.with_file_name("opts.json");
            let json = serde_json::to_vec(options).map_err(|error| VolumeError::io("write", &path)(error.into()))?;
            files::write_new(&path, &json, 0o600).map_err(VolumeError::io("write", &path))
        });
        match made {
            Ok(()) => self.log("create", &entry.name, &[]),
            Err(VolumeError::Exists(_)) => return self.inspect(&entry.name),
            Err(error) => return Err(error),
        }
        let name = entry.name.clone();
        Ok(self.described(&name, Some(entry)))
    }

    /// Makes a volume whose folder `fill` fills before anybody sees it; it gets the path of the future `_data`.
    pub(super) fn publish(
        &self,
        entry: &Entry,
        fill: impl FnOnce(&Path) -> Result<(), VolumeError>,
    ) -> Result<(), VolumeError> {
        let mut transaction = self.begin()?;
        let staged = transaction.fresh("volume");
        let data = staged.join("_data");
        for (path, mode) in [(&staged, 0o701), (&data, 0o755)] {
            files::make_directory(path, mode).map_err(VolumeError::io("create", path))?;
        }
        fill(&data)?;
        files::sync_directory(&data).map_err(VolumeError::io("write", &data))?;
        files::sync_directory(&staged).map_err(VolumeError::io("write", &staged))?;
        let folder = self.folder(&entry.name);
        let held = self.change()?;
        if std::fs::symlink_metadata(&folder).is_ok() {
            drop(held);
            return Err(VolumeError::Exists(entry.name.clone()));
        }
        // First the labels: an entry without a folder is no volume, but a folder without its labels would be another one.
        metadata::put(&self.layout, &held, entry)?;
        files::rename(&staged, &folder).map_err(VolumeError::io("create", &folder))?;
        drop(held);
        transaction.finish().map_err(VolumeError::io("write in", self.layout.transactions()))
    }

    /// Gives the volumes among a new container's mounts their folders: finds those that exist, makes the others, names the
    /// anonymous ones.
    ///
    /// # Errors
    /// As [`Volumes::create`]; what was made before is removed again.
    pub fn provide(&self, points: &mut [MountPoint]) -> Result<Provided, VolumeError> {
        let mut provided = Provided::default();
        for point in points.iter_mut().filter(|point| point.kind == Kind::Volume && point.source.is_empty()) {
            match self.provide_one(point, &mut provided) {
                Ok(()) => {}
                Err(error) => {
                    self.take_back(&provided);
                    return Err(error);
                }
            }
        }
        Ok(provided)
    }

    fn provide_one(&self, point: &mut MountPoint, provided: &mut Provided) -> Result<(), VolumeError> {
        let known = !point.name.is_empty() && self.exists(&point.name);
        let options = point.spec.volume_options.as_ref();
        let driver = options.and_then(|options| options.driver_config.as_ref());
        let given = |map: Option<&BTreeMap<String, String>>| map.filter(|map| !map.is_empty()).cloned();
        let volume = if known && matches!(point.driver.as_str(), "" | "local") {
            self.inspect(&point.name)?
        } else {
            let labels = given(options.map(|options| &options.labels));
            let options = given(driver.map(|driver| &driver.options));
            self.create(&Create { name: point.name.clone(), driver: point.driver.clone(), labels, options })?
        };
        if !known {
            provided.created.push(volume.name.clone());
        }
        point.name = volume.name;
        point.driver = volume.driver;
        point.source = volume.mountpoint.to_string_lossy().into_owned();
        Ok(())
    }

    /// Removes again what [`Volumes::provide`] made, when the container is not made after all.
    pub fn take_back(&self, provided: &Provided) {
        for name in &provided.created {
            // Whoever uses it by now keeps it.
            let _ = self.remove(name, true);
        }
    }
}

/// 64 random digits, as docker names what nobody named.
fn random_name() -> Result<String, VolumeError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| VolumeError::io("read", "random numbers")(std::io::Error::other(error)))?;
    Ok(hex::encode(random))
}
