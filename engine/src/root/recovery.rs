//! Removes what dead transactions left.
//!
//! There is one rule for all of them, loads and removals alike: of what an intent names, whatever nothing refers to goes - images
//! without a name, child or container; then layers that no image, container or layer needs; then content that no layer and no
//! container is registered with. What a load had finished is referred to and stays; what a removal had begun is not and goes on.
//! Nothing else in the root is touched: what other programs left behind is only listed (`usage`).

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use outcrop_layers::digest::{ChainId, ImageId};

use super::files;
use super::layout::Layout;
use super::lock::Changing;
use super::transaction::Record;
use crate::driver::CacheId;
use crate::image::references::{self, UsedCaches};
use crate::layer::store::Layer;

/// What entries of the register are called in a transaction's directory.
const ENTRY: &str = "entry-of";

/// Undoes or completes every transaction whose process is gone; tells how many there were.
pub(crate) fn recover(layout: &Layout, held: &Changing) -> io::Result<usize> {
    let mut dead = 0;
    for name in files::names(&layout.transactions())? {
        let directory = layout.transactions().join(name);
        let Owner::Dead(lock) = owner(&directory)? else { continue };
        let records = Record::read(&directory.join("intent"))?;
        undo(layout, held, &directory, &records)?;
        clear(layout, &directory)?;
        drop(lock);
        dead += 1;
    }
    Ok(dead)
}

/// Whose a transaction is.
enum Owner {
    Living,
    /// Nobody's; its lock is ours now, if it still has one.
    Dead(Option<File>),
}

