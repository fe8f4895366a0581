//! Storage drivers: how layers are stored and mounted.

pub mod overlay2;
pub mod probe;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::layer::diff::{Change, DiffError};
use crate::sys::walk::{self, Met, Visitor, WalkError};

/// The name of a layer's directory in the data root, which Docker calls cache ID; always one safe path component.
///
/// Ours are 64 random hexadecimal digits. Those of other roots may be anything that is one file name (`<id>-init`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheId(Box<str>);

/// Says why a text is no cache ID.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} cannot be the name of a layer's directory: expected one file name, such as 64 hexadecimal digits")]
pub struct CacheIdError {
    /// The text, cut to 100 characters.
    pub text: String,
}

impl CacheId {
    /// Makes a new one from the kernel's random numbers.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(hex::encode(bytes).into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cache ID of a container's init layer: this one with `-init`, as Docker names it.
    #[must_use]
    pub fn init(&self) -> Self {
        Self(format!("{}-init", self.0).into())
    }
}

impl AsRef<Path> for CacheId {
    fn as_ref(&self) -> &Path {
        Path::new(&*self.0)
    }
}

impl fmt::Display for CacheId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for CacheId {
    type Err = CacheIdError;

    /// Accepts any single file name but `l`, which overlay2 needs itself, and hidden names.
    fn from_str(text: &str) -> Result<Self, CacheIdError> {
        let safe = !text.is_empty()
            && text.len() <= 128
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && !text.starts_with('.')
            && text != "l";
        if safe { Ok(Self(text.into())) } else { Err(CacheIdError { text: text.chars().take(100).collect() }) }
    }
}

/// A way to store layers as directories and to mount them on top of each other.
///
/// Nothing here locks or syncs. Layers are made in a directory of the caller's ([`Driver::stage`]) and appear by one rename
/// ([`Driver::publish`]); they disappear by one rename into such a directory ([`Driver::remove`]). What a killed process leaves
/// there goes with [`Driver::discard`].
pub trait Driver: Send + Sync {
    /// Name as Docker spells it (`overlay2`).
    fn name(&self) -> &'static str;

    /// Makes the driver's own directories where they are missing.
    fn prepare(&self) -> Result<(), DriverError>;

    /// Makes the directory of a layer at `at`, which must not exist, on the data root's file system.
    fn stage(&self, at: &Path) -> Result<Staged, DriverError>;

    /// Makes a staged layer the layer `id`, on top of `parent`, which must be there.
    ///
    /// One `syncfs` afterwards, before the layer is registered, makes content and name durable together.
    fn publish(&self, staged: Staged, id: &CacheId, parent: Option<&CacheId>) -> Result<(), DriverError>;

    /// Makes an empty layer that can be written to when it is mounted; `staging` is a directory for what is not finished.
    fn create(&self, id: &CacheId, parent: Option<&CacheId>, staging: &Path) -> Result<(), DriverError> {
        let staged = self.stage(&staging.join(id))?;
        self.publish(staged, id, parent)
    }

    /// The directory with the layer's own files.
    fn diff_dir(&self, id: &CacheId) -> PathBuf;

    /// The layers below, topmost first.
    fn parents(&self, id: &CacheId) -> Result<Vec<CacheId>, DriverError>;

    /// Shows the layer with all below it at the directory `at`: writable, unless it is the parent of another layer.
    fn mount(&self, id: &CacheId, at: &Path) -> Result<(), DriverError>;

    /// Takes away what [`Driver::mount`] showed at `at`. That nothing is mounted there is no error.
    fn unmount(&self, at: &Path) -> Result<(), DriverError>;

    /// Removes a layer that no other stands on: moves it into the directory `trash` first, then deletes it there.
    fn remove(&self, id: &CacheId, trash: &Path) -> Result<(), DriverError>;

    /// Deletes a layer that was staged and not published, or moved to be removed. That there is none is no error.
    fn discard(&self, at: &Path) -> Result<(), DriverError>;

