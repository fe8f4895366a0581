//! Names of processes, also of those that have ended before anybody could ask.

use std::collections::{HashMap, VecDeque};
use std::io;

use super::raw_path::RawPath;
use crate::sys::perf::{Record, Ring};

/// How long the name of a process is kept after its end, in nanoseconds.
const KEPT: u64 = 120_000_000_000;
/// Most ended processes whose names are kept.
const MOST: usize = 200_000;

/// A name, and the time from which on it was that of a process, in nanoseconds of the monotonic clock.
type Named = (u64, Box<[u8]>);

/// The names that each process had, with the time from which on.
#[derive(Default)]
pub(crate) struct Names {
    rings: Vec<Ring>,
    records: Vec<Record>,
    known: HashMap<u32, Vec<Named>>,
    ended: VecDeque<(u64, u32)>,
    /// Records that the kernel had no room for.
    pub(crate) lost: u64,
}

impl Names {
    /// Begins to record, on every processor, and reads the names of all processes that run.
    ///
    /// # Errors
    /// Without the right to record, see [`Ring::open`]; the names of running processes are then all there is.
    pub(crate) fn start() -> (Self, io::Result<()>) {
        let mut names = Self::default();
        let opened = processors().into_iter().try_for_each(|cpu| {
            names.rings.push(Ring::open(cpu)?);
            Ok(())
        });
        if opened.is_err() {
            names.rings.clear();
        }
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                names.ask(pid);
            }
        }
        (names, opened)
    }

    /// What becomes readable when much has been recorded.
    pub(crate) fn rings(&self) -> &[Ring] {
        &self.rings
    }

    /// Takes in all that has been recorded. `now` is the monotonic clock's, in nanoseconds.
    pub(crate) fn drain(&mut self, now: u64) {
        let mut records = std::mem::take(&mut self.records);
        self.rings.iter_mut().for_each(|ring| ring.take(&mut records));
        // Each processor has its own ring: a process is begun on one and named on another.
        records.sort_by_key(time);
        records.drain(..).for_each(|record| self.add(record));
        self.records = records;
        while let Some(&(time, pid)) = self.ended.front() {
            if self.ended.len() <= MOST && time.saturating_add(KEPT) > now {
                break;
            }
            self.ended.pop_front();
            // The number may belong to a later process by now.
            if let Some(names) = self.known.get_mut(&pid) {
                names.retain(|(begun, _)| *begun > time);
                if names.is_empty() {
                    self.known.remove(&pid);
                }
            }
        }
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Named { pid, tid, name, time } if pid == tid => {
                self.known.entry(pid).or_default().push((time, name));
            }
            Record::Began { pid, parent, time } if pid != parent => {
                if let Some(name) = self.name_at(parent, time) {
                    self.known.entry(pid).or_default().push((time, name));
                }
            }
            Record::Ended { pid, tid, time } if pid == tid => self.ended.push_back((time, pid)),
            Record::Lost(records) => self.lost += records,
            _ => {}
        }
    }

    /// The name that a process had at `time`, or a moment later.
    pub(crate) fn of(&mut self, pid: u32, time: u64) -> Option<RawPath> {
        let name = self.name_at(pid, time).or_else(|| {
            self.ask(pid);
            self.name_at(pid, u64::MAX)
        });
        name.map(RawPath)
    }

    fn name_at(&self, pid: u32, time: u64) -> Option<Box<[u8]>> {
        let names = self.known.get(&pid)?;
        let before = names.iter().rev().find(|(begun, _)| *begun <= time);
        before.or(names.first()).map(|(_, name)| name.clone())
    }

    /// Asks the kernel for the name of a process that may still run.
    fn ask(&mut self, pid: u32) {
        if let Ok(mut name) = std::fs::read(format!("/proc/{pid}/comm")) {
            name.pop_if(|last| *last == b'\n');
            self.known.entry(pid).or_default().push((0, name.into()));
        }
    }
}

fn time(record: &Record) -> u64 {
    match record {
        Record::Named { time, .. } | Record::Began { time, .. } | Record::Ended { time, .. } => *time,
        Record::Lost(_) => 0,
    }
}

/// The processors that are there: `0-3,8` in the kernel's list.
fn processors() -> Vec<u32> {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_else(|_| "0".into());
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_one_of_that_time() {
        let mut names = Names::default();
        let named = |pid, time, name: &str| Record::Named { pid, tid: pid, name: name.as_bytes().into(), time };
        names.add(named(10, 5, "sh"));
        names.add(Record::Began { pid: 11, parent: 10, time: 7 });
        names.add(named(11, 9, "chmod"));
        names.add(Record::Named { pid: 11, tid: 12, name: b"thread"[..].into(), time: 10 });
        names.add(Record::Ended { pid: 11, tid: 11, time: 20 });
        let mut at = |pid, time| names.of(pid, time).map(|name| name.to_string());
        assert_eq!(at(11, 8).as_deref(), Some("sh"));
        assert_eq!(at(11, 30).as_deref(), Some("chmod"));
        assert_eq!(at(11, 1).as_deref(), Some("sh"));
        assert_eq!(at(u32::MAX, 1), None);
        names.drain(20 + KEPT + 1);
        assert_eq!(names.of(u32::MAX, 1), None);
        assert!(!names.known.contains_key(&11) && names.known.contains_key(&10));
    }

    #[test]
    fn this_process_has_a_name() {
        let (mut names, _) = Names::start();
        let own = std::fs::read_to_string("/proc/self/comm").expect("read");
        assert_eq!(names.of(std::process::id(), u64::MAX).map(|name| name.to_string()).as_deref(), Some(own.trim()));
    }
}
