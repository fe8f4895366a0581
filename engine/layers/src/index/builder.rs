//! Builds an index from entries in any order: a tar's, or that of reading folders.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::record::write_xattrs;
use super::{FileType, LayerIndex, MOST_ENTRIES, MOST_TEXT, NONE, Record, Span};
use crate::entry::{Entry, Kind};

/// Says why a layer cannot be indexed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IndexError {
    /// More entries than are read.
    #[error("layer has more than {MOST_ENTRIES} entries")]
    Entries,
    /// More text than is read.
    #[error("layer has more than {MOST_TEXT} bytes of names, links and extended attributes")]
    Text,
    /// A path that is none.
    #[error("{path:?} is no path inside a layer")]
    Path {
        /// The path, escaped, cut to 200 characters.
        path: String,
    },
}

/// Takes the entries of one layer and sorts them.
///
/// Of several entries with one path the later wins, as when a tar is unpacked; a file in a folder's place removes what the
/// folder held. A whiteout hides lower layers only (OCI image specification, "Whiteouts"), so next to an entry of the
/// same path it says nothing, except that a folder there is opaque. Folders that are only named by what they hold are implied.
pub struct IndexBuilder {
    nodes: Vec<Node>,
    inodes: Vec<Inode>,
    text: Vec<u8>,
    table: HashTable<u32>,
    hasher: RandomState,
    last: (Vec<u8>, u32),
    most_entries: usize,
    most_text: usize,
}

struct Node {
    record: Record,
    /// Increased when what the node holds is gone.
    generation: u32,
    /// The parent's generation when the node was named.
    within: u32,
    /// Position in `inodes` for a regular file, under any of its names.
    inode: u32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Gone,
    Implied,
    Named,
}

struct Inode {
    record: Record,
    /// Its first name in the finished order.
    first: u32,
}

impl Default for IndexBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IndexBuilder {
    /// Starts with an implied root.
    pub fn new() -> Self {
        let record = Record::implied(0, Span::EMPTY);
        let root = Node { record, generation: 0, within: 0, inode: NONE, state: State::Implied };
        Self {
            nodes: vec![root],
            inodes: Vec::new(),
            text: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
            last: (Vec::new(), 0),
            most_entries: MOST_ENTRIES,
            most_text: MOST_TEXT,
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When the layer has too much of something, or the path is no path.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), IndexError> {
        self.entry_at(entry, None)
    }

    /// Adds an entry and remembers where its content stands in the source (a meaning only the source knows).
    ///
    /// # Errors
    /// When the layer has too much of something, or the path is no path.
    pub fn entry_at(&mut self, entry: &Entry, content: Option<u64>) -> Result<(), IndexError> {
        check(&entry.path)?;
        if entry.kind == Kind::Whiteout {
            return self.whiteout(&entry.path);
        }
        let target = match &entry.kind {
            Kind::Hardlink { target } => self.find(target).map_or(NONE, |n| self.nodes[n as usize].inode),
            _ => NONE,
        };
        let at = self.node(&entry.path)?;
        let mut record = Record { flags: 0, ..self.nodes[at as usize].record };
        record.extra = Span::EMPTY;
        record.file_type = file_type(&entry.kind);
        (record.mode, record.uid, record.gid) = (entry.mode & 0o7777, entry.uid, entry.gid);
        (record.seconds, record.nanoseconds) = (entry.mtime.seconds, entry.mtime.nanoseconds);
        (record.size, record.content, record.disk) = (entry.kind.size(), content.unwrap_or(u64::MAX), u64::MAX);
        record.xattrs = self.xattrs(entry)?;
        match &entry.kind {
            Kind::File { disk, .. } => record.disk = disk.unwrap_or(u64::MAX),
            Kind::Directory { opaque: true } => record.set_opaque(),
            Kind::Symlink { target } => record.extra = self.push(target)?,
            Kind::Hardlink { target: text } if target == NONE => {
                record.extra.start = NONE;
                record.xattrs = self.push(text)?;
            }
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                record.extra = Span { start: *major, length: *minor };
            }
            _ => {}
        }
        self.set(at, record, target);
        Ok(())
    }

