//! Where a path of a container is: in its layers or its mounts, whether it runs or not.
//!
//! A running container's files are looked at as its processes see them. One that does not run has nothing mounted: its paths are
//! followed here step by step, from the layers into the sources of its mounts and back out by `..` and links, as they would be
//! if it ran. Every step is one name below a descriptor, so that no link leads out.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, StatVfsMountFlags, StatxFlags};
use serde_json::Value;

use super::Containers;
use super::copy::make_parents;
use super::error::{ContainerError, Doing, Result};
use super::layers::{self, Layers};
use super::mounting::theirs;
use super::record::{Directory, MountPoint, Record};
use super::target;
use crate::driver::overlay2::Overlay2;
use crate::mount::resolve::open_bind;
use crate::sys::{beneath, node};
use crate::volume::{Attached, Volumes};

/// Longest chain of links that is followed, as in the kernel.
const LINKS: usize = 40;

/// All files of a container.
pub(super) struct Tree {
    root: OwnedFd,
    /// What is mounted when it runs, outer ones first; empty while it runs.
    mounts: Vec<Mount>,
    running: bool,
    /// Whether its root file system is to be read only.
    read_only: bool,
}

/// A mount of a container that does not run.
pub(super) struct Mount {
    /// Where, without the first `/`, links followed.
    target: Vec<u8>,
    source: Source,
    directory: bool,
    read_only: bool,
}

/// What is mounted.
enum Source {
    Volume(Attached),
    Host(OwnedFd),
}

/// A path of a container, found.
pub(super) struct Place {
    /// The file itself, only to be looked at (`O_PATH`).
    pub(super) fd: OwnedFd,
    /// The name that an archive of it begins with.
    pub(super) shown: String,
    /// Its path without the first `/`, links followed.
    pub(super) path: Vec<u8>,
}

/// Where a member of an archive goes.
pub(super) struct Home<'a> {
    /// The directory that it is made below.
    pub(super) root: BorrowedFd<'a>,
    /// Its path there.
    pub(super) path: Vec<u8>,
}

/// One name on the way to a place.
struct Step {
    name: Vec<u8>,
    fd: OwnedFd,
}

impl Containers {
    /// Opens the files of a container.
    pub(super) fn tree(&self, record: &Record) -> Result<Tree> {
        let read_only = Directory::of(self.root(), &record.id).host_config()?.readonly_rootfs;
        if record.state.running && record.state.pid != 0 {
            let at = format!("/proc/{}/root", record.state.pid);
            let root = File::open(&at).doing("open", &at)?.into();
            return Ok(Tree { root, mounts: Vec::new(), running: true, read_only });
        }
        let layers = Layers::of(self.root(), &record.id)?;
        let driver = Overlay2::new(self.root(), self.rootless());
        let root = layers::overlay(&driver, &layers.mount, self.rootless())?;
        let mut mounts = Vec::new();
        for point in record.mount_points.values() {
            if let Some(source) = self.source(point)? {
                mounts.push(Mount::new(&root, &point.destination, source, !point.rw)?);
            }
        }
        for (path, source) in [
            ("/etc/resolv.conf", &record.resolv_conf_path),
            ("/etc/hostname", &record.hostname_path),
            ("/etc/hosts", &record.hosts_path),
        ] {
            // Before its first start there are none.
            if let (false, Ok(source)) =
                (source.is_empty() || record.mount_points.contains_key(path), File::open(source))
            {
                mounts.push(Mount::new(&root, path, Source::Host(source.into()), read_only)?);
            }
        }
        mounts.sort_by_key(|mount| mount.target.split(|&byte| byte == b'/').count());
        Ok(Tree { root, mounts, running: false, read_only })
    }

