//! File handles: what names a file for good, whatever becomes of its path.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A file's handle: its type, 4 bytes in the machine's order, and what the filesystem wrote, as fanotify reports it.
pub(crate) type Handle = Box<[u8]>;

/// Longest handle of any filesystem, in bytes (`MAX_HANDLE_SZ` of `linux/fcntl.h`).
const LONGEST: usize = 128;

/// `AT_HANDLE_FID`: also where files cannot be opened by handle (Linux 6.5).
const FID: libc::c_int = 0x200;

/// `struct file_handle` with room for the longest.
#[repr(C)]
struct Room {
    bytes: libc::c_uint,
    kind: libc::c_int,
    handle: [u8; LONGEST],
}

/// The handle of `name` in `dir`; of `dir` itself for an empty name. Links are not followed.
///
/// # Errors
/// EOPNOTSUPP where files have no handles; ENOENT.
pub(crate) fn of(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Handle> {
    match ask(dir, name, 0) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => ask(dir, name, FID).map_err(|_| error),
        other => other,
    }
}

#[expect(unsafe_code, reason = "rustix has no name_to_handle_at")]
fn ask(dir: BorrowedFd<'_>, name: &CStr, flags: libc::c_int) -> io::Result<Handle> {
    let mut room = Room { bytes: LONGEST as libc::c_uint, kind: 0, handle: [0; LONGEST] };
    let mut mount = 0;
    let flags = if name.is_empty() { flags | libc::AT_EMPTY_PATH } else { flags };
    // SAFETY: `name` ends with a zero byte; `room` has the layout of `struct file_handle` followed by as many bytes as its
    // first member says; the kernel writes no more than that, and one integer to `mount`.
    let result = unsafe {
        let room = (&raw mut room).cast::<libc::file_handle>();
        libc::name_to_handle_at(dir.as_raw_fd(), name.as_ptr(), room, &raw mut mount, flags)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let length = (room.bytes as usize).min(LONGEST);
    Ok([&room.kind.to_ne_bytes(), &room.handle[..length]].concat().into())
}

/// Opens the file with this handle, wherever it is now, with O_PATH; `mount` is any directory of its filesystem.
///
/// # Errors
/// EPERM without CAP_DAC_READ_SEARCH; ESTALE when the file is gone.
#[expect(unsafe_code, reason = "rustix has no open_by_handle_at")]
pub(crate) fn open(mount: BorrowedFd<'_>, handle: &[u8]) -> io::Result<OwnedFd> {
    let split = handle.split_first_chunk::<4>().filter(|(_, rest)| rest.len() <= LONGEST);
    let (kind, bytes) = split.ok_or(io::ErrorKind::InvalidInput)?;
    let mut room = Room { bytes: bytes.len() as libc::c_uint, kind: i32::from_ne_bytes(*kind), handle: [0; LONGEST] };
    room.handle[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: `room` has the layout of `struct file_handle` followed by at least as many bytes as its first member says,
    // which the kernel only reads; a result that is not negative is a new descriptor.
    unsafe {
        let room = (&raw mut room).cast::<libc::file_handle>();
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let fd = libc::open_by_handle_at(mount.as_raw_fd(), room, flags);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_handle_stays_with_its_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let dir = std::fs::File::open(folder.path()).expect("opens");
        let at = |name| folder.path().join(name);
        std::fs::write(at("a"), "").expect("written");
        std::fs::write(at("other"), "").expect("written");
        let Ok(before) = of(dir.as_fd(), c"a") else { return eprintln!("skipped: no file handles in {folder:?}") };
        std::fs::rename(at("a"), at("b")).expect("renamed");
        assert_eq!(of(dir.as_fd(), c"b").expect("handle"), before);
        assert_ne!(of(dir.as_fd(), c"other").expect("handle"), before);
        assert_eq!(of(dir.as_fd(), c"a").expect_err("gone").raw_os_error(), Some(libc::ENOENT));
        of(dir.as_fd(), c"").expect("the directory's own");
    }
}
