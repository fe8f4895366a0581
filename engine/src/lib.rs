//! outcrop's embedded engine: Docker's own data root, without a daemon.
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | the Docker Engine API over it, in process or on a socket |
//! | [`build`] | Dockerfiles to images, with the cache explained |
//! | [`container`] | containers: create, run, logs, exec, copy, commit |
//! | [`driver`] | storage drivers: how layers are stored and mounted |
//! | [`layer`] | layers on a real file system: apply, export, differences |
//! | [`image`] | images |
//! | [`registry`] | what speaks to registries |
//! | [`progress`] | how long work tells its progress and is cancelled |
//! | [`engine`] | an open data root: where everything starts |
//! | [`root`] | the data root on disk: locks, transactions, recovery, damage |
//! | [`events`] | what happened, in this process and others |
//! | [`usage`], [`info`] | disk usage; what the engine tells of itself |
//! | [`mount`], [`volume`] | the `-v` and `--mount` grammars; storage that outlives containers |
//! | [`filters`] | filters of lists and of prune, times, patterns |
//!
//! The crate never prints, never reads the environment and never exits. Unsafe code is in `sys` alone.

#![deny(unsafe_code)]

pub mod api;
pub mod build;
pub mod container;
pub mod driver;
pub mod engine;
pub mod events;
pub mod filters;
pub mod image;
pub mod info;
pub mod layer;
pub mod mount;
pub mod progress;
pub mod registry;
pub mod root;
pub mod sys;
pub mod usage;
pub mod volume;

pub use engine::{Engine, OpenOptions};
pub use root::{Access, OpenError};
