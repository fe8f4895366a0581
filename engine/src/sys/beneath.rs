//! Opening paths below a directory, resolved as if that directory were the root of the file system (`openat2(2)`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Longest path given to the kernel at once, in bytes; `PATH_MAX` is 4096 with the closing zero byte.
const LONGEST: usize = 4000;

/// How often `openat2` is tried again when somebody renames directories while it resolves `..`.
const TRIES: usize = 128;

/// Opens `path` below `root`. Symbolic links, also absolute ones and `..`, are resolved inside `root`; magic links never.
///
/// The empty path is `root` itself. In a path longer than the kernel takes, links in the part after the first 4000 bytes may not
/// lead upwards.
///
/// # Errors
/// Those of `openat2(2)`; `EXDEV` when a link in the tail of a long path leads upwards.
pub fn open(root: impl AsFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    parts(root.as_fd(), path, flags, ResolveFlags::empty())
}

/// Opens the directory `path` below `root` as a starting point for other calls (`O_PATH`): no read permission is needed.
pub fn open_directory(root: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    open(root, path, OFlags::PATH | OFlags::DIRECTORY)
}

/// As [`open_directory`], but there may be no links on the way.
///
/// # Errors
/// `ELOOP` when there is one.
pub fn open_plain_directory(root: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    parts(root.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS)
}

/// Opens `path` below `root` for nothing but asking what it is (`O_PATH`), and only on the mount that `root` is on: no other
/// file system is asked, which might not answer. With `follow`, also what a symbolic link at its end leads to.
///
/// # Errors
/// `EXDEV` when the path leads to another mount; else as [`open`].
pub fn open_on_mount(root: impl AsFd, path: &[u8], follow: bool) -> io::Result<OwnedFd> {
    let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
    parts(root.as_fd(), path, flags, ResolveFlags::NO_XDEV)
}

/// Opens a regular file for reading. Pipes, devices and links are refused before they are opened.
///
/// # Errors
/// `InvalidInput` when it is something else than a regular file; else as [`open`].
pub fn open_file(root: impl AsFd, path: &[u8]) -> io::Result<std::fs::File> {
    let found = open(root, path, OFlags::PATH | OFlags::NOFOLLOW)?;
    let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("is {}, not a regular file", name_of(kind))));
    }
    super::fd::reopen(found, OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK).map(Into::into)
}

/// The parent and the last component of a path that has no trailing `/`.
pub fn parent_and_name(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// What a file of this type is called.
pub fn name_of(kind: rustix::fs::FileType) -> &'static str {
    use rustix::fs::FileType;
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        FileType::Unknown => "of unknown type",
    }
}

/// Opens a path piece by piece.
fn parts(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, also: ResolveFlags) -> io::Result<OwnedFd> {
    let (in_root, beneath) = (ResolveFlags::IN_ROOT | also, ResolveFlags::BENEATH | also);
    if path.is_empty() {
        return one(root, b".", flags, in_root);
    }
    let Some((head, mut rest)) = split(path) else {
        return one(root, path, flags, in_root);
    };
    let mut at = one(root, head, OFlags::PATH | OFlags::DIRECTORY, in_root)?;
    while let Some((head, tail)) = split(rest) {
        at = one(at.as_fd(), head, OFlags::PATH | OFlags::DIRECTORY, beneath)?;
        rest = tail;
    }
    one(at.as_fd(), rest, flags, beneath)
}

/// Cuts a path that is too long at a `/`.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= LONGEST {
        return None;
    }
    let slash = path[..LONGEST].iter().rposition(|&b| b == b'/').filter(|&at| at > 0)?;
    Some((&path[..slash], &path[slash + 1..]))
}

fn one(at: BorrowedFd<'_>, path: &[u8], flags: OFlags, how: ResolveFlags) -> io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(at, path, flags | OFlags::CLOEXEC, Mode::empty(), how | ResolveFlags::NO_MAGICLINKS) {
            Err(Errno::AGAIN) if tries < TRIES => tries += 1,
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;

    #[test]
    fn nothing_leads_out() {
        let dir = tempfile::tempdir().expect("directory");
        let outside = dir.path().join("outside");
        fs::write(&outside, "secret").expect("file");
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).expect("directory");
        fs::write(root.join("outside"), "inside").expect("file");
        std::os::unix::fs::symlink("../../outside", root.join("etc/up")).expect("link");
        std::os::unix::fs::symlink(&outside, root.join("absolute")).expect("link");
        let fd = fs::File::open(&root).expect("root");
        let read = |path: &[u8]| {
            let mut text = String::new();
            let mut file = fs::File::from(open(&fd, path, OFlags::RDONLY)?);
            file.read_to_string(&mut text).map(|_| text)
        };
        for path in ["etc/up", "../outside", "/outside", "etc/../../../outside"] {
            assert_eq!(read(path.as_bytes()).expect(path), "inside", "{path}");
        }
        assert!(
            read(b"absolute").is_err(),
            "an absolute link is looked up below the root, where its folders do not exist"
        );
        assert!(open_file(&fd, b"etc/up").is_err());
        assert!(open_file(&fd, b"etc").is_err());
    }

    #[test]
    fn long_paths_are_walked_in_parts() {
        let dir = tempfile::tempdir().expect("directory");
        let fd = fs::File::open(dir.path()).expect("root");
        let mut at = open_directory(&fd, b"").expect("root");
        for _ in 0..1400 {
            rustix::fs::mkdirat(&at, "dd", Mode::RWXU).expect("directory");
            at = open_directory(&at, b"dd").expect("directory");
        }
        let path = vec![&b"dd"[..]; 1400].join(&b'/');
        let found = open_directory(&fd, &path).expect("long path");
        let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).expect("stat").st_ino;
        assert_eq!(inode(&found), inode(&at));
        super::super::walk::remove_tree(&fd, b"dd").expect("removes deep trees");
    }
}
