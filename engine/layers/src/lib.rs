//! Reads image layers and makes trees of them: what each layer holds, what it hides, what is stored twice.
//!
//! The crate has no async code, uses no network, needs no root and draws nothing. It never prints, never
//! reads the environment and never exits. Parsers take bytes or readers; only `source` opens files.
//!
//! | module | what it is |
//! |---|---|
//! | [`digest`] | digest, diff ID, chain ID, and hashing while reading |
//! | [`entry`] | one file of a layer, as a tar header or a directory tells it |
//! | [`config`] | the image configuration: history and root filesystem |
//! | [`archive`] | image archives: `docker save`, OCI layouts, root filesystems |
//! | [`compress`] | gzip, zstd, bzip2 and xz, undone while reading |
//! | [`tar`] | layers as tar streams: headers, long names, sparse files, whiteout names |
//! | [`tarsplit`] | the record from which a layer's tar is put together again, as Docker keeps it |
//! | [`history`] | instructions paired with the layers they made |
//! | [`index`] | the entries of one layer, sorted, and their cache on disk |
//! | [`tree`] | all layers in one tree; [`version`] and [`view`] are what it tells |
//! | [`waste`] | bytes that are stored but cannot be reached, each with its cause; [`advice`] says what mends it |
//! | [`verify`] | comparing content: changes in doubt, duplicates |
//! | [`content`] | what is in a file: text, bytes, programs, archives; what differs between two |
//! | [`change`] | what happened to a path of a container's own layer |
//! | [`watch`] | what overlayfs does while a container writes: copy-ups, whiteouts, and who caused them |
//! | [`source`] | where layers are read from |

#![deny(unsafe_code)]

pub mod advice;
pub mod archive;
pub mod change;
pub mod compress;
pub mod config;
pub mod content;
pub mod digest;
pub mod entry;
mod fill;
pub mod history;
pub mod index;
pub mod source;
mod sys;
pub mod tar;
pub mod tarsplit;
pub mod tree;
pub mod verify;
pub mod version;
pub mod view;
pub mod waste;
pub mod watch;
