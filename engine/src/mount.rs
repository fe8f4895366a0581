//! Mounts: what `-v`, `--mount`, `--tmpfs`, `--volumes-from` and an image's VOLUMEs mean.
//!
//! Docker decides about mounts in two places, and so does this module:
//! - the command line reads a flag's text ([`parse_short`], [`parse_long`], [`parse_tmpfs`]) and sends what it read;
//! - the engine checks what arrives ([`parse_bind`], [`point_of`], [`parse_volumes_from`]) and joins it all for one
//!   container ([`merge`]).
//!
//! Everything here is a function of its arguments; [`resolve`] alone looks at the file system. The texts of the answers are those
//! of the docker command line 28.2.2 and of its engine; each comes with a hint that says what to write instead.

mod check;
mod csv;
mod long;
mod merge;
mod mode;
mod point;
pub mod resolve;
mod short;
mod size;
mod spec;
mod syntax;
mod text;
mod tmpfs;

pub use check::check;
pub use long::parse_long;
pub use merge::{Merged, Request, merge, parse_volumes_from};
pub use mode::Mode;
pub use point::{MountPoint, MountPointView, parse_bind, point_of};
pub use short::{Short, parse_short};
pub use size::ram_in_bytes;
pub use spec::{BindOptions, DriverConfig, ImageOptions, Kind, MountSpec, TmpfsOptions, VolumeOptions};
pub use syntax::{both_syntaxes, shell_quote};
pub use text::{clean, quote};
pub use tmpfs::{parse_tmpfs, tmpfs_options};

use std::path::Path;

/// Where a command was given: what relative paths and `~` mean there.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The working directory, absolute.
    pub cwd: &'a Path,
    /// The home directory, where there is one. Used in hints alone: neither docker nor this module expands `~`.
    pub home: Option<&'a Path>,
}

/// A mount that Docker would refuse, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MountError {
    /// What Docker says.
    pub message: String,
    /// What to write instead, where that can be told.
    pub hint: Option<String>,
}

impl MountError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error as the command line prints it for a flag with a bad value (`--mount`).
    #[must_use]
    pub fn of_flag(mut self, flag: &str, value: &str) -> Self {
        self.message = format!("invalid argument {} for \"{flag}\" flag: {}", quote(value), self.message);
        self
    }
}
