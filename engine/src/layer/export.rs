//! Gives a layer back as the very bytes it came from.

use std::io::{self, BufReader, Read, Write};
use std::os::fd::BorrowedFd;

use flate2::bufread::GzDecoder;
use outcrop_layers::tar::clean_path;
use outcrop_layers::tarsplit::{SplitError, assemble};

use crate::sys::dirs::Dirs;
use crate::sys::{beneath, node};

/// Says why a layer cannot be given back.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The layer's directory cannot be used.
    #[error("layer directory: {0}")]
    Source(io::Error),
    /// The record or a file is damaged, or the tar cannot be written.
    #[error(transparent)]
    Split(#[from] SplitError),
}

impl ExportError {
    /// Whether it is what is written to that failed, and not the layer.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Split(SplitError::Write(_)))
    }
}

/// Writes the layer's tar to `out`, from its files in `source` and its gzipped tar-split record. Gives its length in bytes.
///
/// Each file's size and checksum are compared while it is read. Links in the layer lead nowhere outside of it; what is no regular
/// file is not opened.
///
/// # Errors
/// Names the first file that is missing or not what was stored, with what was expected and found.
pub fn export(source: BorrowedFd<'_>, split: impl Read, out: &mut impl Write) -> Result<u64, ExportError> {
    let mut dirs = Dirs::new(source).map_err(ExportError::Source)?;
    let split = GzDecoder::new(BufReader::with_capacity(64 << 10, split));
    let open = |name: &[u8]| {
        let path = clean_path(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let (parent, name) = beneath::parent_and_name(&path);
        node::open_file(&dirs.find(parent)?, name)
    };
    Ok(assemble(split, open, out)?)
}

#[cfg(test)]
mod tests;
