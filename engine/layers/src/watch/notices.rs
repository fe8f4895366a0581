//! Who changed a file, inferred from what an engine tells of its container's calls.
//!
//! A notice is in the socket before the call runs, and so before there is a fact about it: what was told until now is taken in
//! before a fact is looked up, and nothing needs to wait for anything.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::event::{Evidence, Kind, Who};
use super::notice::{Act, Notice};
use super::out::now;

/// Most paths that are remembered.
const MOST_PATHS: usize = 65_536;
/// Most notices that are remembered of one path.
const MOST_OF_PATH: usize = 32;
/// How long to wait for notices that are known to be waiting, in nanoseconds.
const PATIENCE: i64 = 100_000_000;
/// How long after a lost connection another one is tried, in nanoseconds.
const PAUSE: u64 = 200_000_000;
/// Longest line, in bytes: two paths and a name as JSON.
const LONGEST: usize = 64 << 10;
/// What is sent to be told.
const WATCHER: &[u8] = b"W";

/// What one container's processes did to which path.
pub(crate) struct Notices {
    socket: PathBuf,
    stream: Option<UnixStream>,
    tried: u64,
    received: Vec<u8>,
    /// Whether more is known to be waiting.
    more: bool,
    table: Table,
}

#[derive(Default)]
struct Table {
    paths: HashMap<Box<[u8]>, Told>,
    order: VecDeque<Box<[u8]>>,
}

/// What was told of one path.
#[derive(Default)]
struct Told {
    calls: VecDeque<Call>,
    /// Calls before this one have made something that was told as a fact.
    used: usize,
    /// Who first did something below it.
    below: Option<Who>,
}

struct Call {
    time: u64,
    act: Act,
    who: Who,
}

impl Notices {
    /// Connects to the engine's socket at `socket`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = Some(connect(socket)?);
        let (received, table) = (Vec::new(), Table::default());
        Ok(Self { socket: socket.into(), stream, tried: 0, received, more: false, table })
    }

    /// Who caused a fact about `path` that was seen at `at`, as far as it was told.
    pub(crate) fn who(&mut self, path: &[u8], kind: &Kind, at: u64) -> Option<Who> {
        self.take_in();
        self.table.who(path, kind, at)
    }

    /// Takes in what has been told until now.
    fn take_in(&mut self) {
        if self.stream.is_none() && now() >= self.tried.saturating_add(PAUSE) {
            self.tried = now();
            self.stream = connect(&self.socket).ok();
        }
        while let Some(stream) = &mut self.stream {
            let mut bytes = [0; 16 << 10];
            match stream.read(&mut bytes) {
                Ok(read @ 1..) if self.received.len() < LONGEST => {
                    self.received.extend(&bytes[..read]);
                    self.parse();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.more || !readable(stream) {
                        self.more = false;
                        return;
                    }
                }
                // The engine let go of the container; it may start again.
                _ => {
                    (self.stream, self.more, self.tried) = (None, false, now());
                    self.received.clear();
                }
            }
        }
    }

    fn parse(&mut self) {
        let mut begin = 0;
        while let Some(length) = self.received[begin..].iter().position(|byte| *byte == b'\n') {
            // A line of a later version that says something else tells nothing here.
            if let Ok(notice) = serde_json::from_slice::<Notice>(&self.received[begin..begin + length]) {
                self.more = notice.more;
                self.table.add(&notice);
            }
            begin += length + 1;
        }
        self.received.drain(..begin);
    }
}

fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let missing = || std::io::Error::from(ErrorKind::InvalidInput);
    let (parent, name) = socket.parent().zip(socket.file_name()).ok_or_else(missing)?;
    // A socket's address has room for about 100 bytes.
    let directory = std::fs::File::open(parent)?;
    let mut stream =
        UnixStream::connect(Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name))?;
    stream.write_all(WATCHER)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn readable(stream: &UnixStream) -> bool {
    let mut all = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN)];
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE };
    matches!(rustix::event::poll(&mut all, Some(&patience)), Ok(1..))
}

impl Table {
    fn add(&mut self, notice: &Notice) {
        let who = Who { pid: notice.pid, name: Some(notice.name.clone()), by: Some(Evidence::Seccomp) };
        for path in &notice.paths {
            let told = self.of(&path.0);
            told.calls.push_back(Call { time: notice.time, act: notice.act, who: who.clone() });
            if told.calls.len() > MOST_OF_PATH {
                told.calls.pop_front();
                told.used = told.used.saturating_sub(1);
            }
            let mut folder = path.folder();
            while !folder.is_empty() {
                self.of(folder).below.get_or_insert_with(|| who.clone());
                folder = &folder[..folder.iter().rposition(|byte| *byte == b'/').unwrap_or(0)];
            }
        }
    }

