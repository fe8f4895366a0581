//! `cp`: files into and out of a container, running or not, as tar.
//!
//! Nothing of the container is executed. Every path is resolved by descriptor with the container's root as the root of all
//! links; compressed streams are undone here, before anything of the container is opened.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outcrop_layers::compress::decoder;
use outcrop_layers::entry::{Entry, Kind, Time, Xattr};
use outcrop_layers::tar::{Member, TarReader, is_overlay_xattr};
use rustix::fs::FileType;
use serde::{Deserialize, Serialize};

use super::Containers;
use super::error::{ContainerError, Doing, Result};
use super::layers::{self, Layers};
use super::record::Record;
use crate::driver::overlay2::Overlay2;
use crate::layer::diff::{PaxWriter, diff_tar};
use crate::sys::{beneath, fd, node};

/// What `HEAD /containers/{id}/archive` tells of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStat {
    /// Last component.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Type and permissions as Go's `os.FileMode` has them.
    pub mode: u32,
    /// Modification time, RFC 3339.
    pub mtime: String,
    /// Where a symbolic link leads to, inside the container.
    #[serde(rename = "linkTarget")]
    pub link_target: String,
}

/// A path of a container, found.
struct Place {
    /// The directory it is in.
    parent: OwnedFd,
    /// Its name there; `.` for the root.
    name: Vec<u8>,
    /// The name that an archive of it begins with.
    shown: String,
}

impl Containers {
    /// What is at `path`, which is absolute or counts from the root.
    pub fn stat_path(&self, name: &str, path: &str) -> Result<PathStat> {
        let record = self.record(name)?;
        let place = self.place(name, &record, path)?;
        stat(&place, path)
    }

    /// Writes what is at `path` as a tar whose names begin with the path's last component.
    pub fn copy_from(&self, name: &str, path: &str, out: &mut dyn Write) -> Result<PathStat> {
        let record = self.record(name)?;
        let place = self.place(name, &record, path)?;
        let shown = stat(&place, path)?;
        let mut tar = PaxWriter::new(out);
        write_place(&place, self.rootless(), &mut tar).doing("copy from", path)?;
        tar.finish().doing("copy from", path)?;
        Ok(shown)
    }

    /// Unpacks a tar (plain or compressed) into the directory at `path`.
    ///
    /// With `keep_kind` a directory is never replaced by a file, nor a file by a directory.
    pub fn copy_to(&self, name: &str, path: &str, tar: impl Read, keep_kind: bool) -> Result<()> {
        let record = self.record(name)?;
        let mut tar = TarReader::new(decoder(tar).doing("read the archive for", path)?);
        let host = super::record::Directory::of(self.root(), &record.id).host_config()?;
        let root = self.root_for(&record, path)?;
        if root.read_only || (host.readonly_rootfs && !root.mounted) {
            return Err(ContainerError::Conflict("container rootfs is marked read-only".into()));
        }
        let directory = beneath::open_directory(&root.fd, root.rest.trim_matches('/').as_bytes())
            .map_err(|error| not_found(&error, name, path))?;
        let wrong = |error: &dyn std::fmt::Display| ContainerError::Invalid(format!("the archive for {path}: {error}"));
        while let Some(mut entry) = tar.next().map_err(|error| wrong(&error))? {
            let member = entry.header.clone();
            let at = member.path().map_err(|error| wrong(&error))?;
            let shown = String::from_utf8_lossy(&at).into_owned();
            extract(directory.as_fd(), &at, &member, &mut entry, Extract { keep_kind, owners: true })
                .doing("copy to", format!("{path}/{shown}"))?;
        }
        super::events::note(self.root(), "extract-to-dir", &record, &[("path", path)]);
        Ok(())
    }

