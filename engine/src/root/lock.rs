//! Locks: one against dockerd, one for short changes.
//!
//! dockerd holds `flock(LOCK_EX)` on `volumes/metadata.db` for as long as it lives. Every outcrop process that may change
//! the root holds `LOCK_SH` on it: any number of them, but never together with dockerd. Within outcrop, changes are made under
//! an exclusive lock of `outcrop/lock`, held for milliseconds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Held while the root is open for changes; freed when dropped, or by the kernel when the process dies.
#[derive(Debug)]
pub(crate) struct Presence(#[expect(dead_code, reason = "holding it is the point")] File);

/// What became of asking for [`Presence`].
#[derive(Debug)]
pub(crate) enum Asked {
    Granted(Presence),
    /// Somebody has it exclusively: who, in words.
    Taken(String),
}

impl Presence {
    /// Asks for the shared lock of `metadata.db`, without waiting.
    pub(crate) fn ask(metadata_db: &Path) -> io::Result<Asked> {
        // Read and write: a lock on a network file system wants that, and a root that cannot be written is told apart here.
        let file = OpenOptions::new().read(true).write(true).open(metadata_db)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Asked::Granted(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(Asked::Taken(holder(&file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Says who has an exclusive lock on `file`, from `/proc/locks`.
fn holder(file: &File) -> String {
    let Some(pid) = file.metadata().ok().and_then(|meta| {
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        locking_pid(&locks, meta.dev(), meta.ino())
    }) else {
        return "another program has a lock on volumes/metadata.db, as dockerd does while it runs".into();
    };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match name.trim() {
        "" => format!("process {pid} has it open (lock on volumes/metadata.db)"),
        name => format!("{name} (pid {pid}) has it open"),
    }
}

/// Finds who has the write `FLOCK` on an inode. Lines are `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`, waiting ones have `->`.
fn locking_pid(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let device = (rustix::fs::major(device), rustix::fs::minor(device));
    let lines = || {
        locks.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, "FLOCK", _, "WRITE", pid, file, ..] = fields[..] else { return None };
            let mut parts = file.split(':');
            let major = u32::from_str_radix(parts.next()?, 16).ok()?;
            let minor = u32::from_str_radix(parts.next()?, 16).ok()?;
            let found: u64 = parts.next()?.parse().ok()?;
            (found == inode).then_some((pid.parse::<u32>().ok()?, (major, minor)))
        })
    };
    // btrfs and overlayfs tell another device here than stat does: then the inode alone must do.
    let exact = lines().find(|(_, found)| *found == device).or_else(|| lines().next());
    exact.map(|(pid, _)| pid).filter(|pid| *pid != 0)
}

/// Held during a short change of the root.
#[derive(Debug)]
pub(crate) struct Changing(#[expect(dead_code, reason = "holding it is the point")] File);

impl Changing {
    /// Waits for the lock. Two handles exclude each other within one process too: never ask while holding one.
    pub(crate) fn wait(lock: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(lock)?;
        file.lock()?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: POSIX  ADVISORY  WRITE 10 fd:01:77 0 EOF
2: FLOCK  ADVISORY  READ 11 fd:01:77 0 EOF
3: FLOCK  ADVISORY  WRITE 12 fd:01:78 0 EOF
4: FLOCK  ADVISORY  WRITE 13 fd:01:77 0 EOF
4: -> FLOCK  ADVISORY  WRITE 14 fd:01:77 0 EOF
5: FLOCK  ADVISORY  WRITE 0 fd:01:79 0 EOF
";

    #[test]
    fn finds_who_holds_a_lock() {
        let device = rustix::fs::makedev(0xfd, 1);
        assert_eq!(locking_pid(LOCKS, device, 77), Some(13));
        assert_eq!(locking_pid(LOCKS, device, 78), Some(12));
        assert_eq!(locking_pid(LOCKS, rustix::fs::makedev(0, 42), 78), Some(12), "another device, same inode");
        assert_eq!(locking_pid(LOCKS, device, 79), None, "a process of another PID namespace");
        assert_eq!(locking_pid(LOCKS, device, 80), None);
    }

    #[test]
    fn shared_locks_go_together_but_not_with_an_exclusive_one() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("metadata.db");
        std::fs::write(&path, "").expect("writes");
        let first = Presence::ask(&path).expect("asks");
        let second = Presence::ask(&path).expect("asks");
        assert!(matches!((&first, &second), (Asked::Granted(_), Asked::Granted(_))));
        let other = File::open(&path).expect("opens");
        assert!(other.try_lock().is_err(), "dockerd is kept out");
        drop((first, second));
        other.try_lock().expect("locks");
        let Asked::Taken(who) = Presence::ask(&path).expect("asks") else { panic!("granted twice") };
        assert!(who.contains(&format!("pid {}", std::process::id())), "{who}");
    }
}
