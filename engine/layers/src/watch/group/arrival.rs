//! What moves from the work directory to the upper one: copy-ups, whiteouts, and what is made over whiteouts.

use std::os::fd::{AsFd, OwnedFd};

use super::opened::Verdict;
use super::{Group, Place, Reading, Staged};
use crate::watch::event::{Certainty, Data, How, Kind, Lower, Node};
use crate::watch::lowers::{self, Found};
use crate::watch::model::{Entry, Id, Known};
use crate::watch::out::Out;
use crate::watch::raw::Raw;
use crate::watch::{beneath, compare};

impl Group {
    /// A regular file whose copy was linked into the upper directory.
    pub(super) fn copied_up(
        &mut self,
        id: u32,
        parent: Id,
        raw: &Raw<'_>,
        staged: Staged,
        reading: Reading,
        out: &mut Out,
    ) {
        let looked = self.look_for(id, parent, raw.name, raw.target).map(|(_, file)| file);
        let found = self.find_lower(id, parent, raw.name, looked.as_ref());
        let mut found = found;
        let (data, copied, certainty) = self.data(id, found.as_ref(), looked.as_ref(), raw, staged);
        if let (Some(found), Data::Full, Certainty::Exact) = (&mut found, data, certainty) {
            found.lower.how = How::Handle; // that file was opened
        }
        let node = found.as_ref().map_or(Node::File, |found| found.node);
        let entry = self.put_copy(id, parent, raw, node, found.as_ref());
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let is_metadata = data == Data::Metadata;
        let copy = attachment.model.get_mut(entry);
        (copy.metadata_only, copy.was_metadata_only) = (is_metadata, is_metadata);
        let path = attachment.model.path(entry);
        let lower = found.map(|found| found.lower);
        self.tell(out, id, path, Kind::CopyUp { node, lower, data, copied }, raw, (certainty, reading.at));
        if staged.named {
            self.merged_with_copy_up(id, entry, raw, reading, out);
        }
    }

    /// What came right after a copy-up may have been reported at its place in the work directory, before it: files with an
    /// index and directories keep being reported there.
    fn merged_with_copy_up(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some((stat, _)) = self.look_at(id, entry) else { return };
        let now = Known::from(&stat);
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let Some(known) = attachment.model.get(entry).known else { return };
        let mode = (now.mode != known.mode).then_some(now.mode);
        let owner = (now.owner != known.owner).then_some(now.owner);
        if mode.is_some() || owner.is_some() {
            attachment.know(entry, Known { mode: now.mode, owner: now.owner, ..known });
            let path = attachment.model.path(entry);
            let kind = Kind::Attributes { mode, owner };
            self.tell(out, id, path, kind, raw, (Certainty::Coalesced, reading.at));
        }
        let is_file = beneath::node(&stat) == Some(Node::File);
        if is_file && (now.mtime != known.mtime || now.size != known.size) {
            self.tell_write(id, entry, raw.pid, false, Reading { late: true, ..reading }, out);
            if let Some(attachment) = self.overlays.get_mut(&id) {
                attachment.model.get_mut(entry).foretold = true;
            }
        }
    }

    /// How much was copied. The kernel opens the lower file exactly when it copies content.
    fn data(
        &mut self,
        id: u32,
        found: Option<&Found>,
        upper: Option<&OwnedFd>,
        raw: &Raw<'_>,
        staged: Staged,
    ) -> (Data, u64, Certainty) {
        let Some(attachment) = self.overlays.get(&id) else { return (Data::Full, 0, Certainty::Inferred) };
        let Some(found) = found else { return (Data::Full, 0, Certainty::Inferred) };
        let bytes = attachment.lowers.bytes_to_copy(found);
        if found.lower.size == 0 || found.node != Node::File {
            return (Data::Nothing, 0, Certainty::Exact);
        }
        let metacopy = attachment.lowers.attribute("metacopy");
        let has_metacopy = || {
            attachment.overlay.metacopy && upper.is_some_and(|file| beneath::xattr(file.as_fd(), &metacopy).is_some())
        };
        let told = match &found.handle {
            // A lower file elsewhere is opened where no mark sees it.
            Some(handle) if self.tells_opens && found.stat.st_dev == self.device => {
                self.opened.since(raw.pid, handle, staged.order, staged.batch)
            }
            _ => Verdict::Doubtful,
        };
        match told {
            Verdict::Opened => (Data::Full, bytes, Certainty::Exact),
            Verdict::NotOpened | Verdict::Doubtful if has_metacopy() => (Data::Metadata, 0, Certainty::Exact),
            Verdict::NotOpened => (Data::Truncated, 0, Certainty::Exact),
            Verdict::Doubtful => {
                let lower = attachment.lowers.content(&found.lower);
                let upper = upper.and_then(reopened);
                let alike = lower.zip(upper).map(|(lower, upper)| compare::begins_alike(upper, lower.into()));
                match alike {
                    Some(Ok(false)) => (Data::Truncated, 0, Certainty::Inferred),
                    _ => (Data::Full, bytes, Certainty::Inferred),
                }
            }
        }
    }

    /// The lower file that `name` in `parent` is a copy of, by the handle that overlayfs left with the copy or by its path.
    pub(super) fn find_lower(&mut self, id: u32, parent: Id, name: &[u8], upper: Option<&OwnedFd>) -> Option<Found> {
        let attachment = self.overlays.get_mut(&id)?;
        let mut path = attachment.model.lower_path(parent);
        if !path.is_empty() && !name.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let found = attachment.lowers.find(&path);
        let attribute = attachment.lowers.attribute("origin");
        let origin = upper.and_then(|file| beneath::xattr(file.as_fd(), &attribute));
        let Some(origin) = origin.as_deref().and_then(lowers::origin) else { return found };
        match found {
            Some(mut found) if found.handle.as_deref() == Some(&*origin) => {
                found.lower.how = How::Handle;
                Some(found)
            }
            found => attachment.lowers.find_handle(&path, &origin).or(found),
        }
    }