    fn place(&self, called: &str, record: &Record, path: &str) -> Result<Place> {
        let root = self.root_for(record, path)?;
        let trimmed = root.rest.trim_matches('/').to_owned();
        let follow = path.ends_with('/') || path.ends_with("/.");
        let trimmed = trimmed.trim_end_matches("/.").trim_end_matches('.').trim_matches('/').to_owned();
        let fail = |error: io::Error| not_found(&error, called, path);
        let shown = match path.trim_end_matches('/').rsplit('/').next() {
            None | Some("") => "/",
            Some(last) => last,
        };
        let shown = shown.to_owned();
        if trimmed.is_empty() || follow {
            let parent = beneath::open_directory(&root.fd, trimmed.as_bytes()).map_err(fail)?;
            return Ok(Place { parent, name: b".".to_vec(), shown });
        }
        let (parent, name) = beneath::parent_and_name(trimmed.as_bytes());
        let parent = beneath::open_directory(&root.fd, parent).map_err(fail)?;
        if name == b".." {
            return Err(ContainerError::Invalid(format!("the path {path} must not end in ..")));
        }
        node::stat(&parent, name).map_err(fail)?;
        Ok(Place { parent, name: name.to_vec(), shown })
    }

    /// The file system that `path` is on: a running container's as its processes see it; else its layers, or the volume
    /// or host directory that would be mounted there.
    fn root_for(&self, record: &Record, path: &str) -> Result<Root> {
        if record.state.running && record.state.pid != 0 {
            let at = format!("/proc/{}/root", record.state.pid);
            let fd = File::open(&at).doing("open", &at)?.into();
            return Ok(Root { fd, rest: path.into(), mounted: false, read_only: false });
        }
        let clean = format!("/{}", path.trim_matches('/'));
        let below =
            |target: &str| clean == target || clean.strip_prefix(target).is_some_and(|rest| rest.starts_with('/'));
        let mounts = record.mount_points.values().filter(|point| !point.source.is_empty() && below(&point.destination));
        if let Some(point) = mounts.max_by_key(|point| point.destination.len()) {
            let fd: OwnedFd = File::open(&point.source).doing("open", &point.source)?.into();
            let is_directory =
                FileType::from_raw_mode(rustix::fs::fstat(&fd).doing("look at", &point.source)?.st_mode).is_dir();
            if is_directory {
                let rest = clean[point.destination.len()..].to_owned();
                return Ok(Root { fd, rest, mounted: true, read_only: !point.rw });
            }
        }
        let layers = Layers::of(self.root(), &record.id)?;
        let driver = Overlay2::new(self.root(), self.rootless());
        let fd = layers::overlay(&driver, &layers.mount, self.rootless())?;
        Ok(Root { fd, rest: path.into(), mounted: false, read_only: false })
    }
}

struct Root {
    fd: OwnedFd,
    rest: String,
    mounted: bool,
    read_only: bool,
}

fn not_found(error: &io::Error, container: &str, path: &str) -> ContainerError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            ContainerError::NoPath(format!("Could not find the file {path} in container {container}"))
        }
        io::ErrorKind::NotADirectory => ContainerError::Invalid("extraction point is not a directory".into()),
        _ => ContainerError::Io {
            what: "open",
            path: path.into(),
            source: io::Error::new(error.kind(), error.to_string()),
        },
    }
}

fn stat(place: &Place, path: &str) -> Result<PathStat> {
    let stat = node::stat(&place.parent, &place.name).doing("look at", path)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let target = if kind.is_symlink() {
        let text = node::read_link(&place.parent, &place.name).doing("read the link", path)?;
        String::from_utf8_lossy(&text).into_owned()
    } else {
        String::new()
    };
    let time = jiff::Timestamp::new(stat.st_mtime as i64, stat.st_mtime_nsec as i32).unwrap_or_default();
    Ok(PathStat {
        name: place.shown.clone(),
        size: stat.st_size as u64,
        mode: go_mode(stat.st_mode),
        mtime: time.to_string(),
        link_target: target,
    })
}

