//! What a call that waits is about: who makes it, and which path of the container's root file system it means.
//!
//! The call has not run yet, so that its process is there to be asked. All that is read of it is its own claim, and for
//! looking at only. Nothing here may wait: paths that lead to another mount are left alone.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use outcrop_layers::watch::{Notice, RawPath};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};

use crate::container::seccomp::notify::{Call, Last, Place, WRITES};
use crate::sys::notify::{Listener, Request};
use crate::sys::{beneath, fd};

/// Longest path that the kernel takes, in bytes with the closing zero.
const LONGEST: usize = 4096;

/// What `call` of `request` is about; nothing when it is about no file of the file system with the device number `device`.
pub(super) fn notice(listener: &Listener, request: &Request, call: &Call, device: u64) -> Option<Notice> {
    let process = Process::of(request)?;
    let follow = process.opens(request, call)?;
    let root = process.open("root")?;
    if number(&root)? != device {
        return None;
    }
    let asked = [Some(call.at), call.to].into_iter().flatten();
    let asked: Vec<Asked> = asked.filter_map(|place| process.asked(request, place)).collect();
    // What was opened by the thread's number was the thread's, as it still waits.
    if !listener.waits(request) {
        return None;
    }
    let top = path_of(&root)?;
    let paths = asked.iter().filter_map(|asked| asked.resolve(&root, &top, follow, device)).collect::<Vec<_>>();
    if paths.is_empty() {
        return None;
    }
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let time = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
    let (pid, name) = process.name()?;
    Some(Notice { pid, name, act: call.act, paths, time, lost: 0, more: false })
}

/// A thread that waits in a call, as `/proc` shows it.
struct Process {
    thread: u32,
    memory: File,
}

/// A path as it was given.
struct Asked {
    /// Where it begins, when that is neither the root nor needed.
    base: Option<OwnedFd>,
    path: Vec<u8>,
}

impl Process {
    fn of(request: &Request) -> Option<Self> {
        let thread = request.thread;
        Some(Self { thread, memory: File::open(format!("/proc/{thread}/mem")).ok()? })
    }

    /// A magic link of its directory in `/proc`, which leads into its own mounts.
    fn open(&self, name: &str) -> Option<OwnedFd> {
        let path = format!("/proc/{}/{name}", self.thread);
        rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()
    }

    /// Its memory at `address`, as far as it is there.
    fn read<const N: usize>(&self, address: u64) -> Option<([u8; N], usize)> {
        let mut bytes = [0; N];
        let read = self.memory.read_at(&mut bytes, address).ok()?;
        Some((bytes, read))
    }

    /// Whether a symbolic link at a path's end is followed; nothing for an opening that writes nothing.
    fn opens(&self, request: &Request, call: &Call) -> Option<bool> {
        const CREATE_NEW: u64 = 0o300;
        let argument = |at: usize| request.arguments[at];
        let of_flags = |flags: u64| {
            let follows = flags & u64::from(OFlags::NOFOLLOW.bits()) == 0 && flags & CREATE_NEW != CREATE_NEW;
            (flags & WRITES != 0).then_some(follows)
        };
        match call.last {
            Last::Followed => Some(true),
            Last::Itself => Some(false),
            Last::At(at) => Some(argument(at) & u64::from(AtFlags::SYMLINK_NOFOLLOW.bits()) == 0),
            Last::Open(at) => of_flags(argument(at)),
            Last::How(at) => match self.read::<8>(argument(at))? {
                (flags, 8) => of_flags(u64::from_ne_bytes(flags)),
                _ => None,
            },
        }
    }

    fn asked(&self, request: &Request, place: Place) -> Option<Asked> {
        let path = match place.path {
            Some(at) if request.arguments[at] != 0 => {
                let (bytes, read) = self.read::<LONGEST>(request.arguments[at])?;
                let end = bytes[..read].iter().position(|byte| *byte == 0)?;
                bytes[..end].to_vec()
            }
            // A call with a descriptor and no path means the file itself.
            _ => Vec::new(),
        };
        if path.first() == Some(&b'/') {
            return Some(Asked { base: None, path });
        }
        let descriptor = place.directory.map_or(libc::AT_FDCWD, |at| request.arguments[at] as i32);
        let base = match descriptor {
            libc::AT_FDCWD => self.open("cwd"),
            number => self.open(&format!("fd/{number}")),
        };
        Some(Asked { base: Some(base?), path })
    }

