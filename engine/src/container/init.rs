//! `--init`: a first process that hands signals on and reaps orphans.
//!
//! It is this program, already inside and confined: no second binary is mounted into the container, and none is read there.

use std::io;

use rustix::process::{Pid, Signal, WaitOptions};

use crate::sys::program::{self, Fork};
use crate::sys::signals::Signals;

/// Goes on in a new child process; the calling one stays behind as its init and never returns.
pub(crate) fn run_below() -> io::Result<()> {
    let signals = Signals::block_all()?;
    match program::fork()? {
        Fork::Child => {
            // The terminal's signals go to the program, not to its init. SIGTTOU is held back still.
            let _ = rustix::process::setpgid(None, None);
            let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpgrp());
            signals.restore()
        }
        Fork::Parent(pid) => program::exit(reap(&signals, pid)),
    }
}

/// Hands signals on until the program ends and gives its exit code.
fn reap(signals: &Signals, program: i32) -> i32 {
    let _ = rustix::thread::set_name(c"docker-init");
    let Some(child) = Pid::from_raw(program) else { return 255 };
    loop {
        match signals.wait() {
            Ok(libc::SIGCHLD) | Err(_) => {}
            Ok(number) => {
                if let Some(signal) = Signal::from_named_raw(number) {
                    let _ = rustix::process::kill_process(child, signal);
                }
            }
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == child => {
                    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                    if let Some(code) = code {
                        return code;
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}
