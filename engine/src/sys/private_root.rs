//! A root of this process's own, which shows all of the machine's but one directory.
//!
//! In a user namespace the mounts of the machine cannot be taken away one by one (`mount_namespaces(7)`, locked mounts), nor does a
//! mount over them hide them from `/proc/self/mountinfo`. Another root that never had them does.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use rustix::process::{Pid, WaitOptions};

use super::program::{self, Fork};

/// What the new root has.
enum Shown {
    /// A directory with these in it.
    Directory(Vec<(OsString, Shown)>),
    /// A copy of a mount with all below it; whether it is a directory.
    Mount(OwnedFd, bool),
    /// A symbolic link.
    Link(PathBuf),
}

/// Gives this process a new root, in which the directory `hidden` is empty and can be written to. `sys`, of [`other_sys`], is
/// what `/sys` is there, the machine's where there is none. Needs a mount namespace of its own; `place` is an empty directory,
/// which is empty again when this returns. The working directory is the root then.
///
/// # Errors
/// Those of the kernel, with the path. The process is of no use then, and should end.
pub fn enter(place: &Path, hidden: &Path, sys: Option<OwnedFd>) -> io::Result<()> {
    let covered = sys.is_some().then(|| place.join(hidden.strip_prefix("/").unwrap_or(hidden)));
    // All of it is opened before anything is mounted: `place` is itself below what is shown.
    let mut shown = look(Path::new("/"), hidden)?;
    if let Some(sys) = sys {
        shown.retain(|(name, _)| name != "sys");
        shown.push(("sys".into(), Shown::Mount(sys, true)));
    }
    tmpfs(place)?;
    show(place, shown)?;
    covered.map_or(Ok(()), |hidden| tmpfs(&hidden))?;
    rustix::process::chdir(place)?;
    // The old root comes to lie over the new one, and is taken away from there (`pivot_root(2)`, notes).
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

/// A `/sys` that shows a network namespace with nothing in it, and that lets others be mounted for namespaces made later: in a user
/// namespace that takes one that is whole, which the machine's is not with a part hidden. Needs a mount namespace of its own;
/// `place` is an empty directory, which is empty again when this returns.
///
/// # Errors
/// Those of the kernel.
pub fn other_sys(place: &Path) -> io::Result<OwnedFd> {
    // Only who has made a network namespace may mount it, and there is no way back out of one.
    let child = match program::fork()? {
        Fork::Child => {
            let mounted = program::own_network().and_then(|()| {
                let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
                Ok(rustix::mount::mount("sysfs", place, "sysfs", flags, None)?)
            });
            program::exit(mounted.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO)))
        }
        Fork::Parent(child) => child,
    };
    let ended = rustix::process::waitpid(Pid::from_raw(child), WaitOptions::empty())?;
    match ended.and_then(|(_, status)| status.exit_status()) {
        Some(0) => {}
        Some(number) => return Err(io::Error::from_raw_os_error(number)),
        None => return Err(io::Error::other("the mounting process was killed")),
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(CWD, place, flags);
    rustix::mount::unmount(place, UnmountFlags::DETACH)?;
    Ok(tree?)
}

fn tmpfs(place: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", place, "tmpfs", flags, c"mode=755").map_err(|error| with_path(&error.into(), place))
}

fn look(directory: &Path, hidden: &Path) -> io::Result<Vec<(OsString, Shown)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| with_path(&error, directory))? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        let shown = if path == hidden {
            Shown::Directory(Vec::new())
        } else if kind.is_dir() && hidden.starts_with(&path) {
            Shown::Directory(look(&path, hidden)?)
        } else if kind.is_symlink() {
            Shown::Link(fs::read_link(&path).map_err(|error| with_path(&error, &path))?)
        } else {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
            match rustix::mount::open_tree(CWD, &path, flags) {
                Ok(tree) => Shown::Mount(tree, kind.is_dir()),
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(with_path(&error.into(), &path)),
            }
        };
        all.push((entry.file_name(), shown));
    }
    Ok(all)
}

fn show(directory: &Path, all: Vec<(OsString, Shown)>) -> io::Result<()> {
    for (name, shown) in all {
        let path = directory.join(name);
        match shown {
            Shown::Directory(all) => fs::create_dir(&path).and_then(|()| show(&path, all)),
            Shown::Link(target) => std::os::unix::fs::symlink(target, &path),
            Shown::Mount(tree, is_directory) => {
                let made = if is_directory { fs::create_dir(&path) } else { fs::File::create(&path).map(drop) };
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                made.and_then(|()| Ok(rustix::mount::move_mount(&tree, "", CWD, &path, flags)?))
            }
        }
        .map_err(|error| with_path(&error, &path))?;
    }
    Ok(())
}

fn with_path(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
