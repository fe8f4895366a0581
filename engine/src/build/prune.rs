//! The build cache: images without a name that steps left, and directories of `--mount=type=cache`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;

use outcrop_layers::digest::{ChainId, ImageId};

use crate::driver;
use crate::filters::Filters;
use crate::image::{ErrorKind, ImageError, Images, ListOptions, references};
use crate::progress::Ctx;
use crate::root::files;
use crate::root::layout::Layout;

/// Where the directories of cache mounts are.
pub(crate) fn caches(layout: &Layout) -> PathBuf {
    layout.own().join("cache")
}

/// One thing in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheItem {
    /// An image's ID, or a cache directory's name.
    pub id: String,
    /// The image before it.
    pub parent: Option<ImageId>,
    /// `regular` for the image of a step, `exec.cachemount` for a directory.
    pub kind: &'static str,
    /// What it is, in words: the step.
    pub description: String,
    /// Whether an image with a name or a container stands on it.
    pub in_use: bool,
    /// Whether its layer belongs to other images too.
    pub shared: bool,
    /// Bytes that are there for it alone.
    pub size: u64,
    /// When it was made, seconds since 1970.
    pub created: i64,
}

/// What pruning removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// IDs.
    pub ids: Vec<String>,
    /// Bytes.
    pub bytes: u64,
}

/// Lists the cache.
pub fn list(images: &Images) -> Result<Vec<CacheItem>, ImageError> {
    let layout = images.layout();
    let parents = references::parents(layout).map_err(images.unreadable())?;
    let options = ListOptions { all: true, containers: true, ..ListOptions::default() };
    let all = images.list(&options)?;
    let mut used: HashSet<ImageId> = HashSet::new();
    for image in &all {
        if image.tags.is_empty() && image.digests.is_empty() && image.containers.unwrap_or(0) == 0 {
            continue;
        }
        let mut next = Some(image.id);
        while let Some(id) = next.filter(|id| used.insert(*id)) {
            next = parents.get(&id).copied();
        }
    }
    let mut layers: HashMap<ChainId, usize> = HashMap::new();
    for image in &all {
        let stored = images.shared.configs.get(layout, image.id).ok().and_then(Result::ok);
        for chain in stored.map(|s| ChainId::all(&s.config.rootfs.diff_ids)).unwrap_or_default() {
            *layers.entry(chain).or_default() += 1;
        }
    }
    let mut items = Vec::new();
    for image in all.iter().filter(|image| image.tags.is_empty() && image.digests.is_empty()) {
        let built = files::read_text(&layout.metadata(image.id).join("builtLocally")).is_ok_and(|text| text.is_some());
        let parent = parents.get(&image.id).copied();
        let Ok(stored) = images.get(image.id).map(|found| found.stored) else { continue };
        if !built && parent.is_none() {
            continue;
        }
        let top = ChainId::all(&stored.config.rootfs.diff_ids).pop();
        let last = stored.config.history.last();
        let own = top.filter(|_| last.is_some_and(|step| !step.empty_layer));
        items.push(CacheItem {
            id: image.id.to_string(),
            parent,
            kind: "regular",
            description: last.and_then(|step| step.created_by.clone()).unwrap_or_default(),
            in_use: used.contains(&image.id),
            shared: own.is_some_and(|chain| layers.get(&chain).is_some_and(|n| *n > 1)),
            size: own.and_then(|chain| images.shared.layers.size(layout, chain)).unwrap_or(0),
            created: image.created,
        });
    }
    items.extend(directories(layout));
    Ok(items)
}

fn directories(layout: &Layout) -> Vec<CacheItem> {
    let names = files::names(&caches(layout)).unwrap_or_default();
    let item = |name: String| {
        let path = caches(layout).join(&name);
        let lock = File::open(path.with_extension("lock"));
        let in_use = lock.is_ok_and(|lock| lock.try_lock().is_err());
        let size = File::open(&path).ok().and_then(|dir| driver::usage(&dir).ok()).map_or(0, |usage| usage.apparent);
        let made = std::fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let created = made.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        CacheItem {
            id: name,
            parent: None,
            kind: "exec.cachemount",
            description: "directory of RUN --mount=type=cache".into(),
            in_use,
            shared: false,
            size,
            created: created.map_or(0, |since| since.as_secs() as i64),
        }
    };
    names.into_iter().filter(|name| name.len() == 64).map(item).collect()
}

/// Removes what nothing stands on; with `all` also the steps between images that have a name, which keep their layers, and the
/// directories of cache mounts.
pub fn prune(images: &Images, all: bool, filters: &Filters, ctx: Ctx<'_>) -> Result<Pruned, ImageError> {
    filters.accept(&["until", "id", "type"])?;
    images.shared.root.writable()?;
    let until = crate::image::list::until(filters)?;
    if all {
        forget_parents(images)?;
    }
    let before = images_size(images)?;
    let mut pruned = Pruned::default();
    // Leaves first: removing one with all before it that nothing needs may take several.
    for item in list(images)?.iter().filter(|item| item.kind == "regular") {
        let kept = until.is_some_and(|until| item.created > until)
            || !filters.allows("id", &item.id)
            || !filters.allows("type", item.kind);
        if item.in_use || kept || ctx.cancel.is_cancelled() {
            continue;
        }
        match images.remove(&item.id, false, true, ctx) {
            Ok(removed) => pruned.ids.extend(removed.into_iter().filter_map(|gone| match gone {
                crate::image::Removed::Deleted(id) => Some(id),
                crate::image::Removed::Untagged(_) => None,
            })),
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    pruned.bytes = before.saturating_sub(images_size(images)?);
    if all {
        remove_directories(images.layout(), filters, &mut pruned);
    }
    let attributes = BTreeMap::from([("reclaimed".into(), pruned.bytes.to_string())]);
    images.shared.events.log("builder", "prune", "", attributes);
    Ok(pruned)
}

fn images_size(images: &Images) -> Result<u64, ImageError> {
    let layout = images.layout();
    let all = crate::layer::store::all(layout).map_err(images.unreadable())?;
    Ok(all.iter().filter_map(|chain| images.shared.layers.size(layout, *chain)).sum())
}

/// Makes images with a name forget what they were built from.
fn forget_parents(images: &Images) -> Result<(), ImageError> {
    let layout = images.layout();
    let named: Vec<ImageId> = images
        .list(&ListOptions { all: true, ..ListOptions::default() })?
        .into_iter()
        .filter(|image| !image.tags.is_empty() || !image.digests.is_empty())
        .map(|image| image.id)
        .collect();
    let _held = images.shared.root.change()?;
    for id in named {
        let path = layout.metadata(id).join("parent");
        files::if_there(std::fs::remove_file(&path)).map_err(ImageError::io("remove", &path))?;
        // From nothing it was not built either: it would be found there.
        let path = layout.metadata(id).join("builtLocally");
        files::if_there(std::fs::remove_file(&path)).map_err(ImageError::io("remove", &path))?;
    }
    Ok(())
}

fn remove_directories(layout: &Layout, filters: &Filters, pruned: &mut Pruned) {
    for item in directories(layout) {
        let path = caches(layout).join(&item.id);
        let wanted = filters.allows("id", &item.id) && filters.allows("type", item.kind);
        let Ok(lock) = File::open(path.with_extension("lock")) else { continue };
        if wanted && lock.try_lock().is_ok() && std::fs::remove_dir_all(&path).is_ok() {
            pruned.bytes += item.size;
            pruned.ids.push(item.id);
        }
    }
}
