//! Working without root: a user namespace in which an ordinary user is root over their own files and mounts.
//!
//! With ranges in `/etc/subuid` and `/etc/subgid` and the set-user-ID programs `newuidmap` and `newgidmap`, IDs 1 and up in the
//! namespace are the user's subordinate IDs, so that layers keep their owners. Without them there is only ID 0: all files belong
//! to the user. In neither case can devices be made, files of other users be changed, or block file systems be mounted; mounts
//! made here are seen by this process and its children only.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::mount::MountPropagationFlags;
use rustix::process::{Pid, WaitOptions};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// What the caller knows of the user, since nothing here reads the environment.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Name of the user, as `/etc/subuid` may list it.
    pub user: Option<&'a str>,
    /// Text of `/etc/subuid` (`subuid(5)`); empty if there is none.
    pub subuid: &'a str,
    /// Text of `/etc/subgid`.
    pub subgid: &'a str,
    /// Directories, separated by `:`, in which `newuidmap` and `newgidmap` are looked for.
    pub path: &'a OsStr,
}

/// Which IDs there are in the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// ID 0 is the user, the IDs from 1 on are subordinate ones.
    Ranges {
        /// How many subordinate user IDs there are.
        users: u32,
        /// How many subordinate group IDs there are.
        groups: u32,
    },
    /// Only ID 0, which is the user.
    Single {
        /// Why there are no more.
        why: String,
    },
}

/// A namespace that was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Which IDs there are in it.
    pub mapping: Mapping,
}

/// Says why no user namespace could be entered.
#[derive(Debug, thiserror::Error)]
pub enum UserNamespaceError {
    /// The process has more than one thread, which the kernel does not allow.
    #[error("a user namespace can only be entered before threads are started; this process has {threads}")]
    Threads {
        /// How many there are.
        threads: usize,
    },
    /// The kernel refused it.
    #[error(
        "no user namespace for this user: {0}; see the sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone and \
         kernel.apparmor_restrict_unprivileged_userns, or run as root"
    )]
    Refused(#[source] io::Error),
    /// Something about the namespace could not be set.
    #[error("{doing}: {source}")]
    Setup {
        /// What failed.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Moves this process into a new user and mount namespace, where it is root. Its mounts do not reach the outside.
///
/// Must be called before any thread is started. There is no way back.
///
/// # Errors
/// All of [`UserNamespaceError`]; after `Setup` the process may be in a namespace that is of no use, and should end.
pub fn enter(request: &Request<'_>) -> Result<Entered, UserNamespaceError> {
    one_thread()?;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let plan = Plan::new(request, uid, gid);
    let helper = match &plan {
        Ok(plan) => Some(plan.helper().map_err(setup("start a helper process"))?),
        Err(_) => None,
    };
    #[expect(unsafe_code, reason = "rustix declares all kinds of unsharing unsafe")]
    // SAFETY: only `UnshareFlags::FILES` affects descriptors, and it is not given.
    let unshared = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) };
    let mapped = helper.map(|helper| helper.finish(unshared.is_ok()));
    unshared.map_err(|e| UserNamespaceError::Refused(e.into()))?;
    let mapping = match (plan, mapped) {
        (Ok(plan), Some(Ok(()))) => Mapping::Ranges { users: plan.users.2, groups: plan.groups.2 },
        (plan, mapped) => {
            single(uid, gid).map_err(setup("map the user to root"))?;
            let why = plan.err().or_else(|| Some(mapped?.err()?.to_string()));
            Mapping::Single { why: why.unwrap_or_default() }
        }
    };
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags).map_err(|e| setup("keep mounts from the outside")(e.into()))?;
    Ok(Entered { mapping })
}

