//! System call filters.

use std::io;

/// One BPF instruction, `struct sock_filter` of `linux/filter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions a branch skips when true.
    pub on_true: u8,
    /// How many when not.
    pub on_false: u8,
    /// Constant operand.
    pub operand: u32,
}

/// Puts this thread, and every program it will execute, under `program` for good (`seccomp(2)`,
/// `SECCOMP_SET_MODE_FILTER`).
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN in the user namespace and without `no_new_privs`; EINVAL for a program that the kernel
/// does not accept.
#[expect(unsafe_code, reason = "no crate in the tree has the call without forcing no_new_privs")]
pub fn install(program: &[Instruction]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        length: libc::c_ushort,
        first: *const Instruction,
    }
    let length = program.len().try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = Program { length, first: program.as_ptr() };
    // SAFETY: `Program` is `struct sock_fprog`; the kernel copies `length` instructions from `first`, which the slice
    // owns, before the call returns, and keeps no pointer.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
