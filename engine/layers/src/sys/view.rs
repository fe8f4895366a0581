//! A look at a directory that leaves no trace in it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::OpenTreeFlags;

/// `MOUNT_ATTR_RDONLY` and `MOUNT_ATTR_NOATIME` of `linux/mount.h`.
const ATTRIBUTES: u64 = 0x1 | 0x10;

/// Opens the directory `path` on a mount that nobody else sees: nothing can be written through it, and reading through it keeps
/// times of access as they are.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; EINVAL for a directory of another mount namespace; ENOSYS before Linux 5.12.
#[expect(unsafe_code, reason = "rustix has no mount_setattr")]
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    let tree = rustix::mount::open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    // `struct mount_attr`: what to set, what to clear, propagation, user namespace.
    let attributes: [u64; 4] = [ATTRIBUTES, 0x70, 0, 0];
    // SAFETY: the descriptor is open, the path is an empty text that ends with a zero byte, and the kernel only reads the four
    // words, whose size is given.
    let result = unsafe {
        let (path, size) = (c"".as_ptr(), size_of_val(&attributes));
        let flags = libc::AT_EMPTY_PATH;
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), path, flags, &raw const attributes, size)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(rustix::fs::openat(tree, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn reading_leaves_no_trace_and_writing_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "text").expect("written");
        let dir = match open(folder.path()) {
            Ok(dir) => dir,
            Err(error) => return eprintln!("skipped: no mounts of one's own: {error}"),
        };
        // Times of access are updated when they are older than the last change.
        let old = std::fs::FileTimes::new().set_accessed(std::time::SystemTime::UNIX_EPOCH);
        std::fs::File::options().write(true).open(&file).expect("opens").set_times(old).expect("set");
        let opened = rustix::fs::openat(&dir, "file", OFlags::RDONLY, Mode::empty()).expect("opens");
        let mut text = String::new();
        std::fs::File::from(opened).read_to_string(&mut text).expect("read");
        assert_eq!((text.as_str(), std::fs::metadata(&file).expect("there").atime()), ("text", 0));
        let refused = rustix::fs::openat(&dir, "file", OFlags::WRONLY, Mode::empty()).expect_err("read-only");
        assert_eq!(refused, rustix::io::Errno::ROFS);
    }
}
