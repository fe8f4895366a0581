//! Using a volume: its storage is mounted for the first user and unmounted after the last.
//!
//! Who uses a volume is known without a daemon and without a counter that a crash would leave wrong: every user holds a shared lock on
//! `outcrop/volumes/<name>`, which the kernel frees when the process dies. Whoever gets the lock exclusively is alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use super::{VolumeError, Volumes};
use crate::root::files;
use crate::sys::{beneath, fd};

/// A volume in use. Dropped, the volume is given back; its storage is unmounted if this was the last user.
#[derive(Debug)]
pub struct Attached {
    volumes_folder: PathBuf,
    name: String,
    fd: OwnedFd,
    directory: bool,
    lock: Option<File>,
}

impl Attached {
    /// A path descriptor (`O_PATH`) of the volume's top, or of the part of it that was asked for: what is to be mounted.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether that is a folder.
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// Opens it for reading its names.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        fd::reopen(&self.fd, OFlags::RDONLY | OFlags::DIRECTORY)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        let _ = lock.unlock();
        // Somebody else still has it, or nothing is mounted: both are fine.
        if lock.try_lock().is_ok() {
            let _ = unmount_all(&self.volumes_folder.join(&self.name));
        }
    }
}

impl Volumes {
    /// Takes a volume into use: mounts its storage if it has options and nobody has it mounted, and opens it, or the path `subpath` in
    /// it. Links in `subpath` are resolved inside the volume; none leads out of it.
    ///
    /// Keep what this returns for as long as the volume is used: in a container's shim.
    ///
    /// # Errors
    /// No such volume; its storage cannot be mounted; no such path in it.
    pub fn attach(&self, name: &str, subpath: &str) -> Result<Attached, VolumeError> {
        self.must_exist(name)?;
        let data = self.data(name);
        let options = self.read_options(name)?.filter(super::options::Options::mounts);
        let lock = match &options {
            None => None,
            Some(options) => {
                let lock = self.shared_lock(name)?;
                self.mount_once(&data, options)?;
                Some(lock)
            }
        };
        let opened = open_data(&self.folder(name)).map_err(VolumeError::io("open", &data))?;
        let opened = if subpath.is_empty() {
            opened
        } else {
            let path = |source| VolumeError::Path { volume: name.to_owned(), path: subpath.to_owned(), source };
            beneath::open(&opened, subpath.as_bytes(), OFlags::PATH).map_err(path)?
        };
        let stat = rustix::fs::fstat(&opened).map_err(|error| VolumeError::io("open", &data)(error.into()))?;
        let directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        Ok(Attached { volumes_folder: self.layout.volumes(), name: name.to_owned(), fd: opened, directory, lock })
    }

    fn mount_once(&self, data: &Path, options: &super::options::Options) -> Result<(), VolumeError> {
        // Two users may come at once; the short lock lets one of them mount.
        let held = self.change()?;
        let mounted = mount_points(data).map_err(VolumeError::io("read", "/proc/self/mountinfo"))?;
        if !mounted.iter().any(|point| point == data) {
            options.mount(data).map_err(|source| VolumeError::Mount {
                path: data.to_string_lossy().into_owned(),
                device: options.mount_device.clone(),
                data: options.mount_opts.clone(),
                source,
            })?;
        }
        drop(held);
        Ok(())
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.layout.own().join("volumes").join(name)
    }

    /// The lock of a user. Its file goes together with the volume: a lock of a file that is gone is nobody's.
    fn shared_lock(&self, name: &str) -> Result<File, VolumeError> {
        loop {
            let lock = self.lock_file(name)?;
            lock.lock_shared().map_err(VolumeError::io("lock", self.lock_path(name)))?;
            let same = std::fs::metadata(self.lock_path(name)).ok().zip(lock.metadata().ok());
            if same.is_some_and(|(named, held)| named.ino() == held.ino()) {
                return Ok(lock);
            }
            self.must_exist(name)?;
        }
    }

    /// Removes the lock's file of a volume that is gone.
    pub(super) fn forget_lock(&self, name: &str) {
        let _ = std::fs::remove_file(self.lock_path(name));
    }

    fn lock_file(&self, name: &str) -> Result<File, VolumeError> {
        let folder = self.layout.own().join("volumes");
        files::make_directory(&folder, 0o700).map_err(VolumeError::io("create", &folder))?;
        let path = self.lock_path(name);
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).truncate(false).mode(0o600);
        how.open(&path).map_err(VolumeError::io("open", &path))
    }

    /// Unmounts what a user that was killed left mounted. Refuses while somebody has the volume.
    pub(super) fn unmount_unused(&self, name: &str) -> Result<(), VolumeError> {
        if self.options(name).is_none_or(|options| !options.mounts()) {
            return Ok(());
        }
        let lock = self.lock_file(name)?;
        if lock.try_lock().is_err() {
            return Err(VolumeError::Mounted { volume: name.to_owned(), path: self.data(name) });
        }
        unmount_all(&self.folder(name)).map_err(VolumeError::io("unmount", self.data(name)))?;
        Ok(())
    }

    /// Something that is mounted in the volume's folder.
    pub(super) fn mounted_in(&self, name: &str) -> Result<Option<PathBuf>, VolumeError> {
        let points = mount_points(&self.folder(name)).map_err(VolumeError::io("read", "/proc/self/mountinfo"))?;
        Ok(points.into_iter().next())
    }
}

/// Opens `_data`, which may be a mount point but no link.
fn open_data(folder: &Path) -> io::Result<OwnedFd> {
    let folder =
        rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat2(&folder, "_data", flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)?)
}

/// Mount points at and below a path, deepest last.
fn mount_points(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut text = String::new();
    File::open("/proc/self/mountinfo")?.read_to_string(&mut text)?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    Ok(points.filter(|point| point.starts_with(path)).collect())
}

/// Undoes the octal escapes of `mountinfo`: blanks, tabs, line ends, backslashes.
fn unescape(field: &str) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = (byte == b'\\').then(|| tail.get(..3)).flatten();
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            out.push(code);
            rest = &tail[3..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(out))
}

fn unmount_all(folder: &Path) -> io::Result<()> {
    for point in mount_points(folder)?.iter().rev() {
        crate::sys::mount::unmount(point)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_escapes() {
        for (field, expected) in
            [("/a\\040b", "/a b"), ("/a\\134", "/a\\"), ("/plain", "/plain"), ("/a\\", "/a\\"), ("/a\\9", "/a\\9")]
        {
            assert_eq!(unescape(field), Path::new(expected));
        }
    }
}