    /// Puts the entry of a copy in, in place of what was there.
    fn put_copy(&mut self, id: u32, parent: Id, raw: &Raw<'_>, node: Node, found: Option<&Found>) -> Id {
        let existing = self.overlays.get(&id).and_then(|attachment| attachment.model.child(parent, raw.name));
        if let Some(existing) = existing {
            self.drop_entry(id, existing);
        }
        self.insert(
            id,
            Entry {
                parent,
                name: raw.name.into(),
                node: Some(node),
                handle: Some(raw.target.into()),
                over: Some(true),
                lower: found.map(|found| Box::new(found.lower.clone())),
                known: found.map(|found| Known::from(&found.stat)),
                ..Entry::default()
            },
        )
    }

    /// Something moved from the work directory to the upper one.
    pub(super) fn arrived(&mut self, id: u32, parent: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let existing = attachment.model.child(parent, raw.name);
        if let Some(existing) = existing
            && attachment.model.get(existing).told
        {
            attachment.model.get_mut(existing).told = false;
            return;
        }
        if let Some(existing) = existing.filter(|existing| attachment.is_that(*existing, raw.target)) {
            self.seen_before(id, existing, raw, reading, out);
            return;
        }
        let existing_node = existing.map(|existing| attachment.model.get(existing).node);
        match (self.places.get(raw.target).copied(), existing_node) {
            (Some(Place::Whiteout(_)), _) => self.whited_out(id, parent, raw, existing, reading, out),
            (Some(Place::Upper(of, other)), _) if of == id && !raw.is_dir() => {
                self.linked(id, parent, other, raw, reading, out);
            }
            (_, Some(Some(Node::Directory))) if raw.is_dir() => self.cleared(id, parent, raw, existing),
            (_, Some(None)) => {
                if let Some(existing) = existing {
                    self.made_over(id, parent, raw, existing, reading, out);
                }
            }
            _ => self.copied_by_rename(id, parent, raw, existing, reading, out),
        }
    }

    /// A directory is about to be removed: overlayfs puts an empty one in its place first.
    fn cleared(&mut self, id: u32, parent: Id, raw: &Raw<'_>, existing: Option<Id>) {
        let (Some(existing), Some(attachment)) = (existing, self.overlays.get(&id)) else { return };
        let before = attachment.model.get(existing).clone_without_children();
        self.drop_entry(id, existing);
        let (handle, name) = (Some(raw.target.into()), raw.name.into());
        self.insert(id, Entry { parent, name, handle, opaque: true, ..before });
    }

    fn whited_out(
        &mut self,
        id: u32,
        parent: Id,
        raw: &Raw<'_>,
        existing: Option<Id>,
        reading: Reading,
        out: &mut Out,
    ) {
        let dropped = existing.is_some();
        if let Some(existing) = existing {
            self.flush(id, existing, reading, out);
            self.drop_entry(id, existing);
        }
        let entry = Entry { parent, name: raw.name.into(), over: Some(true), ..Entry::default() };
        let entry = self.insert(id, entry);
        let path = self.path(id, entry);
        self.tell(out, id, path, Kind::Whiteout { dropped }, raw, (Certainty::Exact, reading.at));
    }

    /// A directory, link or device that was copied up; or the first whiteout, whose inode nobody knew.
    fn copied_by_rename(
        &mut self,
        id: u32,
        parent: Id,
        raw: &Raw<'_>,
        existing: Option<Id>,
        reading: Reading,
        out: &mut Out,
    ) {
        let looked = self.look_for(id, parent, raw.name, raw.target);
        let is_whiteout = !raw.is_dir() && looked.as_ref().is_some_and(|(stat, _)| beneath::node(stat).is_none());
        if is_whiteout {
            self.places.insert(raw.target.into(), Place::Whiteout(id));
            self.whited_out(id, parent, raw, existing, reading, out);
            return;
        }
        let file = looked.map(|(_, file)| file);
        let found = self.find_lower(id, parent, raw.name, file.as_ref());
        let node =
            if raw.is_dir() { Node::Directory } else { found.as_ref().map_or(Node::Special, |found| found.node) };
        let (data, copied, certainty) = match (&found, self.staged(raw.target), node) {
            (Some(_), Some(staged), Node::File) => self.data(id, found.as_ref(), file.as_ref(), raw, staged),
            (Some(_), ..) => (Data::Nothing, 0, Certainty::Exact),
            (None, ..) => (Data::Nothing, 0, Certainty::Inferred),
        };
        let entry = self.put_copy(id, parent, raw, node, found.as_ref());
        if node == Node::Directory {
            self.new_directories.push((id, Some(entry)));
        }
        let path = self.path(id, entry);
        let lower: Option<Lower> = found.map(|found| found.lower);
        self.tell(out, id, path, Kind::CopyUp { node, lower, data, copied }, raw, (certainty, reading.at));
        if node == Node::Directory {
            self.merged_with_copy_up(id, entry, raw, reading, out);
        }
    }
}

/// Opens for reading what an O_PATH descriptor stands for, if that is a regular file.
pub(super) fn reopened(file: &OwnedFd) -> Option<std::fs::File> {
    use std::os::fd::AsRawFd;
    let stat = beneath::stat(file.as_fd()).ok()?;
    if beneath::node(&stat) != Some(Node::File) {
        return None;
    }
    std::fs::File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}
