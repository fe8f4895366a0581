//! An engine's export of an image (`GET /images/{name}/get`): for when its data root cannot be read.

use std::io::Read;
use std::path::Path;

use super::watched::Watched;
use super::{Archive, ArchiveSource, SourceError};
use crate::index::cache::IndexCache;

/// Brings an export into a file without a name in the folder `spool`, which goes with the sources.
///
/// # Errors
/// When the stream is no image archive, breaks off, does not fit, or on cancelling.
pub fn spool(
    stream: impl Read,
    spool: &Path,
    cache: Option<&IndexCache>,
    progress: &dyn Fn(u64),
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<ArchiveSource>, SourceError> {
    let stream = Watched::new(stream, progress, cancel);
    let archive = Archive::from_reader(stream, Path::new("the engine's export"), None, spool);
    if cancel() {
        return Err(SourceError::Cancelled);
    }
    Ok(ArchiveSource::all(archive.map_err(Box::new)?, cache))
}