/// Moves this process into the user namespace `namespace`, which this user has made, and into a mount namespace of its own in it.
///
/// As [`enter`]: before any thread is started, and with no way back.
///
/// # Errors
/// `Refused` when it cannot be joined; nothing has changed then. The others as of [`enter`].
pub fn join(namespace: BorrowedFd<'_>) -> Result<Entered, UserNamespaceError> {
    one_thread()?;
    rustix::thread::move_into_link_name_space(namespace, Some(LinkNameSpaceType::User))
        .map_err(|e| UserNamespaceError::Refused(e.into()))?;
    super::program::own_mounts().map_err(setup("make a mount namespace"))?;
    let (users, groups) = maps().map_err(setup("read the maps of IDs"))?;
    let (users, groups) = (mapped(&users).saturating_sub(1), mapped(&groups).saturating_sub(1));
    let mapping = if users == 0 {
        Mapping::Single { why: "the process that made the namespace had no more".into() }
    } else {
        Mapping::Ranges { users, groups }
    };
    Ok(Entered { mapping })
}

/// Whether this process is in the machine's first user namespace, where IDs mean what they mean to the machine.
pub fn is_initial() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The user and the group IDs that there are: the text of `/proc/self/uid_map` and `gid_map`.
pub fn maps() -> io::Result<(String, String)> {
    Ok((fs::read_to_string("/proc/self/uid_map")?, fs::read_to_string("/proc/self/gid_map")?))
}

/// Whether `setgroups(2)` is allowed: it is not where a user mapped only their own ID.
pub fn may_set_groups() -> bool {
    fs::read_to_string("/proc/self/setgroups").map_or(true, |text| text.trim() != "deny")
}

/// Whether ID `id` is there, by one of [`maps`].
pub fn has_id(map: &str, id: u32) -> bool {
    extents(map).any(|(first, count)| id >= first && id - first < count)
}

/// How many IDs a map has.
fn mapped(map: &str) -> u32 {
    extents(map).fold(0, |sum, (_, count)| sum.saturating_add(count))
}

/// First ID inside and number of IDs of each line (`user_namespaces(7)`).
fn extents(map: &str) -> impl Iterator<Item = (u32, u32)> {
    map.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        Some((fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?))
    })
}

fn one_thread() -> Result<(), UserNamespaceError> {
    let threads = fs::read_dir("/proc/self/task").map_err(setup("count threads"))?.count();
    if threads == 1 { Ok(()) } else { Err(UserNamespaceError::Threads { threads }) }
}

fn setup(doing: &'static str) -> impl Fn(io::Error) -> UserNamespaceError {
    move |source| UserNamespaceError::Setup { doing, source }
}

/// The mapping by `newuidmap` and `newgidmap`.
struct Plan {
    /// Path of the program, the user's own ID, number of subordinate IDs, and its arguments.
    users: (PathBuf, u32, u32, Vec<String>),
    groups: (PathBuf, u32, u32, Vec<String>),
}

impl Plan {
    /// `Err` tells why there can be none.
    fn new(request: &Request<'_>, uid: u32, gid: u32) -> Result<Self, String> {
        let half = |table: &str, file: &str, program: &str, id: u32| {
            let ranges = ranges(table, request.user, uid);
            let count = ranges.iter().fold(0u32, |sum, (_, count)| sum.saturating_add(*count));
            if count == 0 {
                return Err(format!("{file} has no IDs for this user"));
            }
            let path = std::env::split_paths(request.path).map(|dir| dir.join(program)).find(|path| path.is_file());
            let path = path.ok_or_else(|| format!("there is no program {program} (package uidmap or shadow-utils)"))?;
            Ok((path, id, count, arguments(id, &ranges)))
        };
        Ok(Self {
            users: half(request.subuid, "/etc/subuid", "newuidmap", uid)?,
            groups: half(request.subgid, "/etc/subgid", "newgidmap", gid)?,
        })
    }

