//! Docker's data root, read in place: images of the `overlay2` and `vfs` drivers, whoever runs on it.
//!
//! Nothing is written or locked, so a live daemon does not notice. What is missing or damaged is named with its path, everything
//! else still works.

mod image;
mod unreferenced;
mod vfs;

pub use image::DataRootImage;
pub use unreferenced::Unreferenced;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::SourceError;
use crate::config::{ImageConfig, LARGEST_DOCUMENT};
use crate::digest::{Digest, ImageId};
use crate::index::cache::IndexCache;

/// A data root.
#[derive(Clone, Debug)]
pub struct DataRoot {
    root: PathBuf,
    driver: Driver,
    cache: Option<IndexCache>,
    images: Vec<RootImage>,
    problems: Vec<String>,
}

/// The storage drivers whose layers are folders that can be read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// overlayfs: a folder for each layer's changes.
    Overlay2,
    /// A whole copy for each layer.
    Vfs,
}

impl Driver {
    /// Docker's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay2 => "overlay2",
            Self::Vfs => "vfs",
        }
    }

    /// Where it keeps its layers.
    fn folder(self) -> &'static str {
        match self {
            Self::Overlay2 => "overlay2",
            Self::Vfs => "vfs/dir",
        }
    }
}

/// An image of a data root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootImage {
    /// Its ID.
    pub id: ImageId,
    /// Its names with tags as the root has them (`ubuntu:24.04`), sorted; none for `<none>`.
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories {
    #[serde(default)]
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

impl DataRoot {
    /// Opens a data root and lists its images. A damaged list of names makes images nameless, see [`DataRoot::problems`].
    ///
    /// # Errors
    /// When the folder cannot be read or has no images of a driver that can be read in place.
    pub fn open(root: &Path) -> Result<Self, SourceError> {
        let exists = |driver: &Driver| root.join("image").join(driver.name()).is_dir();
        let used = |driver: &Driver| root.join(driver.folder()).is_dir();
        let drivers: Vec<Driver> = [Driver::Overlay2, Driver::Vfs].into_iter().filter(exists).collect();
        let Some(driver) = drivers.iter().find(|d| used(d)).or(drivers.first()).copied() else {
            return Err(not_a_root(root));
        };
        let mut opened = Self { root: root.into(), driver, cache: None, images: Vec::new(), problems: Vec::new() };
        opened.list()?;
        Ok(opened)
    }

    /// Keeps indexes in a cache.
    #[must_use]
    pub fn with_cache(self, cache: Option<IndexCache>) -> Self {
        Self { cache, ..self }
    }

    /// Its storage driver.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// Its images, by ID.
    pub fn images(&self) -> &[RootImage] {
        &self.images
    }

    /// What was damaged or missing when it was opened, with paths.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Opens an image.
    ///
    /// # Errors
    /// When its configuration is missing or damaged. Damaged layers only show when they are read.
    pub fn image(&self, id: &ImageId) -> Result<DataRootImage, SourceError> {
        let path = self.folder().join("imagedb/content/sha256").join(id.0.hex());
        let store = |problem| SourceError::Store { path: path.clone(), problem };
        let bytes = read_document(&path).map_err(|source| SourceError::Io { path: path.clone(), source })?;
        let found = Digest::of(&bytes);
        if found != id.0 {
            return Err(store(format!("image configuration is damaged: expected {id}, found {found}")));
        }
        let config = ImageConfig::parse(&bytes).map_err(|error| store(error.to_string()))?;
        Ok(DataRootImage::new(self, config))
    }

    /// Finds the folder of a container's writable layer, by the container's whole ID.
    ///
    /// # Errors
    /// When there is no such container, its record is damaged, or the driver has no folder that holds the changes alone.
    pub fn writable_layer(&self, container: &str) -> Result<PathBuf, SourceError> {
        let path = self.folder().join("layerdb/mounts").join(container);
        let store = |problem: String| SourceError::Store { path: path.clone(), problem };
        if self.driver != Driver::Overlay2 {
            return Err(store(format!("the {} driver keeps no folder of changes alone", self.driver.name())));
        }
        if container.is_empty() || !container.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(store("no container's ID".into()));
        }
        let id = read_document(&path.join("mount-id"));
        let id = id.map_err(|source| SourceError::Io { path: path.join("mount-id"), source })?;
        let id = image::layer_name(&id).ok_or_else(|| store("mount-id is damaged".into()))?;
        Ok(self.root.join(self.driver.folder()).join(id).join("diff"))
    }

    /// `image/<driver>`.
    fn folder(&self) -> PathBuf {
        self.root.join("image").join(self.driver.name())
    }

    fn list(&mut self) -> Result<(), SourceError> {
        let path = self.folder().join("imagedb/content/sha256");
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|source| SourceError::Io { path, source })?,
        };
        let names = self.names();
        for entry in entries.flatten() {
            if let Some(id) = entry.file_name().to_str().and_then(|name| Digest::from_hex(name).ok()) {
                let id = ImageId(id);
                self.images.push(RootImage { id, tags: names.get(&id).cloned().unwrap_or_default() });
            }
        }
        self.images.sort_by_key(|image| image.id);
        Ok(())
    }

    fn names(&mut self) -> BTreeMap<ImageId, Vec<String>> {
        let path = self.folder().join("repositories.json");
        let read = read_document(&path).map_err(|error| error.to_string());
        let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
        let repositories: Repositories = match parsed {
            Ok(repositories) => repositories,
            Err(error) => {
                self.problems.push(format!("{}: {error}; images are shown without names", path.display()));
                return BTreeMap::new();
            }
        };
        let mut names: BTreeMap<ImageId, Vec<String>> = BTreeMap::new();
        for (reference, id) in repositories.repositories.into_values().flatten() {
            match id.parse() {
                Ok(id) if !reference.contains('@') => names.entry(id).or_default().push(reference),
                Ok(_) => {}
                Err(error) => self.problems.push(format!("{}: {reference}: {error}", path.display())),
            }
        }
        names
    }
}

/// Says why a folder is no data root that can be read.
fn not_a_root(root: &Path) -> SourceError {
    let path = root.join("image");
    let problem = match fs::read_dir(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return SourceError::Io { path, source },
        Err(_) if root.join("containerd").is_dir() => {
            "its images are in containerd's store, which is not read in place: use the engine's export".into()
        }
        Err(_) => "no data root of Docker: there is no folder image in it".into(),
        Ok(_) => "has no images of the storage drivers overlay2 or vfs; others are not read in place".into(),
    };
    SourceError::Store { path: root.into(), problem }
}

/// Reads a file of bounded size.
fn read_document(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST_DOCUMENT as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST_DOCUMENT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {LARGEST_DOCUMENT} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writable_layer_is_found_and_leads_nowhere_else() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mounts = folder.path().join("image/overlay2/layerdb/mounts");
        for (container, mount) in [("abc", "layer1"), ("bad", "../../etc"), ("empty", "")] {
            fs::create_dir_all(mounts.join(container)).expect("makes it");
            fs::write(mounts.join(container).join("mount-id"), mount).expect("writes");
        }
        fs::create_dir_all(folder.path().join("overlay2")).expect("makes it");
        let root = DataRoot::open(folder.path()).expect("opens");
        let found = root.writable_layer("abc").expect("is there");
        assert_eq!(found, folder.path().join("overlay2/layer1/diff"));
        for container in ["bad", "empty", "none", "", "../mounts/abc", "a/b"] {
            assert!(root.writable_layer(container).is_err(), "{container}");
        }
    }
}
