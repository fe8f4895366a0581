//! What a layer changes: as a list of paths, and as a layer's tar.

mod changes;
mod detail;
mod pax;
mod write;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::node;
use crate::sys::walk::WalkError;

pub use self::changes::changes;
pub use self::detail::{Detail, detail};
pub use self::pax::PaxWriter;
pub use self::write::{diff_tar, plain_tar};

/// One changed path, as `docker diff` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Path with a leading `/`, in bytes.
    pub path: Box<[u8]>,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a path. The numbers are those of the Docker Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChangeKind {
    /// `C`: content or metadata differ, or something below a directory changed.
    Modified = 0,
    /// `A`: it is new.
    Added = 1,
    /// `D`: it is gone.
    Deleted = 2,
}

impl ChangeKind {
    /// The letter that `docker diff` prints.
    pub fn letter(self) -> char {
        match self {
            Self::Modified => 'C',
            Self::Added => 'A',
            Self::Deleted => 'D',
        }
    }
}

/// Says why changes cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A file of the layer cannot be read.
    #[error("reading the layer: {0}")]
    Walk(#[from] WalkError),
    /// The tar cannot be written.
    #[error("writing the layer's tar: {0}")]
    Write(#[source] io::Error),
}

/// Whether overlayfs takes the directory `name` as opaque.
fn is_opaque(dir: BorrowedFd<'_>, name: &[u8], rootless: bool) -> io::Result<bool> {
    let key: &[u8] = if rootless { b"user.overlay.opaque" } else { b"trusted.overlay.opaque" };
    // `x` tells of whiteouts in the form of attributes; only `y` hides everything.
    Ok(node::xattr(dir, name, key)?.is_some_and(|value| value == b"y"))
}

/// The lower layers, topmost first.
type Lowers<'a> = &'a [File];

fn at(lower: &File) -> BorrowedFd<'_> {
    lower.as_fd()
}

#[cfg(test)]
mod tests;
