//! Safe wrappers around the system calls that watching needs and rustix has not. All unsafe code of the crate is below this module.

pub(crate) mod fanotify;
pub(crate) mod handle;
pub(crate) mod perf;
pub(crate) mod view;