/// The bits of Go's `os.FileMode`.
fn go_mode(mode: u32) -> u32 {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 1 << 31,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::CharacterDevice => 1 << 26 | 1 << 21,
        FileType::Fifo => 1 << 25,
        FileType::Socket => 1 << 24,
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.into_iter().filter(|(bit, _)| mode & bit != 0).fold(0, |bits, (_, bit)| bits | bit);
    kind | special | (mode & 0o777)
}

/// Writes one file, or a directory with all below it, under the name that it is shown with.
fn write_place<W: Write>(place: &Place, rootless: bool, tar: &mut PaxWriter<W>) -> io::Result<()> {
    let stat = node::stat(&place.parent, &place.name)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let base = place.shown.clone().into_bytes();
    let entry = |kind: Kind| Entry {
        path: base.clone().into(),
        kind,
        mode: (stat.st_mode & 0o7777) as u16,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { seconds: stat.st_mtime as i64, nanoseconds: 0 },
        xattrs: Vec::new(),
    };
    let device = || (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    match kind {
        FileType::Directory => {
            tar.entry(&entry(Kind::Directory { opaque: false }))?;
            let directory = if place.name == b"." {
                place.parent.try_clone()?
            } else {
                node::open_directory(&place.parent, &place.name)?
            };
            below(&directory, &base, rootless, tar)
        }
        FileType::RegularFile => {
            let file = beneath::open_file(&place.parent, &place.name)?;
            let size = stat.st_size as u64;
            tar.entry(&entry(Kind::File { size, disk: None }))?;
            let copied = io::copy(&mut file.take(size), tar)?;
            io::copy(&mut io::repeat(0).take(size - copied), tar).map(drop)
        }
        FileType::Symlink => {
            let target = node::read_link(&place.parent, &place.name)?.into();
            tar.entry(&entry(Kind::Symlink { target }))
        }
        FileType::CharacterDevice => {
            let (major, minor) = device();
            tar.entry(&entry(Kind::CharDevice { major, minor }))
        }
        FileType::BlockDevice => {
            let (major, minor) = device();
            tar.entry(&entry(Kind::BlockDevice { major, minor }))
        }
        FileType::Fifo => tar.entry(&entry(Kind::Fifo)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} cannot be in a tar", beneath::name_of(kind)))),
    }
}

/// Writes all below a directory, each name with `base` before it.
fn below<W: Write>(directory: &OwnedFd, base: &[u8], rootless: bool, tar: &mut PaxWriter<W>) -> io::Result<()> {
    let readable = fd::reopen(directory, rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY)?;
    let (reader, writer) = io::pipe()?;
    let between: &[u8] = if base == b"/" { b"" } else { b"/" };
    let with_base = |path: &[u8]| -> Box<[u8]> { [base, between, path].concat().into() };
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || diff_tar(readable, rootless, writer));
        let copied = (|| {
            let mut from = TarReader::new(reader);
            while let Some(mut entry) = from.next().map_err(io::Error::other)? {
                let member = entry.header.clone();
                let path = member.path().map_err(io::Error::other)?;
                let kind = match member.kind {
                    Kind::Hardlink { target } => Kind::Hardlink { target: with_base(&target) },
                    kind => kind,
                };
                tar.entry(&Entry {
                    path: with_base(&path),
                    kind,
                    mode: member.mode,
                    uid: member.uid,
                    gid: member.gid,
                    mtime: member.mtime,
                    xattrs: member.xattrs,
                })?;
                io::copy(&mut entry, tar)?;
            }
            Ok(())
        })();
        match writing.join() {
            // A pipe that was closed for an error of the other side says nothing more.
            Ok(Err(error)) if copied.is_ok() => Err(io::Error::other(error.to_string())),
            Err(_) => Err(io::Error::other("the archive was not finished")),
            _ => copied,
        }
    })
}

/// How a member of an archive is unpacked.
#[derive(Clone, Copy, Debug)]
pub struct Extract {
    /// A directory is never replaced by a file, nor a file by a directory.
    pub keep_kind: bool,
    /// Files belong to whom the archive says, not to this process.
    pub owners: bool,
}

