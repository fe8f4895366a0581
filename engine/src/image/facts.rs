//! What a list shows of images and layers, remembered on disk so that it need not be read from thousands of small files.
//!
//! Everything here follows from an image's or a layer's ID, so it never goes stale; a file that is torn or damaged is not used and is
//! written anew. It is written in place, under a lock, so that a killed process leaves no second file.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::{ChainId, ImageId};
use serde::{Deserialize, Serialize};

use super::list::{created, labels};
use crate::root::files;

/// Largest file that is read, bytes: some 100,000 images.
const LARGEST: u64 = 256 << 20;
/// So many new entries make it worth writing the file.
const WORTH_WRITING: usize = 16;

/// What a list shows of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) created: i64,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) os: String,
    pub(crate) architecture: String,
    pub(crate) chains: Vec<ChainId>,
}

impl Facts {
    pub(crate) fn of(config: &ImageConfig) -> Self {
        Self {
            created: created(config.created.as_deref()),
            labels: labels(config),
            os: config.os.clone(),
            architecture: config.architecture.clone(),
            chains: ChainId::all(&config.rootfs.diff_ids),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct OnDisk {
    images: HashMap<ImageId, Facts>,
    sizes: HashMap<ChainId, u64>,
}

/// The remembered facts of a root.
#[derive(Default)]
pub(crate) struct FactCache {
    known: Mutex<Option<Known>>,
}

/// Facts in memory, and how many of them are not on disk.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) images: HashMap<ImageId, Facts>,
    pub(crate) sizes: HashMap<ChainId, u64>,
    pub(crate) new: usize,
}

/// All facts, locked.
pub(crate) struct Held<'a>(MutexGuard<'a, Option<Known>>);

impl Held<'_> {
    pub(crate) fn get(&mut self) -> &mut Known {
        self.0.get_or_insert_default()
    }
}

impl FactCache {
    /// The facts; read from `path` the first time.
    pub(crate) fn hold(&self, path: &Path) -> Held<'_> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            let read = files::read(path, LARGEST).ok().and_then(|bytes| serde_json::from_slice::<OnDisk>(&bytes).ok());
            let OnDisk { images, sizes } = read.unwrap_or_default();
            *known = Some(Known { images, sizes, new: 0 });
        }
        Held(known)
    }
}

impl Known {
    /// Writes the facts of what is still there, if there is enough new to say. That it fails is no loss.
    pub(crate) fn write_if_worth_it(
        &mut self,
        path: &Path,
        image: impl Fn(&ImageId) -> bool,
        chain: impl Fn(&ChainId) -> bool,
    ) {
        if self.new < WORTH_WRITING {
            return;
        }
        self.images.retain(|id, _| image(id));
        self.sizes.retain(|id, _| chain(id));
        let on_disk = OnDisk { images: std::mem::take(&mut self.images), sizes: std::mem::take(&mut self.sizes) };
        let bytes = serde_json::to_vec(&on_disk);
        (self.images, self.sizes) = (on_disk.images, on_disk.sizes);
        let write = |bytes: &[u8]| {
            let mut options = OpenOptions::new();
            let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
            if file.try_lock().is_ok() {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(bytes)?;
            }
            Ok::<_, std::io::Error>(())
        };
        if bytes.is_ok_and(|bytes| write(&bytes).is_ok()) {
            self.new = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use outcrop_layers::digest::Digest;

    use super::*;

    #[test]
    fn facts_come_back_and_damage_is_as_if_there_were_none() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("facts.json");
        let cache = FactCache::default();
        let mut held = cache.hold(&path);
        for n in 0..WORTH_WRITING {
            held.get().sizes.insert(ChainId(Digest::of(&[n as u8])), n as u64);
            held.get().new += 1;
        }
        held.get().write_if_worth_it(&path, |_| true, |_| true);
        drop(held);
        let again = FactCache::default();
        assert_eq!(again.hold(&path).get().sizes.len(), WORTH_WRITING);
        let bytes = std::fs::read(&path).expect("reads");
        for damaged in [&bytes[..bytes.len() / 2], &[0; 300], b""] {
            std::fs::write(&path, damaged).expect("writes");
            assert_eq!(FactCache::default().hold(&path).get().sizes.len(), 0);
        }
    }
}
