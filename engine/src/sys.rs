//! Safe wrappers around the system calls that the engine needs. All unsafe code of the crate is below this module.
//!
//! Paths are bytes: names in layers need not be UTF-8. Nothing here follows a symbolic link out of the directory it is given.

pub mod beneath;
pub mod dirs;
pub mod fd;
pub mod fs;
pub mod loopback;
pub mod mount;
pub mod node;
pub mod notify;
pub mod private_root;
pub mod process;
pub mod program;
pub mod seccomp;
pub mod signals;
pub mod userns;
pub mod walk;
