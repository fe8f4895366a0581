//! Making and changing one file, by the directory it is in and its name there. Links are never followed.
//!
//! Names are single path components; callers split paths with [`super::beneath::parent_and_name`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};

/// Metadata of the file itself.
pub fn stat(dir: impl AsFd, name: &[u8]) -> io::Result<Stat> {
    Ok(rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Creates a regular file; fails when there is anything of that name. It is born with `mode` less the umask.
pub fn create_file(dir: impl AsFd, name: &[u8], mode: u16) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(mode.into()))?)
}

/// Creates a directory that only its owner may enter.
pub fn create_directory(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(dir, name, Mode::RWXU)?)
}

/// Opens a directory that is no link, for reading its names and for changing its metadata.
pub fn open_directory(dir: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?)
}

/// Opens a regular file for reading. Pipes, devices and links are refused before they are opened.
///
/// # Errors
/// `InvalidInput` when it is something else than a regular file.
pub fn open_file(dir: impl AsFd, name: &[u8]) -> io::Result<std::fs::File> {
    let kind = FileType::from_raw_mode(stat(&dir, name)?.st_mode);
    if !kind.is_file() {
        let text = format!("is {}, not a regular file", super::beneath::name_of(kind));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // Should it be something else by now, opening it has no effect and waits for nothing.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?.into())
}

/// Creates a symbolic link with `target` verbatim.
pub fn create_symlink(dir: impl AsFd, name: &[u8], target: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::symlinkat(target, dir, name)?)
}

/// Gives the file `name` of `from` (itself, not what a link points to) the further name `new` in `to`.
pub fn create_hardlink(from: impl AsFd, name: &[u8], to: impl AsFd, new: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::linkat(from, name, to, new, AtFlags::empty())?)
}

/// Creates a device, named pipe or socket. `major` and `minor` are 0 for pipes and sockets.
pub fn create_special(dir: impl AsFd, name: &[u8], kind: FileType, major: u32, minor: u32) -> io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    Ok(rustix::fs::mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, device)?)
}

/// Creates overlayfs' whiteout: a character device 0:0, which an ordinary user may make since Linux 5.8.
pub fn create_whiteout(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    create_special(dir, name, FileType::CharacterDevice, 0, 0)
}

/// Whether it is a character device 0:0.
pub fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Removes a file that is no directory.
pub fn remove(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?)
}

/// Changes the owner.
pub fn chown(dir: impl AsFd, name: &[u8], uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (user(uid)?, group(gid)?);
    Ok(rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Changes the owner of an open file.
pub fn fchown(fd: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    Ok(rustix::fs::fchown(fd, Some(user(uid)?), Some(group(gid)?))?)
}

/// Changes permission bits (`0o7777`) of something that is no link.
pub fn chmod(dir: impl AsFd, name: &[u8], mode: u16) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode).is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a symbolic link, which has no permissions"));
    }
    Ok(rustix::fs::chmod(super::fd::in_proc(found.as_fd()), Mode::from_raw_mode(mode.into()))?)
}

/// Changes permission bits (`0o7777`) of an open file.
pub fn fchmod(fd: impl AsFd, mode: u16) -> io::Result<()> {
    Ok(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode.into()))?)
}

/// Sets access and modification time.
pub fn set_times(dir: impl AsFd, name: &[u8], seconds: i64, nanoseconds: u32) -> io::Result<()> {
    Ok(rustix::fs::utimensat(dir, name, &times(seconds, nanoseconds), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Sets access and modification time of an open file.
pub fn fset_times(fd: impl AsFd, seconds: i64, nanoseconds: u32) -> io::Result<()> {
    Ok(rustix::fs::futimens(fd, &times(seconds, nanoseconds))?)
}

/// Sets an extended attribute. Needs `/proc`.
pub fn set_xattr(dir: impl AsFd, name: &[u8], key: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(in_proc(dir.as_fd(), name), key, value, XattrFlags::empty())?)
}

/// Sets an extended attribute of an open file.
pub fn fset_xattr(fd: impl AsFd, key: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(fd, key, value, XattrFlags::empty())?)
}

/// Reads an extended attribute; `None` when there is none of that name, or the file system has none at all. Needs `/proc`.
pub fn xattr(dir: impl AsFd, name: &[u8], key: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let path = in_proc(dir.as_fd(), name);
    let mut value = vec![0; 256];
    loop {
        match rustix::fs::lgetxattr(&path, key, &mut value[..]) {
            Ok(n) => {
                value.truncate(n);
                return Ok(Some(value));
            }
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => return Ok(None),
            Err(rustix::io::Errno::RANGE) if value.len() < 1 << 16 => value.resize(1 << 16, 0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Names of the extended attributes, sorted; none when the file system has none. Needs `/proc`.
pub fn xattr_names(dir: impl AsFd, name: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let path = in_proc(dir.as_fd(), name);
    let mut list = vec![0; 1024];
    let n = loop {
        match rustix::fs::llistxattr(&path, &mut list[..]) {
            Ok(n) => break n,
            Err(rustix::io::Errno::NOTSUP) => break 0,
            Err(rustix::io::Errno::RANGE) if list.len() < 1 << 16 => list.resize(1 << 16, 0),
            Err(error) => return Err(error.into()),
        }
    };
    let mut names: Vec<_> = list[..n].split(|&b| b == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec).collect();
    names.sort();
    Ok(names)
}

/// Text of a symbolic link.
pub fn read_link(dir: impl AsFd, name: &[u8]) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes())
}

fn user(uid: u32) -> io::Result<Uid> {
    if uid == u32::MAX { Err(rustix::io::Errno::INVAL.into()) } else { Ok(Uid::from_raw(uid)) }
}

fn group(gid: u32) -> io::Result<Gid> {
    if gid == u32::MAX { Err(rustix::io::Errno::INVAL.into()) } else { Ok(Gid::from_raw(gid)) }
}

fn times(seconds: i64, nanoseconds: u32) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.min(999_999_999).into() };
    Timestamps { last_access: time, last_modification: time }
}

/// `/proc/self/fd/<dir>/<name>`: the call that gets it follows no link in `name`.
fn in_proc(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(if name.is_empty() { b"." } else { name });
    path
}
