//! Writes: one event for what a process wrote between two looks, with the bytes that really changed.

use std::os::fd::AsFd;

use super::arrival::reopened;
use super::{Group, Reading};
use crate::sys::fanotify::mask;
use crate::watch::beneath;
use crate::watch::event::{Certainty, Data, Kind, Node};
use crate::watch::model::{Id, Known};
use crate::watch::out::Out;
use crate::watch::raw::Raw;

/// A file that stays open is told to have been written after so many nanoseconds.
pub(crate) const PATIENCE: u64 = 250_000_000;
/// Larger files are compared only when nothing happens, in bytes.
const AT_ONCE: u64 = 1 << 20;
/// Larger files are never compared, in bytes.
const AT_ALL: u64 = 4 << 30;

/// A process that has written to a file that it has not closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pid: i32,
    since: u64,
    late: bool,
}

/// What a write came to.
struct Outcome {
    size: Option<u64>,
    changed: Option<u64>,
}

impl Group {
    /// A file was written, or closed by somebody who could write.
    pub(super) fn written(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        if !attachment.model.is_live(entry) {
            return;
        }
        if attachment.model.get(entry).metadata_only && self.content_copied(id, entry, raw, reading, out) {
            return;
        }
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let writers = attachment.dirty.entry(entry).or_default();
        let at = writers.iter().position(|writer| writer.pid == raw.pid);
        if raw.is(mask::MODIFY) && at.is_none() {
            writers.push(Writer { pid: raw.pid, since: reading.at, late: reading.late });
        }
        if !raw.is(mask::CLOSE_WRITE) {
            return;
        }
        let wrote = raw.is(mask::MODIFY) || at.is_some();
        writers.retain(|writer| writer.pid != raw.pid);
        if writers.is_empty() {
            attachment.dirty.remove(&entry);
        }
        if wrote {
            self.tell_write(id, entry, raw.pid, false, reading, out);
        } else {
            self.closed(id, entry, raw, reading, out);
        }
    }

    /// Closed without a write: if its time of modification is another one, it was written through memory.
    fn closed(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) {
        let Some((stat, _)) = self.look_at(id, entry) else { return };
        let now = Known::from(&stat);
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        let Some(known) = attachment.model.get(entry).known else { return };
        let written =
            if known.mtime == (0, 0) { now.size > 0 } else { now.mtime != known.mtime || now.size != known.size };
        if written {
            self.tell_write(id, entry, raw.pid, true, reading, out);
        }
    }

    /// A file of which only metadata had been copied up: overlayfs copies the content when it is first written.
    fn content_copied(&mut self, id: u32, entry: Id, raw: &Raw<'_>, reading: Reading, out: &mut Out) -> bool {
        let Some(attachment) = self.overlays.get(&id) else { return false };
        let attribute = attachment.lowers.attribute("metacopy");
        match self.look_at(id, entry) {
            Some((_, file)) if beneath::xattr(file.as_fd(), &attribute).is_some() => return true,
            _ => {}
        }
        let Some(attachment) = self.overlays.get_mut(&id) else { return false };
        attachment.model.get_mut(entry).metadata_only = false;
        let Some(lower) = attachment.model.get(entry).lower.as_deref().cloned() else { return false };
        let found = attachment.lowers.find(&lower.path.0).filter(|found| found.lower.layer == lower.layer);
        let copied = found.map_or(lower.size, |found| attachment.lowers.bytes_to_copy(&found));
        let path = attachment.model.path(entry);
        let kind = Kind::CopyUp { node: Node::File, lower: Some(lower), data: Data::Full, copied };
        self.tell(out, id, path, kind, raw, (Certainty::Exact, reading.at));
        // The kernel's own writing has been merged with the process's: what differs, the process wrote.
        let outcome = self.measure(id, entry, true);
        outcome.changed == Some(0)
    }

    pub(super) fn tell_write(&mut self, id: u32, entry: Id, pid: i32, mapped: bool, reading: Reading, out: &mut Out) {
        if self.was_foretold(id, entry) {
            return;
        }
        let outcome = self.measure(id, entry, false);
        let path = self.path(id, entry);
        let kind = Kind::Write { size: outcome.size, changed: outcome.changed, mapped };
        let certainty = if reading.late { Certainty::Coalesced } else { Certainty::Exact };
        let raw = Raw { pid, ..Raw::default() };
        self.tell(out, id, path, kind, &raw, (certainty, reading.at));
    }

