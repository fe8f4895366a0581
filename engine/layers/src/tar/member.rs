//! One member of a tar, before and after it is read as part of a layer.

use super::error::{TarError, shown};
use super::path::{Mark, clean_path, mark};
use super::sparse::Extent;
use crate::entry::{Entry, Kind, Time, Xattr};

/// What the headers of one member say, extended headers applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name, verbatim.
    pub name: Vec<u8>,
    /// What it is, whiteouts not translated: a file named `.wh.x` is a file here. Hard-link targets are clean paths,
    /// texts of symbolic links are verbatim.
    pub kind: Kind,
    /// Permission bits (`0o7777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
    /// All extended attributes, sorted by name; those of overlayfs too.
    pub xattrs: Vec<Xattr>,
    /// The stored parts of a sparse file; their lengths add up to `stored`.
    pub sparse: Option<Vec<Extent>>,
    /// Where its first header begins in the stream, in bytes.
    pub header_at: u64,
    /// Where its content begins in the stream, in bytes.
    pub content_at: u64,
    /// Bytes of content in the stream: the file's size, less if it is sparse, 0 for all but files.
    pub stored: u64,
}

/// A member as part of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerItem {
    /// A file, or with [`Kind::Whiteout`] the removal of one.
    Entry(Entry),
    /// The directory hides what lower layers have in it. It may have no entry of its own, or a later one.
    Opaque {
        /// The directory, in the form of [`Entry::path`].
        directory: Box<[u8]>,
    },
}

impl Member {
    /// The name as a path inside the layer.
    ///
    /// # Errors
    /// When it leads out of the layer or cannot be a file name.
    pub fn path(&self) -> Result<Box<[u8]>, TarError> {
        clean_path(&self.name)
    }

    /// Reads the member as part of a layer: translates whiteouts and opaque marks, drops overlayfs's own attributes.
    /// `None` is a member that means nothing (aufs bookkeeping).
    ///
    /// # Errors
    /// When the name leads out of the layer or is a whiteout of nothing, or it is the device 0:0.
    pub fn layer_item(self) -> Result<Option<LayerItem>, TarError> {
        let mut path = self.path()?;
        let mut kind = self.kind;
        match mark(&path) {
            Mark::None => {}
            Mark::Bookkeeping => return Ok(None),
            Mark::Refused => return Err(TarError::Whiteout { name: shown(&self.name) }),
            Mark::Opaque { directory } => return Ok(Some(LayerItem::Opaque { directory })),
            Mark::Whiteout { path: removed } => {
                path = removed;
                kind = Kind::Whiteout;
            }
        }
        if kind == (Kind::CharDevice { major: 0, minor: 0 }) {
            return Err(TarError::Device { name: shown(&self.name) });
        }
        let mut xattrs = self.xattrs;
        xattrs.retain(|(name, _)| !is_overlay_xattr(name));
        let Self { mode, uid, gid, mtime, .. } = self;
        Ok(Some(LayerItem::Entry(Entry { path, kind, mode, uid, gid, mtime, xattrs })))
    }
}

/// Whether overlayfs would take the attribute as its own; such never enter or leave a layer.
pub fn is_overlay_xattr(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}
