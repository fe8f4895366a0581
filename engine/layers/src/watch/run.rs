//! The watch itself: a thread that empties the kernel's queues, and one that makes events of what they tell.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::choice::{INFERRED, NO_PROCESS, ORDER, candidate};
use super::error::WatchError;
use super::event::{Evidence, Reason};
use super::group::{Group, Reading};
use super::mounts;
use super::names::Names;
use super::notices::Notices;
use super::out::{Out, now};
use super::overlay::{Attached, Overlay, Update};
use super::pump::{Others, Pump, step_back};
use super::updates::{Updates, updates};

/// Nothing must have happened for so long before the upper directory is read again, in nanoseconds.
const QUIET: u64 = 1_000_000_000;
/// How often is looked whether something is due, while something may be.
const TICK: Duration = Duration::from_millis(100);

/// How to watch.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether all overlays of the machine are watched, also those that are mounted later.
    pub all: bool,
    /// Directories for a small overlay that shows what the kernel reports; one on the filesystem of the upper directory is used.
    pub scratch: Vec<PathBuf>,
    /// The only mechanism to be tried; the best that works when `None`.
    pub only: Option<Evidence>,
}

/// What the second thread is told.
pub(crate) enum Message {
    Read { group: usize, bytes: Box<[u8]>, at: u64, late: bool },
    Names,
    Mounts,
    Attach(Box<Overlay>, Sender<Result<Attached, WatchError>>),
    Detach(u32, Sender<()>),
    Stop,
}

/// A watch that runs. Ends when it is dropped.
pub struct Watch {
    sender: Sender<Message>,
    pump: Arc<Pump>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Starts it, with nothing to watch yet unless [`Options::all`] is set. The second value is what is told, in order; it ends with
    /// the watch. Take it often: when too many updates wait, what happens is not told but found by a scan later, which says so.
    ///
    /// # Errors
    /// No threads or descriptors are to be had; with [`Options::all`] the mounts cannot be read.
    pub fn start(options: Options) -> Result<(Self, Updates), WatchError> {
        let (sender, messages) = channel();
        let (update_sender, updates) = updates();
        let (names, recorded) = Names::start();
        let cannot = |source| WatchError::Start { source };
        let pump = Pump::new(sender.clone()).map_err(cannot)?;
        let rings = names.rings().iter().map(|ring| ring.as_fd().try_clone_to_owned());
        let rings = rings.collect::<io::Result<_>>().map_err(cannot)?;
        let mounts = if options.all { Some(mounts::list().map_err(cannot)?.into()) } else { None };
        let out = Out::new(update_sender, names);
        let mut desk = Desk {
            options,
            out,
            pump: pump.clone(),
            messages,
            pending: VecDeque::new(),
            groups: Vec::new(),
            refused: HashSet::new(),
            next: 0,
            batch: 0,
            due: 0,
            nameless: recorded.err(),
        };
        let emptier = pump.clone();
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let first = thread("watch-read").spawn(move || emptier.run(&Others { rings, mounts })).map_err(cannot)?;
        let second = thread("watch").spawn(move || desk.run()).map_err(cannot)?;
        Ok((Self { sender, pump, threads: vec![second, first] }, updates))
    }

    /// Begins to watch an overlay, mounted or not; returns when nothing can escape any more. The same is told as an update.
    ///
    /// # Errors
    /// Its upper directory cannot be read, it is watched already, or the only mechanism that was asked for does not work.
    pub fn attach(&self, overlay: Overlay) -> Result<Attached, WatchError> {
        let (sender, answer) = channel();
        let _ = self.sender.send(Message::Attach(Box::new(overlay), sender));
        answer.recv().map_err(|_| WatchError::Ended)?
    }

    /// Ends watching one overlay: what is left is told, and compared with its upper directory, before this returns.
    pub fn detach(&self, overlay: u32) {
        let (sender, answer) = channel();
        let _ = self.sender.send(Message::Detach(overlay, sender));
        let _ = answer.recv();
    }

