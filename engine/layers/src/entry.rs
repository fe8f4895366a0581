//! One file of a layer, however it was read.

use std::fmt;

/// Metadata of one entry: what a tar header says, or what a directory of a data root says.
///
/// `path` is relative to the layer's root, has no leading `./` or `/`, no trailing `/`, no `.` and no `..` part, and need not be
/// UTF-8. The root directory itself has the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root of the layer, in bytes.
    pub path: Box<[u8]>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-user-ID, set-group-ID and sticky (`0o7777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
    /// Extended attributes, sorted by name; never those of overlayfs itself.
    pub xattrs: Vec<Xattr>,
}

/// Name and value of an extended attribute, in bytes.
pub type Xattr = (Box<[u8]>, Box<[u8]>);

/// Seconds and nanoseconds since 1970 UTC; seconds may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file with its apparent size and, where known, disk usage (`st_blocks` * 512), both in bytes.
    File {
        /// Apparent size in bytes.
        size: u64,
        /// Bytes on disk; `None` in an archive.
        disk: Option<u64>,
    },
    /// A further name of a file of the same layer.
    Hardlink {
        /// Path of the first name, in the form of [`Entry::path`].
        target: Box<[u8]>,
    },
    /// A directory; `opaque` hides all that lower layers have below it.
    Directory {
        /// Whether it hides the lower layers' content.
        opaque: bool,
    },
    /// A symbolic link with its text, verbatim.
    Symlink {
        /// Text of the link.
        target: Box<[u8]>,
    },
    /// A character device (never 0:0: that is a [`Kind::Whiteout`]).
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket; only in data roots, tar has none.
    Socket,
    /// Removes the path of the layers below.
    Whiteout,
}

impl Kind {
    /// Apparent size of a regular file in bytes, 0 for all else.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            _ => 0,
        }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        match self {
            Self::File { size, disk } => write!(f, "File({size} B, disk {disk:?})"),
            Self::Hardlink { target } => write!(f, "Hardlink({})", text(target)),
            Self::Directory { opaque: true } => f.write_str("Directory(opaque)"),
            Self::Directory { opaque: false } => f.write_str("Directory"),
            Self::Symlink { target } => write!(f, "Symlink({})", text(target)),
            Self::CharDevice { major, minor } => write!(f, "CharDevice({major}:{minor})"),
            Self::BlockDevice { major, minor } => write!(f, "BlockDevice({major}:{minor})"),
            Self::Fifo => f.write_str("Fifo"),
            Self::Socket => f.write_str("Socket"),
            Self::Whiteout => f.write_str("Whiteout"),
        }
    }
}
