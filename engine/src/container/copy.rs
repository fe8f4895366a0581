//! `cp`: files into and out of a container, running or not, as tar.
//!
//! Nothing of the container is executed. Every path is resolved by descriptor with the container's root as the root of all
//! links; compressed streams are undone here, before anything of the container is opened.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use outcrop_layers::compress::decoder;
use outcrop_layers::entry::{Entry, Kind, Time, Xattr};
use outcrop_layers::tar::{Member, TarReader, is_overlay_xattr};
use rustix::fs::{FileType, OFlags};
use serde::{Deserialize, Serialize};

use super::Containers;
use super::error::{ContainerError, Doing, Result};
use super::place::{Home, Place, Tree};
use crate::layer::diff::{PaxWriter, diff_tar};
use crate::sys::fd::reopen;
use crate::sys::{beneath, node};

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

impl Containers {
    /// What is at `path`, which is absolute or counts from the root.
    pub fn stat_path(&self, name: &str, path: &str) -> Result<PathStat> {
        let record = self.record(name)?;
        let place = self.tree(&record)?.find(path).map_err(|error| not_found(&error, name, path))?;
        stat(&place, path)
    }

    /// Writes what is at `path` as a tar whose names begin with the path's last component.
    pub fn copy_from(&self, name: &str, path: &str, out: &mut dyn Write) -> Result<PathStat> {
        let record = self.record(name)?;
        let tree = self.tree(&record)?;
        let place = tree.find(path).map_err(|error| not_found(&error, name, path))?;
        let shown = stat(&place, path)?;
        super::events::note(self.root(), "archive-path", &record, &[]);
        let mut tar = PaxWriter::new(out);
        write_place(&tree, &place, self.rootless(), &mut tar).doing("copy from", path)?;
        tar.finish().doing("copy from", path)?;
        Ok(shown)
    }

    /// Unpacks a tar (plain or compressed) into the directory at `path`.
    ///
    /// With `keep_kind` a directory is never replaced by a file, nor a file by a directory.
    pub fn copy_to(&self, name: &str, path: &str, tar: impl Read, keep_kind: bool) -> Result<()> {
        let record = self.record(name)?;
        let mut tar = TarReader::new(decoder(tar).doing("read the archive for", path)?);
        let tree = self.tree(&record)?;
        // A link at its end is followed.
        let directory = tree.find(&format!("{path}/")).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => ContainerError::Invalid("extraction point is not a directory".into()),
            _ => not_found(&error, name, path),
        })?;
        tree.check_writable(&directory)?;
        let wrong = |error: &dyn std::fmt::Display| ContainerError::Invalid(format!("the archive for {path}: {error}"));
        while let Some(mut entry) = tar.next().map_err(|error| wrong(&error))? {
            let member = entry.header.clone();
            let at = member.path().map_err(|error| wrong(&error))?;
            let shown = format!("{}/{}", path.trim_end_matches('/'), String::from_utf8_lossy(&at));
            let home = tree.home(&directory, &at).doing("copy to", &shown)?;
            let member = relinked(&tree, &directory, &home, member).doing("copy to", &shown)?;
            extract(home.root, &home.path, &member, &mut entry, Extract { keep_kind, owners: true })
                .doing("copy to", &shown)?;
        }
        super::events::note(self.root(), "extract-to-dir", &record, &[("path", path)]);
        Ok(())
    }
}

/// The member with the path of its hard link's target as it is in the same mount.
fn relinked(tree: &Tree, directory: &Place, home: &Home<'_>, mut member: Member) -> io::Result<Member> {
    if let Kind::Hardlink { target } = &mut member.kind {
        let other = tree.home(directory, target)?;
        if other.root.as_raw_fd() != home.root.as_raw_fd() {
            return Err(rustix::io::Errno::XDEV.into());
        }
        *target = other.path.into();
    }
    Ok(member)
}

fn not_found(error: &io::Error, container: &str, path: &str) -> ContainerError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            ContainerError::NoPath(format!("Could not find the file {path} in container {container}"))
        }
        io::ErrorKind::NotADirectory => ContainerError::Invalid(format!("lstat {path}: not a directory")),
        _ => ContainerError::Io {
            what: "open",
            path: path.into(),
            source: io::Error::new(error.kind(), error.to_string()),
        },
    }
}

fn stat(place: &Place, path: &str) -> Result<PathStat> {
    let stat = rustix::fs::fstat(&place.fd).map_err(io::Error::from).doing("look at", path)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let target = if kind.is_symlink() {
        let text = rustix::fs::readlinkat(&place.fd, "", Vec::new()).map_err(io::Error::from);
        text.doing("read the link", path)?.to_string_lossy().into_owned()
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

/// Writes one file, or a directory with all below it and what is mounted there, under the name that it is shown with.
fn write_place<W: Write>(tree: &Tree, place: &Place, rootless: bool, tar: &mut PaxWriter<W>) -> io::Result<()> {
    let base = place.shown.as_bytes();
    write_all(tree, place.fd.as_fd(), (base, &place.path), rootless, tar)?;
    for (fd, rest) in tree.mounts_below(&place.path) {
        let path = [&place.path[..], rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/');
        write_all(tree, fd, (&inside(base, rest), &path), rootless, tar)?;
    }
    Ok(())
}

/// A path below the name that an archive begins with.
fn inside(base: &[u8], path: &[u8]) -> Box<[u8]> {
    let between: &[u8] = if base == b"/" { b"" } else { b"/" };
    [base, between, path].concat().into()
}

/// Writes a file, or a directory with all below it that no mount hides: under the name `base`, being at `path` in the container.
fn write_all<W: Write>(
    tree: &Tree,
    fd: BorrowedFd<'_>,
    (base, path): (&[u8], &[u8]),
    rootless: bool,
    tar: &mut PaxWriter<W>,
) -> io::Result<()> {
    let stat = rustix::fs::fstat(fd)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let entry = |kind: Kind| Entry {
        path: base.into(),
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
            below(fd, base, |inner| tree.hides(path, inner), rootless, tar)
        }
        FileType::RegularFile => {
            let file: File = reopen(fd, OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK)?.into();
            let size = stat.st_size as u64;
            tar.entry(&entry(Kind::File { size, disk: None }))?;
            let copied = io::copy(&mut file.take(size), tar)?;
            io::copy(&mut io::repeat(0).take(size - copied), tar).map(drop)
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(fd, "", Vec::new())?.into_bytes().into();
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

/// Writes all below a directory but what is hidden, each name with `base` before it.
fn below<W: Write>(
    directory: BorrowedFd<'_>,
    base: &[u8],
    hidden: impl Fn(&[u8]) -> bool,
    rootless: bool,
    tar: &mut PaxWriter<W>,
) -> io::Result<()> {
    let readable = reopen(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let (reader, writer) = io::pipe()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || diff_tar(readable, rootless, writer));
        let copied = (|| {
            let mut from = TarReader::new(reader);
            while let Some(mut entry) = from.next().map_err(io::Error::other)? {
                let member = entry.header.clone();
                let path = member.path().map_err(io::Error::other)?;
                if hidden(path.strip_suffix(b"/").unwrap_or(&path)) {
                    io::copy(&mut entry, &mut io::sink())?;
                    continue;
                }
                let kind = match member.kind {
                    Kind::Hardlink { target } => Kind::Hardlink { target: inside(base, &target) },
                    kind => kind,
                };
                tar.entry(&Entry {
                    path: inside(base, &path),
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
pub(super) fn make_parents(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
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
