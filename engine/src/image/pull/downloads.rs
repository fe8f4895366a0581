//! Layers on their way from a registry: `outcrop/downloads/<blob>`, one file each, which outlives the process that fills it.
//!
//! A file is locked while it is filled. One that is whole is unlocked, read by whoever needs it, and removed once its layer is
//! registered; a file that is open stays readable then.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use outcrop_layers::digest::Digest;

use crate::root::files;
use crate::root::layout::Layout;

/// How often it is looked whether another process has a layer.
const WAIT: Duration = Duration::from_millis(100);
/// What nobody has continued for so long goes.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// The directory of downloads.
#[derive(Clone)]
pub(super) struct Downloads(PathBuf);

impl Downloads {
    /// Makes the directory, and removes what was forgotten there.
    pub(super) fn open(layout: &Layout) -> io::Result<Self> {
        let downloads = Self(layout.downloads());
        files::make_directory(&downloads.0, 0o700)?;
        for name in files::names(&downloads.0)? {
            let path = downloads.0.join(&name);
            let old = fs::symlink_metadata(&path)
                .and_then(|about| about.modified())
                .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > KEPT));
            if old && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                fs::remove_file(&path)?;
            }
        }
        Ok(downloads)
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    fn path(&self, blob: Digest) -> PathBuf {
        self.0.join(blob.hex())
    }

    /// Opens and locks the file of a blob; waits while another process fills it, and tells that it does.
    pub(super) async fn claim(&self, blob: Digest, waiting: impl Fn()) -> io::Result<File> {
        let path = self.path(blob);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path)?;
            match file.try_lock() {
                // Whoever had it may have removed it meanwhile.
                Ok(()) if same(&file, &path)? => return Ok(file),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    waiting();
                    tokio::time::sleep(WAIT).await;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Removes the files of blobs that are no longer needed.
    pub(super) fn remove(&self, blobs: impl IntoIterator<Item = Digest>) {
        for blob in blobs {
            // One that stays goes when it is old.
            let _ = fs::remove_file(self.path(blob));
        }
    }

    /// Removes the files of blobs of which there is nothing.
    pub(super) fn remove_empty(&self, blobs: impl IntoIterator<Item = Digest>) {
        let empty = |blob: &Digest| fs::symlink_metadata(self.path(*blob)).is_ok_and(|about| about.len() == 0);
        self.remove(blobs.into_iter().filter(empty));
    }
}

fn same(file: &File, path: &Path) -> io::Result<bool> {
    let of_path = files::if_there(fs::symlink_metadata(path))?;
    let of_file = file.metadata()?;
    Ok(of_path.is_some_and(|found| (found.dev(), found.ino()) == (of_file.dev(), of_file.ino())))
}
