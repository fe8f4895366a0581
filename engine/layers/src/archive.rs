//! Image archives: `docker save` before and since version 25, OCI layouts as directory or tar, and what other tools make
//! like them. A plain root filesystem tar is read as an image of one layer.
//!
//! [`Archive`] reads files that can be read again: only headers are walked to find members, and nothing is unpacked - but
//! for an archive that is compressed as a whole, which is first brought, uncompressed, into a file without a name, because a
//! layer in the middle of it could not be read a second time otherwise. [`Documents`] serves a stream that passes once.
//! Both find images by the same rules, with all limits checked before the first layer is looked at. Addresses to fetch
//! layers from (`urls`) are never followed.

mod directory;
mod docker;
mod documents;
mod error;
mod file;
mod image;
mod json;
mod layer;
mod legacy;
mod members;
mod oci;
mod platform;
mod resolve;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use self::directory::Directory;
pub use self::documents::{Documents, Part};
pub use self::error::ArchiveError;
pub use self::file::{SPOOL_FLOOR, Section, nameless};
pub use self::image::{ImageInArchive, LayerBlob};
pub use self::json::{DEEPEST_DOCUMENT, MOST_VALUES};
pub use self::layer::LayerReader;
pub use self::members::{MOST_DOCUMENT_BYTES, MOST_MEMBERS};
use self::members::{Members, Names, clean, link_target};
pub use self::oci::{DEEPEST_INDEX, MOST_MANIFESTS};
pub use self::platform::Platform;
pub use self::resolve::MOST_IMAGES;
use crate::compress::{Compression, MAGIC_LENGTH, decoder, detect};
use crate::config::{History, ImageConfig, LARGEST_DOCUMENT, RootFs};
use crate::digest::{DiffId, Digest};
use crate::entry::Kind;
use crate::fill::fill;
use crate::tar::{TarError, TarReader, looks_like_tar};

/// The name of the only layer when a root filesystem is read as an image.
const WHOLE: &str = "";

/// An archive that can be read again and again, from several threads.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    content: Content,
    images: Vec<ImageInArchive>,
    /// Diff IDs that had to be found by reading: archives before Docker 1.10 do not tell them.
    diff_ids: Mutex<HashMap<String, DiffId>>,
}

#[derive(Debug)]
enum Content {
    Tar { file: Arc<File>, length: u64, names: Names<Place> },
    Directory(Directory),
}

/// Where a member's content is in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    length: u64,
}