    /// Opens what a mount shows; nothing for what is in memory.
    fn source(&self, point: &MountPoint) -> Result<Option<Source>> {
        let failed = |text: String| ContainerError::Invalid(text);
        match point.kind.as_str() {
            "volume" if !point.name.is_empty() => {
                let subpath = point.spec.pointer("/VolumeOptions/Subpath").and_then(Value::as_str).unwrap_or_default();
                let volume = Volumes::of_root(self.root()).attach(&point.name, subpath);
                Ok(Some(Source::Volume(volume.map_err(|error| failed(error.to_string()))?)))
            }
            "bind" => {
                let bind = theirs(point).and_then(|point| open_bind(&point).map_err(|error| error.to_string()));
                Ok(Some(Source::Host(bind.map_err(failed)?.fd)))
            }
            _ => Ok(None),
        }
    }
}

impl Mount {
    /// One at `target`, which is made when it is missing, as for a start.
    fn new(root: &OwnedFd, target: &str, source: Source, read_only: bool) -> Result<Self> {
        let target = target::resolved(root, target).map_err(ContainerError::Invalid)?;
        let path = target.trim_start_matches('/').as_bytes().to_vec();
        let stat =
            rustix::fs::fstat(source.fd()).map_err(io::Error::from).doing("look at what is mounted at", &target)?;
        let directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        if beneath::open(root, &path, OFlags::PATH | OFlags::NOFOLLOW).is_err() {
            let (above, name) = beneath::parent_and_name(&path);
            let above = make_parents(root.as_fd(), above).doing("create", &target)?;
            if directory {
                node::create_directory(&above, name)
            } else {
                node::create_file(&above, name, 0o755).map(drop)
            }
            .doing("create", &target)?;
        }
        Ok(Self { target: path, source, directory, read_only })
    }

    /// The part of `path` behind its target; nothing for a path that is not at it or below it.
    fn behind<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        match path.strip_prefix(&self.target[..])? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }
}

impl Source {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Volume(volume) => volume.fd(),
            Self::Host(fd) => fd.as_fd(),
        }
    }
}

