//! Layers of an image archive, without unpacking it.
//!
//! The first time a layer is indexed all of it is read, so that its diff ID is verified. Later a file's content is found by where
//! its header stands: at once in an uncompressed layer, after undoing the compression up to there in others.

mod content;
mod export;
mod watched;

pub use export::spool;

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use self::content::MemberContent;
use self::watched::{Cancelled, Watched};
use super::{LayerInfo, LayerSource, SourceError, hash_content};
use crate::archive::{Archive, ArchiveError, ImageInArchive, LayerBlob, LayerReader, Platform};
use crate::config::ImageConfig;
use crate::digest::Digest;
use crate::index::cache::IndexCache;
use crate::index::{FileType, IndexBuilder, LayerIndex};
use crate::tar::{LayerItem, Skip, TarError, TarReader};

/// What an index from an archive is made of: the layer's tar, which the diff ID tells.
const MADE_OF: &[u8] = b"tar";

/// One image of an archive.
#[derive(Debug)]
pub struct ArchiveSource {
    archive: Arc<Archive>,
    image: ImageInArchive,
    cache: Option<IndexCache>,
    layers: Vec<LayerInfo>,
    indexes: Vec<OnceLock<Arc<LayerIndex>>>,
}

impl ArchiveSource {
    /// Opens an archive or a folder and all images in it for `platform` (or for this machine, where there is a choice).
    ///
    /// # Errors
    /// When it is no image archive, or is damaged.
    pub fn open(
        path: &Path,
        platform: Option<&Platform>,
        spool: &Path,
        cache: Option<&IndexCache>,
    ) -> Result<Vec<Self>, SourceError> {
        let archive = Archive::open(path, platform, spool).map_err(Box::new)?;
        Ok(Self::all(archive, cache))
    }

    /// All images of an open archive.
    pub fn all(archive: Archive, cache: Option<&IndexCache>) -> Vec<Self> {
        let archive = Arc::new(archive);
        archive.images().iter().map(|image| Self::new(&archive, image, cache)).collect()
    }

    fn new(archive: &Arc<Archive>, image: &ImageInArchive, cache: Option<&IndexCache>) -> Self {
        let mut layers = LayerInfo::of(&image.parsed);
        for (layer, blob) in layers.iter_mut().zip(&image.layers) {
            layer.blob = Some(blob.name.clone());
        }
        let indexes = layers.iter().map(|_| OnceLock::new()).collect();
        Self { archive: Arc::clone(archive), image: image.clone(), cache: cache.cloned(), layers, indexes }
    }

    /// What the archive says of the image.
    pub fn image(&self) -> &ImageInArchive {
        &self.image
    }

    fn blob(&self, layer: usize) -> Result<&LayerBlob, SourceError> {
        self.image.layers.get(layer).ok_or(SourceError::NoLayer { layer, layers: self.layers.len() })
    }

    fn reader(&self, layer: usize) -> Result<LayerReader, SourceError> {
        Ok(self.archive.layer(self.blob(layer)?).map_err(Box::new)?)
    }

    fn read(&self, layer: usize, progress: &dyn Fn(u64), cancel: &dyn Fn() -> bool) -> Result<LayerIndex, SourceError> {
        let failed = |error: TarError| self.failed(layer, error);
        let mut tar = TarReader::new(Watched::new(self.reader(layer)?, progress, cancel));
        let mut builder = IndexBuilder::new();
        let too_much = |source| SourceError::Index { layer: layer + 1, source };
        while let Some(entry) = tar.next().map_err(failed)? {
            let header_at = entry.header.header_at;
            match entry.header.layer_item().map_err(failed)? {
                Some(LayerItem::Entry(entry)) => builder.entry_at(&entry, Some(header_at)).map_err(too_much)?,
                Some(LayerItem::Opaque { directory }) => builder.opaque(&directory).map_err(too_much)?,
                None => {}
            }
        }
        Ok(builder.finish())
    }

