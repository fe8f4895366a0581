//! Repairing registered layers: damaged entries, missing or wrong content.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use outcrop_layers::digest::ChainId;
use rustix::fs::{CWD, RenameFlags};

use crate::driver::CacheId;
use crate::layer::store::{self, Layer};
use crate::root::files;
use crate::root::layout::Layout;

/// The name of a layer's content: from its entry or, when that is lost, from what a layer above calls it.
pub(crate) fn cache_of(layout: &Layout, chain: ChainId) -> Option<CacheId> {
    let text = files::read_text(&layout.layer(chain).join("cache-id")).ok().flatten();
    if let Some(cache) = text.and_then(|text| text.parse().ok()) {
        return Some(cache);
    }
    let link = layout.data().join("l").join(link_by_child(layout, chain)?);
    let target = fs::read_link(link).ok()?;
    target.to_str()?.strip_prefix("../")?.strip_suffix("/diff")?.parse().ok()
}

/// Layers that others lie on but that the register has lost.
pub(crate) fn lost_parents(layout: &Layout) -> io::Result<HashSet<ChainId>> {
    let all: HashSet<ChainId> = store::all(layout)?.into_iter().collect();
    let parent = |chain: &ChainId| files::read_text(&layout.layer(*chain).join("parent")).ok().flatten()?.parse().ok();
    Ok(all.iter().filter_map(parent).filter(|parent| !all.contains(parent)).collect())
}

/// The short link of a layer, as a layer on it has it: `lower` begins with it.
fn link_by_child(layout: &Layout, chain: ChainId) -> Option<String> {
    let children = store::all(layout).ok()?;
    let child = children
        .into_iter()
        .find_map(|child| Layer::read(layout, child).ok().flatten().filter(|layer| layer.parent == Some(chain)))?;
    let lower = files::read_text(&layout.data().join(&child.cache).join("lower")).ok()??;
    let first = lower.trim().split(':').next()?.strip_prefix("l/")?;
    is_link(first).then(|| first.to_owned())
}

fn is_link(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Gives the staged content of a layer the short link that it had, so that the layers above still find it.
pub(crate) fn keep_link(layout: &Layout, chain: ChainId, cache: &CacheId, staged: &Path) -> io::Result<()> {
    let links = layout.data().join("l");
    let target = format!("../{cache}/diff");
    let old = files::names(&links)?
        .into_iter()
        .find(|name| fs::read_link(links.join(name)).is_ok_and(|found| found.as_os_str() == target.as_str()))
        .or_else(|| link_by_child(layout, chain));
    if let Some(old) = old.filter(|name| is_link(name)) {
        fs::write(staged.join("link"), &old)?;
        // It leads nowhere: publishing makes it anew.
        files::if_there(fs::remove_file(links.join(old)))?;
    }
    // What may be left of the directory would be in the way.
    let rest = layout.data().join(cache);
    if rest.exists() {
        let away = staged.with_extension("rest");
        fs::rename(&rest, away)?;
    }
    Ok(())
}

/// Lets two directories change places.
pub(crate) fn exchange(staged: &Path, target: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(CWD, staged, CWD, target, RenameFlags::EXCHANGE)?)
}

/// Puts a directory in its place; one that is there changes places with it.
pub(crate) fn put(staged: &Path, target: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, staged, CWD, target, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::EXIST) => exchange(staged, target),
        renamed => Ok(renamed?),
    }
}
