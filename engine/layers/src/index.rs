//! What one layer holds, sorted and compact, however it was read.
//!
//! A layer is immutable, so its index is built once, kept by [`cache::IndexCache`] and read back on the next
//! open. Entries stand in depth-first order, each folder's children sorted by the bytes of their names.

mod builder;
pub mod cache;
mod format;
mod record;

pub use builder::{IndexBuilder, IndexError};
pub use record::FileType;

pub(crate) use record::{NONE, Record, Span};

use crate::entry::{Entry, Kind, Time};

/// Most entries a layer may have, folders that are only implied included.
pub const MOST_ENTRIES: usize = 2_000_000;

/// Most bytes of names, link texts and extended attributes a layer may have.
pub const MOST_TEXT: usize = 96 << 20;

/// The entries of one layer.
#[derive(Clone, Debug)]
pub struct LayerIndex {
    records: Vec<Record>,
    text: Vec<u8>,
    files: u64,
    bytes: u64,
    disk: Option<u64>,
}

impl Default for LayerIndex {
    fn default() -> Self {
        Self::from_parts(vec![Record::implied(0, Span::EMPTY)], Vec::new())
    }
}

impl LayerIndex {
    pub(crate) fn from_parts(records: Vec<Record>, text: Vec<u8>) -> Self {
        let mut index = Self { records, text, files: 0, bytes: 0, disk: Some(0) };
        for record in index.records.iter().filter(|r| r.file_type == FileType::File) {
            index.files += 1;
            index.bytes = index.bytes.saturating_add(record.size);
            index.disk = index.disk.zip(record.disk()).map(|(sum, disk)| sum.saturating_add(disk));
        }
        index
    }

    /// How many entries the layer has: what it names, without folders that are only implied.
    pub fn len(&self) -> usize {
        self.records.iter().filter(|r| !r.is_implied()).count()
    }

    /// Whether the layer names nothing.
    pub fn is_empty(&self) -> bool {
        self.records.iter().all(Record::is_implied)
    }

    /// Number of regular files, each counted once however many names it has.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Apparent bytes of all regular files, hard links counted once. What Docker calls the layer's size counts the
    /// texts of symbolic links too.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes on disk of all regular files; `None` when the layer was read from an archive.
    pub fn disk(&self) -> Option<u64> {
        self.disk
    }

    /// The entries, depth first, folders before what they hold; without folders that are only implied.
    pub fn entries(&self) -> impl Iterator<Item = EntryRef<'_>> {
        (0..self.records.len() as u32)
            .map(|record| EntryRef { index: self, record })
            .filter(|entry| !entry.is_implied())
    }

    /// Finds the entry of a path (in the form of [`Entry::path`]); implied folders are found too.
    pub fn find(&self, path: &[u8]) -> Option<EntryRef<'_>> {
        let mut at = 0;
        if !path.is_empty() {
            for part in path.split(|b| *b == b'/') {
                at = self.child(at, part)?;
            }
        }
        Some(EntryRef { index: self, record: at })
    }

    /// Searches the children of `parent` by halves: any record below it leads up to one of them.
    fn child(&self, parent: u32, name: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (parent + 1, self.records[parent as usize].end);
        while low < high {
            let mut at = low + (high - low) / 2;
            while self.records[at as usize].parent != parent {
                at = self.records[at as usize].parent;
            }
            match self.text(self.records[at as usize].name).cmp(name) {
                std::cmp::Ordering::Equal => return Some(at),
                std::cmp::Ordering::Greater => high = at,
                std::cmp::Ordering::Less => low = self.records[at as usize].end,
            }
        }
        None
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn text(&self, span: Span) -> &[u8] {
        self.text.get(span.range()).unwrap_or_default()
    }

    pub(crate) fn entry(&self, record: u32) -> EntryRef<'_> {
        EntryRef { index: self, record }
    }

    /// The record that holds the content of a file under any of its names.
    pub(crate) fn first_name(&self, record: u32) -> u32 {
        match self.records.get(record as usize) {
            Some(r) if r.file_type == FileType::Hardlink && r.extra.start != NONE => r.extra.start,
            _ => record,
        }
    }
}

/// One entry of a [`LayerIndex`].
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    index: &'a LayerIndex,
    record: u32,
}