impl Tree {
    /// Finds `path`, which is absolute or counts from the root. Links at its end are followed when `/` or `/.` stands behind them.
    ///
    /// # Errors
    /// Those of the file system; `ELOOP` for too many links.
    pub(super) fn find(&self, path: &str) -> io::Result<Place> {
        let dot = path == "." || path.ends_with("/.");
        let clean = clean(path);
        let shown = match clean.last() {
            _ if dot => ".",
            None => "/",
            Some(last) => last,
        };
        let directory = dot || path.ends_with('/');
        let steps = self.walk(&clean, directory)?;
        let path = joined(&steps);
        let fd = match steps.into_iter().next_back() {
            Some(step) => step.fd,
            None => self.root.try_clone()?,
        };
        if directory && !kind_of(&fd)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Place { fd, shown: shown.into(), path })
    }

    /// Follows a path whose parts are given; with `follow` also a link at its end.
    fn walk(&self, path: &[&str], follow: bool) -> io::Result<Vec<Step>> {
        let mut left: Vec<Vec<u8>> = path.iter().rev().map(|part| part.as_bytes().to_vec()).collect();
        let (mut steps, mut links) = (Vec::<Step>::new(), 0);
        while let Some(name) = left.pop() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    steps.pop();
                    continue;
                }
                _ => {}
            }
            let here = steps.last().map_or(self.root.as_fd(), |step| step.fd.as_fd());
            let at = [&joined(&steps)[..], &name].join(if steps.is_empty() { &b""[..] } else { b"/" });
            let fd = match self.mounts.iter().rfind(|mount| mount.target == at) {
                Some(mount) => mount.source.fd().try_clone_to_owned()?,
                None => beneath::open(here, &name, OFlags::PATH | OFlags::NOFOLLOW)?,
            };
            if kind_of(&fd)?.is_symlink() && (follow || !left.is_empty()) {
                links += 1;
                if links > LINKS {
                    return Err(rustix::io::Errno::LOOP.into());
                }
                let link = rustix::fs::readlinkat(&fd, "", Vec::new())?.into_bytes();
                if link.starts_with(b"/") {
                    steps.clear();
                }
                left.extend(link.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec));
                continue;
            }
            steps.push(Step { name, fd });
        }
        Ok(steps)
    }

    /// The mounts below the place at `path`, outer ones first: what is mounted, and its path from there.
    pub(super) fn mounts_below<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (BorrowedFd<'a>, &'a [u8])> {
        let below = move |mount: &'a Mount| below(path, &mount.target).map(|rest| (mount.source.fd(), rest));
        self.mounts.iter().filter_map(below)
    }

    /// The path of a mount's target or of what it hides, for what is found at `inner` below `path`.
    pub(super) fn hides(&self, path: &[u8], inner: &[u8]) -> bool {
        let full = full(path, inner);
        self.mounts.iter().any(|mount| below(path, &mount.target).is_some() && mount.behind(&full).is_some())
    }

    /// Where the member `inner` of an archive goes that is unpacked in `directory`.
    ///
    /// # Errors
    /// It would go over a file that is mounted, or into a mount that is read only.
    pub(super) fn home<'a>(&'a self, directory: &'a Place, inner: &[u8]) -> io::Result<Home<'a>> {
        let inner = clean_bytes(inner);
        let full = full(&directory.path, &inner);
        let inside = |mount: &&Mount| below(&directory.path, &mount.target).is_some() && mount.behind(&full).is_some();
        let Some(mount) = self.mounts.iter().rfind(inside) else {
            return Ok(Home { root: directory.fd.as_fd(), path: inner });
        };
        if !mount.directory {
            return Err(rustix::io::Errno::BUSY.into());
        }
        if mount.read_only {
            return Err(rustix::io::Errno::ROFS.into());
        }
        Ok(Home { root: mount.source.fd(), path: mount.behind(&full).unwrap_or_default().to_vec() })
    }

    /// Refuses a place that cannot be written to.
    pub(super) fn check_writable(&self, place: &Place) -> Result<()> {
        let (read_only, mounted) = if self.running {
            let flags =
                rustix::fs::fstatvfs(&place.fd).map_err(io::Error::from).doing("look at", "the container")?.f_flag;
            let id = |fd: BorrowedFd<'_>| {
                rustix::fs::statx(fd, "", rustix::fs::AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
                    .map(|stat| stat.stx_mnt_id)
            };
            (flags.contains(StatVfsMountFlags::RDONLY), id(place.fd.as_fd()) != id(self.root.as_fd()))
        } else {
            match self.mounts.iter().rfind(|mount| mount.behind(&place.path).is_some()) {
                Some(mount) => (mount.read_only, true),
                None => (self.read_only, false),
            }
        };
        let what = if mounted { "mounted volume" } else { "container rootfs" };
        if read_only { Err(ContainerError::Conflict(format!("{what} is marked read-only"))) } else { Ok(()) }
    }
}

/// The type of a file.
pub(super) fn kind_of(fd: impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

/// The parts of a path, with `.` and `..` worked out of the text alone, as Docker does.
fn clean(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts
}

/// A member's path without `.`, and without slashes that say nothing. `..` stays: it is resolved where it is made.
fn clean_bytes(path: &[u8]) -> Vec<u8> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect::<Vec<_>>().join(&b'/')
}

fn joined(steps: &[Step]) -> Vec<u8> {
    steps.iter().map(|step| &step.name[..]).collect::<Vec<_>>().join(&b'/')
}

/// `inner` below `path`.
fn full(path: &[u8], inner: &[u8]) -> Vec<u8> {
    [path, inner].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/')
}

/// The part of `target` behind `path`; nothing when it is not below it.
fn below<'a>(path: &[u8], target: &'a [u8]) -> Option<&'a [u8]> {
    if path.is_empty() { Some(target) } else { target.strip_prefix(path)?.strip_prefix(b"/") }
}