    fn set(&mut self, at: u32, mut record: Record, target: u32) {
        let node = &mut self.nodes[at as usize];
        let opaque = (node.state == State::Named && node.record.file_type == FileType::Whiteout)
            || (node.state != State::Gone && node.record.is_opaque());
        if record.file_type == FileType::Directory {
            if opaque {
                record.set_opaque();
            }
        } else {
            node.generation += 1;
        }
        node.inode = target;
        if record.file_type == FileType::File {
            node.inode = self.inodes.len() as u32;
            self.inodes.push(Inode { record, first: NONE });
        }
        node.record = record;
        node.state = State::Named;
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<(), IndexError> {
        let at = self.node(path)?;
        let node = &mut self.nodes[at as usize];
        match node.state {
            State::Gone => {
                node.record.file_type = FileType::Whiteout;
                node.record.flags = 0;
                node.state = State::Named;
            }
            _ if node.record.file_type == FileType::Directory => node.record.set_opaque(),
            _ => {}
        }
        Ok(())
    }

    /// Marks a folder opaque: it hides what lower layers have in it, never what this layer has.
    ///
    /// # Errors
    /// When the layer has too much of something, or the path is no path.
    pub fn opaque(&mut self, directory: &[u8]) -> Result<(), IndexError> {
        check(directory)?;
        let at = self.folder(directory)?;
        self.nodes[at as usize].record.set_opaque();
        Ok(())
    }

    /// Finds a path without adding it.
    fn find(&self, path: &[u8]) -> Option<u32> {
        let mut at = 0;
        for part in path.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
            at = *self.table.find(self.hash(at, part), |n| self.is(*n, at, part))?;
            let node = &self.nodes[at as usize];
            if node.state == State::Gone || node.within != self.nodes[node.record.parent as usize].generation {
                return None;
            }
        }
        Some(at)
    }

    fn node(&mut self, path: &[u8]) -> Result<u32, IndexError> {
        let Some(slash) = path.iter().rposition(|b| *b == b'/') else {
            return if path.is_empty() { Ok(0) } else { self.child(0, path) };
        };
        let parent = self.folder(&path[..slash])?;
        self.child(parent, &path[slash + 1..])
    }

    /// The node of a folder, implied if nothing names it; what stood there instead is replaced.
    fn folder(&mut self, path: &[u8]) -> Result<u32, IndexError> {
        if path == self.last.0 && self.is_folder(self.last.1) {
            return Ok(self.last.1);
        }
        let mut at = 0;
        if !path.is_empty() {
            for part in path.split(|b| *b == b'/') {
                at = self.child(at, part)?;
                self.imply(at);
            }
        }
        self.last.0.clear();
        self.last.0.extend_from_slice(path);
        self.last.1 = at;
        Ok(at)
    }

    /// Whether a node and all above it are folders that still stand.
    fn is_folder(&self, mut at: u32) -> bool {
        loop {
            let node = &self.nodes[at as usize];
            if node.state == State::Gone || node.record.file_type != FileType::Directory {
                return false;
            }
            if at == 0 {
                return true;
            }
            at = node.record.parent;
            if node.within != self.nodes[at as usize].generation {
                return false;
            }
        }
    }

    fn imply(&mut self, at: u32) {
        let node = &mut self.nodes[at as usize];
        if node.state == State::Gone {
            node.record = Record::implied(node.record.parent, node.record.name);
            node.state = State::Implied;
        } else if node.record.file_type != FileType::Directory {
            let hides = node.record.file_type == FileType::Whiteout;
            node.record = Record::implied(node.record.parent, node.record.name);
            if hides {
                node.record.set_opaque();
            }
            node.inode = NONE;
            node.state = State::Implied;
        }
    }

    fn child(&mut self, parent: u32, name: &[u8]) -> Result<u32, IndexError> {
        let hash = self.hash(parent, name);
        let generation = self.nodes[parent as usize].generation;
        if let Some(&at) = self.table.find(hash, |n| self.is(*n, parent, name)) {
            let node = &mut self.nodes[at as usize];
            if node.within != generation {
                node.within = generation;
                node.generation += 1;
                node.state = State::Gone;
            }
            return Ok(at);
        }
        if self.nodes.len() >= self.most_entries {
            return Err(IndexError::Entries);
        }
        let name = self.push(name)?;
        let at = self.nodes.len() as u32;
        let record = Record::implied(parent, name);
        self.nodes.push(Node { record, generation: 0, within: generation, inode: NONE, state: State::Gone });
        let (nodes, text, hasher) = (&self.nodes, &self.text, &self.hasher);
        self.table.insert_unique(hash, at, |n| {
            let record = &nodes[*n as usize].record;
            hasher.hash_one((record.parent, &text[record.name.range()]))
        });
        Ok(at)
    }

    fn hash(&self, parent: u32, name: &[u8]) -> u64 {
        self.hasher.hash_one((parent, name))
    }

    fn is(&self, node: u32, parent: u32, name: &[u8]) -> bool {
        let record = &self.nodes[node as usize].record;
        record.parent == parent && &self.text[record.name.range()] == name
    }