    /// Tells a cancelled reading and a wrong diff ID from a damaged tar.
    fn failed(&self, layer: usize, error: TarError) -> SourceError {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let inner = inner.map(|inner| inner as &(dyn Error + 'static));
            if inner.or(cause).is_some_and(<dyn Error>::is::<Cancelled>) {
                return SourceError::Cancelled;
            }
            if let Some(ArchiveError::Mismatch { expected, found, .. }) = inner.or(cause).and_then(|e| e.downcast_ref())
            {
                return SourceError::Digest { layer: layer + 1, expected: *expected, found: *found };
            }
            cause = inner.or_else(|| error.source());
        }
        SourceError::Tar { layer: layer + 1, diff_id: self.layers[layer].diff_id, source: Box::new(error) }
    }
}

impl LayerSource for ArchiveSource {
    fn config(&self) -> &ImageConfig {
        &self.image.parsed
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
        let diff_id = self.blob(layer)?.diff_id;
        if let Some(index) = self.indexes[layer].get() {
            return Ok(Arc::clone(index));
        }
        let cached = self.cache.as_ref().and_then(|cache| cache.load(diff_id, MADE_OF));
        let index = if let Some(index) = cached {
            index
        } else {
            let index = self.read(layer, progress, cancel)?;
            if let Some(cache) = &self.cache {
                // Without a cache everything works, only slower.
                let _ = cache.store(diff_id, MADE_OF, &index);
            }
            index
        };
        Ok(Arc::clone(self.indexes[layer].get_or_init(|| Arc::new(index))))
    }

    fn open(&self, layer: usize, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        let index = self.index(layer, &|_| (), &|| false)?;
        let shown = || path.escape_ascii().to_string();
        let missing = || SourceError::NoFile { layer: layer + 1, path: shown() };
        let entry = index.find(path).ok_or_else(missing)?;
        if let Some(kind) = not_a_file(entry.file_type()) {
            return Err(SourceError::NotAFile { layer: layer + 1, path: shown(), kind });
        }
        let header_at = entry.content().ok_or_else(missing)?;
        let mut reader = self.reader(layer)?;
        let read = reader.skip(header_at).map_err(|source| TarError::Read { at: header_at, source });
        let content = read.and_then(|()| MemberContent::open(reader)).map_err(|error| self.failed(layer, error))?;
        Ok(Box::new(content.ok_or_else(missing)?))
    }

    /// One pass over the layer, however many files are asked for.
    fn hash(
        &self,
        layer: usize,
        positions: &BTreeSet<u32>,
        progress: &dyn Fn(u64),
        cancel: &dyn Fn() -> bool,
    ) -> Result<HashMap<u32, Digest>, SourceError> {
        let index = self.index(layer, &|_| (), cancel)?;
        let wanted: HashMap<u64, u32> =
            positions.iter().filter_map(|at| Some((index.entry(*at).content()?, *at))).collect();
        let mut digests = HashMap::with_capacity(wanted.len());
        let failed = |error: TarError| self.failed(layer, error);
        let mut tar = TarReader::skipping(self.reader(layer)?);
        while digests.len() < wanted.len() {
            if cancel() {
                return Err(SourceError::Cancelled);
            }
            let Some(entry) = tar.next().map_err(failed)? else { break };
            if let Some(position) = wanted.get(&entry.header.header_at) {
                let at = entry.header.content_at;
                let digest = hash_content(entry, progress, cancel)?;
                digests.insert(*position, digest.map_err(|source| failed(TarError::Read { at, source }))?);
            }
        }
        Ok(digests)
    }
}

fn not_a_file(file_type: FileType) -> Option<&'static str> {
    match file_type {
        FileType::File | FileType::Hardlink => None,
        FileType::Directory => Some("a folder"),
        FileType::Symlink => Some("a symbolic link"),
        FileType::CharDevice | FileType::BlockDevice => Some("a device"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        FileType::Whiteout => Some("a whiteout"),
    }
}
