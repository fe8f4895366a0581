//! Events of one file or directory in the upper directory.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, Stat};

use super::{Group, Place, Reading, Staged};
use crate::sys::fanotify::mask;
use crate::sys::handle;
use crate::watch::beneath;
use crate::watch::event::{Certainty, Kind, Node};
use crate::watch::model::{Entry, Id, Known};
use crate::watch::out::Out;
use crate::watch::raw::Raw;

impl Group {
    /// An event in the upper directory `parent` that is no rename.
    pub(super) fn in_upper(&mut self, id: u32, parent: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        if raw.name == b"." {
            self.directory_attributes(id, parent, raw, reading, out);
            return;
        }
        if raw.name.is_empty() {
            return; // the number of links changed
        }
        if raw.is(mask::CREATE) {
            self.created(id, parent, raw, reading, out);
        }
        if raw.is(mask::MODIFY | mask::CLOSE_WRITE | mask::ATTRIB)
            && let Some(entry) = self.entry(id, parent, raw)
        {
            if raw.is(mask::MODIFY | mask::CLOSE_WRITE) {
                self.written(id, entry, raw, reading, out);
            }
            if raw.is(mask::ATTRIB) && !raw.is_dir() {
                self.file_attributes(id, entry, raw, reading, out);
            }
        }
        if raw.is(mask::DELETE) {
            self.deleted(id, parent, raw, reading, out);
        }
    }

    /// The entry that an event is about: the one under that name if it is that file, else the file's.
    fn entry(&self, id: u32, parent: Id, raw: &Raw<'_>) -> Option<Id> {
        let model = &self.overlays.get(&id)?.model;
        let named = model.child(parent, raw.name);
        match self.places.get(raw.target) {
            Some(Place::Upper(of, entry)) if *of == id => {
                let is_that = named.is_some_and(|named| model.get(named).handle.as_deref() == Some(raw.target));
                let entry = if is_that { named? } else { *entry };
                // One that was replaced is written to by who still has it open: it is no file of the overlay any more.
                model.is_live(entry).then_some(entry)
            }
            _ => named.filter(|named| model.get(*named).handle.is_none()),
        }
    }

    fn created(&mut self, id: u32, parent: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let place = self.places.get(raw.target).copied();
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let existing = attachment.model.child(parent, raw.name);
        if let Some(existing) = existing
            && attachment.model.get(existing).told
        {
            attachment.model.get_mut(existing).told = false;
            return; // a scan has told it
        }
        if let Some(existing) = existing.filter(|existing| attachment.is_that(*existing, raw.target)) {
            self.seen_before(id, existing, raw, reading, out);
            return;
        }
        match place {
            Some(Place::Staged(_, staged)) => self.copied_up(id, parent, raw, staged, reading, out),
            Some(Place::Upper(of, other)) if of == id && Some(other) != existing && !raw.is_dir() => {
                self.linked(id, parent, other, raw, reading, out);
            }
            _ => self.made(id, parent, raw, existing, reading, out),
        }
    }

    /// The directory was read after this happened and before it was reported: what it was shows in the file.
    pub(super) fn seen_before(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let kind = self.kind_of(id, entry);
        let path = self.path(id, entry);
        self.tell(out, id, path, kind, raw, (Certainty::Inferred, reading.at));
    }

    fn made(&mut self, id: u32, parent: Id, raw: &Raw<'_>, existing: Option<Id>, reading: Reading, out: &mut Out) {
        let over = existing.is_some_and(|existing| self.is_over(id, existing));
        let found = self.look_for(id, parent, raw.name, raw.target);
        let node = if raw.is_dir() {
            Node::Directory
        } else {
            found.as_ref().and_then(|(stat, _)| beneath::node(stat)).unwrap_or(Node::File)
        };
        if let Some(existing) = existing {
            self.drop_entry(id, existing);
        }
        let known = found.map(|(stat, _)| Known { mtime: (0, 0), size: 0, ..Known::from(&stat) });
        let entry = self.insert(
            id,
            Entry {
                parent,
                name: raw.name.into(),
                node: Some(node),
                handle: Some(raw.target.into()),
                over: Some(over),
                known,
                ..Entry::default()
            },
        );
        self.opaque_or_new(id, entry, raw, reading, out);
    }