    fn xattrs(&mut self, entry: &Entry) -> Result<Span, IndexError> {
        if entry.xattrs.is_empty() {
            return Ok(Span::EMPTY);
        }
        let mut bytes = Vec::new();
        let mut sorted = entry.xattrs.clone();
        sorted.sort();
        write_xattrs(&sorted, &mut bytes);
        self.push(&bytes)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<Span, IndexError> {
        if self.text.len() + bytes.len() > self.most_text {
            return Err(IndexError::Text);
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        Ok(Span { start, length: bytes.len() as u32 })
    }

    /// Sorts what was taken.
    pub fn finish(mut self) -> LayerIndex {
        self.resolve_late_links();
        let order = self.order();
        let mut position = vec![NONE; self.nodes.len()];
        for (at, node) in order.iter().enumerate() {
            position[*node as usize] = at as u32;
        }
        let mut records: Vec<Record> = Vec::with_capacity(order.len());
        for (at, &old) in order.iter().enumerate() {
            let node = &self.nodes[old as usize];
            let mut record = node.record;
            record.parent = position[record.parent as usize];
            record.end = at as u32 + 1;
            if let Some(inode) = self.inodes.get_mut(node.inode as usize) {
                let first = inode.first;
                let name = Span { start: first, length: 0 };
                record = Record { parent: record.parent, name: record.name, end: record.end, ..inode.record };
                if first == NONE {
                    inode.first = at as u32;
                } else {
                    record = Record { file_type: FileType::Hardlink, extra: name, xattrs: Span::EMPTY, ..record };
                    record.size = 0;
                    record.set_linked();
                    records[first as usize].set_linked();
                }
            }
            records.push(record);
        }
        for at in (1..records.len()).rev() {
            let (parent, end) = (records[at].parent as usize, records[at].end);
            records[parent].end = records[parent].end.max(end);
        }
        self.text.shrink_to_fit();
        LayerIndex::from_parts(records, self.text)
    }

    /// Links whose target came after them: malformed, but the target is there.
    fn resolve_late_links(&mut self) {
        for at in 0..self.nodes.len() {
            let record = self.nodes[at].record;
            if record.file_type == FileType::Hardlink && record.extra.start == NONE {
                let found = self.find(&self.text[record.xattrs.range()]);
                self.nodes[at].inode = found.map_or(NONE, |target| self.nodes[target as usize].inode);
            }
        }
    }

    /// The nodes that stand at the end, depth first, names sorted.
    fn order(&self) -> Vec<u32> {
        let mut first = vec![NONE; self.nodes.len()];
        let mut next = vec![NONE; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().skip(1) {
            let parent = node.record.parent as usize;
            if node.state != State::Gone && node.within == self.nodes[parent].generation {
                next[at] = first[parent];
                first[parent] = at as u32;
            }
        }
        let mut order = Vec::with_capacity(self.nodes.len());
        let (mut stack, mut children) = (vec![0], Vec::new());
        while let Some(at) = stack.pop() {
            order.push(at);
            let mut child = first[at as usize];
            while child != NONE {
                children.push(child);
                child = next[child as usize];
            }
            children
                .sort_unstable_by_key(|n| std::cmp::Reverse(&self.text[self.nodes[*n as usize].record.name.range()]));
            stack.append(&mut children);
        }
        order
    }
}

fn check(path: &[u8]) -> Result<(), IndexError> {
    let mut parts = path.split(|b| *b == b'/');
    if path.is_empty() || (parts.all(|part| !matches!(part, b"" | b"." | b"..")) && !path.contains(&0)) {
        return Ok(());
    }
    Err(IndexError::Path { path: path.escape_ascii().to_string().chars().take(200).collect() })
}

fn file_type(kind: &Kind) -> FileType {
    match kind {
        Kind::File { .. } => FileType::File,
        Kind::Hardlink { .. } => FileType::Hardlink,
        Kind::Directory { .. } => FileType::Directory,
        Kind::Symlink { .. } => FileType::Symlink,
        Kind::CharDevice { .. } => FileType::CharDevice,
        Kind::BlockDevice { .. } => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Socket => FileType::Socket,
        Kind::Whiteout => FileType::Whiteout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Time;

    /// Adds files at such paths until it is too much.
    fn fill(mut builder: IndexBuilder, path: impl Fn(usize) -> String) -> (usize, IndexError) {
        let mut added = 0;
        loop {
            let path = path(added).into_bytes().into();
            let kind = Kind::File { size: 1, disk: None };
            let entry = Entry { path, kind, mode: 0, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() };
            match builder.entry(&entry) {
                Ok(()) => added += 1,
                Err(error) => return (added, error),
            }
        }
    }

    #[test]
    fn limits_count_implied_folders_and_all_text() {
        let few = IndexBuilder { most_entries: 1000, ..IndexBuilder::new() };
        assert_eq!(fill(few, |n| format!("{n}{}", "/x".repeat(9))), (99, IndexError::Entries));
        let short = IndexBuilder { most_text: 1000, ..IndexBuilder::new() };
        assert_eq!(fill(short, |n| format!("{n:0100}")), (10, IndexError::Text));
    }
}
