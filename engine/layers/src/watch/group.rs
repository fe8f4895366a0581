//! One mechanism and the overlays that it watches: reports become facts.

mod arrival;
mod file;
mod opened;
mod rename;
mod scan;
mod write;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::OFlags;

use super::beneath;
use super::compare::Comparer;
use super::event::{Certainty, Evidence, Kind};
use super::lowers::Lowers;
use super::model::{Id, Model, TOP};
use super::out::{Fact, Out};
use super::overlay::Overlay;
use super::raw::Raw;
use super::watcher::{Seen, Watcher};
use crate::sys::fanotify::mask;
use crate::sys::handle::Handle;
use opened::Opened;

/// The end of the name that a container's directory gets when it is removed: by this engine as by Docker's.
const REMOVING: &[u8] = b"-removing";
/// Entries that are kept for a moment after they were replaced, in case two paths change places.
const DISPLACED: usize = 64;

/// What a file handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// An entry of an upper directory.
    Upper(u32, Id),
    /// The directory that has the upper directory in it: engines keep no other container's there.
    Holder(u32),
    /// The work directory as it was given.
    WorkBase(u32),
    /// `work` or `index` in it, where overlayfs makes files before it moves them.
    Work(u32),
    /// A file in there: what is being copied up, or made over a whiteout.
    Staged(u32, Staged),
    /// The inode that whiteouts are links of.
    Whiteout(u32),
}

/// What is known of a file in the work directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Staged {
    /// Whether it got a name there.
    named: bool,
    /// When it was first seen: see [`Opened`].
    order: u64,
    batch: u64,
}

/// When a report was read, and what else is known about its reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The monotonic clock, in nanoseconds.
    pub(crate) at: u64,
    /// Whether many reports were waiting: the kernel may have merged some.
    pub(crate) late: bool,
    /// Its number.
    pub(crate) batch: u64,
}

/// One overlay that is watched.
pub(crate) struct Attachment {
    pub(crate) overlay: Overlay,
    upper: OwnedFd,
    lowers: Lowers,
    model: Model,
    /// The entries of files with more than one path in the upper directory.
    siblings: HashMap<Handle, Vec<Id>>,
    /// Who has written to which file since it was last told.
    dirty: HashMap<Id, Vec<write::Writer>>,
    /// Files that were written and could not be compared at once.
    uncompared: HashSet<Id>,
    displaced: VecDeque<(Handle, Id)>,
    /// Whether something happened since the last scan.
    pub(crate) changed: bool,
    /// When something last happened, by the monotonic clock.
    pub(crate) last: u64,
    /// When to scan again at the earliest.
    pub(crate) not_before: u64,
    /// Whether events were lost.
    pub(crate) overflowed: bool,
    /// Whether the engine removes it, after the container has ended: what happens in it is not the container's.
    pub(crate) removed: bool,
}

/// A mechanism, what it watches, and what the handles that it reports mean.
pub(crate) struct Group {
    watcher: Option<Box<dyn Watcher>>,
    device: u64,
    pub(crate) evidence: Evidence,
    /// Whether the kernel tells which lower file is opened for copying (Linux 6.5 and later).
    pub(crate) tells_opens: bool,
    places: HashMap<Handle, Place>,
    opened: Opened,
    comparer: Comparer,
    pub(crate) overlays: BTreeMap<u32, Attachment>,
    /// Directories that came up and are not watched yet; `None` for those in the work directory.
    new_directories: Vec<(u32, Option<Id>)>,
    /// Directories that something changed in, to be read.
    changed: Vec<(u32, Id)>,
}

