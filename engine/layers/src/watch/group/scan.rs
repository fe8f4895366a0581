//! Reading the upper directory: at the start, where a directory came up, and to compare it with what was told.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, OFlags};

use super::{Group, Place};
use crate::sys::handle::Handle;
use crate::watch::beneath;
use crate::watch::event::{Certainty, Data, Evidence, Kind, Node, Reason};
use crate::watch::model::{Entry, Id, Known};
use crate::watch::out::{Fact, Out};

/// What a scan found that had not been told.
pub(crate) enum Difference {
    /// Something is there that was not, or another file is.
    New(Id, Entry),
    /// Something is not there any more.
    Gone(Id),
    /// A file has other metadata.
    Changed(Id, Known),
}

/// One file as it is read from a directory.
struct Read {
    name: Box<[u8]>,
    node: Option<Node>,
    handle: Handle,
    known: Known,
    opaque: bool,
}

impl Group {
    /// Watches the directory `entry` and all below it, and takes in what is there that is not known. With `tell`, that is told.
    ///
    /// # Errors
    /// The watcher refuses a directory, or the top cannot be read.
    pub(super) fn adopt(&mut self, id: u32, entry: Id, mut tell: Option<(u64, &mut Out)>) -> io::Result<()> {
        let mut left = vec![entry];
        while let Some(directory) = left.pop() {
            let dir = match self.open_directory(id, directory) {
                Ok(dir) => dir,
                Err(error) if directory == entry => return Err(error),
                Err(_) => continue, // it has gone, and an event says so
            };
            let handle = beneath::identity(dir.as_fd(), b"")?;
            self.watch(&dir, &handle)?;
            let Ok(read) = self.read(id, &dir) else { continue };
            for found in read {
                let Some(attachment) = self.overlays.get_mut(&id) else { return Ok(()) };
                if let Some(known) = attachment.model.child(directory, &found.name) {
                    if found.node == Some(Node::Directory) && tell.is_none() {
                        left.push(known);
                    }
                    continue;
                }
                let is_dir = found.node == Some(Node::Directory);
                let new = match &mut tell {
                    Some((at, out)) => self.tell_new(id, directory, found, *at, out),
                    None => self.insert(id, plain(directory, found)),
                };
                if is_dir {
                    left.push(new);
                }
            }
        }
        Ok(())
    }

