//! Why something cannot be watched.

use std::io;
use std::path::PathBuf;

/// Says why a watch, or a recording of one, cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// No threads or descriptors.
    #[error("cannot start watching: {source}")]
    Start {
        /// Why.
        source: io::Error,
    },
    /// The upper directory cannot be read.
    #[error("cannot read the upper directory {}: {source}", path.display())]
    Upper {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No mechanism works.
    #[error("cannot watch {}: {reasons}", path.display())]
    NoMethod {
        /// The upper directory.
        path: PathBuf,
        /// Why not, for each.
        reasons: String,
    },
    /// It is watched by this watch already.
    #[error("{} is watched already", path.display())]
    Already {
        /// The upper directory.
        path: PathBuf,
    },
    /// The watch has ended.
    #[error("the watch has ended")]
    Ended,
    /// No overlay is mounted there.
    #[error("no overlay with an upper directory is mounted at {}: give a mount point of `findmnt -t overlay`", path.display())]
    NotMounted {
        /// Where.
        path: PathBuf,
    },
    /// The file is no recording.
    #[error("line {line} is not part of a recorded watch: {reason}")]
    Record {
        /// Its number, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The recording was made by a later version.
    #[error("the recording has version {version}, this program reads version {known}: use a newer one")]
    Version {
        /// Its version.
        version: u32,
        /// The version that is known.
        known: u32,
    },
    /// Reading or writing the recording failed.
    #[error("the recording: {0}")]
    Io(#[from] io::Error),
}
