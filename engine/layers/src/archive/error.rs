//! What can be wrong with an image archive.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::digest::Digest;
use crate::tar::TarError;

/// Says why an archive could not be read as images.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Neither form of image archive.
    #[error("no image archive: neither manifest.json (docker save) nor index.json (OCI layout) is in it{hint}")]
    NotAnImage {
        /// What it seems to be instead, with what to do; may be empty.
        hint: &'static str,
    },
    /// An image archive without images.
    #[error("no image is in the archive: {name} lists none")]
    NoImage {
        /// The document that lists images.
        name: &'static str,
    },
    /// The archive has no bytes at all.
    #[error("no image archive: the input is empty")]
    Empty,
    /// Something that is referred to is not there.
    #[error("incomplete image archive: {what} {name} is missing")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its name in the archive.
        name: String,
    },
    /// A layer whose content is only to be had from elsewhere.
    #[error("layer {name} is not in the archive, only addresses to fetch it from, which are not followed")]
    Foreign {
        /// Its name in the archive.
        name: String,
    },
    /// A document that is no JSON of its kind.
    #[error("{name} is damaged: {why}")]
    Document {
        /// Its name in the archive.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// An image configuration that cannot be used.
    #[error("{name}: {source}")]
    Config {
        /// Its name in the archive.
        name: String,
        /// What is wrong.
        source: ConfigError,
    },
    /// A limit against hostile archives.
    #[error("{name} {what}, more than the limit of {limit}")]
    Limit {
        /// Name in the archive.
        name: String,
        /// What there is too much of.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// A kind of manifest that is not read.
    #[error("{name} has the media type {media_type:?}, which is not supported")]
    MediaType {
        /// Name in the archive.
        name: String,
        /// What it says.
        media_type: String,
    },
    /// Layers in the manifest and in the configuration differ.
    #[error("{name} lists {manifest} layers, its image configuration {config}")]
    Count {
        /// The manifest's name in the archive.
        name: String,
        /// How many it lists.
        manifest: usize,
        /// How many diff IDs the configuration has.
        config: usize,
    },
    /// Bytes that are not what their name says.
    #[error("{name} has wrong bytes: expected {expected}, found {found}")]
    Mismatch {
        /// Name in the archive.
        name: String,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// A blob of another size than promised.
    #[error("{name} has {found} bytes, its descriptor says {expected}")]
    Size {
        /// Name in the archive.
        name: String,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// No image for the platform asked for.
    #[error("{name} has no image for {wanted}; it has {there}")]
    Platform {
        /// Name in the archive.
        name: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// The archive's own tar is damaged.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// A file or stream failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Not something that can be opened.
    #[error("{}: {why}", path.display())]
    Unsuitable {
        /// Which.
        path: PathBuf,
        /// What it is.
        why: &'static str,
    },
    /// Unpacking a compressed archive would fill the disk.
    #[error(
        "the unpacked archive does not fit into {}: {written} bytes are written, {free} are free, {floor} must remain",
        path.display()
    )]
    Space {
        /// Where it is unpacked.
        path: PathBuf,
        /// Bytes written so far.
        written: u64,
        /// Bytes free there.
        free: u64,
        /// Bytes that are left free.
        floor: u64,
    },
}
