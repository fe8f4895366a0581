//! File descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

/// Opens what `fd` refers to once more, with other rights: an `O_PATH` descriptor becomes readable, say.
///
/// Needs `/proc`.
pub fn reopen(fd: impl AsFd, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(in_proc(fd.as_fd()), flags | OFlags::CLOEXEC, Mode::empty())?)
}

/// The path of a descriptor in `/proc`.
pub fn in_proc(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Marks all descriptors from `first` on to be closed when this process executes another program (`close_range(2)`).
///
/// # Errors
/// `ENOSYS` and `EINVAL` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    #[expect(unsafe_code, reason = "neither std nor rustix has it")]
    // SAFETY: only flags of descriptors change, no descriptor is closed, no memory is touched.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
