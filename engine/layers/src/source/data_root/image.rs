//! One image of a data root.

use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, StatxFlags};

use super::{DataRoot, Driver, read_document, vfs};
use crate::config::ImageConfig;
use crate::index::LayerIndex;
use crate::index::cache::IndexCache;
use crate::source::folder::{self, FolderError, NotOpened};
use crate::source::{LayerInfo, LayerSource, SourceError};

/// An image in a data root; its layers are read where they are.
#[derive(Debug)]
pub struct DataRootImage {
    config: ImageConfig,
    driver: Driver,
    cache: Option<IndexCache>,
    layers: Vec<LayerInfo>,
    /// Why a layer's folder is not known.
    unknown: Vec<Option<(&'static str, String, PathBuf)>>,
    indexes: Vec<OnceLock<Arc<LayerIndex>>>,
}

impl DataRootImage {
    pub(super) fn new(root: &DataRoot, config: ImageConfig) -> Self {
        let mut layers = LayerInfo::of(&config);
        let mut unknown = Vec::with_capacity(layers.len());
        for layer in &mut layers {
            let record = root.folder().join("layerdb/sha256").join(layer.chain_id.0.hex());
            layer.size = read_document(&record.join("size")).ok().and_then(|text| number(&text));
            let found = cache_id(&record);
            if let Ok(id) = &found {
                let folder = root.root.join(root.driver.folder()).join(id);
                let folder = if root.driver == Driver::Overlay2 { folder.join("diff") } else { folder };
                layer.directory = Some(folder);
                layer.cache_id = Some(id.clone());
            }
            unknown.push(found.err());
        }
        let indexes = layers.iter().map(|_| OnceLock::new()).collect();
        Self { config, driver: root.driver, cache: root.cache.clone(), layers, unknown, indexes }
    }

    fn info(&self, layer: usize) -> Result<&LayerInfo, SourceError> {
        self.layers.get(layer).ok_or(SourceError::NoLayer { layer, layers: self.layers.len() })
    }

    fn damaged(&self, layer: usize, what: &'static str, problem: String, path: PathBuf) -> SourceError {
        SourceError::Damaged { layer: layer + 1, diff_id: self.layers[layer].diff_id, what, problem, path }
    }

    /// Opens a layer's folder.
    fn folder(&self, layer: usize) -> Result<(OwnedFd, &Path), SourceError> {
        let info = self.info(layer)?;
        let Some(path) = &info.directory else {
            let (what, problem, path) =
                self.unknown[layer].clone().unwrap_or(("record", "missing".into(), PathBuf::new()));
            return Err(self.damaged(layer, what, problem, path));
        };
        match folder::open_root(path) {
            Ok(fd) => Ok((fd, path)),
            Err(rustix::io::Errno::NOENT) => Err(self.damaged(layer, "folder", "missing".into(), path.clone())),
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                Err(self.damaged(layer, "folder", "not a folder".into(), path.clone()))
            }
            Err(errno) => Err(SourceError::Io { path: path.clone(), source: errno.into() }),
        }
    }

    /// Reads what one folder holds, without looking at the layers below.
    fn read(&self, layer: usize, progress: &dyn Fn(u64), cancel: &dyn Fn() -> bool) -> Result<LayerIndex, SourceError> {
        let (fd, path) = self.folder(layer)?;
        folder::index(&fd, progress, cancel).map_err(|error| match error {
            FolderError::Cancelled => SourceError::Cancelled,
            FolderError::Index(source) => SourceError::Index { layer: layer + 1, source },
            error => SourceError::Io { path: path.into(), source: io::Error::other(error) },
        })
    }

    /// What a folder's index is made of: another folder, or one whose content was replaced, is something else.
    fn made_of(&self, layer: usize) -> Result<Vec<u8>, SourceError> {
        let mut text = self.driver.name().to_owned();
        let below = matches!(self.driver, Driver::Vfs).then(|| layer.checked_sub(1)).flatten();
        for layer in [Some(layer), below].into_iter().flatten() {
            let (fd, path) = self.folder(layer)?;
            let stat = rustix::fs::statx(&fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
                .map_err(|errno| SourceError::Io { path: path.into(), source: errno.into() })?;
            let (dev, changed) = ((stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ctime);
            text.extend([format!(" {dev:?} {} {}.{}", stat.stx_ino, changed.tv_sec, changed.tv_nsec)]);
        }
        Ok(text.into_bytes())
    }
}

impl LayerSource for DataRootImage {
    fn config(&self) -> &ImageConfig {
        &self.config
    }

    fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    fn index(
        &self,
        layer: usize,
        progress: &dyn Fn(u64),
        cancel: &dyn Fn() -> bool,
    ) -> Result<Arc<LayerIndex>, SourceError> {
        let info = self.info(layer)?;
        if let Some(index) = self.indexes[layer].get() {
            return Ok(Arc::clone(index));
        }
        let made_of = self.made_of(layer)?;
        let cached = self.cache.as_ref().and_then(|cache| cache.load(info.diff_id, &made_of));
        let index = match (cached, self.driver) {
            (Some(index), _) => index,
            (None, driver) => {
                let mut index = self.read(layer, progress, cancel)?;
                if driver == Driver::Vfs && layer > 0 {
                    let below = self.read(layer - 1, &|_| (), cancel)?;
                    index = vfs::changes(&below, &index)
                        .map_err(|source| SourceError::Index { layer: layer + 1, source })?;
                }
                if let Some(cache) = &self.cache {
                    // Without a cache everything works, only slower.
                    let _ = cache.store(info.diff_id, &made_of, &index);
                }
                index
            }
        };
        Ok(Arc::clone(self.indexes[layer].get_or_init(|| Arc::new(index))))
    }

    fn open(&self, layer: usize, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        let (fd, folder) = self.folder(layer)?;
        let shown = || path.escape_ascii().to_string();
        folder::open(&fd, path).map_err(|error| match error {
            NotOpened::Missing => SourceError::NoFile { layer: layer + 1, path: shown() },
            NotOpened::NotAFile(kind) => SourceError::NotAFile { layer: layer + 1, path: shown(), kind },
            NotOpened::Failed(errno) => SourceError::Io { path: folder.join(shown()), source: errno.into() },
        })
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The driver's name for a layer, from its record.
fn cache_id(record: &Path) -> Result<String, (&'static str, String, PathBuf)> {
    let path = record.join("cache-id");
    let bytes = match read_document(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !fs::exists(record).unwrap_or(true) => {
            return Err(("record", "missing".into(), record.into()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(("cache-id", "missing".into(), path)),
        Err(error) => return Err(("cache-id", error.to_string(), path)),
    };
    match layer_name(&bytes) {
        Some(id) => Ok(id),
        None if bytes.trim_ascii().is_empty() => Err(("cache-id", "empty".into(), path)),
        None => Err(("cache-id", "damaged".into(), path)),
    }
}

/// The name of a folder of the driver, as a record has it: nothing that leads elsewhere.
pub(super) fn layer_name(bytes: &[u8]) -> Option<String> {
    let id = std::str::from_utf8(bytes).ok()?.trim();
    let fine = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (fine && (1..=128).contains(&id.len())).then(|| id.to_owned())
}
