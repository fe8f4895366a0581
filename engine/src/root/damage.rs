//! Finding damage, saying what it hits, and repairing the indices.
//!
//! Layers and configurations are repaired by loading or pulling their image again; what only the indices know (names, labels of
//! volumes) is rebuilt here from what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use outcrop_layers::digest::{ChainId, ImageId};

use super::bolt::update::{UpdateError, read_beside};
use super::{Problem, bolt, files};
use crate::container::Container;
use crate::engine::Shared;
use crate::image::repositories::{Names, Repositories};
use crate::image::store::is_stored;
use crate::image::{ImageError, references};
use crate::layer::store::Layer;
use crate::root::layout::Layout;

/// Largest `metadata.db` that is read, bytes.
const LARGEST_DB: u64 = 256 << 20;
const RELOAD: &str = "load or pull the image again";
const REBUILD: &str = "rebuild it (outcrop can do that from what is left and from its own copy)";

/// Problems by file: what is wrong, what to do, what it hits.
#[derive(Default)]
struct Found(BTreeMap<PathBuf, (String, &'static str, BTreeSet<String>)>);

impl Found {
    fn add(&mut self, path: PathBuf, what: String, remedy: &'static str, hits: &[String]) {
        self.0.entry(path).or_insert_with(|| (what, remedy, BTreeSet::new())).2.extend(hits.iter().cloned());
    }
}

pub(crate) fn find(shared: &Shared) -> Vec<Problem> {
    let layout = shared.root.layout();
    let mut found = Found::default();
    let index = Repositories::read(layout);
    if let Ok(Some(why)) = index.as_ref().map(Repositories::damage) {
        let all: Vec<String> =
            references::image_ids(layout).unwrap_or_default().iter().map(|id| id.0.short()).collect();
        found.add(layout.repositories(), why.into(), REBUILD, &all);
    }
    volumes(layout, &mut found);
    let names = index.map(|index| index.by_image()).unwrap_or_default();
    let containers = Container::all(layout).unwrap_or_default();
    for container in &containers {
        if let Some((path, why)) = &container.damage {
            found.add(path.clone(), why.clone(), "remove the container", std::slice::from_ref(&container.id));
        }
    }
    let ids = references::image_ids(layout).unwrap_or_default();
    let lost = names.keys().filter(|id| !layout.content(**id).exists()).copied();
    for id in lost.chain(ids.iter().copied()) {
        image(shared, id, &hits(id, names.get(&id), &containers), &mut found);
    }
    let problem = |(path, (what, remedy, hits)): (PathBuf, (String, &str, BTreeSet<String>))| Problem {
        path,
        what,
        hits: hits.into_iter().collect(),
        remedy: remedy.into(),
    };
    found.0.into_iter().map(problem).collect()
}

/// What an image is called, and the containers made of it.
fn hits(id: ImageId, names: Option<&Names>, containers: &[Container]) -> Vec<String> {
    let mut hits = names.map(|names| names.tags.clone()).unwrap_or_default();
    if hits.is_empty() {
        hits.push(id.0.short());
    }
    let of_it = containers.iter().filter(|container| container.image == Some(id));
    hits.extend(of_it.map(|container| format!("container {}", container.name)));
    hits
}

fn image(shared: &Shared, id: ImageId, hits: &[String], found: &mut Found) {
    let layout = shared.root.layout();
    let config = match shared.configs.get(layout, id) {
        Ok(Ok(stored)) if is_stored(layout, id) => &stored.config.rootfs.diff_ids.clone(),
        Ok(Ok(_)) => {
            found.add(layout.content(id), format!("expected the configuration {id}, found other bytes"), RELOAD, hits);
            return;
        }
        Ok(Err(why)) => return found.add(layout.content(id), why, RELOAD, hits),
        Err(error) => return found.add(layout.content(id), error.to_string(), RELOAD, hits),
    };
    for chain in ChainId::all(config) {
        let checked = Layer::read(layout, chain).and_then(|layer| match layer {
            Some(layer) => layer.check(layout).map(|()| true),
            None => Ok(false),
        });
        match checked {
            Ok(true) => {}
            Ok(false) => {
                found.add(layout.layer(chain), format!("expected the layer {chain}, found nothing"), RELOAD, hits);
            }
            Err(damage) => found.add(damage.path, damage.what, RELOAD, hits),
        }
    }
}

fn volumes(layout: &Layout, found: &mut Found) {
    let path = layout.metadata_db();
    if let Err(error) = read_beside(&path, b"volumes") {
        if matches!(&error, UpdateError::Io(source) if source.kind() == std::io::ErrorKind::NotFound) {
            return;
        }
        let what = format!("expected volumes' labels and options: {error}");
        let hits: Vec<String> = volume_names(layout).into_iter().map(|name| format!("volume {name}")).collect();
        found.add(path, what, REBUILD, &hits);
    }
}

/// The volumes that have a directory.
pub(crate) fn volume_names(layout: &Layout) -> Vec<String> {
    let names = files::names(&layout.volumes()).unwrap_or_default();
    let mut names: Vec<String> =
        names.into_iter().filter(|name| layout.volumes().join(name).join("_data").is_dir()).collect();
    names.sort();
    names
}

/// What `metadata.db` says of volumes, by name; nothing if it cannot be read.
pub(crate) fn volume_records(layout: &Layout) -> BTreeMap<String, serde_json::Value> {
    let pairs = read_beside(&layout.metadata_db(), b"volumes").unwrap_or_default();
    let record =
        |(name, value): (Vec<u8>, Vec<u8>)| Some((String::from_utf8(name).ok()?, serde_json::from_slice(&value).ok()?));
    pairs.into_iter().filter_map(record).collect()
}

pub(crate) fn repair(shared: &Shared) -> Result<Vec<String>, ImageError> {
    let layout = shared.root.layout();
    let mut done = Vec::new();
    let mut transaction = shared.root.begin()?;
    let held = shared.root.change()?;
    let unreadable = || ImageError::io("read", layout.repositories());
    if Repositories::read(layout).map_err(unreadable())?.damage().is_some() {
        let rebuilt = Repositories::read_to_change(layout).map_err(unreadable())?;
        rebuilt.write(&mut transaction).map_err(ImageError::io("write", layout.repositories()))?;
        done.push(format!("{}: {} names found again", layout.repositories().display(), rebuilt.ids().count()));
    }
    let path = layout.metadata_db();
    let bytes = files::read(&path, LARGEST_DB).map_err(ImageError::io("read", &path))?;
    if bolt::read(&bytes, b"volumes").is_err() {
        let names = volume_names(layout);
        let record = |name: &String| {
            let value = serde_json::json!({"Name": name, "Driver": "local", "Labels": null, "Options": null});
            (name.clone().into_bytes(), value.to_string().into_bytes())
        };
        // In place, because the lock is on this very file. It was broken: there is nothing to lose.
        let bytes = bolt::write(b"volumes", names.iter().map(record).collect());
        std::fs::write(&path, bytes).map_err(ImageError::io("write", &path))?;
        done.push(format!("{}: {} volumes found again, without labels and options", path.display(), names.len()));
    }
    drop(held);
    transaction.finish().map_err(ImageError::io("write in", layout.transactions()))?;
    Ok(done)
}