fn owner(directory: &Path) -> io::Result<Owner> {
    let Some(lock) = files::if_there(File::open(directory.join("lock")))? else {
        // It ended and was being deleted, the lock first.
        return Ok(Owner::Dead(None));
    };
    match lock.try_lock() {
        Ok(()) => Ok(Owner::Dead(Some(lock))),
        Err(TryLockError::WouldBlock) => Ok(Owner::Living),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The layers that living transactions count on, except the one in `except`.
pub(crate) fn leases(layout: &Layout, except: Option<&Path>) -> io::Result<HashSet<ChainId>> {
    let mut leases = HashSet::new();
    for name in files::names(&layout.transactions())? {
        let directory = layout.transactions().join(name);
        if except == Some(&directory) || matches!(owner(&directory)?, Owner::Dead(_)) {
            continue;
        }
        let records = Record::read(&directory.join("intent"))?;
        if records.last() != Some(&Record::Done) {
            leases.extend(records.into_iter().filter_map(|record| match record {
                Record::Lease(chain) => Some(chain),
                _ => None,
            }));
        }
    }
    Ok(leases)
}

/// Removes what `records` name and nothing refers to, by moving it into `directory`.
pub(crate) fn undo(layout: &Layout, _held: &Changing, directory: &Path, records: &[Record]) -> io::Result<()> {
    if records.is_empty() || records.last() == Some(&Record::Done) {
        return Ok(());
    }
    let away = Away { directory, layout };
    let images = records.iter().rev().filter_map(|r| if let Record::Image(id) = r { Some(*id) } else { None });
    for id in images {
        away.image(id)?;
    }
    // Later ones lie on earlier ones.
    let chains: Vec<ChainId> = records
        .iter()
        .rev()
        .filter_map(|record| match record {
            Record::Chain(chain) | Record::Lease(chain) => Some(*chain),
            _ => None,
        })
        .collect();
    away.chains(&chains)?;
    let mut caches: Vec<CacheId> =
        records.iter().filter_map(|r| if let Record::Cache(id) = r { Some(id.clone()) } else { None }).collect();
    caches.extend(moved_entries(directory)?);
    if caches.iter().any(|cache| layout.data().join(cache).exists()) {
        let used = references::used_caches(layout)?;
        for cache in &caches {
            away.content(cache, &used)?;
        }
    }
    Ok(())
}

/// The content of layers whose entries were moved away: whoever did that may have been killed before the content followed.
fn moved_entries(directory: &Path) -> io::Result<Vec<CacheId>> {
    let mut caches = Vec::new();
    for name in files::names(directory)?.iter().filter(|name| name.starts_with(ENTRY)) {
        let text = files::read_text(&directory.join(name).join("cache-id")).ok().flatten();
        caches.extend(text.and_then(|text| text.parse().ok()));
    }
    Ok(caches)
}

/// Removes unreferenced layers of `chains` (each after those that lie on it) under the short lock, and tells which.
pub(crate) fn collect(
    layout: &Layout,
    _held: &Changing,
    directory: &Path,
    chains: &[ChainId],
) -> io::Result<Vec<ChainId>> {
    Away { directory, layout }.chains(chains)
}

struct Away<'a> {
    directory: &'a Path,
    layout: &'a Layout,
}

impl Away<'_> {
    /// A name that nothing has yet.
    fn fresh(&self, what: &str) -> PathBuf {
        let name = |n: u32| self.directory.join(format!("{what}-{n}"));
        let mut n = 0;
        while fs::symlink_metadata(name(n)).is_ok() {
            n += 1;
        }
        name(n)
    }

    fn image(&self, id: ImageId) -> io::Result<()> {
        if !self.layout.content(id).exists() && !self.layout.metadata(id).exists() {
            return Ok(());
        }
        if references::image_is_used(self.layout, id)? {
            return Ok(());
        }
        for path in [self.layout.content(id), self.layout.metadata(id)] {
            files::if_there(files::rename(&path, &self.fresh("image")))?;
        }
        Ok(())
    }

    fn chains(&self, chains: &[ChainId]) -> io::Result<Vec<ChainId>> {
        let mut removed = Vec::new();
        if !chains.iter().any(|chain| self.layout.layer(*chain).exists()) {
            return Ok(removed);
        }
        let mut used = references::used_chains(self.layout, Some(self.directory))?;
        let mut caches: Option<UsedCaches> = None;
        for chain in chains {
            let entry = self.layout.layer(*chain);
            if !entry.exists() || used.contains(*chain) {
                continue;
            }
            // What cannot be read has no content that could be found.
            let layer = Layer::read(self.layout, *chain).ok().flatten();
            files::rename(&entry, &self.fresh(ENTRY))?;
            used.forget(*chain);
            removed.push(*chain);
            let Some(layer) = layer else { continue };
            match &mut caches {
                Some(caches) => caches.forget(&layer.cache),
                None => caches = Some(references::used_caches(self.layout)?),
            }
            if let Some(caches) = &caches {
                self.content(&layer.cache, caches)?;
            }
        }
        Ok(removed)
    }

    /// Moves a layer's content away, unless a layer or a container is registered with it.
    fn content(&self, cache: &CacheId, used: &UsedCaches) -> io::Result<()> {
        let path = self.layout.data().join(cache);
        if used.contains(cache) || !path.exists() {
            return Ok(());
        }
        let away = self.fresh("content");
        files::rename(&path, &away)?;
        forget_link(self.layout, &away)
    }
}

/// Removes the short link of content that was moved away, or was never published.
fn forget_link(layout: &Layout, content: &Path) -> io::Result<()> {
    let Some(name) = files::read_text(&content.join("link")).ok().flatten() else { return Ok(()) };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let link = layout.data().join("l").join(name);
    // One that leads somewhere is another layer's.
    if link.exists() { Ok(()) } else { files::if_there(fs::remove_file(link)).map(drop) }
}

/// Deletes a transaction's directory with all that was staged in it or moved into it.
pub(crate) fn clear(layout: &Layout, directory: &Path) -> io::Result<()> {
    for name in files::names(directory)? {
        let path = directory.join(name);
        if path.is_dir() {
            forget_link(layout, &path)?;
        }
    }
    files::if_there(fs::remove_dir_all(directory)).map(drop)
}
