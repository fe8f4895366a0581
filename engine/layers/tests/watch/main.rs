//! Watching overlays, for real: mounts of the test's own, programs that write to them, and what is told of it.
//!
//! What mounts needs root; `.ci/run` runs it so.

mod classes;
mod facts;
mod names;
mod overflow;
mod recording;
mod support;
mod unprivileged;
mod workload;