    /// Starts a process that stays outside and maps IDs as soon as it is told to.
    fn helper(&self) -> io::Result<Helper> {
        let (hears, tells) = io::pipe()?;
        let (listens, mut says) = io::pipe()?;
        let parent = rustix::process::getpid();
        #[expect(unsafe_code, reason = "the helper must be made before the namespace and outlive that moment")]
        // SAFETY: the caller has checked that this is the only thread, so the child's memory is in a sound state.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop((tells, listens));
                let text = self.map(parent, hears).err().map(|e| e.to_string()).unwrap_or_default();
                // Nobody is left to be told of an error.
                let _ = says.write_all(text.as_bytes());
                #[expect(unsafe_code, reason = "the child must not run the parent's destructors")]
                // SAFETY: ends the process at once.
                unsafe {
                    libc::_exit(0)
                }
            }
            pid => Ok(Helper { pid: Pid::from_raw(pid), tells, listens }),
        }
    }

    /// Waits to be told, then maps the IDs of `parent`.
    fn map(&self, parent: Pid, mut hears: PipeReader) -> io::Result<()> {
        let mut go = [0];
        if hears.read(&mut go)? == 0 {
            return Err(io::Error::other("there is no namespace to map"));
        }
        for (program, _, _, arguments) in [&self.users, &self.groups] {
            let pid = parent.as_raw_nonzero().to_string();
            let done = Command::new(program).arg0(program).arg(pid).args(arguments).env_clear().output()?;
            if !done.status.success() {
                let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                return Err(io::Error::other(format!("{} failed: {said}", program.display())));
            }
        }
        Ok(())
    }
}

/// The process that maps IDs from outside.
struct Helper {
    pid: Option<Pid>,
    tells: PipeWriter,
    listens: PipeReader,
}

impl Helper {
    /// Tells it to map, or that there is nothing to map, and waits for its end.
    fn finish(mut self, go: bool) -> io::Result<()> {
        if go {
            self.tells.write_all(b"1")?;
        }
        drop(self.tells);
        let mut text = String::new();
        self.listens.read_to_string(&mut text)?;
        rustix::process::waitpid(self.pid, WaitOptions::empty())?;
        if text.is_empty() { Ok(()) } else { Err(io::Error::other(text)) }
    }
}

/// Maps the user alone, where nothing is mapped yet (`user_namespaces(7)`).
fn single(uid: u32, gid: u32) -> io::Result<()> {
    if fs::read_to_string("/proc/self/uid_map")?.is_empty() {
        fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))
}

/// The user's ranges of `/etc/subuid`, first ID and count.
fn ranges(table: &str, user: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (owner == number || Some(owner) == user).then_some(range)
    };
    table.lines().filter_map(line).collect()
}

/// `INSIDE OUTSIDE COUNT` for the user's own ID and each range.
fn arguments(own: u32, ranges: &[(u32, u32)]) -> Vec<String> {
    let mut arguments = vec!["0".to_owned(), own.to_string(), "1".to_owned()];
    let mut inside = 1u32;
    for (first, count) in ranges {
        arguments.extend([inside.to_string(), first.to_string(), count.to_string()]);
        inside = inside.saturating_add(*count);
    }
    arguments
}

/// Runs `body` in a child process inside a user namespace, as the ordinary user 65534 if this one is root; for tests.
/// `subids`, which only root may give, is what `/etc/subuid` and `/etc/subgid` say there.
///
/// `body` may not print. What it says in its error, or that it panicked, is the error here.
#[cfg(test)]
pub(crate) fn in_child(subids: &str, body: impl FnOnce(&Entered) -> Result<(), String>) -> Result<(), String> {
    const NOBODY: u32 = 65534;
    let (mut listens, mut says) = io::pipe().map_err(|e| e.to_string())?;
    let run = move || {
        if !subids.is_empty() {
            give_ids(subids).map_err(|e| format!("gives subordinate IDs: {e}"))?;
        }
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (rustix::process::Uid::from_raw(NOBODY), rustix::process::Gid::from_raw(NOBODY));
            rustix::thread::set_thread_groups(&[]).map_err(|e| e.to_string())?;
            rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(|e| e.to_string())?;
            rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|e| e.to_string())?;
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
                .map_err(|e| e.to_string())?;
        }
        let request = Request { user: None, subuid: subids, subgid: subids, path: OsStr::new("/usr/bin:/bin") };
        body(&enter(&request).map_err(|e| e.to_string())?)
    };
    #[expect(unsafe_code, reason = "a namespace needs a process with one thread")]
    // SAFETY: the child has one thread; the C library keeps its allocator sound over a fork.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let text = result.map_or_else(|_| "panicked".to_owned(), |result| result.err().unwrap_or_default());
        let _ = says.write_all(text.as_bytes());
        #[expect(unsafe_code, reason = "the child must not run the parent's destructors")]
        // SAFETY: ends the process at once.
        unsafe {
            libc::_exit(0)
        }
    }
    drop(says);
    let mut text = String::new();
    listens.read_to_string(&mut text).map_err(|e| e.to_string())?;
    rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty()).map_err(|e| e.to_string())?;
    if text.is_empty() { Ok(()) } else { Err(text) }
}