impl Archive {
    /// Opens an archive or a directory and finds its images: for `platform`, or all for this machine where there is a choice.
    ///
    /// A compressed archive is unpacked into a nameless file in `spool`, which leaves [`SPOOL_FLOOR`] bytes free there.
    /// For progress and cancelling, wrap the file and use [`Archive::from_reader`].
    ///
    /// # Errors
    /// When it is no image archive, is damaged or incomplete, or has nothing for `platform`.
    pub fn open(path: &Path, platform: Option<&Platform>, spool: &Path) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Io { path: path.into(), source };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            let content = Content::Directory(Directory::open(path).map_err(failed)?);
            let archive = Self::new(path.into(), content);
            let images = resolve::images(&archive, platform)?;
            return Ok(Self { images, ..archive });
        }
        if !metadata.is_file() {
            let why = "neither a file nor a directory; give a stream as standard input instead";
            return Err(ArchiveError::Unsuitable { path: path.into(), why });
        }
        let file = File::open(path).map_err(failed)?;
        let mut magic = [0; MAGIC_LENGTH];
        let read = file.read_at(&mut magic, 0).map_err(failed)?;
        if detect(&magic[..read]) == Compression::None {
            return Self::from_file(file, path, platform);
        }
        Self::from_reader(file, path, platform, spool)
    }

    /// Reads all of a stream, compressed or not, into a nameless file in `spool`. `path` is only for messages.
    ///
    /// # Errors
    /// As [`Archive::open`]; [`ArchiveError::Space`] when it does not fit.
    pub fn from_reader(
        stream: impl Read,
        path: &Path,
        platform: Option<&Platform>,
        spool: &Path,
    ) -> Result<Self, ArchiveError> {
        let stream = decoder(stream).map_err(|source| ArchiveError::Io { path: path.into(), source })?;
        let file = file::spool(stream, spool, SPOOL_FLOOR)?;
        Self::from_file(file, path, platform)
    }

    /// Reads an uncompressed tar. `path` is only for messages.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn from_file(file: File, path: &Path, platform: Option<&Platform>) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Io { path: path.into(), source };
        let length = file.metadata().map_err(failed)?.len();
        if length == 0 {
            return Err(ArchiveError::Empty);
        }
        let file = Arc::new(file);
        let scan = Scan::of(Section::new(Arc::clone(&file), 0, length))?;
        let archive = Self::new(path.into(), Content::Tar { file, length, names: scan.names });
        if !scan.has_documents && scan.has_blobs && !scan.is_root {
            return Err(ArchiveError::NotAnImage { hint: CUT_OFF });
        }
        if !scan.has_documents {
            return archive.root_filesystem();
        }
        if let Some(error) = scan.too_many.filter(|_| !scan.is_root) {
            return Err(error);
        }
        match resolve::images(&archive, platform) {
            Ok(images) => Ok(Self { images, ..archive }),
            // A root filesystem may happen to have a file of that name.
            Err(ArchiveError::Document { .. } | ArchiveError::NotAnImage { .. }) if scan.is_root => {
                archive.root_filesystem()
            }
            Err(error) => Err(error),
        }
    }

    /// The images, in the archive's order.
    pub fn images(&self) -> &[ImageInArchive] {
        &self.images
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A layer's uncompressed tar.
    ///
    /// # Errors
    /// When it cannot be opened, or is neither a tar nor compressed in a known way.
    pub fn layer(&self, layer: &LayerBlob) -> Result<LayerReader, ArchiveError> {
        let section = self.section(&layer.name)?;
        let reader = LayerReader::new(section.clone(), layer)?;
        let mut head = [0; 512];
        let mut head_of = section;
        let read = fill(&mut head_of, &mut head).map_err(|source| self.failed(&layer.name, source))?;
        if read > 0 && !is_layer_like(&head[..read]) {
            let why = "it is neither a tar nor gzip, zstd, bzip2 or xz".into();
            return Err(ArchiveError::Document { name: format!("layer {}", layer.name), why });
        }
        Ok(reader)
    }

    fn new(path: PathBuf, content: Content) -> Self {
        Self { path, content, images: Vec::new(), diff_ids: Mutex::default() }
    }

    /// Makes the only image of a root filesystem's tar.
    fn root_filesystem(mut self) -> Result<Self, ArchiveError> {
        if let Content::Tar { names, .. } = &mut self.content {
            // As many as files in it, and none is asked for.
            *names = Names::new();
        }
        let diff_id = self.section(WHOLE)?;
        let size = diff_id.left();
        let diff_id = LayerReader::unknown(diff_id, WHOLE)?.diff_id().map_err(|source| self.failed(WHOLE, source))?;
        let comment = Some("the whole of a root filesystem's tar".into());
        let parsed = ImageConfig {
            os: "linux".into(),
            history: vec![History { comment, ..History::default() }],
            rootfs: RootFs { diff_ids: vec![diff_id], ..RootFs::default() },
            ..ImageConfig::default()
        };
        let config = serde_json::to_vec(&parsed)
            .map_err(|e| ArchiveError::Document { name: "image configuration".into(), why: e.to_string() })?;
        let image = ImageInArchive {
            config_digest: Digest::of(&config),
            config,
            platform: Platform { os: "linux".into(), ..Platform::default() },
            parsed,
            layers: vec![LayerBlob { name: WHOLE.into(), diff_id, digest: None, size: Some(size) }],
            tags: Vec::new(),
            manifest: None,
        };
        Ok(Self { images: vec![image], ..self })
    }

    /// A member's bytes.
    fn section(&self, name: &str) -> Result<Section, ArchiveError> {
        let missing = || ArchiveError::Missing { what: "file", name: name.into() };
        match &self.content {
            Content::Tar { file, length, .. } if name == WHOLE => Ok(Section::new(Arc::clone(file), 0, *length)),
            Content::Tar { file, names, .. } => {
                let (_, place) = names.find(name).ok_or_else(missing)?;
                Ok(Section::new(Arc::clone(file), place.start, place.length))
            }
            Content::Directory(directory) => {
                let file = directory.file(name).map_err(|source| self.failed(name, source))?;
                let (file, size) = file.ok_or_else(missing)?;
                Ok(Section::new(Arc::new(file), 0, size))
            }
        }
    }

    fn failed(&self, name: &str, source: io::Error) -> ArchiveError {
        ArchiveError::Io { path: self.path.join(name), source }
    }
}

