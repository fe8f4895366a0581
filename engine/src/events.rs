//! Events: what was done to images, by this process and by others.
//!
//! Every event is one JSON line in `outcrop/events.log`; followers in any process are woken by inotify and read what is new. There
//! is no daemon that could keep them in memory, as dockerd does with its last 256. The log is cut when it reaches 1 MiB: what was
//! in it moves to `events.log.1`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Where the log is cut, bytes.
const LONGEST: u64 = 1 << 20;
/// Events that a slow follower may be behind before it loses some.
const BEHIND: usize = 1024;

/// One event, as the Docker Engine API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What it happened to: `image`, `container`, `volume`, `builder`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened: `load`, `tag`, `untag`, `delete`, `import`, `save`, `prune`.
    #[serde(rename = "Action")]
    pub action: String,
    /// The object's ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// More about it: `name` and labels.
    #[serde(rename = "Attributes", default)]
    pub attributes: BTreeMap<String, String>,
    /// When, nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// Past events and those to come, without a gap and without doubles.
pub struct Subscription {
    /// What the log has from the moment asked for until now, oldest first.
    pub past: Vec<Event>,
    /// What happens from now on, in any process. A follower that is far behind gets `Lagged`.
    pub live: broadcast::Receiver<Event>,
}

/// The events of a data root.
pub struct Events {
    log: PathBuf,
    writable: bool,
    /// Events that could not be written (the root is read-only) and those that the watcher reads.
    sender: broadcast::Sender<Event>,
    watcher: Mutex<Option<Watcher>>,
}

impl Events {
    pub(crate) fn new(log: PathBuf, writable: bool) -> Self {
        Self { log, writable, sender: broadcast::channel(BEHIND).0, watcher: Mutex::new(None) }
    }

    /// Notes that something happened, for followers in any process. An event that cannot be written is told in this process only.
    pub fn log(&self, kind: &str, action: &str, id: &str, attributes: BTreeMap<String, String>) {
        let time_nano = jiff::Timestamp::now().as_nanosecond() as i64;
        let event = Event { kind: kind.into(), action: action.into(), id: id.into(), attributes, time_nano };
        let written = self.writable && append(&self.log, &event).is_ok();
        if !written {
            // Nobody listening is no error.
            let _ = self.sender.send(event);
        }
    }

    /// Past events since `since` (nanoseconds since 1970; `None`: none of the past), and those to come.
    pub fn subscribe(&self, since: Option<i64>) -> io::Result<Subscription> {
        let mut watcher = self.watcher();
        if watcher.is_none() && self.log.parent().is_some_and(Path::is_dir) {
            *watcher = Some(Watcher::start(&self.log, self.sender.clone())?);
        }
        // The watcher tells nothing while its position is held: what it has told is past, the rest the new receiver gets.
        let position = watcher.as_ref().map(|watcher| watcher.shared.position());
        let live = self.sender.subscribe();
        let end = position.as_deref().cloned();
        drop(position);
        let past = match since {
            Some(since) => past(&self.log, since, end.as_ref())?,
            None => Vec::new(),
        };
        Ok(Subscription { past, live })
    }

    fn watcher(&self) -> MutexGuard<'_, Option<Watcher>> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append(log: &Path, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event).map_err(io::Error::other)?;
    line.push(b'\n');
    let open = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(log);
    let mut file = open()?;
    // One lock for cutting and writing, so that a line is never lost between the two.
    file.lock()?;
    if file.metadata()?.ino() != std::fs::metadata(log).map_or(0, |now| now.ino()) {
        file = open()?;
        file.lock()?;
    }
    if file.metadata()?.len() > LONGEST {
        std::fs::rename(log, log.with_extension("log.1"))?;
        file = open()?;
        file.lock()?;
    }
    // Whoever was killed while writing left a line without an end: it must not swallow this one.
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last != [b'\n'] {
        line.insert(0, b'\n');
    }
    file.write_all(&line)
}

/// How far somebody has read: in which file, up to which byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    inode: u64,
    offset: u64,
}

