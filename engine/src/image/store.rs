//! Image configurations on disk (`imagedb`), and a cache of parsed ones.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use outcrop_layers::config::{ImageConfig, LARGEST_DOCUMENT};
use outcrop_layers::digest::{Digest, ImageId};

use crate::root::files;
use crate::root::layout::Layout;

/// A configuration as stored: the bytes are what the image ID is the digest of.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The bytes.
    pub raw: Vec<u8>,
    /// The same, parsed.
    pub config: ImageConfig,
}

/// Parsed configurations by ID. They never change: the ID is the digest of the bytes.
#[derive(Default)]
pub(crate) struct ConfigCache {
    parsed: Mutex<HashMap<ImageId, Arc<Stored>>>,
}

impl ConfigCache {
    /// Reads and checks a configuration. `Ok(Err)` tells what is wrong with it; `NotFound` that there is none.
    pub(crate) fn get(&self, layout: &Layout, id: ImageId) -> io::Result<Result<Arc<Stored>, String>> {
        let lock = || self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stored) = lock().get(&id) {
            return Ok(Ok(Arc::clone(stored)));
        }
        let raw = match files::read(&layout.content(id), LARGEST_DOCUMENT as u64) {
            Ok(raw) => raw,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        };
        let found = Digest::of(&raw);
        if found != id.0 {
            let what = if raw.is_empty() { "an empty file".into() } else { format!("bytes with the digest {found}") };
            return Ok(Err(format!("expected the configuration {id}, found {what}")));
        }
        let config = match ImageConfig::parse(&raw) {
            Ok(config) => config,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let stored = Arc::new(Stored { raw, config });
        lock().insert(id, Arc::clone(&stored));
        Ok(Ok(stored))
    }
}

/// Whether the configuration is on disk as it should be; a cached one does not count.
pub(crate) fn is_stored(layout: &Layout, id: ImageId) -> bool {
    files::read(&layout.content(id), LARGEST_DOCUMENT as u64).is_ok_and(|raw| Digest::of(&raw) == id.0)
}
