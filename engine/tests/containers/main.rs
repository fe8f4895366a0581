//! Containers as root, for real: from busybox, with the shim of `examples/shim.rs`.

mod crowds;
mod escapes;
mod host;
mod kills;
mod life;
mod notify;
mod others;
mod rights;
mod running;
mod storage;
mod tars;