impl Group {
    pub(crate) fn new(watcher: Option<Box<dyn Watcher>>, tells_opens: bool, device: u64) -> Self {
        let evidence = watcher.as_ref().map_or(Evidence::Scan, |watcher| watcher.evidence());
        Self {
            watcher,
            device,
            evidence,
            tells_opens,
            places: HashMap::new(),
            opened: Opened::default(),
            comparer: Comparer::default(),
            overlays: BTreeMap::new(),
            new_directories: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Whether it sees all that happens on the filesystem with this device number.
    pub(crate) fn is_on(&self, device: u64) -> bool {
        self.evidence == Evidence::Fanotify && self.device == device
    }

    /// Where its reports wait.
    pub(crate) fn queue(&self) -> Option<BorrowedFd<'_>> {
        self.watcher.as_ref().map(|watcher| watcher.descriptor())
    }

    pub(crate) fn names_processes(&self) -> bool {
        self.watcher.as_ref().is_some_and(|watcher| watcher.names_processes())
    }

    /// Begins to watch an overlay: directories are marked before they are read, so that nothing falls between. Returns how
    /// many entries the upper directory has, and what could not be done. With `tell`, what is there already is told as found.
    ///
    /// # Errors
    /// The upper directory cannot be opened, or the watcher refuses it.
    pub(crate) fn attach(
        &mut self,
        id: u32,
        overlay: Overlay,
        tell: Option<(u64, &mut Out)>,
    ) -> io::Result<(u64, Vec<String>)> {
        let (upper, own) = beneath::view(&overlay.upper)?;
        let handle = beneath::identity(upper.as_fd(), b"")?;
        let (lowers, notes) = Lowers::open(&overlay);
        if let Some(watcher) = &mut self.watcher {
            lowers.views().chain(own.then_some(upper.as_fd())).for_each(|view| watcher.overlook(view));
        }
        let attachment = Attachment {
            overlay,
            upper,
            lowers,
            model: Model::default(),
            siblings: HashMap::new(),
            dirty: HashMap::new(),
            uncompared: HashSet::new(),
            displaced: VecDeque::new(),
            changed: false,
            last: 0,
            not_before: 0,
            overflowed: false,
            removed: false,
        };
        self.overlays.insert(id, attachment);
        self.places.insert(handle, Place::Upper(id, TOP));
        self.watch_holder(id);
        let watched = self.watch_work(id).and_then(|()| self.adopt(id, TOP, tell));
        if let Err(error) = watched {
            self.detach(id);
            return Err(error);
        }
        let entries = self.overlays.get(&id).map_or(0, |attachment| attachment.model.len() as u64);
        Ok((entries, notes))
    }

    /// Forgets an overlay.
    pub(crate) fn detach(&mut self, id: u32) {
        self.overlays.remove(&id);
        self.places.retain(|_, place| match place {
            Place::Upper(of, _)
            | Place::Holder(of)
            | Place::WorkBase(of)
            | Place::Work(of)
            | Place::Staged(of, _)
            | Place::Whiteout(of) => *of != id,
        });
    }

    /// Learns which directory an engine renames before it removes the upper directory in it. Without, its removal is told.
    fn watch_holder(&mut self, id: u32) {
        let Some(attachment) = self.overlays.get(&id) else { return };
        let Some(holder) = attachment.overlay.upper.parent().map(Path::to_owned) else { return };
        let Ok(handle) = beneath::directory(&holder).and_then(|dir| beneath::identity(dir.as_fd(), b"")) else {
            return;
        };
        let told = match self.evidence {
            Evidence::Fanotify => true,
            Evidence::Directories => holder.parent().is_some_and(|above| self.watch_beside(&holder, above).is_ok()),
            _ => false, // the place of the upper directory is looked at before it is read
        };
        if told && !self.places.contains_key(&handle) {
            self.places.insert(handle, Place::Holder(id));
        }
    }

    /// Watches the directory `path` too, if it is on the file system of `holder`: the kernel takes marks on one only.
    fn watch_beside(&mut self, holder: &Path, path: &Path) -> io::Result<()> {
        let dir = beneath::directory(path)?;
        if rustix::fs::fstat(&dir)?.st_dev != rustix::fs::stat(holder)?.st_dev {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let handle = beneath::identity(dir.as_fd(), b"")?;
        self.watch(&dir, &handle)
    }

    /// Watches the work directory and what overlayfs has made in it so far.
    fn watch_work(&mut self, id: u32) -> io::Result<()> {
        let Some(attachment) = self.overlays.get(&id) else { return Ok(()) };
        let Ok(work) = beneath::directory(&attachment.overlay.work) else { return Ok(()) };
        let handle = beneath::identity(work.as_fd(), b"")?;
        self.watch(&work, &handle)?;
        self.places.insert(handle, Place::WorkBase(id));
        for name in ["work", "index"] {
            let Ok(dir) = beneath::open(work.as_fd(), name.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY) else {
                continue;
            };
            let handle = beneath::identity(dir.as_fd(), b"")?;
            self.watch(&dir, &handle)?;
            self.places.insert(handle, Place::Work(id));
            self.find_whiteout(id, &dir);
        }
        Ok(())
    }

    /// The whiteout that overlayfs keeps in its work directory, to make links of it.
    fn find_whiteout(&mut self, id: u32, dir: &OwnedFd) {
        let Ok(entries) = rustix::fs::Dir::read_from(dir) else { return };
        for entry in entries.flatten() {
            if entry.file_type() == rustix::fs::FileType::CharacterDevice
                && let Ok(handle) = beneath::identity(dir.as_fd(), entry.file_name().to_bytes())
            {
                self.places.insert(handle, Place::Whiteout(id));
            }
        }
    }

    fn watch(&mut self, dir: &OwnedFd, handle: &[u8]) -> io::Result<()> {
        self.watcher.as_mut().map_or(Ok(()), |watcher| watcher.watch(dir.as_fd(), handle))
    }

    /// Takes in what was read from the watcher's descriptor.
    pub(crate) fn reports(&mut self, bytes: &[u8], reading: Reading, out: &mut Out) {
        let Some(mut watcher) = self.watcher.take() else { return };
        watcher.parse(bytes, &mut |seen| match seen {
            Seen::Event(raw) => self.event(&raw, reading, out),
            Seen::Changed(handle) => {
                if let Some(Place::Upper(id, entry)) = self.places.get(handle)
                    && !self.changed.contains(&(*id, *entry))
                {
                    self.changed.push((*id, *entry));
                }
            }
            Seen::Overflow => self.overflow(),
        });
        let by_directory = watcher.sees_by_directory();
        self.watcher = Some(watcher);
        let new = std::mem::take(&mut self.new_directories);
        for (id, entry) in new.into_iter().filter(|_| by_directory) {
            // A directory that cannot be watched any more has gone, or the scan will tell what happens in it.
            let _ = match entry {
                Some(entry) => self.adopt(id, entry, Some((reading.at, &mut *out))),
                None => self.watch_work(id),
            };
        }
        for (id, entry) in std::mem::take(&mut self.changed) {
            self.read_again(id, entry, reading.at, out);
        }
    }

    /// Reports were lost: the upper directories will be read.
    pub(crate) fn overflow(&mut self) {
        self.overlays.values_mut().for_each(|it| (it.overflowed, it.changed) = (true, true));
    }

    fn event(&mut self, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let place = self.place(raw.dir);
        if raw.is(mask::OPEN) && !raw.is_dir() {
            self.opened.add(raw.pid, raw.target, reading.batch);
        }
        if raw.is(mask::RENAME) {
            // A mark on one of two directories tells nothing of the other: it was taken to one that nobody watches.
            let taken = raw.name.is_empty() || raw.name.ends_with(REMOVING);
            if let (Some(Place::Holder(id)), true) = (self.places.get(raw.target), taken)
                && let Some(attachment) = self.overlays.get_mut(id)
            {
                attachment.removed = true;
            }
            let old = raw.old.and_then(|(dir, _)| self.place(dir));
            self.renamed(raw, old, place, reading, out);
            return;
        }
        match place {
            Some(Place::Upper(id, parent)) if raw.mask & !(mask::OPEN | mask::ONDIR) != 0 => {
                self.touch(id, reading.at);
                self.in_upper(id, parent, raw, reading, out);
            }
            Some(Place::Work(id)) => self.in_work(id, raw, reading, out),
            Some(Place::WorkBase(id)) if raw.is(mask::CREATE) && raw.is_dir() => {
                self.places.insert(raw.target.into(), Place::Work(id));
                self.new_directories.push((id, None));
            }
            _ => {}
        }
    }

    /// What a directory's handle stands for; nothing for one that was taken out.
    fn place(&self, dir: &[u8]) -> Option<Place> {
        let place = *self.places.get(dir)?;
        match place {
            Place::Upper(id, entry) => {
                let attachment = self.overlays.get(&id)?;
                (!attachment.removed && attachment.model.is_live(entry)).then_some(place)
            }
            place => Some(place),
        }
    }

    fn touch(&mut self, id: u32, at: u64) {
        if let Some(attachment) = self.overlays.get_mut(&id) {
            (attachment.changed, attachment.last) = (true, at);
        }
    }

    /// Something in the work directory: remembered until it moves to the upper one.
    fn in_work(&mut self, id: u32, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let order = self.opened.order();
        match self.places.get_mut(raw.target) {
            // Linux 6.5 to 6.12 name the file by its place before it moved.
            Some(Place::Upper(of, entry)) if !raw.is(mask::CREATE) => {
                let (of, entry) = (*of, *entry);
                // The kernel closes its own copy late: only a close after a write is the process's.
                let written = self.overlays.get(&of).is_some_and(|it| it.dirty.contains_key(&entry));
                if raw.is(mask::MODIFY) || written && raw.is(mask::CLOSE_WRITE) {
                    self.touch(of, reading.at);
                    self.written(of, entry, raw, reading, out);
                }
                if raw.is(mask::ATTRIB) {
                    self.file_attributes(of, entry, &Raw { name: b"", ..*raw }, reading, out);
                }
            }
            Some(Place::Upper(..) | Place::Whiteout(_)) => {}
            // Only whiteouts get a second name of this kind; files with an index get one that tells their origin.
            Some(place @ Place::Staged(_, Staged { named: true, .. }))
                if raw.is(mask::CREATE) && !raw.is_dir() && raw.name.starts_with(b"#") =>
            {
                *place = Place::Whiteout(id);
            }
            Some(Place::Staged(_, staged)) => staged.named |= raw.is(mask::CREATE),
            _ if raw.is(mask::DELETE) || raw.target.is_empty() => {}
            _ => {
                let staged = Staged { named: raw.is(mask::CREATE), order, batch: reading.batch };
                self.places.insert(raw.target.into(), Place::Staged(id, staged));
            }
        }
        if raw.is(mask::DELETE) && matches!(self.places.get(raw.target), Some(Place::Staged(..))) {
            self.places.remove(raw.target);
        }
    }

    /// Tells a fact about the entry at `path`, how far to believe it, and when it was seen.
    fn tell(&self, out: &mut Out, id: u32, path: Vec<u8>, kind: Kind, raw: &Raw<'_>, told: (Certainty, u64)) {
        let (evidence, (certainty, at)) = (self.evidence, told);
        out.tell(Fact { overlay: id, path, kind, pid: raw.pid, evidence, certainty, at });
    }

    fn tell_scan(&self, out: &mut Out, id: u32, path: Vec<u8>, kind: Kind, at: u64) {
        let evidence = if self.evidence == Evidence::Inotify { Evidence::Inotify } else { Evidence::Scan };
        out.tell(Fact { overlay: id, path, kind, pid: 0, evidence, certainty: Certainty::Inferred, at });
    }

    /// Takes an entry out and forgets it and all below it.
    fn drop_entry(&mut self, id: u32, entry: Id) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        attachment.model.take_out(entry);
        forget(attachment, &mut self.places, id, entry);
    }

    /// Takes an entry out, and keeps it for a moment in case it comes back elsewhere.
    fn displace(&mut self, id: u32, entry: Id) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        attachment.model.take_out(entry);
        match attachment.model.get(entry).handle.clone() {
            Some(handle) => attachment.displaced.push_back((handle, entry)),
            None => forget(attachment, &mut self.places, id, entry),
        }
        if attachment.displaced.len() > DISPLACED
            && let Some((_, oldest)) = attachment.displaced.pop_front()
        {
            forget(attachment, &mut self.places, id, oldest);
        }
    }