    fn opaque_or_new(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let path = attachment.model.path(entry);
        let new = attachment.model.get_mut(entry);
        let (node, over_whiteout) = (new.node.unwrap_or(Node::Special), new.over == Some(true));
        new.opaque = node == Node::Directory && over_whiteout;
        let kind = if new.opaque { Kind::Opaque } else { Kind::Create { node, over_whiteout } };
        if node == Node::Directory {
            self.new_directories.push((id, Some(entry)));
        }
        self.tell(out, id, path, kind, raw, (Certainty::Exact, reading.at));
    }

    /// Something was made where a whiteout was, in the work directory, and has moved here.
    pub(super) fn made_over(
        &mut self,
        id: u32,
        parent: Id,
        raw: &Raw<'_>,
        existing: Id,
        reading: Reading,
        out: &mut Out,
    ) {
        self.made(id, parent, raw, Some(existing), reading, out);
    }

    pub(super) fn linked(&mut self, id: u32, parent: Id, other: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let existing = attachment.model.child(parent, raw.name);
        let mut path = attachment.model.lower_path(parent);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(raw.name);
        let over = existing.is_some() || attachment.lowers.find(&path).is_some();
        let to = attachment.model.path(other);
        let of = attachment.model.get(other).clone_without_children();
        if let Some(existing) = existing {
            self.drop_entry(id, existing);
        }
        let entry = Entry { parent, name: raw.name.into(), over: Some(over), told: false, ..of };
        let entry = self.insert(id, entry);
        let path = self.path(id, entry);
        let to = Some(to.as_slice().into());
        self.tell(out, id, path, Kind::Link { to }, raw, (Certainty::Exact, reading.at));
    }

    /// The current state of what is at a name: metadata, and an O_PATH descriptor.
    pub(super) fn look(&self, id: u32, parent: Id, name: &[u8]) -> Option<(Stat, OwnedFd)> {
        let attachment = self.overlays.get(&id)?;
        let mut path = attachment.model.path(parent);
        if !path.is_empty() && !name.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let file = beneath::open(attachment.upper.as_fd(), &path, OFlags::PATH).ok()?;
        Some((beneath::stat(file.as_fd()).ok()?, file))
    }

    /// The same of the file with this handle: at the name if it is still there, else wherever it went.
    pub(super) fn look_for(&self, id: u32, parent: Id, name: &[u8], handle: &[u8]) -> Option<(Stat, OwnedFd)> {
        let is_that = |file: &OwnedFd| beneath::identity(file.as_fd(), b"").is_ok_and(|found| *found == *handle);
        if let Some(found) = self.look(id, parent, name).filter(|(_, file)| is_that(file)) {
            return Some(found);
        }
        let file = handle::open(self.overlays.get(&id)?.upper.as_fd(), handle).ok()?;
        Some((beneath::stat(file.as_fd()).ok()?, file))
    }

    /// The same of an entry.
    pub(super) fn look_at(&self, id: u32, entry: Id) -> Option<(Stat, OwnedFd)> {
        let known = self.overlays.get(&id)?.model.get(entry);
        match &known.handle {
            Some(handle) => self.look_for(id, known.parent, &known.name, handle),
            None => self.look(id, known.parent, &known.name),
        }
    }

    pub(super) fn path(&self, id: u32, entry: Id) -> Vec<u8> {
        self.overlays.get(&id).map(|attachment| attachment.model.path(entry)).unwrap_or_default()
    }

    /// Whether lower layers have something at the path of an entry.
    pub(super) fn is_over(&mut self, id: u32, entry: Id) -> bool {
        let Some(attachment) = self.overlays.get_mut(&id) else { return false };
        let known = attachment.model.get(entry);
        if let Some(over) = known.over {
            return over;
        }
        // Found by a walk: an opaque directory hides what is below, and nothing lies under something new.
        let over = attachment.merged(known.parent) && {
            let path = attachment.model.lower_path(entry);
            attachment.lowers.find(&path).is_some()
        };
        attachment.model.get_mut(entry).over = Some(over);
        over
    }

