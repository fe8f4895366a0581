//! Indexes on disk, so that an image is read once.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::{LayerIndex, format};
use crate::digest::{DiffId, Digest};

/// Tells files being written apart.
static STORED: AtomicU64 = AtomicU64::new(0);

/// Most bytes the cache keeps when nothing else is asked for.
pub const MOST_BYTES: u64 = 512 << 20;

/// A folder of indexes, keyed by diff ID and by the way the layer was read.
///
/// Everything in it can be made again: files that are damaged or of another version are ignored and replaced, and the longest unused
/// go when it grows too large. Any number of processes may use it at once.
#[derive(Clone, Debug)]
pub struct IndexCache {
    folder: PathBuf,
    most_bytes: u64,
}

impl IndexCache {
    /// Uses `folder`, which is made when the first index is stored, for at most [`MOST_BYTES`].
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::with_limit(folder, MOST_BYTES)
    }

    /// Uses `folder` for at most `most_bytes`.
    pub fn with_limit(folder: impl Into<PathBuf>, most_bytes: u64) -> Self {
        Self { folder: folder.into(), most_bytes }
    }

    /// Reads the index of a layer. `made_of` tells what it was made of, in any form: an index made of something else is not found.
    pub fn load(&self, diff_id: DiffId, made_of: &[u8]) -> Option<LayerIndex> {
        let path = self.path(diff_id, made_of);
        let file = File::open(&path).ok()?;
        let size = file.metadata().ok().filter(|m| m.is_file() && m.len() <= format::LARGEST)?.len();
        let mut bytes = Vec::with_capacity(size as usize);
        (&file).take(format::LARGEST).read_to_end(&mut bytes).ok()?;
        let index = format::read(&bytes, Digest::of(made_of).as_bytes());
        if index.is_some() {
            // Says when it was last used. A cache on a read-only file system works as well.
            let _ = file.set_modified(SystemTime::now());
        }
        index
    }

    /// Stores the index of a layer and drops the longest unused ones beyond the limit.
    ///
    /// # Errors
    /// When it cannot be written; the index itself is then as good as before.
    pub fn store(&self, diff_id: DiffId, made_of: &[u8], index: &LayerIndex) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path(diff_id, made_of);
        let number = STORED.fetch_add(1, Ordering::Relaxed);
        let part = self.folder.join(format!(".{}.{number}", std::process::id()));
        let written = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(&format::write(index, Digest::of(made_of).as_bytes())))
            .and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written?;
        self.shrink(&path)
    }

    fn path(&self, diff_id: DiffId, made_of: &[u8]) -> PathBuf {
        self.folder.join(format!("{}-{}.index", diff_id.0.hex(), Digest::of(made_of).short()))
    }

    /// Drops the longest unused files beyond the limit, except `keep`.
    fn shrink(&self, keep: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), entry.path()));
            }
        }
        let mut sum: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort_unstable();
        for (_, size, path) in files.iter().filter(|(_, _, path)| path != keep) {
            if sum <= self.most_bytes {
                break;
            }
            if fs::remove_file(path).is_ok() {
                sum -= size;
            }
        }
        Ok(())
    }
}
