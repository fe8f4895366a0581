//! Where layers are read from: a data root on this machine, an archive, an engine's export.

pub mod archive;
pub mod data_root;
pub mod folder;
pub mod stack;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::archive::ArchiveError;
use crate::config::ImageConfig;
use crate::digest::{ChainId, DiffId, Digest, Hashing};
use crate::history;
use crate::index::{IndexError, LayerIndex};
use crate::tar::TarError;

/// The layers of one image, wherever they are.
pub trait LayerSource: Send + Sync {
    /// The image's configuration.
    fn config(&self) -> &ImageConfig;

    /// The layers, base first.
    fn layers(&self) -> &[LayerInfo];

    /// Reads what a layer holds. The source keeps it, a second call costs nothing.
    ///
    /// `progress` is told how many bytes or entries were read so far, and `cancel` is asked from time to time.
    ///
    /// # Errors
    /// When the layer is missing, damaged, or not what its diff ID says: the others can still be read.
    fn index(
        &self,
        layer: usize,
        progress: &dyn Fn(u64),
        cancel: &dyn Fn() -> bool,
    ) -> Result<Arc<LayerIndex>, SourceError>;

    /// Opens the content of a regular file as one layer holds it, under any of its names.
    ///
    /// # Errors
    /// When the layer has no such path, or it is no regular file: folders, pipes, devices and links are refused without being
    /// opened.
    fn open(&self, layer: usize, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError>;

    /// Hashes the content of regular files of one layer, told by the position of their entries.
    ///
    /// `progress` is told the bytes that each step has hashed.
    ///
    /// # Errors
    /// As [`LayerSource::open`], for the first file that cannot be read.
    fn hash(
        &self,
        layer: usize,
        positions: &BTreeSet<u32>,
        progress: &dyn Fn(u64),
        cancel: &dyn Fn() -> bool,
    ) -> Result<HashMap<u32, Digest>, SourceError> {
        let index = self.index(layer, &|_| (), cancel)?;
        let mut digests = HashMap::with_capacity(positions.len());
        for position in positions {
            let path = index.entry(*position).path();
            let digest = hash_content(self.open(layer, &path)?, progress, cancel)?
                .map_err(|source| SourceError::Io { path: PathBuf::from(OsStr::from_bytes(&path)), source })?;
            digests.insert(*position, digest);
        }
        Ok(digests)
    }
}

/// Hashes what a reader gives. The outer error is that of cancelling.
pub(crate) fn hash_content(
    mut reader: impl Read,
    progress: &dyn Fn(u64),
    cancel: &dyn Fn() -> bool,
) -> Result<io::Result<Digest>, SourceError> {
    let mut hash = Hashing::new(io::sink());
    let mut buffer = [0; 16 << 10];
    loop {
        if cancel() {
            return Err(SourceError::Cancelled);
        }
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Ok(hash.finish().0)),
            Ok(read) => {
                if let Err(error) = hash.write_all(&buffer[..read]) {
                    return Ok(Err(error));
                }
                progress(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// What is known of a layer without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// Digest of it and all below it.
    pub chain_id: ChainId,
    /// Its size as the store says, `None` when it does not. dockerd's overlay2 counts regular files, hard links once, and the texts of
    /// symbolic links.
    pub size: Option<u64>,
    /// The instruction that made it, as people read it; empty when the image does not say.
    pub created_by: String,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// The folder of its files, in a data root.
    pub directory: Option<PathBuf>,
    /// The storage driver's name for it, in a data root.
    pub cache_id: Option<String>,
    /// Its name in an archive.
    pub blob: Option<String>,
}

impl LayerInfo {
    /// The layers of an image, as far as its configuration tells.
    pub fn of(config: &ImageConfig) -> Vec<Self> {
        let chain_ids = ChainId::all(&config.rootfs.diff_ids);
        let mut layers: Vec<Self> = std::iter::zip(&config.rootfs.diff_ids, chain_ids)
            .map(|(diff_id, chain_id)| Self {
                diff_id: *diff_id,
                chain_id,
                size: None,
                created_by: String::new(),
                created: None,
                directory: None,
                cache_id: None,
                blob: None,
            })
            .collect();
        for step in history::steps(config) {
            if let Some(layer) = step.layer.and_then(|layer| layers.get_mut(layer)) {
                layer.created_by = step.created_by;
                layer.created = step.created;
            }
        }
        layers
    }
}

/// Reads all layers of an image: for each its index or why it could not be read. `progress` is told the layer and how far it is.
///
/// # Errors
/// Only when cancelled.
pub fn indexes(
    source: &dyn LayerSource,
    progress: &dyn Fn(usize, u64),
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<Result<Arc<LayerIndex>, SourceError>>, SourceError> {
    let mut indexes = Vec::with_capacity(source.layers().len());
    for layer in 0..source.layers().len() {
        let index = source.index(layer, &|done| progress(layer, done), cancel);
        if matches!(index, Err(SourceError::Cancelled)) {
            return Err(SourceError::Cancelled);
        }
        indexes.push(index);
    }
    Ok(indexes)
}

/// Says why a layer or a file of it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operation was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The image has no layer of this number.
    #[error("image has no layer {layer}, only {layers}")]
    NoLayer {
        /// The number asked for, 0 is the base.
        layer: usize,
        /// How many there are.
        layers: usize,
    },
    /// A part of the store is missing or damaged.
    #[error("{what} of layer {layer} ({diff_id}) is {problem}: {} - load or pull the image again", path.display())]
    Damaged {
        /// The layer, 1 is the base, as screens number them.
        layer: usize,
        /// Its diff ID.
        diff_id: DiffId,
        /// The part: `folder`, `cache-id`.
        what: &'static str,
        /// `missing`, `empty`, and the like.
        problem: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// The layer's bytes are not what the image says.
    #[error("layer {layer} is not what the image says: expected {expected}, found {found}")]
    Digest {
        /// The layer, 1 is the base.
        layer: usize,
        /// The digest in the image's configuration or manifest.
        expected: Digest,
        /// That of the bytes.
        found: Digest,
    },
    /// The layer has too much of something.
    #[error("layer {layer}: {source}")]
    Index {
        /// The layer, 1 is the base.
        layer: usize,
        /// What is too much.
        source: IndexError,
    },
    /// The layer has no such path.
    #[error("layer {layer} has no {path}")]
    NoFile {
        /// The layer, 1 is the base.
        layer: usize,
        /// The path, escaped.
        path: String,
    },
    /// The path is no regular file.
    #[error("{path} in layer {layer} is {kind}, not a file that can be read")]
    NotAFile {
        /// The layer, 1 is the base.
        layer: usize,
        /// The path, escaped.
        path: String,
        /// What it is: `a folder`.
        kind: &'static str,
    },
    /// Reading failed.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] Box<ArchiveError>),
    /// The layer's tar cannot be read.
    #[error("layer {layer} ({diff_id}): {source}")]
    Tar {
        /// The layer, 1 is the base.
        layer: usize,
        /// Its diff ID.
        diff_id: DiffId,
        /// What is wrong.
        source: Box<TarError>,
    },
    /// An image, repository list or layer record of a data root cannot be read.
    #[error("{}: {problem}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}
