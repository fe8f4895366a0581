//! Telling: every event gets its number, its time and the name of its process here.

use std::collections::HashMap;

use rustix::time::ClockId;

use super::event::{Certainty, Event, Evidence, Kind, Who};
use super::names::Names;
use super::notices::Notices;
use super::overlay::Update;
use super::raw_path::RawPath;
use super::updates::UpdateSender;

/// What an event is made of.
pub(crate) struct Fact {
    pub(crate) overlay: u32,
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// The process, 0 when it is not known.
    pub(crate) pid: i32,
    pub(crate) evidence: Evidence,
    pub(crate) certainty: Certainty,
    /// When it was seen, by the monotonic clock in nanoseconds.
    pub(crate) at: u64,
}

/// Where updates go.
pub(crate) struct Out {
    sender: UpdateSender,
    seq: u64,
    /// What to add to the monotonic clock to get the time since 1970, in nanoseconds.
    offset: u64,
    pub(crate) names: Names,
    /// What engines tell of the processes of overlays that no watcher tells them of.
    pub(crate) notices: HashMap<u32, Notices>,
}

impl Out {
    pub(crate) fn new(sender: UpdateSender, names: Names) -> Self {
        let offset = clock(ClockId::Realtime).saturating_sub(clock(ClockId::Monotonic));
        Self { sender, seq: 0, offset, names, notices: HashMap::new() }
    }

    /// Tells an event.
    pub(crate) fn tell(&mut self, fact: Fact) {
        self.seq += 1;
        let pid = u32::try_from(fact.pid).ok().filter(|pid| *pid != 0);
        let who = match pid {
            Some(pid) => Some(Who { pid, name: self.names.of(pid, fact.at), by: None }),
            None => self.notices.get_mut(&fact.overlay).and_then(|it| it.who(&fact.path, &fact.kind, fact.at)),
        };
        self.send(Update::Event(Event {
            seq: self.seq,
            time: self.offset + fact.at,
            overlay: fact.overlay,
            path: RawPath(fact.path.into()),
            kind: fact.kind,
            who,
            evidence: fact.evidence,
            certainty: fact.certainty,
        }));
    }

    /// Whether whoever takes what is told is so far behind that telling more would only fill memory.
    pub(crate) fn is_full(&self) -> bool {
        self.sender.is_full()
    }

    /// Tells something else. When nobody listens any more, the watch is about to end.
    pub(crate) fn send(&mut self, update: Update) {
        let _ = self.sender.send(update);
    }
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn now() -> u64 {
    clock(ClockId::Monotonic)
}

fn clock(id: ClockId) -> u64 {
    let time = rustix::time::clock_gettime(id);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