    fn deleted(&mut self, id: u32, parent: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let entry = attachment.model.child(parent, raw.name);
        let is_that =
            |entry: &Id| attachment.model.get(*entry).handle.as_deref().is_none_or(|handle| handle == raw.target);
        match entry.filter(is_that) {
            Some(entry) => {
                let (node, path) = (attachment.model.get(entry).node, attachment.model.path(entry));
                self.flush(id, entry, reading, out);
                self.drop_entry(id, entry);
                // Overlayfs takes a whiteout away with the directory that it is in.
                if let Some(node) = node {
                    self.tell(out, id, path, Kind::Delete { node }, raw, (Certainty::Exact, reading.at));
                }
            }
            // It came and went while the directory was read, or a scan told of what is there now.
            None if !matches!(self.places.get(raw.target), Some(Place::Whiteout(_))) => {
                let mut path = attachment.model.path(parent);
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(raw.name);
                let node = if raw.is_dir() { Node::Directory } else { Node::File };
                self.tell(out, id, path, Kind::Delete { node }, raw, (Certainty::Exact, reading.at));
            }
            None => {}
        }
    }

    pub(super) fn file_attributes(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let now = self.look_at(id, entry).map(|(stat, _)| Known::from(&stat));
        let Some(attachment) = self.overlays.get_mut(&id).filter(|it| it.model.is_live(entry)) else { return };
        let known = attachment.model.get(entry).known;
        let (mut mode, mut owner) = (None, None);
        if let (Some(now), Some(known)) = (now, known) {
            mode = (now.mode != known.mode).then_some(now.mode);
            owner = (now.owner != known.owner).then_some(now.owner);
            // Overlayfs keeps attributes of its own, on files with an index and with metadata only: no change of the file.
            let same = mode.is_none() && owner.is_none();
            let copy = attachment.model.get(entry);
            let indexed = now.linked && copy.lower.is_some() && now.mtime == known.mtime;
            if same && (indexed || copy.was_metadata_only || raw.name.is_empty()) {
                return;
            }
        }
        if let (Some(now), false) = (now, attachment.dirty.contains_key(&entry)) {
            let known = known.unwrap_or(now);
            let size = if now.size == known.size { now.size } else { known.size };
            attachment.know(entry, Known { size, ..now });
        }
        let path = attachment.model.path(entry);
        let certainty = if reading.late { Certainty::Coalesced } else { Certainty::Exact };
        self.tell(out, id, path, Kind::Attributes { mode, owner }, raw, (certainty, reading.at));
    }

    /// Attributes of a directory were set: by somebody, or by overlayfs, which restores times and keeps notes of its own.
    fn directory_attributes(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        if !raw.is(mask::ATTRIB) {
            return;
        }
        let Some((stat, _)) = self.look_at(id, entry) else { return };
        let now = Known::from(&stat);
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let Some(known) = attachment.model.get_mut(entry).known.replace(now) else { return };
        let mode = (now.mode != known.mode).then_some(now.mode);
        let owner = (now.owner != known.owner).then_some(now.owner);
        if mode.is_some() || owner.is_some() {
            let path = attachment.model.path(entry);
            self.tell(out, id, path, Kind::Attributes { mode, owner }, raw, (Certainty::Exact, reading.at));
        }
    }

    /// The first sight of a file in the work directory, for one that moved here.
    pub(super) fn staged(&self, target: &[u8]) -> Option<Staged> {
        match self.places.get(target) {
            Some(Place::Staged(_, staged)) => Some(*staged),
            _ => None,
        }
    }
}

impl super::Attachment {
    /// Remembers what a file is now, for all its paths.
    pub(super) fn know(&mut self, entry: Id, known: Known) {
        self.model.get_mut(entry).known = Some(known);
        let handle = self.model.get(entry).handle.as_ref();
        for other in handle.and_then(|handle| self.siblings.get(handle)).into_iter().flatten() {
            self.model.get_mut(*other).known = Some(known);
        }
    }

    /// Whether an entry is known to be the file with this handle.
    pub(super) fn is_that(&self, entry: Id, handle: &[u8]) -> bool {
        self.model.get(entry).handle.as_deref() == Some(handle)
    }

    /// Whether a directory shows what lower layers have in it.
    pub(super) fn merged(&mut self, directory: Id) -> bool {
        let mut at = directory;
        loop {
            if at == crate::watch::model::TOP {
                return true;
            }
            let entry = self.model.get(at);
            if entry.opaque || entry.over == Some(false) && entry.lower_path.is_none() {
                return false;
            }
            if entry.lower_path.is_some() || entry.lower.is_some() {
                return true;
            }
            at = entry.parent;
        }
    }
}