    fn open_directory(&self, id: u32, entry: Id) -> io::Result<OwnedFd> {
        let attachment = self.overlays.get(&id).ok_or(io::ErrorKind::NotFound)?;
        if !attachment.model.is_live(entry) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = attachment.model.path(entry);
        beneath::open(attachment.upper.as_fd(), &path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// What is in a directory. A file that goes meanwhile is left out.
    fn read(&self, id: u32, dir: &OwnedFd) -> io::Result<Vec<Read>> {
        let Some(attachment) = self.overlays.get(&id) else { return Ok(Vec::new()) };
        let marks_whiteouts =
            beneath::xattr(dir.as_fd(), &attachment.lowers.attribute("opaque")).is_some_and(|v| v == b"x");
        let mut all = Vec::new();
        for entry in rustix::fs::Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let Ok(handle) = beneath::identity(dir.as_fd(), name.to_bytes()) else { continue };
            let mut node = beneath::node(&stat);
            let attribute = |what: &str| {
                let file = beneath::open(dir.as_fd(), name.to_bytes(), OFlags::PATH).ok()?;
                beneath::xattr(file.as_fd(), &attachment.lowers.attribute(what))
            };
            if marks_whiteouts && node == Some(Node::File) && stat.st_size == 0 && attribute("whiteout").is_some() {
                node = None;
            }
            let opaque = node == Some(Node::Directory) && attribute("opaque").is_some_and(|value| value == b"y");
            all.push(Read { name: name.to_bytes().into(), node, handle, known: Known::from(&stat), opaque });
        }
        Ok(all)
    }

    /// Tells of something that a scan found, and takes it in.
    fn tell_new(&mut self, id: u32, directory: Id, found: Read, at: u64, out: &mut Out) -> Id {
        let (node, known) = (found.node, found.known);
        let shared = match self.places.get(&found.handle) {
            Some(Place::Upper(of, other)) if *of == id && node == Some(Node::File) => Some(*other),
            _ => None,
        };
        let to = shared.map(|other| self.path(id, other));
        let entry = self.insert(id, Entry { told: true, ..plain(directory, found) });
        let path = self.path(id, entry);
        let kind = match to {
            Some(to) => Kind::Link { to: Some(to.as_slice().into()) },
            None => self.kind_of(id, entry),
        };
        let is_new_file = matches!(kind, Kind::Create { node: Node::File, .. }) && known.size > 0;
        let is_copy = matches!(kind, Kind::CopyUp { .. });
        self.tell_scan(out, id, path.clone(), kind, at);
        if is_copy {
            self.apply_changed(id, entry, known, at, out);
        }
        if is_new_file {
            let kind = Kind::Write { size: Some(known.size), changed: Some(known.size), mapped: false };
            self.tell_scan(out, id, path, kind, at);
        }
        entry
    }

    /// What must have happened for an entry to be there, by what the file itself tells.
    pub(super) fn kind_of(&mut self, id: u32, entry: Id) -> Kind {
        let over = self.is_over(id, entry);
        let Some(attachment) = self.overlays.get(&id) else { return Kind::Whiteout { dropped: false } };
        let known = attachment.model.get(entry);
        match (known.node, known.known) {
            (None, _) => Kind::Whiteout { dropped: false },
            (Some(Node::Directory), _) if known.opaque && over => Kind::Opaque,
            (Some(node), Some(known)) if over => self.found_copy(id, entry, node, known),
            (Some(node), _) => Kind::Create { node, over_whiteout: over },
        }
    }

    /// A file that lower layers have too was found: a copy of it, or something new in its place.
    fn found_copy(&mut self, id: u32, entry: Id, node: Node, known: Known) -> Kind {
        let Some(attachment) = self.overlays.get(&id) else { return Kind::Create { node, over_whiteout: true } };
        let (parent, name) = (attachment.model.get(entry).parent, attachment.model.get(entry).name.clone());
        let file = self.look_at(id, entry).map(|(_, file)| file);
        let found = self.find_lower(id, parent, &name, file.as_ref());
        let Some(attachment) = self.overlays.get_mut(&id) else { return Kind::Create { node, over_whiteout: true } };
        let origin = attachment.lowers.attribute("origin");
        let has_origin = file.as_ref().is_some_and(|file| beneath::xattr(file.as_fd(), &origin).is_some());
        let Some(found) =
            found.filter(|found| found.node == node && (has_origin || node != Node::File || found.stat.st_nlink > 1))
        else {
            return Kind::Create { node, over_whiteout: true };
        };
        let metacopy = attachment.lowers.attribute("metacopy");
        let metadata = file.as_ref().is_some_and(|file| beneath::xattr(file.as_fd(), &metacopy).is_some());
        let (data, copied) = match node {
            Node::File if metadata => (Data::Metadata, 0),
            Node::File if known.size > 0 && found.lower.size > 0 => {
                (Data::Full, attachment.lowers.bytes_to_copy(&found))
            }
            Node::File if found.lower.size > 0 => (Data::Truncated, 0),
            _ => (Data::Nothing, 0),
        };
        // It was copied as the lower file is: another mode or owner came later, and is told as a change of it.
        let copied_as = Known::from(&found.stat);
        attachment.know(entry, Known { mode: copied_as.mode, owner: copied_as.owner, ..known });
        let into = attachment.model.get_mut(entry);
        into.lower = Some(Box::new(found.lower.clone()));
        into.metadata_only = data == Data::Metadata;
        into.was_metadata_only = into.metadata_only;
        if node == Node::File {
            attachment.uncompared.insert(entry);
        }
        Kind::CopyUp { node, lower: Some(found.lower), data, copied }
    }

    /// What the upper directory has that was not told, or the other way round.
    ///
    /// # Errors
    /// The upper directory itself cannot be read: it was removed.
    pub(crate) fn differences(&self, id: u32) -> io::Result<Vec<Difference>> {
        if self.overlays.get(&id).is_some_and(|attachment| attachment.removed) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut all = Vec::new();
        let mut left = vec![crate::watch::model::TOP];
        while let Some(directory) = left.pop() {
            match self.differences_in(id, directory, &mut all) {
                Ok(below) => left.extend(below),
                Err(error) if directory == crate::watch::model::TOP => return Err(error),
                Err(_) => {}
            }
        }
        Ok(all)
    }

    /// The same of one directory; returns the directories in it that are known.
    fn differences_in(&self, id: u32, directory: Id, all: &mut Vec<Difference>) -> io::Result<Vec<Id>> {
        let dir = self.open_directory(id, directory)?;
        let Some(attachment) = self.overlays.get(&id) else { return Ok(Vec::new()) };
        let model = &attachment.model;
        let (mut seen, mut below) = (HashSet::new(), Vec::new());
        for found in self.read(id, &dir)? {
            let known = model.child(directory, &found.name);
            let Some(entry) = known.filter(|entry| is_same(model.get(*entry), &found)) else {
                if let Some(other) = known {
                    seen.insert(other);
                }
                all.push(Difference::New(directory, plain(directory, found)));
                continue;
            };
            seen.insert(entry);
            if found.node == Some(Node::Directory) {
                below.push(entry);
            }
            if found.node.is_some() && !attachment.dirty.contains_key(&entry) && is_changed(model.get(entry), &found) {
                all.push(Difference::Changed(entry, found.known));
            }
        }
        all.extend(model.children(directory).filter(|entry| !seen.contains(entry)).map(Difference::Gone));
        Ok(below)
    }

    /// Tells the differences and takes them in.
    pub(crate) fn apply(&mut self, id: u32, differences: Vec<Difference>, told: bool, at: u64, out: &mut Out) {
        for difference in differences {
            match difference {
                Difference::New(directory, entry) => self.apply_new(id, directory, entry, told, at, out),
                Difference::Gone(entry) => {
                    let Some(attachment) = self.overlays.get(&id) else { return };
                    if !attachment.model.is_live(entry) {
                        continue;
                    }
                    let (node, path) = (attachment.model.get(entry).node, attachment.model.path(entry));
                    self.drop_entry(id, entry);
                    if let Some(node) = node {
                        self.tell_scan(out, id, path, Kind::Delete { node }, at);
                    }
                }
                Difference::Changed(entry, now) => self.apply_changed(id, entry, now, at, out),
            }
        }
    }

    fn apply_new(&mut self, id: u32, directory: Id, entry: Entry, told: bool, at: u64, out: &mut Out) {
        let Some(attachment) = self.overlays.get(&id) else { return };
        if !attachment.model.is_live(directory) {
            return; // replaced by an earlier difference
        }
        if let Some(other) = attachment.model.child(directory, &entry.name) {
            let (node, path) = (attachment.model.get(other).node, attachment.model.path(other));
            let over = self.is_over(id, other);
            self.drop_entry(id, other);
            if let Some(node) = node.filter(|_| !over && entry.node.is_some()) {
                self.tell_scan(out, id, path, Kind::Delete { node }, at);
            }
        }
        let (Some(handle), Some(known)) = (entry.handle, entry.known) else { return };
        let found = Read { name: entry.name, node: entry.node, handle, known, opaque: entry.opaque };
        let is_dir = found.node == Some(Node::Directory);
        let entry = self.tell_new(id, directory, found, at, out);
        if is_dir {
            // What cannot be read now, the next scan will tell.
            let _ = self.adopt(id, entry, Some((at, &mut *out)));
        }
        if !told && let Some(attachment) = self.overlays.get_mut(&id) {
            attachment.model.get_mut(entry).told = false;
        }
    }

    fn apply_changed(&mut self, id: u32, entry: Id, now: Known, at: u64, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let Some(known) = attachment.model.get(entry).known.filter(|_| attachment.model.is_live(entry)) else { return };
        attachment.know(entry, now);
        let is_file = attachment.model.get(entry).node == Some(Node::File);
        let path = attachment.model.path(entry);
        let mode = (now.mode != known.mode).then_some(now.mode);
        let owner = (now.owner != known.owner).then_some(now.owner);
        if mode.is_some() || owner.is_some() {
            self.tell_scan(out, id, path.clone(), Kind::Attributes { mode, owner }, at);
        }
        if is_file && known.mtime != (0, 0) && (now.mtime != known.mtime || now.size != known.size) {
            let has_lower = self.overlays.get(&id).is_some_and(|it| it.model.get(entry).lower.is_some());
            let changed = (!has_lower).then_some(now.size);
            self.tell_scan(out, id, path, Kind::Write { size: Some(now.size), changed, mapped: false }, at);
            if let (true, Some(attachment)) = (has_lower, self.overlays.get_mut(&id)) {
                attachment.uncompared.insert(entry);
            }
        }
    }

    /// Notices where a watcher does not tell it that an engine has taken the upper directory from its place, to remove it.
    fn look_for_removal(&mut self, id: u32) {
        if let Some(attachment) = self.overlays.get_mut(&id) {
            let place = rustix::fs::stat(&attachment.overlay.upper);
            attachment.removed |= matches!(place, Err(rustix::io::Errno::NOENT));
        }
    }

    /// Reads one directory again, in which something happened.
    pub(super) fn read_again(&mut self, id: u32, directory: Id, at: u64, out: &mut Out) {
        self.look_for_removal(id);
        self.touch(id, at);
        let mut all = Vec::new();
        if self.overlays.get(&id).is_some_and(|attachment| attachment.removed) {
            return;
        }
        if self.differences_in(id, directory, &mut all).is_ok() {
            self.apply(id, all, false, at, out);
        }
    }

    /// Compares the upper directory with what was told, and tells the rest. `drain` must hand on all that is waiting to be
    /// reported, and say whether there was something. Returns whether the two agree afterwards.
    pub(crate) fn reconcile(
        &mut self,
        id: u32,
        reason: Reason,
        out: &mut Out,
        drain: &mut dyn FnMut(&mut Self, &mut Out) -> bool,
    ) -> Option<bool> {
        const TRIES: usize = 3;
        for left in (0..TRIES).rev() {
            drain(self, out);
            self.flush_old(u64::MAX, out);
            self.look_for_removal(id);
            let started = crate::watch::out::now();
            let Ok(differences) = self.differences(id) else {
                // Removed, as a container's is: nothing more can happen in it.
                self.overlays.get_mut(&id)?.changed = false;
                return None;
            };
            let took = crate::watch::out::now() - started;
            let disturbed = drain(self, out);
            let at = crate::watch::out::now();
            let attachment = self.overlays.get_mut(&id)?;
            let overflowed = attachment.overflowed;
            attachment.not_before = at + took * 20;
            if disturbed && left > 0 && !differences.is_empty() {
                continue; // what looks different may just have happened
            }
            if disturbed && !overflowed && !differences.is_empty() && reason == Reason::Idle {
                return Some(false); // not idle at all: another time
            }
            (attachment.changed, attachment.overflowed) = (disturbed, false);
            let found = differences.len() as u64;
            let polls = self.evidence == Evidence::Scan && reason == Reason::Idle;
            if (found > 0 && !polls) || overflowed {
                let reason = if overflowed { Reason::Overflow } else { reason };
                tell_resynchronised(out, id, reason, found, at);
            }
            self.apply(id, differences, disturbed, at, out);
            self.compare_rest(id, at, out);
            return Some(!disturbed);
        }
        Some(false)
    }
}

fn tell_resynchronised(out: &mut Out, overlay: u32, reason: Reason, found: u64, at: u64) {
    let kind = Kind::Resynchronised { reason, found };
    let (evidence, certainty) = (Evidence::Scan, Certainty::Exact);
    out.tell(Fact { overlay, path: Vec::new(), kind, pid: 0, evidence, certainty, at });
}

/// An entry as it was read, nothing more being known of it.
fn plain(parent: Id, found: Read) -> Entry {
    let Read { name, node, handle, known, opaque } = found;
    let over = node.is_none().then_some(true);
    Entry { parent, name, node, handle: Some(handle), known: Some(known), opaque, over, ..Entry::default() }
}

fn is_same(entry: &Entry, found: &Read) -> bool {
    entry.node == found.node
        && (found.node.is_none() || entry.handle.as_ref().is_none_or(|handle| *handle == found.handle))
}

fn is_changed(entry: &Entry, found: &Read) -> bool {
    let Some(known) = entry.known else { return false };
    let metadata = known.mode != found.known.mode || known.owner != found.known.owner;
    let content = known.mtime != (0, 0) && (known.mtime != found.known.mtime || known.size != found.known.size);
    metadata || content && entry.node == Some(Node::File) && !entry.metadata_only
}
