//! This process as a program: becoming another one, going to the background.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Replaces this process by the program at `path` (`execve(2)`): arguments and variables in the order given.
///
/// Returns only when that failed.
#[expect(unsafe_code, reason = "std's exec sorts the variables")]
pub fn execute(path: &CStr, arguments: &[CString], variables: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, variables) = (pointers(arguments), pointers(variables));
    // SAFETY: all three point to NUL-terminated texts that live until the call returns, and both lists end in null.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    io::Error::last_os_error()
}

/// What [`fork`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// In the new process.
    Child,
    /// In the old one: the new one's process ID.
    Parent(i32),
}

/// Makes a copy of this process (`fork(2)`).
///
/// # Errors
/// Also when this process has more than one thread: the copy could then hang on a lock that nobody will release.
#[expect(unsafe_code, reason = "fork is unsafe with threads, which is checked")]
pub fn fork() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("cannot fork with {threads} threads")));
    }
    // SAFETY: the process has one thread, so the child's copy of memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Ends this process at once, running nothing more of it (`_exit(2)`).
#[expect(unsafe_code, reason = "std's exit runs what the parent registered")]
pub fn exit(code: i32) -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::_exit(code) }
}

/// The program at `path` as a read-only file that no path leads to: what a container sees of it through `/proc/<pid>/exe` is on a
/// mount of its own that refuses writing, whatever the container may do.
///
/// # Errors
/// Where the kernel is older than 5.12 or this process may not mount.
#[expect(unsafe_code, reason = "mount_setattr has no safe wrapper")]
pub fn sealed(path: &std::path::Path) -> io::Result<OwnedFd> {
    use rustix::mount::{OpenTreeFlags, open_tree};
    let tree = open_tree(rustix::fs::CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    // `struct mount_attr`: what to set, what to clear, propagation, user namespace.
    let attributes: [u64; 4] = [0x1, 0, 0, 0];
    // SAFETY: the descriptor is open, the path is a NUL-terminated empty text, and the kernel only reads the four
    // words, whose size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if result == 0 { Ok(tree) } else { Err(io::Error::last_os_error()) }
}

/// Makes descriptor `fd` the standard input (0), output (1) or error (2).
///
/// # Errors
/// As `dup2(2)`.
#[expect(unsafe_code, reason = "replaces a descriptor that std owns, which stays open")]
pub fn redirect(fd: BorrowedFd<'_>, standard: u8) -> io::Result<()> {
    // SAFETY: replaces one open descriptor by another; std's handles of 0 to 2 go on to be valid.
    let result = unsafe { libc::dup2(fd.as_raw_fd(), i32::from(standard.min(2))) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets this thread's capabilities for good, as the bits of `/proc/<pid>/status`: the bounding set, what is permitted and
/// effective, nothing inheritable, nothing ambient.
///
/// # Errors
/// Without CAP_SETPCAP where the bounding set must shrink.
pub fn set_capabilities(bounding: u64, permitted: u64) -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets};
    for number in 0..63 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if bounding & one.bits() != 0 {
            continue;
        }
        match rustix::thread::capability_is_in_bounding_set(one) {
            Ok(true) => rustix::thread::remove_capability_from_bounding_set(one)?,
            Ok(false) => {}
            // The kernel knows no more.
            Err(_) => break,
        }
    }
    let permitted = CapabilitySet::from_bits_retain(permitted);
    let sets = CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// Has the kernel kill the program when the thread that starts it ends, however that ends.
#[expect(unsafe_code, reason = "what runs between fork and exec may only make system calls")]
pub fn dies_with_this_thread(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: one system call, no memory is touched.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
}

/// Moves this process into a network namespace of its own, in which nothing is connected.
#[expect(unsafe_code, reason = "unshare is unsafe for some flags, of which this is none")]
pub fn own_network() -> io::Result<()> {
    // SAFETY: gives this thread another view of the network; no descriptor or memory changes.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves this process into a mount namespace of its own, which sees later mounts of the old one and shows it none.
///
/// # Errors
/// Also when this process has more than one thread.
#[expect(unsafe_code, reason = "unshare is unsafe for some flags, of which this is none")]
pub fn own_mounts() -> io::Result<()> {
    // SAFETY: gives this thread another view of mounts; no descriptor or memory changes.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let slave = rustix::mount::MountPropagationFlags::DOWNSTREAM | rustix::mount::MountPropagationFlags::REC;
    Ok(rustix::mount::mount_change("/", slave)?)
}
