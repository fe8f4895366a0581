//! Disk usage, as `docker system df` counts it, and what nobody counts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::build::prune::{self, CacheItem};
use crate::container::Container;
use crate::driver;
use crate::engine::Shared;
use crate::image::{ImageError, Images, ListOptions, Summary, references};
use crate::layer::store;
use crate::root::damage;
use crate::root::layout::Layout;

/// What takes how much room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of all image layers, each counted once.
    pub layers_size: u64,
    /// The images, with what they share and how many containers they have.
    pub images: Vec<Summary>,
    /// The volumes.
    pub volumes: Vec<VolumeUsage>,
    /// What builds left to be used again.
    pub build_cache: Vec<CacheItem>,
    /// Layer directories that no layer and no container knows.
    pub orphans: Vec<Orphan>,
}

/// One volume's room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeUsage {
    /// Its name.
    pub name: String,
    /// Where its files are.
    pub mountpoint: PathBuf,
    /// Bytes of regular files.
    pub size: u64,
    /// Containers that mount it.
    pub ref_count: u64,
    /// Labels, where metadata.db can be read.
    pub labels: std::collections::BTreeMap<String, String>,
    /// When its directory was made, seconds since 1970.
    pub created: i64,
}

/// A layer directory that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The directory.
    pub path: PathBuf,
    /// Bytes of regular files in it.
    pub size: u64,
    /// Since it was last changed.
    pub age: Duration,
}

impl DiskUsage {
    pub(crate) fn collect(images: &Images) -> Result<Self, ImageError> {
        let shared = &images.shared;
        let layout = images.layout();
        let all = store::all(layout).map_err(images.unreadable())?;
        let options = ListOptions { all: true, containers: true, shared: true, ..ListOptions::default() };
        let images_used = images.list(&options)?;
        let containers = Container::all(layout).map_err(images.unreadable())?;
        Ok(Self {
            layers_size: all.iter().filter_map(|chain| shared.layers.size(layout, *chain)).sum(),
            volumes: volumes(layout, &containers),
            build_cache: prune::list(images)?,
            orphans: orphans(shared).map_err(images.unreadable())?,
            images: images_used,
        })
    }
}

fn volumes(layout: &Layout, containers: &[Container]) -> Vec<VolumeUsage> {
    let mut records = damage::volume_records(layout);
    let volume = |name: String| {
        let mountpoint = layout.volumes().join(&name).join("_data");
        let labels =
            records.remove(&name).and_then(|record| serde_json::from_value(record.get("Labels")?.clone()).ok());
        let meta = std::fs::metadata(layout.volumes().join(&name)).ok();
        VolumeUsage {
            size: bytes_in(&mountpoint),
            ref_count: containers.iter().filter(|container| container.volumes.contains(&name)).count() as u64,
            labels: labels.unwrap_or_default(),
            created: meta.and_then(|meta| seconds(&meta)).unwrap_or(0),
            mountpoint,
            name,
        }
    };
    damage::volume_names(layout).into_iter().map(volume).collect()
}

/// Content that nobody is registered with, and layers that no image, container or other layer needs.
fn orphans(shared: &Shared) -> std::io::Result<Vec<Orphan>> {
    let layout = shared.root.layout();
    // A transaction that publishes meanwhile must not look like an orphan.
    let _held = shared.root.change().ok();
    let used = references::used_caches(layout)?;
    let mut orphans = Vec::new();
    for cache in shared.driver.list().unwrap_or_default() {
        let path = layout.data().join(&cache);
        if !used.contains(&cache) {
            orphans.push(Orphan { size: bytes_in(&path), age: age(&path), path });
        }
    }
    let used = references::used_chains(layout, None)?;
    for chain in store::all(layout)? {
        if !used.contains(chain) {
            let path = layout.layer(chain);
            let size = shared.layers.size(layout, chain).unwrap_or(0);
            orphans.push(Orphan { size, age: age(&path), path });
        }
    }
    Ok(orphans)
}

/// Bytes of regular files; 0 for what cannot be read.
fn bytes_in(path: &Path) -> u64 {
    let usage = File::open(path).ok().and_then(|directory| driver::usage(&directory).ok());
    usage.map_or(0, |usage| usage.apparent)
}

fn age(path: &Path) -> Duration {
    let changed = std::fs::symlink_metadata(path).and_then(|meta| meta.modified());
    changed.ok().and_then(|time| time.elapsed().ok()).unwrap_or_default()
}

fn seconds(meta: &std::fs::Metadata) -> Option<i64> {
    let time = meta.created().or_else(|_| meta.modified()).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs() as i64)
}
