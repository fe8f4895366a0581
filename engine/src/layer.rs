//! Layers on a real file system.

pub mod apply;
pub mod diff;
pub mod export;
pub(crate) mod store;
