//! Renames: within the upper directory, and between it and the work directory.

use std::os::fd::AsFd;

use super::{Group, Place, Reading};
use crate::watch::beneath;
use crate::watch::event::{Certainty, Kind, Node};
use crate::watch::model::{Entry, Id};
use crate::watch::out::Out;
use crate::watch::raw::Raw;
use crate::watch::raw_path::RawPath;

impl Group {
    pub(super) fn renamed(
        &mut self,
        raw: &Raw<'_>,
        old: Option<Place>,
        new: Option<Place>,
        reading: Reading,
        out: &mut Out,
    ) {
        for place in [old, new].into_iter().flatten() {
            if let Place::Upper(id, _) = place {
                self.touch(id, reading.at);
            }
        }
        match (old, new) {
            (Some(Place::Work(from)), Some(Place::Upper(id, parent))) if from == id => {
                self.arrived(id, parent, raw, reading, out);
            }
            (Some(Place::Upper(from, old)), Some(Place::Upper(id, parent))) if from == id => {
                self.moved(id, old, parent, raw, reading, out);
            }
            (Some(Place::Upper(id, old)), Some(Place::Work(_))) => self.left(id, old, raw),
            (Some(Place::Upper(id, old)), _) => self.gone(id, old, raw, reading, out),
            (_, Some(Place::Upper(id, parent))) => self.in_upper_from_outside(id, parent, raw, reading, out),
            _ => {}
        }
    }

    /// Moved to the work directory, to be removed there: what came in its place was told before.
    fn left(&mut self, id: u32, old: Id, raw: &Raw<'_>) {
        let Some((_, name)) = raw.old else { return };
        let Some(attachment) = self.overlays.get(&id) else { return };
        if let Some(entry) = attachment.model.child(old, name)
            && attachment.model.get(entry).handle.as_deref() == Some(raw.target)
        {
            self.drop_entry(id, entry);
        }
    }

    /// Moved out of the overlay by somebody who works on the upper directory itself.
    fn gone(&mut self, id: u32, old: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some((_, name)) = raw.old else { return };
        let Some(attachment) = self.overlays.get(&id) else { return };
        let Some(entry) = attachment.model.child(old, name) else { return };
        let (node, path) = (attachment.model.get(entry).node, attachment.model.path(entry));
        self.drop_entry(id, entry);
        if let Some(node) = node {
            self.tell(out, id, path, Kind::Delete { node }, raw, (Certainty::Exact, reading.at));
        }
    }

    fn in_upper_from_outside(&mut self, id: u32, parent: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let create = Raw { mask: raw.mask | crate::sys::fanotify::mask::CREATE, old: None, ..*raw };
        self.in_upper(id, parent, &create, reading, out);
        let entry = self.overlays.get(&id).and_then(|attachment| attachment.model.child(parent, raw.name));
        if let (Some(entry), true) = (entry, raw.is_dir()) {
            // It may be full already. What cannot be read now, the next scan will tell.
            let _ = self.adopt(id, entry, Some((reading.at, out)));
        }
    }

