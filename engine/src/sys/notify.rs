//! The notification of system calls (`seccomp_unotify(2)`): the kernel holds a call until somebody has let it go on.
//!
//! Everything here lets calls go on; nothing decides. A call can change between the notification and its run, so what is learnt
//! of it is for looking at only.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::seccomp::{Instruction, Program};

/// Where the calls of a filter's processes wait.
#[derive(Debug)]
pub struct Listener(OwnedFd);

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names it towards the kernel.
    pub id: u64,
    /// The thread that made it, in the caller's process namespace; 0 where it is not there.
    pub thread: u32,
    /// `AUDIT_ARCH_…`.
    pub architecture: u32,
    /// Its number in that architecture.
    pub number: u32,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// Puts this thread, and every program it will execute, under `program` for good, and returns where the calls wait that it
/// answers with `SECCOMP_RET_USER_NOTIF`. Other filters stay as strict: of several answers the kernel takes the strictest.
///
/// # Errors
/// As [`super::seccomp::install`]; EBUSY when there is a listener already, of which a process can have one.
#[expect(unsafe_code, reason = "no crate in the tree has the call without a C library")]
pub fn install(program: &[Instruction]) -> io::Result<Listener> {
    let program = Program::new(program)?;
    let listening = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Since Linux 5.19 a call that has been told is not interrupted by signals, which would tell it again.
    for flags in [listening | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, listening] {
        // SAFETY: `Program` is `struct sock_fprog`, whose instructions the kernel copies before the call returns.
        let fd =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, program.as_ptr()) } as i32;
        if fd >= 0 {
            // SAFETY: a result that is not negative is a new descriptor, which is closed when a program is executed.
            return Ok(Listener(unsafe { OwnedFd::from_raw_fd(fd) }));
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
    }
    Err(io::ErrorKind::Unsupported.into())
}

impl Listener {
    /// Takes one over that another process sent.
    pub fn of(descriptor: OwnedFd) -> Self {
        // Since Linux 6.6 the waiting process can run on this processor at once; without, it is merely slower.
        const SYNC_WAKE_UP: libc::c_ulong = 1;
        let listener = Self(descriptor);
        let _ = listener.control(libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
        listener
    }

    /// Takes a call that waits. To be called when the descriptor is readable: it waits otherwise.
    ///
    /// # Errors
    /// ENOENT when the process was killed meanwhile.
    #[expect(unsafe_code, reason = "an ioctl that fills a structure")]
    pub fn receive(&self) -> io::Result<Request> {
        // SAFETY: all members are numbers, for which zero is a value; the kernel wants them to be zero.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, (&raw mut call) as libc::c_ulong)?;
        let data = call.data;
        Ok(Request {
            id: call.id,
            thread: call.pid,
            architecture: data.arch,
            number: data.nr as u32,
            arguments: data.args,
        })
    }

    /// Whether a call still waits: if so, what was opened by its thread's number is that thread's.
    pub fn waits(&self, request: &Request) -> bool {
        let id = request.id;
        self.control(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, (&raw const id) as libc::c_ulong).is_ok()
    }

    /// Lets a call go on.
    ///
    /// # Errors
    /// ENOENT when the process was killed meanwhile.
    pub fn resume(&self, request: &Request) -> io::Result<()> {
        const CONTINUE: u32 = 1;
        let answer = libc::seccomp_notif_resp { id: request.id, val: 0, error: 0, flags: CONTINUE };
        self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, (&raw const answer) as libc::c_ulong)
    }

    /// `argument` is a number, or the address of what the request wants, which outlives the call.
    #[expect(unsafe_code, reason = "rustix has no such ioctls")]
    fn control(&self, request: libc::Ioctl, argument: libc::c_ulong) -> io::Result<()> {
        // SAFETY: the callers above give each request what it reads or fills, on their own stack.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