/// Lays files over `/etc/subuid` and `/etc/subgid` that only this process sees.
#[cfg(test)]
fn give_ids(text: &str) -> io::Result<()> {
    #[expect(unsafe_code, reason = "rustix declares all kinds of unsharing unsafe")]
    // SAFETY: only `UnshareFlags::FILES` affects descriptors, and it is not given.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), text)?;
    fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    for over in ["/etc/subuid", "/etc/subgid"] {
        rustix::mount::mount_bind(file.path(), over)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids() {
        let table = "# comment\nann:100000:65536\nbob:1:x\n1000:300000:10\nbad\n";
        let found = ranges(table, Some("ann"), 1000);
        assert_eq!(found, [(100_000, 65536), (300_000, 10)]);
        assert_eq!(ranges(table, None, 7), []);
        let expected = ["0", "1000", "1", "1", "100000", "65536", "65537", "300000", "10"];
        assert_eq!(arguments(1000, &found), expected);
    }

    #[test]
    fn ids_of_a_map() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(mapped(map), 65537);
        assert!(has_id(map, 0) && has_id(map, 65536) && !has_id(map, 65537));
        assert!(!has_id("", 0) && !has_id("0 1000 1", 1));
    }

    #[test]
    fn not_with_threads() {
        let (keep, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        let request = Request { user: None, subuid: "", subgid: "", path: OsStr::new("") };
        assert!(matches!(enter(&request), Err(UserNamespaceError::Threads { threads: 2.. })));
        drop(keep);
        let _ = thread.join();
    }

    #[test]
    fn an_ordinary_user_becomes_root() {
        let checked = in_child("", |entered| {
            let is_root = rustix::process::geteuid().is_root() && rustix::process::getegid().is_root();
            let single = matches!(&entered.mapping, Mapping::Single { why } if why.contains("/etc/subuid"));
            if is_root && single { Ok(()) } else { Err(format!("{is_root} {entered:?}")) }
        });
        match checked {
            Err(text) if text.contains("no user namespace") => eprintln!("skipped: {text}"),
            checked => checked.expect("enters"),
        }
    }

    /// With `newuidmap`: layers keep their owners.
    #[test]
    #[ignore = "needs root: run by .ci/run"]
    fn subordinate_ids_are_mapped() {
        in_child("65534:200000:1000\n65534:300000:5000\n", |entered| {
            if entered.mapping != (Mapping::Ranges { users: 6000, groups: 6000 }) {
                return Err(format!("{entered:?}"));
            }
            let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
            let root = fs::File::open(dir.path()).map_err(|e| e.to_string())?;
            fs::write(dir.path().join("file"), "").map_err(|e| e.to_string())?;
            crate::sys::node::chown(&root, b"file", 6000, 42).map_err(|e| e.to_string())?;
            let beyond = crate::sys::node::chown(&root, b"file", 6001, 42);
            if beyond.is_ok() { Err("an ID that is not there".into()) } else { Ok(()) }
        })
        .expect("maps");
    }
}
