//! Fills a new, empty volume with what the image has where it is mounted (`docker` calls it copying up).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, OFlags};

use super::copy::{self, CopyError};
use super::{VolumeError, Volumes};
use crate::progress::Cancel;
use crate::root::files;
use crate::sys::{beneath, fd};

impl Volumes {
    /// Copies the content that `rootfs` has at `path` into a volume that is empty, with owners, modes, times and attributes; the
    /// volume's top gets those of the folder. Gives the bytes copied; `None` when there was nothing to do: the volume has content, or the
    /// image has no folder there.
    ///
    /// Links in `path` are resolved inside `rootfs`; links in the content are copied as links. Killed at any moment, the volume is either
    /// still empty or complete.
    ///
    /// # Errors
    /// No such volume; a file cannot be copied: the volume is then empty as before, unless it has storage of its own mounted.
    pub fn fill(
        &self,
        name: &str,
        rootfs: BorrowedFd<'_>,
        path: &str,
        cancel: &Cancel,
    ) -> Result<Option<u64>, VolumeError> {
        self.writable()?;
        let volume = self.attach(name, "")?;
        let wrong = |source: io::Error| VolumeError::Path { volume: name.to_owned(), path: path.to_owned(), source };
        let found = match beneath::open(rootfs, path.as_bytes(), OFlags::PATH) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(wrong(error)),
        };
        if !FileType::from_raw_mode(rustix::fs::fstat(&found).map_err(|error| wrong(error.into()))?.st_mode).is_dir() {
            return Ok(None);
        }
        let from = fd::reopen(found, OFlags::RDONLY | OFlags::DIRECTORY).map_err(wrong)?;
        let target = volume.open().map_err(wrong)?;
        if !copy::is_empty(&target).map_err(wrong)? {
            return Ok(None);
        }
        let copied = |result: Result<u64, CopyError>| result.map_err(|error| failed(name, error));
        // Somebody who has the folder mounted would not see another one in its place.
        let alone = self.mounts_nothing(name)? && !self.users(name)?.iter().any(|user| user.running);
        if !alone {
            return copied(copy::tree(&from, &target, cancel)).map(Some);
        }
        let mut transaction = self.begin()?;
        let staged = transaction.fresh("content");
        files::make_directory(&staged, 0o755).map_err(VolumeError::io("create", &staged))?;
        let stage = File::open(&staged).map_err(VolumeError::io("open", &staged))?;
        let bytes = copied(copy::tree(&from, &stage, cancel))?;
        if bytes > 0 {
            files::sync_file_system(&staged).map_err(VolumeError::io("write", &staged))?;
        }
        let data = self.data(name);
        let held = self.change()?;
        let outcome = match files::rename(&staged, &data) {
            Ok(()) => Ok(Some(bytes)),
            // Somebody wrote to it meanwhile: theirs stays.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(None),
            // The volumes are on another file system than the root.
            Err(error) if matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy) => {
                copied(copy::tree(&from, &target, cancel)).map(Some)
            }
            Err(error) => Err(VolumeError::io("write", &data)(error)),
        };
        drop(held);
        let _ = transaction.finish();
        outcome
    }

    fn mounts_nothing(&self, name: &str) -> Result<bool, VolumeError> {
        Ok(self.read_options(name)?.is_none_or(|options| !options.mounts()) && self.mounted_in(name)?.is_none())
    }
}

pub(super) fn failed(volume: &str, error: CopyError) -> VolumeError {
    match error {
        CopyError::Cancelled => VolumeError::Cancelled,
        CopyError::File(error) => VolumeError::Path {
            volume: volume.to_owned(),
            path: error.path.escape_ascii().to_string(),
            source: error.source,
        },
    }
}

/// Copies a volume's content to another folder, for a clone.
pub(super) fn copy_all(volume: &str, from: impl AsFd, to: &File, cancel: &Cancel) -> Result<u64, VolumeError> {
    copy::tree(from, to, cancel).map_err(|error| failed(volume, error))
}
