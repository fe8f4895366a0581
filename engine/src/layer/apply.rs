//! Unpacks a layer: tar to the directory that overlayfs takes as one layer.
//!
//! Nothing a layer says leads out of that directory: parents are resolved as if it were the root of the file system, the last
//! component of a path is never followed, links are stored verbatim. Where a path occurs twice the later entry wins, as in
//! Docker; a directory over a directory keeps what is in it. Whiteouts become character devices 0:0 and opaque marks overlayfs'
//! attribute; they hide lower layers only, never what the same layer has.
//!
//! Reading with decompressing, and hashing, run on threads of their own. Memory does not grow with the layer, but for about a hundred bytes a
//! directory, whose times are set last.

mod loss;
mod pipe;
mod space;
mod unpack;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::fd::BorrowedFd;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use outcrop_layers::digest::DiffId;
use outcrop_layers::tar::{Record, TarError, TarReader};
use outcrop_layers::tarsplit::{self, Kept, SplitError, Splitter};

use self::pipe::Watched;
use self::unpack::Unpacker;
use crate::progress::Cancel;
use crate::sys::fs;

/// So many bytes stay free for all else that the machine does; on a small file system a twentieth of it.
const FLOOR: u64 = 256 << 20;

/// The free-space floor for the file system that `on` is on, in bytes.
pub fn floor(on: impl std::os::fd::AsFd) -> u64 {
    fs::free(on).map_or(FLOOR, |free| FLOOR.min(free.total / 20))
}

/// How a layer is unpacked.
pub struct ApplyOptions<'a> {
    /// Without root: overlayfs' attributes are `user.overlay.*`, and owners, devices and attributes that cannot be set are told in
    /// [`Applied::warnings`] instead of failing.
    pub rootless: bool,
    /// Bytes that must stay free on the file system.
    pub floor: u64,
    /// Looked at between reads.
    pub cancel: &'a Cancel,
    /// Gets the number of bytes of the uncompressed tar that have been unpacked so far, several times a MiB.
    pub on_bytes: &'a dyn Fn(u64),
}

/// What a layer turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Sum of the sizes of its files and of the texts of its symbolic links in bytes, hard links counted once: what dockerd writes
    /// to `layerdb/…/size`.
    pub size: u64,
    /// Length of the uncompressed tar in bytes.
    pub tar_bytes: u64,
    /// How many entries the tar has.
    pub entries: u64,
    /// What could not be kept, each kind once.
    pub warnings: Vec<String>,
}

/// Says why a layer was not unpacked. What was written stays where it is, for the caller to remove.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The tar is damaged, or a name in it is refused.
    #[error(transparent)]
    Tar(TarError),
    /// An entry could not be made.
    #[error("entry {path}: {doing}: {source}")]
    Entry {
        /// Its path, made printable.
        path: String,
        /// What failed.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// An entry that no layer may have.
    #[error("entry {path}: {why}; refused")]
    Refused {
        /// Its path, made printable.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The disk is too small.
    #[error(
        "not enough space on {filesystem}: {needed} bytes more are needed, {free} are free, of which {floor} are kept free; \
         remove images or choose another data root"
    )]
    Space {
        /// Bytes that the next entry needs.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Bytes that must stay free.
        floor: u64,
        /// The file system.
        filesystem: String,
    },
    /// The file system has no room for more files.
    #[error(
        "not enough inodes on {filesystem}: {free} more files can be made there; remove images or choose another data root"
    )]
    Files {
        /// How many can be made.
        free: u64,
        /// The file system.
        filesystem: String,
    },
    /// The layer's directory cannot be used.
    #[error("layer directory: {0}")]
    Target(io::Error),
    /// The record that gives the same bytes back could not be written.
    #[error("tar-split record: {0}")]
    Split(io::Error),
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl ApplyError {
    /// Whether it is the disk that is full.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Space { .. } | Self::Files { .. } => true,
            Self::Split(source) => matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
            _ => false,
        }
    }
}

/// Unpacks the uncompressed `tar` into the empty directory `target` and writes its gzipped tar-split record to `split`.
///
/// The tar is read to its real end, so that the diff ID is that of the whole stream.
///
/// # Errors
/// All of [`ApplyError`]; the first one ends it. Nothing is synced: that is for whoever publishes the layer.
pub fn apply(
    tar: impl Read + Send,
    target: BorrowedFd<'_>,
    options: &ApplyOptions<'_>,
    split: impl Write,
) -> Result<Applied, ApplyError> {
    piped(tar, options, |input| unpack(input, target, options, split))
}