    /// Ends the watch: all overlays are compared with what was told, and the rest is told, before this returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.sender.send(Message::Stop);
        let mut threads = std::mem::take(&mut self.threads).into_iter();
        if let Some(second) = threads.next() {
            // A thread that panicked has said so; there is nothing left to end.
            let _ = second.join();
        }
        self.pump.close();
        if let Some(first) = threads.next() {
            let _ = first.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the second thread works on.
struct Desk {
    options: Options,
    out: Out,
    pump: Arc<Pump>,
    messages: Receiver<Message>,
    /// Messages that were taken early.
    pending: VecDeque<Message>,
    groups: Vec<Option<Group>>,
    /// Upper directories that could not be watched, which was said.
    refused: HashSet<PathBuf>,
    next: u32,
    batch: u64,
    /// When to look again for what is due, 0 when nothing can be.
    due: u64,
    /// Why processes that end quickly have no name, until it is said.
    nameless: Option<io::Error>,
}

impl Desk {
    fn run(&mut self) {
        if self.options.all {
            self.look_for_mounts(false);
        }
        loop {
            match self.message() {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.due != 0 && now() >= self.due {
                self.tick();
            }
        }
        for id in self.all() {
            self.detach(id);
        }
    }

    /// The next message; a timeout when it is time to look for what is due.
    fn message(&mut self) -> Result<Message, RecvTimeoutError> {
        match self.pending.pop_front() {
            Some(message) => Ok(message),
            None if self.due == 0 => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            None => self.messages.recv_timeout(TICK),
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Read { group, bytes, at, late } => {
                if let Some(Some(group)) = self.groups.get_mut(group) {
                    self.batch += 1;
                    self.out.names.drain(at);
                    if self.out.is_full() {
                        group.overflow();
                    } else {
                        group.reports(&bytes, Reading { at, late, batch: self.batch }, &mut self.out);
                    }
                    self.due = if self.due == 0 { at + TICK.as_nanos() as u64 } else { self.due };
                }
            }
            Message::Names => self.out.names.drain(now()),
            Message::Mounts => self.look_for_mounts(true),
            Message::Attach(overlay, answer) => {
                let _ = answer.send(self.attach(*overlay, false));
            }
            Message::Detach(id, answer) => {
                self.detach(id);
                let _ = answer.send(());
            }
            Message::Stop => {}
        }
    }

    /// Takes in what the kernel has reported until now.
    fn catch_up(&mut self) {
        self.pump.drain();
        self.pending.extend(self.messages.try_iter());
        for message in std::mem::take(&mut self.pending) {
            match message {
                read @ Message::Read { .. } => self.handle(read),
                other => self.pending.push_back(other),
            }
        }
    }

    fn attach(&mut self, overlay: Overlay, tell: bool) -> Result<Attached, WatchError> {
        let device = std::fs::metadata(&overlay.upper);
        let device = device.map_err(|source| WatchError::Upper { path: overlay.upper.clone(), source })?.dev();
        let mut attached = self.groups.iter().flatten().flat_map(|group| group.overlays.values());
        if attached.any(|other| other.overlay.upper == overlay.upper) {
            return Err(WatchError::Already { path: overlay.upper });
        }
        self.catch_up();
        let mut reasons = Vec::new();
        let methods = self.options.only.map_or(ORDER.to_vec(), |only| vec![only]);
        for method in methods {
            match self.try_method(method, device, &overlay, tell) {
                Ok(mut attached) => {
                    attached.notes.extend(reasons);
                    self.out.send(Update::Attached(attached.clone()));
                    return Ok(attached);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(WatchError::NoMethod { path: overlay.upper, reasons: reasons.join("; ") })
    }

    fn try_method(&mut self, method: Evidence, device: u64, overlay: &Overlay, tell: bool) -> Result<Attached, String> {
        let id = self.next;
        let of_device = |group: &Option<Group>| group.as_ref().is_some_and(|group| group.is_on(device));
        let at = self.groups.iter().position(of_device).filter(|_| method == Evidence::Fanotify);
        let mut notes = Vec::new();
        let mut group = if let Some(group) = at.and_then(|at| self.groups[at].take()) {
            group
        } else {
            let candidate = candidate(method, overlay, &self.options)?;
            notes = candidate.notes;
            Group::new(candidate.watcher, candidate.tells_opens, device)
        };
        let told = if tell { Some((now(), &mut self.out)) } else { None };
        let attached = group.attach(id, overlay.clone(), told);
        let names_processes = group.names_processes();
        if method == Evidence::Fanotify {
            // Nothing escapes it however late it looks; the others must be quick to see what happens in a new directory.
            step_back();
            self.pump.step_back();
        }
        let new = self.groups.len();
        match at {
            Some(at) => self.groups[at] = Some(group),
            None if attached.is_ok() => {
                let added = group.queue().map_or(Ok(()), |queue| self.pump.add(new, queue));
                added.map_err(|error| format!("no descriptors left: {error}"))?;
                self.groups.push(Some(group));
            }
            None => {}
        }
        let (entries, more) =
            attached.map_err(|error| format!("{method:?} refused {}: {error}", overlay.upper.display()))?;
        self.next += 1;
        if method == Evidence::Scan {
            self.due = now() + QUIET;
        }
        notes.extend(more);
        if names_processes && let Some(error) = self.nameless.take() {
            let text =
                "processes that end quickly may stay without a name: the kernel's record of them is not to be had";
            notes.push(format!("{text} ({error})"));
        }
        let infers_processes = !names_processes && self.listen(id, overlay, &mut notes);
        let (name, upper, lowers) = (overlay.name.clone(), overlay.upper.clone(), overlay.lowers.clone());
        Ok(Attached { overlay: id, name, upper, lowers, method, names_processes, infers_processes, notes, entries })
    }

    /// Has an engine tell what the processes of an overlay do, where it can, and notes what is to be known of that.
    fn listen(&mut self, id: u32, overlay: &Overlay, notes: &mut Vec<String>) -> bool {
        let Some(socket) = &overlay.notices else { return false };
        match Notices::connect(socket) {
            Ok(notices) => {
                self.out.notices.insert(id, notices);
                notes.retain(|note| note != NO_PROCESS);
                notes.push(INFERRED.into());
                true
            }
            Err(error) => {
                notes.push(format!("the engine does not tell of the container's processes: {error}"));
                false
            }
        }
    }

    fn all(&self) -> Vec<u32> {
        self.groups.iter().flatten().flat_map(|group| group.overlays.keys().copied()).collect()
    }

    /// Compares an overlay with its upper directory.
    fn reconcile(&mut self, id: u32, reason: Reason) -> Option<bool> {
        let has = |group: &Option<Group>| group.as_ref().is_some_and(|group| group.overlays.contains_key(&id));
        let at = self.groups.iter().position(has)?;
        let mut group = self.groups[at].take()?;
        let (pump, messages, pending, batch) = (&self.pump, &self.messages, &mut self.pending, &mut self.batch);
        let mut drain = |group: &mut Group, out: &mut Out| {
            pump.drain();
            pending.extend(messages.try_iter());
            let mut any = false;
            for message in std::mem::take(pending) {
                match message {
                    Message::Read { group: of, bytes, at: when, late } if of == at => {
                        *batch += 1;
                        out.names.drain(when);
                        let before = group.overlays.get(&id).map(|it| it.last);
                        group.reports(&bytes, Reading { at: when, late, batch: *batch }, out);
                        any |= group.overlays.get(&id).map(|it| it.last) != before;
                    }
                    other => pending.push_back(other),
                }
            }
            any
        };
        let agrees = group.reconcile(id, reason, &mut self.out, &mut drain);
        self.groups[at] = Some(group);
        agrees
    }

    fn detach(&mut self, id: u32) {
        let agrees = self.reconcile(id, Reason::Stop);
        for group in self.groups.iter_mut().flatten() {
            if group.overlays.contains_key(&id) {
                self.out.send(Update::Detached { overlay: id, agrees });
                self.out.notices.remove(&id);
                group.detach(id);
            }
        }
    }

    /// Tells what has waited long enough, and compares what nothing happens to any more.
    fn tick(&mut self) {
        let at = now();
        self.pump.drain();
        self.pending.extend(self.messages.try_iter());
        // What has been read and not looked at may be the end of what seems to last.
        let read = self.pending.iter().find_map(|message| match message {
            Message::Read { at, .. } => Some(*at),
            _ => None,
        });
        let (behind, seen) = (read.is_some(), read.unwrap_or(at));
        let mut later = behind;
        for group in self.groups.iter_mut().flatten() {
            group.flush_old(seen, &mut self.out);
            later |= group.has_dirty() || group.evidence == Evidence::Scan && !group.overlays.is_empty();
        }
        for id in self.all() {
            let due = self.groups.iter().flatten().find_map(|group| Some((group.evidence, group.overlays.get(&id)?)));
            let Some((evidence, overlay)) = due else { continue };
            let wanted = !behind && !self.out.is_full() && (overlay.changed || evidence == Evidence::Scan);
            if wanted && at >= overlay.not_before && (overlay.overflowed || at >= overlay.last + QUIET) {
                self.reconcile(id, Reason::Idle);
            }
            let overlay = self.groups.iter().flatten().find_map(|group| group.overlays.get(&id));
            later |= overlay.is_some_and(|overlay| overlay.changed);
        }
        self.due = if later { at + TICK.as_nanos() as u64 } else { 0 };
    }

    /// Attaches what has been mounted, and detaches what has gone.
    fn look_for_mounts(&mut self, later: bool) {
        let Ok(found) = mounts::overlays() else { return };
        let known: Vec<(u32, PathBuf)> = self
            .groups
            .iter()
            .flatten()
            .flat_map(|group| group.overlays.iter().map(|(id, it)| (*id, it.overlay.upper.clone())))
            .collect();
        for (id, upper) in &known {
            if !found.iter().any(|mount| mount.overlay.upper == *upper) {
                self.detach(*id);
            }
        }
        for mount in found {
            let is_known = known.iter().any(|(_, upper)| *upper == mount.overlay.upper);
            if !is_known && !self.refused.contains(&mount.overlay.upper) {
                let (name, upper) = (mount.overlay.name.clone(), mount.overlay.upper.clone());
                if let Err(error) = self.attach(mount.overlay, later) {
                    self.refused.insert(upper);
                    self.out.send(Update::Note(format!("{name} is not watched: {error}")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::time::Instant;

    use super::super::event::{Event, Kind};
    use super::*;

    /// More than may wait.
    const FILES: usize = 5_000;

    /// Makes files where a watch sees them whose updates nobody takes, and waits until it has seen them.
    fn burst(upper: &std::path::Path, watch: &Watch, updates: &Updates) {
        let before = updates.waiting();
        for n in 0..FILES {
            fs::write(upper.join(n.to_string()), "x").expect("written");
            watch.pump.drain();
        }
        let until = Instant::now() + Duration::from_secs(20);
        while updates.waiting() == before {
            assert!(Instant::now() < until, "nothing is told");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(500));
    }

    #[test]
    fn what_nobody_takes_waits_on_the_disk() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["upper", "work"] {
            fs::create_dir(at(name)).expect("made");
        }
        let overlay = Overlay { upper: at("upper"), work: at("work"), ..Overlay::default() };
        let options = Options { only: Some(Evidence::Directories), ..Options::default() };
        let (watch, updates) = Watch::start(options).expect("starts");
        watch.attach(overlay).expect("attaches");
        burst(&at("upper"), &watch, &updates);
        assert!(updates.waiting() < FILES, "{} updates wait", updates.waiting());
        let mut events = Vec::new();
        let said = |events: &[Event]| {
            events.iter().any(|it| matches!(it.kind, Kind::Resynchronised { reason: Reason::Overflow, .. }))
        };
        while !said(&events) {
            if let Update::Event(event) = updates.recv_timeout(Duration::from_secs(20)).expect("says what was lost") {
                events.push(event);
            }
        }
        watch.stop();
        let mut agrees = None;
        for update in updates.iter() {
            match update {
                Update::Event(event) => events.push(event),
                Update::Detached { agrees: told, .. } => agrees = told,
                _ => {}
            }
        }
        assert_eq!(agrees, Some(true));
        let created = events.iter().filter(|event| matches!(event.kind, Kind::Create { .. }));
        let paths: Vec<String> = created.map(|event| event.path.to_string()).collect();
        assert_eq!((paths.len(), paths.iter().collect::<BTreeSet<_>>().len()), (FILES, FILES), "each told once");
    }
}