    /// What the layer's own files take.
    fn usage(&self, id: &CacheId) -> Result<Usage, DriverError>;

    /// What the layer changes of those below it, as `docker diff` lists it.
    fn changes(&self, id: &CacheId) -> Result<Vec<Change>, DriverError>;

    /// Whether there is such a layer.
    fn exists(&self, id: &CacheId) -> bool;

    /// All layers, registered or not, by name.
    fn list(&self) -> Result<Vec<CacheId>, DriverError>;
}

/// A layer that is being made.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    diff: OwnedFd,
}

impl Staged {
    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory for the layer's files.
    pub fn diff(&self) -> BorrowedFd<'_> {
        self.diff.as_fd()
    }
}

/// What files take, hard links counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sum of apparent sizes of files and of the texts of symbolic links, in bytes: what `docker ps --size` shows.
    pub apparent: u64,
    /// Sum of what all files and directories take on disk (`st_blocks` * 512), in bytes.
    pub disk: u64,
    /// Number of files and directories.
    pub files: u64,
}

/// Says what a storage driver could not do.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// There is no such layer.
    #[error("layer directory {} is missing; loading or pulling its image again restores it", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is already such a layer.
    #[error("layer directory {} exists already", path.display())]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// A file of the layer's directory says what cannot be.
    #[error("{} is damaged: {why}; loading or pulling its image again repairs it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// More layers than can be mounted.
    #[error("{layers} layers are on top of each other, at most {most} can be mounted")]
    Deep {
        /// How many there would be.
        layers: usize,
        /// How many are possible.
        most: usize,
    },
    /// A system call failed.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What failed.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a layer could not be read or removed.
    #[error("{doing} {}: {source}", path.display())]
    Walk {
        /// What failed.
        doing: &'static str,
        /// In what directory.
        path: PathBuf,
        /// Where there, and why.
        source: WalkError,
    },
    /// Changes could not be told.
    #[error(transparent)]
    Diff(#[from] DiffError),
}

impl DriverError {
    /// Whether it is the disk that is full.
    pub fn is_no_space(&self) -> bool {
        let full = |e: &io::Error| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match self {
            Self::Io { source, .. } => full(source),
            Self::Walk { source, .. } => full(&source.source),
            _ => false,
        }
    }
}

/// Adds up what the files below `dir` take, itself included.
pub fn usage(dir: impl AsFd) -> Result<Usage, WalkError> {
    struct Sum {
        usage: Usage,
        linked: HashSet<(u64, u64)>,
    }
    impl Visitor for Sum {
        type Error = WalkError;

        fn meet(&mut self, met: &Met<'_>) -> Result<bool, WalkError> {
            let stat = met.stat()?;
            self.usage.files += 1;
            let first = met.kind.is_dir() || stat.st_nlink < 2 || self.linked.insert((stat.st_dev, stat.st_ino));
            if first {
                self.usage.disk += stat.st_blocks as u64 * 512;
                self.usage.apparent += if met.kind.is_dir() { 0 } else { stat.st_size as u64 };
            }
            Ok(true)
        }
    }
    let own = rustix::fs::fstat(&dir).map_err(|e| WalkError { path: Box::default(), source: e.into() })?;
    let mut sum = Sum { usage: Usage { disk: own.st_blocks as u64 * 512, ..Usage::default() }, linked: HashSet::new() };
    walk::walk(dir, &mut sum)?;
    Ok(sum.usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_ids_are_one_file_name() {
        let id = CacheId::random().expect("random numbers");
        assert_eq!(id.as_str().len(), 64);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_eq!(id.init().as_str().parse(), Ok(id.init()));
        for bad in ["", ".", "..", "l", "a/b", "../x", "/x", "a\0b", "a\nb", &"x".repeat(129)] {
            assert!(bad.parse::<CacheId>().is_err(), "{bad:?}");
        }
    }
}