impl Members for Archive {
    fn find(&self, name: &str) -> Option<(String, u64)> {
        match &self.content {
            Content::Tar { names, .. } => names.find(name).map(|(name, place)| (name.into(), place.length)),
            Content::Directory(directory) => {
                let name = clean(name)?;
                let (_, size) = directory.file(&name).ok()??;
                Some((name, size))
            }
        }
    }

    fn document(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, ArchiveError> {
        let Some((name, size)) = self.find(name) else { return Ok(None) };
        if size > LARGEST_DOCUMENT as u64 {
            return json::too_large(&name, size);
        }
        let mut bytes = Vec::new();
        let read = self.section(&name)?.read_to_end(&mut bytes);
        read.map_err(|source| self.failed(&name, source))?;
        Ok(Some(bytes.into()))
    }

    fn diff_id(&self, name: &str) -> Result<Option<DiffId>, ArchiveError> {
        let known = |ids: &HashMap<String, DiffId>| ids.get(name).copied();
        if let Some(known) = known(&self.diff_ids.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(known));
        }
        let layer = LayerReader::unknown(self.section(name)?, name)?;
        let found = layer.diff_id().map_err(|source| self.failed(name, source))?;
        self.diff_ids.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), found);
        Ok(Some(found))
    }
}

/// What one walk over the headers finds.
struct Scan {
    names: Names<Place>,
    /// Whether one of the documents is there that lead to images.
    has_documents: bool,
    /// Whether there is a folder that root filesystems have and image archives have not.
    is_root: bool,
    /// Whether there is a file named as image archives name their parts.
    has_blobs: bool,
    /// Set when not all members were remembered.
    too_many: Option<ArchiveError>,
}

impl Scan {
    fn of(section: Section) -> Result<Self, ArchiveError> {
        let mut scan =
            Self { names: Names::new(), has_documents: false, is_root: false, has_blobs: false, too_many: None };
        let mut tar = TarReader::skipping(section);
        let mut members = 0;
        loop {
            let entry = tar.next().map_err(|error| match error {
                TarError::Checksum { at: 0 } | TarError::Truncated { at: 0..512, .. } => {
                    ArchiveError::NotAnImage { hint: ": the file is no tar" }
                }
                error => ArchiveError::Tar(error),
            })?;
            let Some(entry) = entry else { break };
            members += 1;
            let header = entry.header;
            let Some(name) = std::str::from_utf8(&header.name).ok().and_then(clean) else { continue };
            scan.is_root |= is_root_name(&name);
            scan.has_blobs |= is_blob_name(&name);
            scan.has_documents |= STARTS.contains(&name.as_str());
            let added = match header.kind {
                Kind::File { .. } if header.sparse.is_none() => {
                    scan.names.add(name, Place { start: header.content_at, length: header.stored })
                }
                Kind::Hardlink { target } => match std::str::from_utf8(&target) {
                    Ok(target) => scan.names.link(name, target.into()),
                    Err(_) => Ok(()),
                },
                Kind::Symlink { target } => match link_target(&name, &target) {
                    Some(target) => scan.names.link(name, target),
                    None => Ok(()),
                },
                _ => Ok(()),
            };
            if let Err(error) = added {
                scan.too_many = Some(error);
            }
        }
        if members == 0 {
            return Err(ArchiveError::NotAnImage { hint: ": it is an empty tar" });
        }
        Ok(scan)
    }
}

/// Why an archive that has layers has no documents.
const CUT_OFF: &str = ", but layers are: it is probably cut off";

/// The documents that lead to all others.
const STARTS: [&str; 3] = ["manifest.json", "index.json", "repositories"];

/// Whether a name is one of a root filesystem; image archives have no such folders.
fn is_root_name(name: &str) -> bool {
    let (top, below) = name.split_once('/').unwrap_or((name, ""));
    matches!(top, "etc" | "usr" | "var") || matches!(top, "bin" | "dev" | "lib" | "sbin") && !below.is_empty()
}

/// Whether only an image archive has files of that name.
fn is_blob_name(name: &str) -> bool {
    name.starts_with("blobs/sha256/") || name.ends_with("/layer.tar")
}

/// Whether a file's first 512 bytes are those of a layer: a tar header, the zeros of an empty tar, or a compressed stream.
pub fn is_layer_like(first: &[u8]) -> bool {
    detect(first) != Compression::None || looks_like_tar(first)
}

#[cfg(test)]
mod tests;