fn parse(bytes: &[u8]) -> impl Iterator<Item = Event> {
    // A damaged line is one event less.
    bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

fn past(log: &Path, since: i64, end: Option<&Position>) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    for path in [log.with_extension("log.1"), log.into()] {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let limit = match end {
            Some(end) if end.inode == file.metadata()?.ino() => end.offset,
            _ => 8 * LONGEST,
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        events.extend(parse(&bytes).filter(|event| event.time_nano >= since));
    }
    Ok(events)
}

/// A thread that waits for the log to change and tells what is new in it.
struct Watcher {
    shared: Arc<Watched>,
    watch: i32,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Watched {
    log: PathBuf,
    inotify: OwnedFd,
    position: Mutex<Position>,
    sender: broadcast::Sender<Event>,
}

impl Watcher {
    fn start(log: &Path, sender: broadcast::Sender<Event>) -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let directory = log.parent().unwrap_or(log);
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
        let watch = inotify::add_watch(&inotify, directory, flags)?;
        let position = File::open(log).and_then(|file| file.metadata());
        let position =
            position.map_or_else(|_| Position::default(), |meta| Position { inode: meta.ino(), offset: meta.len() });
        let shared = Arc::new(Watched { log: log.into(), inotify, position: Mutex::new(position), sender });
        let thread = std::thread::Builder::new().name("events".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run()
        })?;
        Ok(Self { shared, watch, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Taking the watch away wakes the thread with `IGNORED`.
        if inotify::remove_watch(&self.shared.inotify, self.watch).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

impl Watched {
    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut changes = inotify::Reader::new(&self.inotify, &mut buffer);
        let name = self.log.file_name().unwrap_or_default().as_encoded_bytes();
        loop {
            match changes.next() {
                Ok(change) if change.events().contains(inotify::ReadFlags::IGNORED) => return,
                Ok(change) if change.file_name().is_some_and(|found| found.to_bytes() == name) => self.tell_new(),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Sends what was added since the last time. The position is held meanwhile, so that a new follower fits in between.
    fn tell_new(&self) {
        let mut position = self.position();
        let _ = self.read_new(&mut position);
    }

    fn read_new(&self, position: &mut Position) -> io::Result<()> {
        let mut file = File::open(&self.log)?;
        let inode = file.metadata()?.ino();
        if inode != position.inode {
            // The log was cut: its rest is in the other file.
            if let Ok(mut old) = File::open(self.log.with_extension("log.1"))
                && old.metadata()?.ino() == position.inode
            {
                self.send_from(&mut old, position)?;
            }
            *position = Position { inode, offset: 0 };
        }
        self.send_from(&mut file, position)
    }

    fn send_from(&self, file: &mut File, position: &mut Position) -> io::Result<()> {
        file.seek(SeekFrom::Start(position.offset))?;
        let mut bytes = Vec::new();
        file.take(8 * LONGEST).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        for event in parse(&bytes[..whole]) {
            let _ = self.sender.send(event);
        }
        position.offset += whole as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn next(live: &mut broadcast::Receiver<Event>) -> Event {
        let start = Instant::now();
        loop {
            match live.try_recv() {
                Ok(event) => return event,
                Err(broadcast::error::TryRecvError::Empty) if start.elapsed() < Duration::from_secs(20) => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("no event: {error}"),
            }
        }
    }

    #[test]
    fn others_see_what_happens_here_and_what_happened() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let log = dir.path().join("events.log");
        let (here, there) = (Events::new(log.clone(), true), Events::new(log, true));
        here.log("image", "load", "sha256:1", BTreeMap::new());
        let mut follower = there.subscribe(Some(0)).expect("subscribes");
        assert_eq!(follower.past.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(), ["load"]);
        here.log("image", "tag", "sha256:1", BTreeMap::from([("name".into(), "a:1".into())]));
        there.log("image", "untag", "sha256:1", BTreeMap::new());
        assert_eq!(next(&mut follower.live).action, "tag");
        assert_eq!(next(&mut follower.live).action, "untag");
        let late = there.subscribe(Some(0)).expect("subscribes");
        assert_eq!(late.past.len(), 3);
        assert!(there.subscribe(None).expect("subscribes").past.is_empty());
    }

    #[test]
    fn a_line_without_an_end_costs_only_itself() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let log = dir.path().join("events.log");
        std::fs::write(&log, "{\"Type\":\"image\",\"Act").expect("writes");
        let events = Events::new(log, true);
        events.log("image", "tag", "sha256:1", BTreeMap::new());
        let past = events.subscribe(Some(0)).expect("subscribes").past;
        assert_eq!(past.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["tag"]);
    }

    #[test]
    fn a_log_that_is_cut_loses_nothing() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let log = dir.path().join("events.log");
        let events = Events::new(log.clone(), true);
        let mut follower = events.subscribe(None).expect("subscribes");
        let long = BTreeMap::from([("x".into(), "y".repeat(300 << 10))]);
        for n in 0..9 {
            events.log("image", &n.to_string(), "", long.clone());
            assert_eq!(next(&mut follower.live).action, n.to_string());
        }
        assert!(log.with_extension("log.1").exists());
        assert!(std::fs::metadata(&log).expect("is there").len() < 2 * LONGEST);
    }

    #[test]
    fn a_read_only_root_still_tells_its_own() {
        let events = Events::new("/proc/no/such/events.log".into(), false);
        let mut follower = events.subscribe(Some(0)).expect("subscribes");
        events.log("image", "save", "sha256:1", BTreeMap::new());
        assert_eq!(next(&mut follower.live).action, "save");
    }
}