    fn of(&mut self, path: &[u8]) -> &mut Told {
        if !self.paths.contains_key(path) {
            if self.order.len() >= MOST_PATHS
                && let Some(oldest) = self.order.pop_front()
            {
                self.paths.remove(&oldest);
            }
            self.order.push_back(path.into());
        }
        self.paths.entry(path.into()).or_default()
    }

    fn who(&mut self, path: &[u8], kind: &Kind, at: u64) -> Option<Who> {
        let (acts, once): (&[Act], bool) = match kind {
            Kind::CopyUp { .. } => (&[Act::Open, Act::Attributes, Act::Rename, Act::Link], true),
            Kind::Create { .. } => (&[Act::Open, Act::Make, Act::Rename], true),
            Kind::Opaque => (&[Act::Make, Act::Rename], true),
            Kind::Rename { .. } => (&[Act::Rename], true),
            Kind::Link { .. } => (&[Act::Link], true),
            Kind::Whiteout { .. } | Kind::Delete { .. } => (&[Act::Remove, Act::Rename], true),
            Kind::Write { .. } => (&[Act::Open], false),
            Kind::Attributes { .. } => (&[Act::Attributes], false),
            Kind::Compared { .. } | Kind::Resynchronised { .. } => return None,
        };
        let told = self.paths.get_mut(path)?;
        let fits = |call: &Call| acts.contains(&call.act);
        if once {
            // Such facts come in the order of the calls, one for each that did something.
            let found = (told.used..told.calls.len()).find(|n| fits(&told.calls[*n]));
            if let Some(found) = found {
                told.used = found + usize::from(matches!(kind, Kind::Whiteout { .. } | Kind::Delete { .. }));
                return Some(told.calls[found].who.clone());
            }
        }
        let before = told.calls.iter().rev().find(|call| fits(call) && call.time <= at);
        let call = before.or_else(|| told.calls.iter().find(|call| fits(call)));
        let below = || told.below.clone().filter(|_| matches!(kind, Kind::CopyUp { .. }));
        call.map(|call| call.who.clone()).or_else(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::RawPath;
    use crate::watch::event::{Data, Node};

    const WRITE: Kind = Kind::Write { size: None, changed: None, mapped: false };
    const COPY: Kind = Kind::CopyUp { node: Node::File, lower: None, data: Data::Full, copied: 1 };
    const CREATE: Kind = Kind::Create { node: Node::File, over_whiteout: false };
    const DELETE: Kind = Kind::Delete { node: Node::File };

    fn notice(pid: u32, act: Act, paths: &[&str]) -> Notice {
        let paths = paths.iter().map(|path| path.as_bytes().into()).collect();
        Notice { pid, name: RawPath(b"sh"[..].into()), act, paths, time: u64::from(pid), lost: 0, more: false }
    }

    fn pid(table: &mut Table, path: &str, kind: &Kind, at: u64) -> Option<u32> {
        table.who(path.as_bytes(), kind, at).map(|who| who.pid)
    }

    #[test]
    fn the_first_call_copies_and_the_last_one_writes() {
        let mut table = Table::default();
        table.add(&notice(1, Act::Attributes, &["etc/passwd"]));
        table.add(&notice(2, Act::Open, &["etc/passwd"]));
        table.add(&notice(3, Act::Open, &["etc/passwd"]));
        assert_eq!(pid(&mut table, "etc/passwd", &COPY, 9), Some(1));
        assert_eq!(pid(&mut table, "etc/passwd", &WRITE, 2), Some(2));
        assert_eq!(pid(&mut table, "etc/passwd", &WRITE, 9), Some(3));
        assert_eq!(pid(&mut table, "etc", &COPY, 9), Some(1));
        assert_eq!(pid(&mut table, "etc", &DELETE, 9), None);
        assert_eq!(pid(&mut table, "etc/other", &COPY, 9), None);
    }

    #[test]
    fn what_comes_and_goes_and_comes_again_keeps_its_processes() {
        let mut table = Table::default();
        for (pid, act) in [(1, Act::Open), (2, Act::Remove), (3, Act::Open), (4, Act::Rename)] {
            table.add(&notice(pid, act, &["file"]));
        }
        let all = [&CREATE, &DELETE, &CREATE, &DELETE].map(|kind| pid(&mut table, "file", kind, 9));
        assert_eq!(all, [Some(1), Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut table = Table::default();
        for n in 0..MOST_PATHS + 10 {
            table.add(&notice(7, Act::Open, &[&format!("file{n}")]));
        }
        assert_eq!((table.paths.len(), table.order.len()), (MOST_PATHS, MOST_PATHS));
        assert_eq!(pid(&mut table, "file0", &WRITE, 9), None);
        for _ in 0..100 {
            table.add(&notice(8, Act::Open, &["same"]));
        }
        assert_eq!(table.paths[&b"same"[..]].calls.len(), MOST_OF_PATH);
    }
}
