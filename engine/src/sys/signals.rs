//! Signals as something to wait for.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// All signals but SIGKILL and SIGSTOP, held back from this thread and readable instead (`signalfd(2)`).
#[derive(Debug)]
pub struct Signals {
    file: OwnedFd,
    before: libc::sigset_t,
}

impl Signals {
    /// Holds them back.
    #[expect(unsafe_code, reason = "signal masks are in no safe wrapper")]
    pub fn block_all() -> io::Result<Self> {
        // SAFETY: a signal set is plain bits, for which zero is valid; all three calls write or read complete sets that
        // live on this stack.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            // What the processor reports about this very program must reach it.
            for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT] {
                libc::sigdelset(&raw mut all, signal);
            }
            if libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before) != 0 {
                return Err(io::Error::last_os_error());
            }
            let file = libc::signalfd(-1, &raw const all, libc::SFD_CLOEXEC);
            if file < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self { file: OwnedFd::from_raw_fd(file), before })
        }
    }

    /// Waits for one and takes it: its number.
    pub fn wait(&self) -> io::Result<i32> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        let read = rustix::io::read(&self.file, &mut info)?;
        if read < 4 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))
    }

    /// Lets them through as before.
    #[expect(unsafe_code, reason = "signal masks are in no safe wrapper")]
    pub fn restore(&self) -> io::Result<()> {
        // SAFETY: `before` is a complete set that the kernel gave.
        let result = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> i32 {
        self.file.as_raw_fd()
    }
}

/// Gives every signal its default action and lets all through, as a new program expects them.
#[expect(unsafe_code, reason = "signal actions and masks are in no safe wrapper")]
pub fn reset() -> io::Result<()> {
    for signal in 1..=64 {
        // SAFETY: the default action runs no code of this process. Numbers that cannot be set fail, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a zeroed set is empty, and lives until the call returns.
    let result = unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal by number, real-time ones too, to the process that `process` stands for (`pidfd_send_signal(2)`).
#[expect(unsafe_code, reason = "the safe wrapper knows no real-time signals")]
pub fn send(process: impl AsFd, number: i32) -> io::Result<()> {
    let process = process.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open, there is no information to read, and flags are none.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, number, std::ptr::null::<()>(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