impl<'a> EntryRef<'a> {
    fn record(&self) -> &'a Record {
        &self.index.records[self.record as usize]
    }

    /// The record that says owner, mode, size: for a further name of a file, that of its first name.
    fn inode(&self) -> &'a Record {
        &self.index.records[self.index.first_name(self.record) as usize]
    }

    /// Position in its layer; stable for one index.
    pub fn position(&self) -> u32 {
        self.record
    }

    /// Last part of the path; empty for the root.
    pub fn name(&self) -> &'a [u8] {
        self.index.text(self.record().name)
    }

    /// Whole path in the form of [`Entry::path`].
    pub fn path(&self) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = self.record;
        while at != 0 {
            let record = &self.index.records[at as usize];
            parts.push(self.index.text(record.name));
            at = record.parent;
        }
        parts.reverse();
        parts.join(&b'/')
    }

    /// What it is, without the details.
    pub fn file_type(&self) -> FileType {
        self.record().file_type
    }

    /// Whether the layer only implies this folder, by naming something in it: it then has no metadata of its own.
    pub fn is_implied(&self) -> bool {
        self.record().is_implied()
    }

    /// Whether it is a folder that hides what lower layers have in it.
    pub fn is_opaque(&self) -> bool {
        self.record().is_opaque()
    }

    /// Whether the file has several names in this layer.
    pub fn is_linked(&self) -> bool {
        self.record().is_linked()
    }

    /// Apparent size in bytes of a regular file, under any of its names; 0 for all else.
    pub fn size(&self) -> u64 {
        self.inode().size
    }

    /// Bytes on disk (`st_blocks` * 512), where known.
    pub fn disk(&self) -> Option<u64> {
        self.inode().disk()
    }

    /// Permission bits with set-user-ID, set-group-ID and sticky (`0o7777`).
    pub fn mode(&self) -> u16 {
        self.inode().mode
    }

    /// Owner.
    pub fn uid(&self) -> u32 {
        self.inode().uid
    }

    /// Group.
    pub fn gid(&self) -> u32 {
        self.inode().gid
    }

    /// Modification time.
    pub fn mtime(&self) -> Time {
        let record = self.inode();
        Time { seconds: record.seconds, nanoseconds: record.nanoseconds }
    }

    /// Extended attributes, sorted by name.
    pub fn xattrs(&self) -> Vec<(&'a [u8], &'a [u8])> {
        record::xattrs(self.index.text(self.inode().xattrs))
    }

    /// Text of a symbolic link, or path of a hard link's first name.
    pub fn target(&self) -> Option<Vec<u8>> {
        let record = self.record();
        match record.file_type {
            FileType::Symlink => Some(self.index.text(record.extra).to_vec()),
            FileType::Hardlink if record.extra.start == NONE => Some(self.index.text(record.xattrs).to_vec()),
            FileType::Hardlink => Some(self.index.entry(record.extra.start).path()),
            _ => None,
        }
    }

    /// Major and minor number of a device.
    pub fn device(&self) -> Option<(u32, u32)> {
        let record = self.record();
        matches!(record.file_type, FileType::CharDevice | FileType::BlockDevice)
            .then_some((record.extra.start, record.extra.length))
    }

    /// Where the content stands in the layer's source, as the source gave it to [`IndexBuilder::entry_at`].
    pub fn content(&self) -> Option<u64> {
        self.inode().content()
    }

    /// What it is, with the details.
    pub fn kind(&self) -> Kind {
        let (major, minor) = self.device().unwrap_or_default();
        match self.file_type() {
            FileType::File => Kind::File { size: self.size(), disk: self.disk() },
            FileType::Hardlink => Kind::Hardlink { target: self.target().unwrap_or_default().into() },
            FileType::Directory => Kind::Directory { opaque: self.is_opaque() },
            FileType::Symlink => Kind::Symlink { target: self.target().unwrap_or_default().into() },
            FileType::CharDevice => Kind::CharDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::Whiteout => Kind::Whiteout,
        }
    }

    /// The entry with everything it says.
    pub fn to_entry(&self) -> Entry {
        Entry {
            path: self.path().into(),
            kind: self.kind(),
            mode: self.mode(),
            uid: self.uid(),
            gid: self.gid(),
            mtime: self.mtime(),
            xattrs: self.xattrs().into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }
}

impl std::fmt::Debug for EntryRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.path().escape_ascii(), self.kind())
    }
}
