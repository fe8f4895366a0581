//! One entry in 80 bytes, and the text it points into.

use crate::entry::Xattr;

/// "None" where a number stands for a position.
pub(crate) const NONE: u32 = u32::MAX;

/// A piece of the index' text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, length: 0 };

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start.saturating_add(self.length as usize)
    }
}

/// What an entry is, without the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FileType {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A further name of a file of the same layer.
    Hardlink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// Removes the path of the layers below.
    Whiteout,
}

impl FileType {
    /// All, by their number in the cache's format.
    pub(crate) const ALL: [Self; 9] = [
        Self::Directory,
        Self::File,
        Self::Hardlink,
        Self::Symlink,
        Self::CharDevice,
        Self::BlockDevice,
        Self::Fifo,
        Self::Socket,
        Self::Whiteout,
    ];

    /// Whether it has content of its own: a regular file under any of its names.
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Hardlink)
    }
}

const IMPLIED: u8 = 1;
const OPAQUE: u8 = 2;
const LINKED: u8 = 4;
pub(crate) const ALL_FLAGS: u8 = IMPLIED | OPAQUE | LINKED;

/// One entry. `parent` < its own position < `end`; the entries in between are what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) parent: u32,
    pub(crate) end: u32,
    pub(crate) name: Span,
    /// Symbolic link: its text. Hard link: `start` is the first name's position, [`NONE`] when the layer has no such file
    /// (`xattrs` is then the text of the target). Device: `start` major, `length` minor.
    pub(crate) extra: Span,
    pub(crate) xattrs: Span,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
    pub(crate) size: u64,
    /// `u64::MAX`: not known.
    pub(crate) disk: u64,
    /// `u64::MAX`: not known.
    pub(crate) content: u64,
    pub(crate) mode: u16,
    pub(crate) file_type: FileType,
    pub(crate) flags: u8,
}

impl Record {
    /// A folder that nothing describes.
    pub(crate) const fn implied(parent: u32, name: Span) -> Self {
        Self {
            parent,
            end: 1,
            name,
            extra: Span::EMPTY,
            xattrs: Span::EMPTY,
            uid: 0,
            gid: 0,
            seconds: 0,
            nanoseconds: 0,
            size: 0,
            disk: u64::MAX,
            content: u64::MAX,
            mode: 0o755,
            file_type: FileType::Directory,
            flags: IMPLIED,
        }
    }

    pub(crate) fn disk(&self) -> Option<u64> {
        (self.disk != u64::MAX).then_some(self.disk)
    }

    pub(crate) fn content(&self) -> Option<u64> {
        (self.content != u64::MAX).then_some(self.content)
    }

    pub(crate) fn is_implied(&self) -> bool {
        self.flags & IMPLIED != 0
    }

    pub(crate) fn is_opaque(&self) -> bool {
        self.flags & OPAQUE != 0
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.flags & LINKED != 0
    }

    pub(crate) fn set_opaque(&mut self) {
        self.flags |= OPAQUE;
    }

    pub(crate) fn set_linked(&mut self) {
        self.flags |= LINKED;
    }
}

/// Writes attributes as they stand in the text: name length, name, value length, value.
pub(crate) fn write_xattrs(xattrs: &[Xattr], out: &mut Vec<u8>) {
    for (name, value) in xattrs {
        for part in [name, value] {
            out.extend_from_slice(&(part.len() as u32).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
}

/// Reads what [`write_xattrs`] wrote; stops where it makes no sense.
pub(crate) fn xattrs(mut text: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while let Some((name, value)) = part(&mut text).and_then(|name| Some((name, part(&mut text)?))) {
        found.push((name, value));
    }
    found
}

fn part<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = text.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *text = rest;
    Some(part)
}