/// Makes one member of an archive at `path` below `root`; what is there already of another kind is replaced, directories stay as they
/// are. Parents are resolved with `root` as the root of all links, and made when they are missing.
///
/// # Errors
/// Those of the file system; a file where a directory is wanted.
pub fn extract(
    root: BorrowedFd<'_>,
    path: &[u8],
    member: &Member,
    content: &mut impl Read,
    how: Extract,
) -> io::Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    let (parents, name) = beneath::parent_and_name(path);
    let parent = make_parents(root, parents)?;
    let there = node::stat(&parent, name).map(|stat| FileType::from_raw_mode(stat.st_mode)).ok();
    let is_directory = matches!(member.kind, Kind::Directory { .. });
    if let Some(there) = there {
        if there.is_dir() && is_directory {
            return Ok(());
        }
        if how.keep_kind && there.is_dir() != is_directory {
            let what = if is_directory { "non-directory with directory" } else { "directory with non-directory" };
            return Err(io::Error::other(format!("cannot overwrite {what}")));
        }
        if there.is_dir() {
            crate::sys::walk::remove_tree(&parent, name).map_err(|error| io::Error::other(error.to_string()))?;
        } else {
            node::remove(&parent, name)?;
        }
    }
    match &member.kind {
        Kind::File { .. } => {
            let mut file: File = node::create_file(&parent, name, 0o600)?.into();
            io::copy(content, &mut file)?;
        }
        Kind::Directory { .. } => node::create_directory(&parent, name)?,
        Kind::Symlink { target } => node::create_symlink(&parent, name, target)?,
        Kind::Hardlink { target } => {
            let (from, old) = beneath::parent_and_name(target);
            let from = beneath::open_directory(root, from)?;
            return node::create_hardlink(&from, old, &parent, name);
        }
        Kind::CharDevice { major, minor } => {
            node::create_special(&parent, name, FileType::CharacterDevice, *major, *minor)?;
        }
        Kind::BlockDevice { major, minor } => {
            node::create_special(&parent, name, FileType::BlockDevice, *major, *minor)?;
        }
        Kind::Fifo => node::create_special(&parent, name, FileType::Fifo, 0, 0)?,
        Kind::Socket | Kind::Whiteout => return Ok(()),
    }
    if how.owners {
        match node::chown(&parent, name, member.uid, member.gid) {
            // An ID that the user namespace has not: as with layers, the file is this user's then.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            chowned => chowned?,
        }
    }
    if !matches!(member.kind, Kind::Symlink { .. }) {
        node::chmod(&parent, name, member.mode)?;
    }
    let keep =
        |(key, _): &&Xattr| key.starts_with(b"user.") && !is_overlay_xattr(key) || **key == *b"security.capability";
    for (key, value) in member.xattrs.iter().filter(keep) {
        node::set_xattr(&parent, name, key, value)?;
    }
    node::set_times(&parent, name, member.mtime.seconds, member.mtime.nanoseconds)
}

/// Opens a directory below `root`, making what is missing of its path.
fn make_parents(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    match beneath::open_directory(root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_empty() => {
            let (above, name) = beneath::parent_and_name(path);
            let parent = make_parents(root, above)?;
            node::create_directory(&parent, name)?;
            node::chmod(&parent, name, 0o755)?;
            node::open_directory(&parent, name)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_go_s() {
        assert_eq!(go_mode(0o100_644), 0o644);
        assert_eq!(go_mode(0o040_755), 1 << 31 | 0o755);
        assert_eq!(go_mode(0o104_755), 1 << 23 | 0o755);
        assert_eq!(go_mode(0o041_777), 1 << 31 | 1 << 20 | 0o777);
        assert_eq!(go_mode(0o120_777), 1 << 27 | 0o777);
        assert_eq!(go_mode(0o020_666), 1 << 26 | 1 << 21 | 0o666);
    }
}
