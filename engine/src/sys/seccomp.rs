//! System call filters.

use std::io;
use std::marker::PhantomData;

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

/// A program as the kernel takes it, `struct sock_fprog`.
#[repr(C)]
pub(super) struct Program<'a> {
    length: libc::c_ushort,
    first: *const Instruction,
    of: PhantomData<&'a [Instruction]>,
}

impl<'a> Program<'a> {
    /// # Errors
    /// InvalidInput when it has more instructions than the kernel can count.
    pub(super) fn new(program: &'a [Instruction]) -> io::Result<Self> {
        let length = program.len().try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Self { length, first: program.as_ptr(), of: PhantomData })
    }

    pub(super) fn as_ptr(&self) -> *const Self {
        self
    }
}

/// Puts this thread, and every program it will execute, under `program` for good (`seccomp(2)`,
/// `SECCOMP_SET_MODE_FILTER`).
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN in the user namespace and without `no_new_privs`; EINVAL for a program that the kernel
/// does not accept.
#[expect(unsafe_code, reason = "no crate in the tree has the call without forcing no_new_privs")]
pub fn install(program: &[Instruction]) -> io::Result<()> {
    let program = Program::new(program)?;
    // SAFETY: `Program` is `struct sock_fprog`; the kernel copies `length` instructions from `first`, which the slice
    // owns, before the call returns, and keeps no pointer.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, program.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
