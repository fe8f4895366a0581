//! The register of layers (`layerdb`): which chains are stored, and where.

use std::collections::HashMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use outcrop_layers::digest::{ChainId, DiffId, Digest};

use crate::driver::CacheId;
use crate::root::files;
use crate::root::layout::Layout;

/// What the register says of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) chain: ChainId,
    pub(crate) diff: DiffId,
    pub(crate) parent: Option<ChainId>,
    pub(crate) cache: CacheId,
    /// Sum of its regular files, bytes.
    pub(crate) size: u64,
}

/// Says why an entry of the register cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub(crate) struct LayerDamage {
    /// The file or directory.
    pub(crate) path: PathBuf,
    /// Expected and found.
    pub(crate) what: String,
}

/// Name of the stored tar-split.
pub(crate) const TAR_SPLIT: &str = "tar-split.json.gz";

fn damage(path: &Path, what: impl Into<String>) -> LayerDamage {
    LayerDamage { path: path.into(), what: what.into() }
}

fn field(entry: &Path, name: &str, expected: &str) -> Result<String, LayerDamage> {
    let path = entry.join(name);
    match files::read_text(&path) {
        Ok(Some(text)) if text.is_empty() => Err(damage(&path, format!("expected {expected}, found an empty file"))),
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(damage(&path, format!("expected {expected}, found no file"))),
        Err(error) => Err(damage(&path, format!("expected {expected}: {error}"))),
    }
}

impl Layer {
    /// Reads an entry; `None` if there is none.
    pub(crate) fn read(layout: &Layout, chain: ChainId) -> Result<Option<Self>, LayerDamage> {
        let entry = layout.layer(chain);
        if !entry.is_dir() {
            return Ok(None);
        }
        let (parent, diff) = Self::read_identity(&entry, chain)?;
        let text = field(&entry, "cache-id", "the name of a directory")?;
        let cache = text.parse().map_err(|error| damage(&entry.join("cache-id"), format!("{error}")))?;
        let size = Self::read_size(&entry)?;
        Ok(Some(Self { chain, diff, parent, cache, size }))
    }

    fn read_identity(entry: &Path, chain: ChainId) -> Result<(Option<ChainId>, DiffId), LayerDamage> {
        let text = field(entry, "diff", "a diff ID")?;
        let diff: DiffId = text.parse().map_err(|error| damage(&entry.join("diff"), format!("{error}")))?;
        let path = entry.join("parent");
        let parent = match files::read_text(&path).map_err(|error| damage(&path, error.to_string()))? {
            None => None,
            Some(text) => Some(text.parse::<ChainId>().map_err(|error| damage(&path, format!("{error}")))?),
        };
        let found = ChainId::on(parent, diff);
        if found != chain {
            let what = format!("its diff ID and parent make chain {found}, expected {chain}");
            return Err(damage(entry, what));
        }
        Ok((parent, diff))
    }

    fn read_size(entry: &Path) -> Result<u64, LayerDamage> {
        let text = field(entry, "size", "a number")?;
        text.parse().map_err(|_| damage(&entry.join("size"), format!("expected a number, found {text:?}")))
    }

    /// Checks that the layer's content and tar-split are there; reads no content.
    pub(crate) fn check(&self, layout: &Layout) -> Result<(), LayerDamage> {
        let content = layout.data().join(&self.cache);
        let diff = if layout.driver() == "overlay2" { content.join("diff") } else { content };
        if !diff.is_dir() {
            return Err(damage(&diff, "expected the layer's directory, found none"));
        }
        let split = layout.layer(self.chain).join(TAR_SPLIT);
        match std::fs::metadata(&split) {
            Ok(meta) if meta.len() > 0 => Ok(()),
            Ok(_) => Err(damage(&split, "expected the layer's tar-split, found an empty file")),
            // Docker works without; only save and push need it, and say so then.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(damage(&split, error.to_string())),
        }
    }

    /// Writes an entry into a new directory, without a tar-split. Nothing is synced: a sync of the whole file system follows.
    pub(crate) fn write(&self, entry: &Path) -> io::Result<()> {
        let write = |name: &str, text: String| {
            let path = entry.join(name);
            std::fs::write(&path, text)?;
            std::fs::set_permissions(path, Permissions::from_mode(0o644))
        };
        write("diff", self.diff.to_string())?;
        write("size", self.size.to_string())?;
        write("cache-id", self.cache.to_string())?;
        self.parent.map_or(Ok(()), |parent| write("parent", parent.to_string()))
    }
}

/// The chains that have an entry, whole or not.
pub(crate) fn all(layout: &Layout) -> io::Result<Vec<ChainId>> {
    let names = files::names(&layout.layers())?;
    Ok(names.iter().filter_map(|name| Digest::from_hex(name).ok()).map(ChainId).collect())
}

/// Sizes and diff IDs by chain: they follow from the chain, so they never change.
#[derive(Default)]
pub(crate) struct LayerCache {
    known: Mutex<HashMap<ChainId, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    diff: DiffId,
    size: Option<u64>,
}

impl LayerCache {
    fn known(&self, layout: &Layout, chain: ChainId) -> Option<Known> {
        let lock = || self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = lock().get(&chain) {
            return Some(*known);
        }
        let entry = layout.layer(chain);
        let (_, diff) = Layer::read_identity(&entry, chain).ok()?;
        let known = Known { diff, size: Layer::read_size(&entry).ok() };
        if known.size.is_some() {
            lock().insert(chain, known);
        }
        Some(known)
    }

    /// Bytes of the layer's regular files, `None` if the register cannot tell.
    pub(crate) fn size(&self, layout: &Layout, chain: ChainId) -> Option<u64> {
        self.known(layout, chain)?.size
    }

    /// The layer's diff ID.
    pub(crate) fn diff(&self, layout: &Layout, chain: ChainId) -> Option<DiffId> {
        Some(self.known(layout, chain)?.diff)
    }
}