    /// Whether this write was told before its report came: nothing has changed since.
    fn was_foretold(&mut self, id: u32, entry: Id) -> bool {
        let Some(attachment) = self.overlays.get_mut(&id) else { return false };
        if !std::mem::take(&mut attachment.model.get_mut(entry).foretold) {
            return false;
        }
        let known = attachment.model.get(entry).known;
        let now = self.look_at(id, entry).map(|(stat, _)| Known::from(&stat));
        known.zip(now).is_some_and(|(known, now)| known.mtime == now.mtime && known.size == now.size)
    }

    /// Size and bytes that differ from the lower file, now. Remembers what the file was.
    fn measure(&mut self, id: u32, entry: Id, even_large: bool) -> Outcome {
        let nothing = Outcome { size: None, changed: None };
        let Some((stat, file)) = self.look_at(id, entry) else { return nothing };
        let size = stat.st_size as u64;
        self.resolve_lower(id, entry);
        let Some(attachment) = self.overlays.get_mut(&id) else { return nothing };
        let now = Known::from(&stat);
        // Of a change of mode or owner there is a report, or the next scan will tell.
        let known = attachment.model.get(entry).known.unwrap_or(now);
        attachment.know(entry, Known { mode: known.mode, owner: known.owner, ..now });
        let Some(lower) = attachment.model.get(entry).lower.as_deref() else {
            return Outcome { size: Some(size), changed: Some(size) };
        };
        let largest = if even_large { AT_ALL } else { AT_ONCE };
        if size.max(lower.size) > largest {
            if size.max(lower.size) <= AT_ALL {
                attachment.uncompared.insert(entry);
            }
            return Outcome { size: Some(size), changed: None };
        }
        let lower = attachment.lowers.content(lower);
        let both = lower.zip(reopened(&file));
        let changed = both.and_then(|(lower, upper)| self.comparer.changed(upper, lower.into()).ok());
        Outcome { size: Some(size), changed }
    }

    /// Looks for the lower file of an entry that a walk found.
    fn resolve_lower(&mut self, id: u32, entry: Id) {
        let Some(attachment) = self.overlays.get(&id) else { return };
        let known = attachment.model.get(entry);
        if known.lower.is_some() || known.over.is_some() || known.node != Some(Node::File) {
            return;
        }
        let (parent, name) = (known.parent, known.name.clone());
        if !self.is_over(id, entry) {
            return;
        }
        let file = self.look_at(id, entry).map(|(_, file)| file);
        let found = self.find_lower(id, parent, &name, file.as_ref());
        if let Some(attachment) = self.overlays.get_mut(&id) {
            attachment.model.get_mut(entry).lower = found.map(|found| Box::new(found.lower));
        }
    }

    /// Tells what was written to a file that is about to go.
    pub(super) fn flush(&mut self, id: u32, entry: Id, reading: Reading, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        for writer in attachment.dirty.remove(&entry).unwrap_or_default() {
            let reading = Reading { late: reading.late || writer.late, ..reading };
            self.tell_write(id, entry, writer.pid, false, reading, out);
        }
    }

    /// Tells what was written and not closed for a while; all of it for `at` of `u64::MAX`.
    pub(crate) fn flush_old(&mut self, at: u64, out: &mut Out) {
        for id in self.overlays.keys().copied().collect::<Vec<_>>() {
            let Some(attachment) = self.overlays.get(&id) else { continue };
            let old = |writer: &Writer| writer.since.saturating_add(PATIENCE) <= at;
            let due = attachment.dirty.iter().filter(|(_, writers)| writers.iter().any(old));
            let mut due: Vec<Id> = due.map(|(entry, _)| *entry).collect();
            due.sort_unstable();
            let at = at.min(crate::watch::out::now());
            // Whoever keeps it open may write again: that is told then.
            for entry in due {
                self.flush(id, entry, Reading { at, late: true, batch: 0 }, out);
            }
        }
    }

    /// Whether a file is open that has been written and not told.
    pub(crate) fn has_dirty(&self) -> bool {
        self.overlays.values().any(|attachment| !attachment.dirty.is_empty())
    }

    /// Compares the files that were too large to compare at once.
    pub(super) fn compare_rest(&mut self, id: u32, at: u64, out: &mut Out) {
        let Some(attachment) = self.overlays.get_mut(&id) else { return };
        for entry in std::mem::take(&mut attachment.uncompared) {
            if let Outcome { size: Some(size), changed: Some(changed) } = self.measure(id, entry, true) {
                let path = self.path(id, entry);
                self.tell_scan(out, id, path, Kind::Compared { size, changed }, at);
            }
        }
    }
}