    /// The process that the thread belongs to, and its name.
    fn name(&self) -> Option<(u32, RawPath)> {
        let status = std::fs::read(format!("/proc/{}/status", self.thread)).ok()?;
        let mut lines = status.split(|byte| *byte == b'\n');
        let pid: u32 = lines.find_map(|line| std::str::from_utf8(line.strip_prefix(b"Tgid:\t")?).ok()?.parse().ok())?;
        let mut name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
        name.pop_if(|last| *last == b'\n');
        Some((pid, RawPath(name.into())))
    }
}

impl Asked {
    /// The path in the container's root file system, without a leading slash; nothing when it leads elsewhere.
    fn resolve(&self, root: &OwnedFd, top: &[u8], follow: bool, device: u64) -> Option<RawPath> {
        let path = match &self.base {
            None => self.path.clone(),
            Some(base) if number(base)? != device => return None,
            Some(base) => {
                let base = path_of(base)?;
                let below = if top == b"/" { &base[..] } else { base.strip_prefix(top)? };
                [below, b"/", &self.path].concat()
            }
        };
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let path = &path[..end];
        let (folder, name) = beneath::parent_and_name(path);
        let is_plain = !matches!(name, b"" | b"." | b"..");
        let found = if follow || !is_plain { beneath::open_on_mount(root, path, follow) } else { Err(not_asked()) };
        let whole = match found {
            Ok(file) => path_of(&file)?,
            Err(error) if is_plain && error.kind() == std::io::ErrorKind::NotFound => {
                let folder = path_of(&beneath::open_on_mount(root, folder, true).ok()?)?;
                [folder.strip_suffix(b"/").unwrap_or(&folder), b"/", name].concat()
            }
            Err(_) => return None,
        };
        let start = whole.iter().position(|byte| *byte != b'/').unwrap_or(whole.len());
        Some(whole[start..].into())
    }
}

fn not_asked() -> std::io::Error {
    std::io::ErrorKind::NotFound.into()
}

/// The path that the kernel has for an open file: in a container's own mounts, that in the container.
fn path_of(file: &OwnedFd) -> Option<Vec<u8>> {
    let path = std::fs::read_link(fd::in_proc(file.as_fd())).ok()?.into_os_string().into_vec();
    (path.first() == Some(&b'/') && !path.ends_with(b" (deleted)")).then_some(path)
}

/// The number of the device that a file is on, without asking its file system for more.
pub(super) fn number(file: impl AsFd) -> Option<u64> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = rustix::fs::statx(file, "", flags, StatxFlags::TYPE).ok()?;
    Some(rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A call as a process with the root `root` would make it: nothing waits, but everything else is there.
    fn resolve(root: &Path, base: Option<&Path>, path: &str, follow: bool) -> Option<String> {
        let open = |path: &Path| -> OwnedFd { File::open(path).expect("opens").into() };
        let (root, top) = (open(root), root.to_str().expect("text").as_bytes());
        let device = number(&root).expect("a device");
        let asked = Asked { base: base.map(open), path: path.into() };
        asked.resolve(&root, top, follow, device).map(|path| path.to_string())
    }

    #[test]
    fn paths_are_resolved_as_the_process_means_them() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let here = folder.path();
        let dir = here.join("dir");
        std::fs::create_dir(&dir).expect("made");
        std::fs::write(dir.join("file"), "").expect("written");
        std::os::unix::fs::symlink("dir/file", here.join("link")).expect("linked");
        // The kernel has one path for it here, where the test's root is none of its own mounts.
        let inside = |name: &str| Some(here.join(name).to_str()?.trim_start_matches('/').to_owned());
        let resolve = |base, path, follow| resolve(here, base, path, follow);
        assert_eq!(resolve(Some(here), "link", true), inside("dir/file"));
        assert_eq!(resolve(Some(here), "link", false), inside("link"));
        assert_eq!(resolve(Some(&dir), "../dir/new", true), inside("dir/new"));
        assert_eq!(resolve(Some(here), "dir/", false), inside("dir"));
        assert_eq!(resolve(Some(&dir), "", false), inside("dir"));
        assert_eq!(resolve(Some(here), "missing/file", true), None);
        assert_eq!(resolve(None, "/link", true), inside("dir/file"));
        assert_eq!(resolve(Some(Path::new("/proc/self")), "comm", true), None, "another file system");
    }
}