/// Unpacks the uncompressed `tar` into the directory `target` as an ordinary archive, not as a layer: `.wh.` names are names like
/// others, and what is there already stays where the archive has nothing. Else as [`apply`].
///
/// # Errors
/// As [`apply`].
pub fn extract(
    tar: impl Read + Send,
    target: BorrowedFd<'_>,
    options: &ApplyOptions<'_>,
) -> Result<Applied, ApplyError> {
    piped(tar, options, |input| unpack_plain(input, target, options))
}

/// Runs `unpack` on what other threads read and hash.
fn piped(
    tar: impl Read + Send,
    options: &ApplyOptions<'_>,
    unpack: impl FnOnce(Watched<'_>) -> Result<Unpacked, ApplyError>,
) -> Result<Applied, ApplyError> {
    let pipe::Ends { feed, pump, hasher } = pipe::ends();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || pump.run(tar));
        let hashing = scope.spawn(move || hasher.run());
        let unpacked = unpack(Watched { feed, cancel: options.cancel, on_bytes: options.on_bytes, total: 0 });
        reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (digest, tar_bytes) = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let Unpacked { size, entries, warnings } = unpacked?;
        Ok(Applied { diff_id: DiffId(digest), size, tar_bytes, entries, warnings })
    })
}

fn unpack_plain(
    input: Watched<'_>,
    target: BorrowedFd<'_>,
    options: &ApplyOptions<'_>,
) -> Result<Unpacked, ApplyError> {
    let mut reader = TarReader::new(input);
    let mut unpacker = Unpacker::new(target, options, false).map_err(ApplyError::Target)?;
    each(&mut reader, &mut unpacker)
        .map_err(|error| if options.cancel.is_cancelled() { ApplyError::Cancelled } else { error })?;
    unpacker.finish().map(|(unpacked, _)| unpacked)
}

struct Unpacked {
    size: u64,
    entries: u64,
    warnings: Vec<String>,
}

fn unpack(
    input: Watched<'_>,
    target: BorrowedFd<'_>,
    options: &ApplyOptions<'_>,
    split: impl Write,
) -> Result<Unpacked, ApplyError> {
    let record = fs::nameless_file(target).map_err(ApplyError::Target)?;
    let record = GzEncoder::new(BufWriter::with_capacity(64 << 10, record), Compression::fast());
    let mut reader = TarReader::recording(input, Splitter::new(record));
    let mut unpacker = Unpacker::new(target, options, true).map_err(ApplyError::Target)?;
    each(&mut reader, &mut unpacker)
        .map_err(|error| if options.cancel.is_cancelled() { ApplyError::Cancelled } else { error })?;
    let (_, splitter) = reader.into_inner();
    let (unpacked, kept) = unpacker.finish()?;
    let record = splitter.finish().and_then(GzEncoder::finish).map_err(ApplyError::Split)?;
    let record = record.into_inner().map_err(|error| ApplyError::Split(error.into_error()))?;
    give(record, &kept, split).map_err(ApplyError::Split)?;
    Ok(unpacked)
}

/// Hands the finished record over; what was replaced while unpacking is on disk no more, so it goes into the record.
fn give(mut record: File, kept: &Kept, mut split: impl Write) -> io::Result<()> {
    record.rewind()?;
    if kept.is_empty() {
        io::copy(&mut record, &mut split)?;
    } else {
        let mut split = GzEncoder::new(&mut split, Compression::fast());
        tarsplit::carry(GzDecoder::new(BufReader::new(record)), kept, &mut split).map_err(|error| match error {
            SplitError::Read(source) | SplitError::Write(source) => source,
            error => io::Error::other(error),
        })?;
        split.finish()?;
    }
    split.flush()
}

fn each<S: Record>(reader: &mut TarReader<Watched<'_>, S>, unpacker: &mut Unpacker<'_>) -> Result<(), ApplyError> {
    while let Some(mut entry) = reader.next().map_err(from_tar)? {
        unpacker.entry(&mut entry)?;
    }
    Ok(())
}

fn from_tar(error: TarError) -> ApplyError {
    match error {
        TarError::Record { source, .. } => ApplyError::Split(source),
        error => ApplyError::Tar(error),
    }
}

/// A path in a message: control characters escaped, at most 200 bytes of it.
fn shown(path: &[u8]) -> String {
    let cut = &path[..path.len().min(200)];
    let dots = if cut.len() < path.len() { "…" } else { "" };
    format!("\"{}{dots}\"", cut.escape_ascii())
}

#[cfg(test)]
pub(crate) mod tests;
