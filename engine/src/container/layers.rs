//! A container's two layers: the init layer with Docker's mount points in it, and the one it writes to.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::FileType;

use super::error::{ContainerError, Doing, Result};
use crate::driver::overlay2::Overlay2;
use crate::driver::{CacheId, Driver, DriverError};
use crate::sys::mount::Overlay;
use crate::sys::{beneath, node};

/// What is at a path of the init layer.
enum Entry {
    Directory,
    File,
    Link(&'static [u8]),
}

/// What Docker puts into the init layer: mount points, so that nothing of them comes into the container's own layer.
const INIT: &[(&[u8], Entry)] = &[
    (b"dev/pts", Entry::Directory),
    (b"dev/shm", Entry::Directory),
    (b"proc", Entry::Directory),
    (b"sys", Entry::Directory),
    (b".dockerenv", Entry::File),
    (b"etc/resolv.conf", Entry::File),
    (b"etc/hosts", Entry::File),
    (b"etc/hostname", Entry::File),
    (b"dev/console", Entry::File),
    (b"etc/mtab", Entry::Link(b"/proc/mounts")),
];

/// The IDs that a container's layers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layers {
    /// The one it writes to.
    pub(crate) mount: CacheId,
    /// The init layer.
    pub(crate) init: CacheId,
}

impl Layers {
    /// Those of container `id`, as `layerdb/mounts` says.
    pub(crate) fn of(root: &Path, id: &str) -> Result<Self> {
        let directory = root.join("image/overlay2/layerdb/mounts").join(id);
        let read = |name: &str| -> Result<CacheId> {
            let path = directory.join(name);
            let text = fs::read_to_string(&path).doing("read", &path)?;
            text.trim().parse().map_err(|error| ContainerError::Damaged { path, reason: format!("{error}") })
        };
        Ok(Self { mount: read("mount-id")?, init: read("init-id")? })
    }

    /// New ones.
    pub(crate) fn random() -> Result<Self> {
        let mount = CacheId::random().doing("read random numbers for", "/dev/urandom")?;
        Ok(Self { init: mount.init(), mount })
    }

    /// Makes both on top of `image`, the image's top layer.
    pub(crate) fn create(
        &self,
        driver: &Overlay2,
        image: Option<&CacheId>,
        staging: &Path,
        rootless: bool,
    ) -> Result<()> {
        driver.create(&self.init, image, staging).map_err(from_driver)?;
        let tree = overlay(driver, &self.init, rootless)?;
        fill(&tree).doing("fill the init layer", driver.diff_dir(&self.init))?;
        drop(tree);
        driver.create(&self.mount, Some(&self.init), staging).map_err(from_driver)
    }

    /// Removes both, where they are there; `trash` is a directory on the data root's file system.
    pub(crate) fn remove(&self, driver: &Overlay2, trash: &Path) -> Result<()> {
        for id in [&self.mount, &self.init] {
            match driver.remove(id, trash) {
                Ok(()) | Err(DriverError::Missing { .. }) => {}
                Err(error) => return Err(from_driver(error)),
            }
        }
        Ok(())
    }
}

/// A layer with all below it, mounted where no path leads: it goes with the descriptor.
pub(crate) fn overlay(driver: &Overlay2, id: &CacheId, rootless: bool) -> Result<OwnedFd> {
    let lowers = driver.parents(id).map_err(from_driver)?.iter().map(|id| driver.diff_dir(id)).collect::<Vec<_>>();
    let diff = driver.diff_dir(id);
    if lowers.is_empty() {
        return fs::File::open(&diff).map(Into::into).doing("open", &diff);
    }
    let work = diff.with_file_name("work");
    let overlay =
        Overlay { base: driver.home().into(), lowers, upper: Some((diff.clone(), work)), userxattr: rootless };
    overlay.tree().doing("mount the overlay of", diff)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
pub(crate) fn from_driver(error: DriverError) -> ContainerError {
    ContainerError::Start(error.to_string())
}

/// As Docker: what is no directory on the way is removed, so that no link of an image leads anywhere else.
fn fill(tree: impl AsFd) -> std::io::Result<()> {
    for (path, entry) in INIT {
        let mut parent = beneath::open_directory(tree.as_fd(), b"")?;
        let mut parts = path.split(|&b| b == b'/').peekable();
        while let Some(part) = parts.next() {
            let kind = node::stat(&parent, part).map(|stat| FileType::from_raw_mode(stat.st_mode)).ok();
            if kind.is_some_and(|kind| !kind.is_dir()) {
                node::remove(&parent, part)?;
            }
            let is_directory = kind.is_some_and(FileType::is_dir);
            if parts.peek().is_some() || matches!(entry, Entry::Directory) {
                if !is_directory {
                    node::create_directory(&parent, part)?;
                    node::chmod(&parent, part, 0o755)?;
                }
                if parts.peek().is_some() {
                    parent = node::open_directory(&parent, part)?;
                }
            } else if !is_directory {
                match entry {
                    Entry::Link(target) => node::create_symlink(&parent, part, target)?,
                    _ => node::create_file(&parent, part, 0o755).map(drop)?,
                }
            }
        }
    }
    Ok(())
}