    /// Puts a new entry in and lets its handle stand for it.
    fn insert(&mut self, id: u32, entry: super::model::Entry) -> Id {
        let Some(attachment) = self.overlays.get_mut(&id) else { return TOP };
        let (handle, whiteout) = (entry.handle.clone(), entry.node.is_none());
        let entry = attachment.model.insert(entry);
        if let Some(handle) = handle {
            if whiteout {
                self.places.insert(handle, Place::Whiteout(id));
            } else if let Some(Place::Upper(of, other)) = self.places.insert(handle.clone(), Place::Upper(id, entry))
                && of == id
                && other != entry
            {
                let siblings = attachment.siblings.entry(handle).or_insert_with(|| vec![other]);
                siblings.push(entry);
            }
        }
        entry
    }
}

/// Forgets an entry that was taken out, all below it, and what their handles meant.
fn forget(attachment: &mut Attachment, places: &mut HashMap<Handle, Place>, id: u32, entry: Id) {
    let Attachment { model, siblings, dirty, uncompared, .. } = attachment;
    model.forget(entry, &mut |gone, entry| {
        dirty.remove(&gone);
        uncompared.remove(&gone);
        let Some(handle) = &entry.handle else { return };
        let left = siblings.get_mut(handle).map(|all| {
            all.retain(|one| *one != gone);
            all.last().copied()
        });
        if places.get(handle) == Some(&Place::Upper(id, gone)) {
            match left.flatten() {
                Some(other) => places.insert(handle.clone(), Place::Upper(id, other)),
                None => places.remove(handle),
            };
        }
        if left == Some(None) {
            siblings.remove(handle);
        }
    });
}
