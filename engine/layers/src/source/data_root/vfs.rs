//! The `vfs` driver keeps a whole copy for each layer: what a layer changed is the difference of two copies.

use std::collections::{HashMap, hash_map};

use crate::entry::{Entry, Kind};
use crate::index::{EntryRef, FileType, IndexBuilder, IndexError, LayerIndex};

/// What `above` changed of `below`, by metadata: a file of the same size, time, mode, owner and attributes is the same.
pub(super) fn changes(below: &LayerIndex, above: &LayerIndex) -> Result<LayerIndex, IndexError> {
    let mut changes = IndexBuilder::new();
    let mut stored: HashMap<u32, Box<[u8]>> = HashMap::new();
    for entry in above.entries() {
        if below.find(&entry.path()).is_some_and(|old| is_same(&old, &entry)) {
            continue;
        }
        let mut changed = entry.to_entry();
        if entry.file_type().is_file() {
            // The first name that changed holds the file, later ones link to it.
            changed.kind = match stored.entry(above.first_name(entry.position())) {
                hash_map::Entry::Occupied(first) => Kind::Hardlink { target: first.get().clone() },
                hash_map::Entry::Vacant(first) => {
                    first.insert(changed.path.clone());
                    Kind::File { size: entry.size(), disk: entry.disk() }
                }
            };
        }
        changes.entry(&changed)?;
    }
    let mut gone: Option<Vec<u8>> = None;
    for old in below.entries() {
        let path = old.path();
        let inside = gone.as_ref().is_some_and(|gone| path.starts_with(gone) && path.get(gone.len()) == Some(&b'/'));
        if inside {
            continue;
        }
        let there = above.find(&path).map(|entry| entry.file_type());
        if there.is_none() {
            changes.entry(&Entry { kind: Kind::Whiteout, ..old.to_entry() })?;
        }
        if there != Some(FileType::Directory) {
            gone = Some(path);
        }
    }
    Ok(changes.finish())
}

fn is_same(old: &EntryRef<'_>, new: &EntryRef<'_>) -> bool {
    let plain = |file_type| if file_type == FileType::Hardlink { FileType::File } else { file_type };
    plain(old.file_type()) == plain(new.file_type())
        && (old.size(), old.mode(), old.uid(), old.gid()) == (new.size(), new.mode(), new.uid(), new.gid())
        && old.mtime() == new.mtime()
        && old.device() == new.device()
        && old.xattrs() == new.xattrs()
        && (old.file_type() != FileType::Symlink || old.target() == new.target())
}