    fn moved(&mut self, id: u32, old: Id, parent: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some((_, old_name)) = raw.old else { return };
        if matches!(self.places.get(raw.target), Some(Place::Whiteout(_))) {
            self.whiteout_moved(id, (old, old_name), (parent, raw.name));
            return;
        }
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        if let Some(at) = attachment.displaced.iter().position(|(handle, _)| **handle == *raw.target) {
            let back = attachment.displaced.remove(at).map(|(_, entry)| entry);
            if let Some(entry) = back {
                self.exchanged(id, entry, (old, old_name), parent, raw, reading, out);
                return;
            }
        }
        let named = attachment.model.child(old, old_name);
        let is_that =
            |entry: &Id| attachment.model.get(*entry).handle.as_deref().is_none_or(|handle| handle == raw.target);
        match named.filter(is_that) {
            Some(entry) => self.move_entry(id, entry, (old, old_name), parent, raw, reading, out),
            None => self.in_upper_from_outside(id, parent, raw, reading, out),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a rename has two places")]
    fn move_entry(
        &mut self,
        id: u32,
        entry: Id,
        (old, old_name): (Id, &[u8]),
        parent: Id,
        raw: &Raw<'_>,
        reading: Reading,
        out: &mut Out,
    ) {
        let left_whiteout = self.is_over(id, entry);
        let target = self.overlays.get(&id).and_then(|attachment| attachment.model.child(parent, raw.name));
        let over = target.is_some_and(|target| self.is_over(id, target));
        let Some(attachment) = self.overlays.get(&id) else { return };
        let (from, lower_path) = (attachment.model.path(entry), attachment.model.lower_path(entry));
        if let Some(target) = target.filter(|target| *target != entry) {
            self.flush(id, target, reading, out);
            self.displace(id, target);
        }
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        attachment.model.take_out(entry);
        attachment.model.put(entry, parent, raw.name);
        let moved = attachment.model.get_mut(entry);
        moved.over = Some(over);
        let node = moved.node.unwrap_or(Node::Special);
        let merged = node == Node::Directory
            && !moved.opaque
            && (moved.lower.is_some() || moved.lower_path.is_some() || left_whiteout);
        if merged && moved.lower_path.is_none() {
            moved.lower_path = Some(lower_path.into());
        }
        if left_whiteout {
            self.insert(id, Entry { parent: old, name: old_name.into(), over: Some(true), ..Entry::default() });
        }
        let redirect = if merged { self.redirect(id, entry) } else { None };
        let (path, from) = (self.path(id, entry), from.as_slice().into());
        let kind = Kind::Rename { node, from, left_whiteout, exchange: false, redirect };
        self.tell(out, id, path, kind, raw, (Certainty::Exact, reading.at));
    }

    /// The second half of two paths changing places.
    #[expect(clippy::too_many_arguments, reason = "a rename has two places")]
    fn exchanged(
        &mut self,
        id: u32,
        entry: Id,
        (old, old_name): (Id, &[u8]),
        parent: Id,
        raw: &Raw<'_>,
        reading: Reading,
        out: &mut Out,
    ) {
        let target = self.overlays.get(&id).and_then(|attachment| attachment.model.child(parent, raw.name));
        let over = target.is_some_and(|target| self.is_over(id, target));
        if let Some(target) = target {
            self.drop_entry(id, target);
        }
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let mut from = attachment.model.path(old);
        if !from.is_empty() {
            from.push(b'/');
        }
        from.extend_from_slice(old_name);
        attachment.model.put(entry, parent, raw.name);
        let moved = attachment.model.get_mut(entry);
        moved.over = Some(over);
        let node = moved.node.unwrap_or(Node::Special);
        if node == Node::Directory && moved.lower.is_some() && moved.lower_path.is_none() {
            moved.lower_path = moved.lower.as_ref().map(|lower| lower.path.0.clone());
        }
        let redirect = if node == Node::Directory { self.redirect(id, entry) } else { None };
        let (path, from) = (self.path(id, entry), from.as_slice().into());
        let kind = Kind::Rename { node, from, left_whiteout: false, exchange: true, redirect };
        self.tell(out, id, path, kind, raw, (Certainty::Exact, reading.at));
    }

    /// A whiteout changed places with a file: the rename of that file has been told.
    fn whiteout_moved(&mut self, id: u32, (old, old_name): (Id, &[u8]), (parent, name): (Id, &[u8])) {
        let Some(attachment) = self.overlays.get(&id) else { return };
        let is_whiteout = |entry: &Id| attachment.model.get(*entry).node.is_none();
        let before = attachment.model.child(old, old_name).filter(is_whiteout);
        let target = attachment.model.child(parent, name);
        let already = target.as_ref().is_some_and(is_whiteout);
        if let Some(before) = before {
            self.drop_entry(id, before);
        }
        if !already {
            if let Some(target) = target {
                self.drop_entry(id, target);
            }
            self.insert(id, Entry { parent, name: name.into(), over: Some(true), ..Entry::default() });
        }
    }

    /// Where a renamed directory says that its content is in lower layers.
    fn redirect(&self, id: u32, entry: Id) -> Option<RawPath> {
        let attachment = self.overlays.get(&id)?;
        let (_, file) = self.look_at(id, entry)?;
        let value = beneath::xattr(file.as_fd(), &attachment.lowers.attribute("redirect"))?;
        Some(value.as_slice().into())
    }
}
