//! File trees that files are copied from and to: the context, an image's layers on top of each other.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use outcrop_layers::digest::{ChainId, DiffId};
use outcrop_layers::entry::{Entry, Kind, Time, Xattr};
use outcrop_layers::tar::is_overlay_xattr;
use rustix::fs::{FileType, OFlags, Stat};

use super::error::{BuildError, Result};
use crate::image::Images;
use crate::image::staging::Staging;
use crate::sys::mount::Overlay;
use crate::sys::{beneath, fd, node};

/// Where `path` really is below `root`, links followed inside of it; empty for the root itself.
pub(crate) fn real_path(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<Vec<u8>> {
    let found = beneath::open(root, path, OFlags::PATH)?;
    let place =
        |fd: BorrowedFd<'_>| rustix::fs::readlink(fd::in_proc(fd), Vec::new()).map(std::ffi::CString::into_bytes);
    let (root, whole) = (place(root)?, place(found.as_fd())?);
    let root = if root == b"/" { &[][..] } else { &root };
    let rest = whole.strip_prefix(root).ok_or_else(|| io::Error::other("the file is not below the root"))?;
    Ok(rest.strip_prefix(b"/").unwrap_or(rest).to_vec())
}

/// What is at `path`, which has no links in it.
pub(crate) fn stat(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<Stat> {
    if path.is_empty() {
        return Ok(rustix::fs::fstat(root)?);
    }
    let (parent, name) = beneath::parent_and_name(path);
    node::stat(beneath::open_directory(root, parent)?, name)
}

/// Metadata of a file as an entry of a tar, under the name `path`. A socket is nothing that can be copied.
pub(crate) fn entry(dir: BorrowedFd<'_>, name: &[u8], stat: &Stat, path: Vec<u8>) -> io::Result<Option<Entry>> {
    let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File { size: stat.st_size as u64, disk: None },
        FileType::Directory => Kind::Directory { opaque: false },
        FileType::Symlink => Kind::Symlink { target: node::read_link(dir, name)?.into() },
        FileType::CharacterDevice => Kind::CharDevice { major, minor },
        FileType::BlockDevice => Kind::BlockDevice { major, minor },
        FileType::Fifo => Kind::Fifo,
        _ => return Ok(None),
    };
    Ok(Some(Entry {
        path: path.into(),
        kind,
        mode: (stat.st_mode & 0o7777) as u16,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 },
        xattrs: xattrs(dir, name)?,
    }))
}

/// The attributes that belong to a file's content and not to the file system it is on.
fn xattrs(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<Xattr>> {
    let mut kept = Vec::new();
    for key in node::xattr_names(dir, name)? {
        let belongs = key == b"security.capability" || key.starts_with(b"user.");
        if belongs
            && !is_overlay_xattr(&key)
            && let Some(value) = node::xattr(dir, name, &key)?
        {
            kept.push((key.into(), value.into()));
        }
    }
    Ok(kept)
}

/// The directories of an image's layers, topmost first.
fn lowers(images: &Images, layers: &[DiffId]) -> Result<Vec<PathBuf>> {
    let Some(top) = ChainId::all(layers).pop() else { return Ok(Vec::new()) };
    let driver = &images.shared.driver;
    let cache = images.layer(top)?.cache;
    let parents = driver.parents(&cache).map_err(crate::image::ImageError::from)?;
    Ok(std::iter::once(&cache).chain(&parents).map(|id| driver.diff_dir(id)).collect())
}

/// An image's files, to be read; nothing for an image without layers.
pub(crate) fn view(images: &Images, layers: &[DiffId]) -> Result<Option<OwnedFd>> {
    let lowers = lowers(images, layers)?;
    match &lowers[..] {
        [] => Ok(None),
        // Overlayfs wants two.
        [one] => Ok(Some(File::open(one).map_err(BuildError::io("open", one))?.into())),
        [top, ..] => {
            let overlay = Overlay {
                base: images.layout().data(),
                lowers: lowers.clone(),
                upper: None,
                userxattr: images.shared.root.rootless(),
            };
            overlay.tree().map(Some).map_err(BuildError::io("mount the overlay of", top))
        }
    }
}

/// A text file of an image; empty where there is none.
pub(crate) fn text(root: BorrowedFd<'_>, path: &str) -> String {
    let mut text = Vec::new();
    let read = real_path(root, path.as_bytes()).and_then(|real| {
        let file = beneath::open_file(root, &real)?;
        file.take(4 << 20).read_to_end(&mut text)
    });
    if read.is_ok() { String::from_utf8_lossy(&text).into_owned() } else { String::new() }
}

/// A new layer on top of an image, that can be written to.
pub(crate) struct Writable {
    pub(crate) tree: OwnedFd,
    /// The layer's own files.
    pub(crate) upper: PathBuf,
}

impl AsFd for Writable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }
}

impl Writable {
    /// Begins one in `staging`'s directory, with which it goes.
    pub(crate) fn begin(images: &Images, layers: &[DiffId], staging: &mut Staging<'_>) -> Result<Self> {
        let upper = staging.directory("upper", 0o755)?;
        let lowers = lowers(images, layers)?;
        if lowers.is_empty() {
            let tree = File::open(&upper).map_err(BuildError::io("open", &upper))?.into();
            return Ok(Self { tree, upper });
        }
        let work = staging.directory("work", 0o700)?;
        let overlay = Overlay {
            base: images.layout().root().to_path_buf(),
            lowers,
            upper: Some((upper.clone(), work)),
            userxattr: images.shared.root.rootless(),
        };
        let tree = overlay.tree().map_err(BuildError::io("mount an overlay on", &upper))?;
        Ok(Self { tree, upper })
    }
}
