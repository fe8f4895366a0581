//! `diff --detail`: what a container changed, how, and from which layer it came.

use std::fs::File;
use std::path::Path;

use outcrop_layers::change::{DetailedChange, Kind, Origin};
use rustix::io::Errno;

use super::Containers;
use super::error::{Doing, Result};
use super::layers::{Layers, from_driver};
use crate::driver::Driver;
use crate::driver::overlay2::Overlay2;
use crate::layer::diff::{Detail, detail};

impl Containers {
    /// What differs from the image, path by path, sorted. A path that changes meanwhile is left out.
    ///
    /// # Errors
    /// No such container; a layer cannot be read.
    pub fn changes_in_detail(&self, name: &str) -> Result<Vec<DetailedChange>> {
        let record = self.record(name)?;
        let driver = Overlay2::new(self.root(), self.rootless());
        let layers = Layers::of(self.root(), &record.id)?;
        let open = |path: &Path| File::open(path).doing("open", path);
        let upper = open(&driver.diff_dir(&layers.mount))?;
        let parents = driver.parents(&layers.mount).map_err(from_driver)?;
        let lowers = parents.iter().map(|id| open(&driver.diff_dir(id))).collect::<Result<Vec<_>>>()?;
        let origins = origins(self.root(), &record.id);
        let mut all = Vec::new();
        for change in driver.changes(&layers.mount).map_err(from_driver)? {
            let Detail { kind, what, size, copied, lower } = match detail(&upper, &lowers, self.rootless(), &change) {
                Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => continue,
                found => found.doing("read", String::from_utf8_lossy(&change.path).into_owned())?,
            };
            let path = String::from_utf8_lossy(&change.path).into_owned();
            let from = lower.filter(|_| kind != Kind::New || !what.is_empty()).map(|lower| origin(&origins, lower));
            all.push(DetailedChange { path, kind, what, size, copied, from });
        }
        Ok(all)
    }
}

/// Chain ID and diff ID of the image's layers, topmost first.
fn origins(root: &Path, id: &str) -> Vec<(String, String)> {
    let read = |path: &Path| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let register = root.join("image/overlay2/layerdb");
    let mut all = Vec::new();
    let mut chain = read(&register.join("mounts").join(id).join("parent"));
    while let Some(chain_id) = chain.filter(|chain| !chain.is_empty()) {
        let entry = register.join(chain_id.replace(':', "/"));
        let diff_id = read(&entry.join("diff")).unwrap_or_default();
        chain = read(&entry.join("parent"));
        all.push((chain_id, diff_id));
    }
    all
}

/// The layer that is number `lower` below the container's own: first comes the init layer.
fn origin(layers: &[(String, String)], lower: usize) -> Origin {
    match lower.checked_sub(1).and_then(|at| Some((at, layers.get(at)?))) {
        Some((at, (chain_id, diff_id))) => {
            Origin { layer: layers.len() - at, chain_id: chain_id.clone(), diff_id: diff_id.clone() }
        }
        None => Origin { layer: 0, chain_id: String::new(), diff_id: String::new() },
    }
}
