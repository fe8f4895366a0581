//! What the upper directory holds, as far as it has been told.

use std::collections::HashMap;

use super::event::{Lower, Node};
use crate::sys::handle::Handle;

/// Number of an entry.
pub(crate) type Id = u32;

/// The top of the upper directory.
pub(crate) const TOP: Id = 0;

/// One entry of the upper directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) parent: Id,
    pub(crate) name: Box<[u8]>,
    /// What it is; `None` for a whiteout.
    pub(crate) node: Option<Node>,
    /// What names the file itself.
    pub(crate) handle: Option<Handle>,
    /// Whether a lower layer has something at this path; `None` while nobody has asked.
    pub(crate) over: Option<bool>,
    /// The lower file that it is a copy of.
    pub(crate) lower: Option<Box<Lower>>,
    /// Where a renamed directory of a lower layer is there.
    pub(crate) lower_path: Option<Box<[u8]>>,
    /// Whether only its metadata were copied.
    pub(crate) metadata_only: bool,
    /// Whether they were copied without content at first: overlayfs sets attributes when it adds the content.
    pub(crate) was_metadata_only: bool,
    /// Whether a write was told before its report, which the kernel may have merged with that of the copy-up.
    pub(crate) foretold: bool,
    /// Whether a scan told of it before its event came.
    pub(crate) told: bool,
    /// Whether the directory hides what lower layers have.
    pub(crate) opaque: bool,
    /// What it was when last looked at.
    pub(crate) known: Option<Known>,
    /// Only the model changes it.
    pub(crate) children: HashMap<Box<[u8]>, Id>,
}

impl Entry {
    /// The same without what is in it.
    pub(crate) fn clone_without_children(&self) -> Self {
        Self { children: HashMap::new(), ..self.clone() }
    }
}

/// Metadata that are compared. A time of modification of zero is one that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) size: u64,
    pub(crate) mtime: (i64, i64),
    /// Whether it has several names.
    pub(crate) linked: bool,
}

impl From<&rustix::fs::Stat> for Known {
    fn from(stat: &rustix::fs::Stat) -> Self {
        Self {
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            size: stat.st_size as u64,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as i64),
            linked: stat.st_nlink > 1,
        }
    }
}

/// The entries, in an arena: an entry that goes leaves its number to a later one.
#[derive(Debug)]
pub(crate) struct Model {
    entries: Vec<Entry>,
    free: Vec<Id>,
}

impl Default for Model {
    fn default() -> Self {
        let top = Entry { node: Some(Node::Directory), over: Some(true), ..Entry::default() };
        Self { entries: vec![top], free: Vec::new() }
    }
}

impl Model {
    /// Entries, without the top.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len() - 1
    }

    pub(crate) fn get(&self, id: Id) -> &Entry {
        &self.entries[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> &mut Entry {
        &mut self.entries[id as usize]
    }

    pub(crate) fn child(&self, parent: Id, name: &[u8]) -> Option<Id> {
        self.get(parent).children.get(name).copied()
    }

    pub(crate) fn children(&self, parent: Id) -> impl Iterator<Item = Id> + '_ {
        self.get(parent).children.values().copied()
    }

    /// Whether an entry is below the top: it has not been taken out or forgotten, nor anything above it.
    pub(crate) fn is_live(&self, id: Id) -> bool {
        let mut at = id;
        while at != TOP {
            let Some(entry) = self.entries.get(at as usize) else { return false };
            if self.child(entry.parent, &entry.name) != Some(at) {
                return false;
            }
            at = entry.parent;
        }
        true
    }

    /// Puts `entry` into its parent. What was there under its name must have been taken out.
    pub(crate) fn insert(&mut self, entry: Entry) -> Id {
        let (parent, name) = (entry.parent, entry.name.clone());
        let id = if let Some(id) = self.free.pop() {
            self.entries[id as usize] = entry;
            id
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as Id
        };
        self.get_mut(parent).children.insert(name, id);
        id
    }

    /// Takes an entry out of its directory, with all below it; it can be put back.
    pub(crate) fn take_out(&mut self, id: Id) {
        let entry = self.get(id);
        let (parent, name) = (entry.parent, entry.name.clone());
        if self.child(parent, &name) == Some(id) {
            self.get_mut(parent).children.remove(&name);
        }
    }

    /// Puts an entry that was taken out into `parent` under `name`.
    pub(crate) fn put(&mut self, id: Id, parent: Id, name: &[u8]) {
        let entry = self.get_mut(id);
        entry.parent = parent;
        entry.name = name.into();
        self.get_mut(parent).children.insert(name.into(), id);
    }

    /// Forgets an entry that was taken out and all below it; `gone` gets each.
    pub(crate) fn forget(&mut self, id: Id, gone: &mut dyn FnMut(Id, &Entry)) {
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            let entry = std::mem::take(self.get_mut(id));
            left.extend(entry.children.values());
            gone(id, &entry);
            self.free.push(id);
        }
    }

    /// The path from the top, without a leading slash.
    pub(crate) fn path(&self, id: Id) -> Vec<u8> {
        self.joined(id, |_| None)
    }

    /// The path at which lower layers have what is at `id`: that of the directory they had before it was renamed.
    pub(crate) fn lower_path(&self, id: Id) -> Vec<u8> {
        self.joined(id, |entry| entry.lower_path.as_deref())
    }

    fn joined<'a>(&'a self, id: Id, begin: impl Fn(&'a Entry) -> Option<&'a [u8]>) -> Vec<u8> {
        let (mut parts, mut at) = (Vec::new(), id);
        while at != TOP {
            let entry = self.get(at);
            if let Some(path) = begin(entry) {
                parts.push(path);
                break;
            }
            parts.push(&entry.name);
            at = entry.parent;
        }
        parts.reverse();
        parts.join(&b'/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(model: &mut Model, parent: Id, name: &str) -> Id {
        model.insert(Entry { parent, name: name.as_bytes().into(), node: Some(Node::Directory), ..Entry::default() })
    }

    #[test]
    fn a_renamed_directory_keeps_what_is_in_it() {
        let mut model = Model::default();
        let a = add(&mut model, TOP, "a");
        let b = add(&mut model, a, "b");
        let c = add(&mut model, b, "c");
        assert_eq!(model.path(c), b"a/b/c");
        model.take_out(b);
        model.put(b, TOP, b"moved");
        model.get_mut(b).lower_path = Some(b"a/b"[..].into());
        assert_eq!((model.path(c), model.lower_path(c)), (b"moved/c".to_vec(), b"a/b/c".to_vec()));
        assert_eq!((model.len(), model.child(a, b"b")), (3, None));
        model.take_out(b);
        let mut gone = Vec::new();
        model.forget(b, &mut |id, _| gone.push(id));
        assert_eq!((gone, model.len()), (vec![b, c], 1));
        assert_eq!([a, b, c].map(|id| model.is_live(id)), [true, false, false]);
        let again = add(&mut model, a, "again");
        assert!([b, c].contains(&again));
        assert_eq!(model.children(a).collect::<Vec<_>>(), [again]);
    }
}
