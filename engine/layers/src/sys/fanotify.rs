//! fanotify(7) groups that report file handles and names.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What happened, of `FAN_*` in `linux/fanotify.h`.
pub(crate) mod mask {
    pub(crate) const OPEN: u64 = libc::FAN_OPEN;
    pub(crate) const MODIFY: u64 = libc::FAN_MODIFY;
    pub(crate) const ATTRIB: u64 = libc::FAN_ATTRIB;
    pub(crate) const CLOSE_WRITE: u64 = libc::FAN_CLOSE_WRITE;
    pub(crate) const CREATE: u64 = libc::FAN_CREATE;
    pub(crate) const DELETE: u64 = libc::FAN_DELETE;
    pub(crate) const OVERFLOW: u64 = libc::FAN_Q_OVERFLOW;
    pub(crate) const RENAME: u64 = libc::FAN_RENAME;
    pub(crate) const ONDIR: u64 = libc::FAN_ONDIR;
    pub(crate) const ON_CHILD: u64 = libc::FAN_EVENT_ON_CHILD;
}

/// Everything that changes a file or a directory.
const CHANGES: u64 =
    mask::MODIFY | mask::ATTRIB | mask::CLOSE_WRITE | mask::CREATE | mask::DELETE | mask::RENAME | mask::ONDIR;

/// A group: marks, and the queue of their events.
#[derive(Debug)]
pub(crate) struct Fanotify(OwnedFd);

impl Fanotify {
    /// Makes a group for marks on whole filesystems, with a queue that loses nothing.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN in the initial user namespace; EINVAL before Linux 5.17.
    pub(crate) fn of_filesystems() -> io::Result<Self> {
        Self::new(libc::FAN_UNLIMITED_QUEUE | libc::FAN_UNLIMITED_MARKS)
    }

    /// Makes a group for marks on directories, as anybody may: the queue is short, and events do not tell the process.
    ///
    /// # Errors
    /// EINVAL before Linux 5.17; EMFILE when the user has too many groups.
    pub(crate) fn of_directories() -> io::Result<Self> {
        Self::new(0)
    }

    #[expect(unsafe_code, reason = "rustix has no fanotify")]
    fn new(flags: libc::c_uint) -> io::Result<Self> {
        let flags = flags
            | libc::FAN_CLASS_NOTIF
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK
            | libc::FAN_REPORT_DFID_NAME
            | libc::FAN_REPORT_FID
            | libc::FAN_REPORT_TARGET_FID;
        // SAFETY: the call takes no pointers; a result that is not negative is a new descriptor that nobody else owns.
        unsafe {
            let fd = libc::fanotify_init(flags, libc::O_CLOEXEC as libc::c_uint);
            if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Self(OwnedFd::from_raw_fd(fd))) }
        }
    }

    /// Marks the filesystem that `dir` is on; also tells which files are opened.
    ///
    /// # Errors
    /// EPERM; EXDEV on a btrfs subvolume; EOPNOTSUPP or ENODEV where files have no handles.
    pub(crate) fn mark_filesystem(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        self.mark(libc::FAN_MARK_FILESYSTEM, CHANGES | mask::OPEN, dir)
    }

    /// Marks one directory and the files in it.
    ///
    /// # Errors
    /// ENOSPC when the user has too many marks; EOPNOTSUPP or ENODEV where files have no handles.
    pub(crate) fn mark_directory(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        self.mark(libc::FAN_MARK_ONLYDIR, CHANGES | mask::ON_CHILD, dir)
    }

    /// Has nothing told of what is opened through the mount that `dir` is on.
    ///
    /// # Errors
    /// EINVAL where the group has no mark on the filesystem; ENOMEM.
    pub(crate) fn ignore_openings(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        let flags = libc::FAN_MARK_MOUNT | libc::FAN_MARK_IGNORED_MASK | libc::FAN_MARK_IGNORED_SURV_MODIFY;
        self.mark(flags, mask::OPEN, dir)
    }

    #[expect(unsafe_code, reason = "rustix has no fanotify")]
    fn mark(&self, flags: libc::c_uint, mask: u64, dir: BorrowedFd<'_>) -> io::Result<()> {
        let flags = flags | libc::FAN_MARK_ADD;
        // SAFETY: both descriptors are open, and a null path makes the kernel take the directory itself.
        let result = unsafe { libc::fanotify_mark(self.0.as_raw_fd(), flags, mask, dir.as_raw_fd(), std::ptr::null()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for Fanotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
