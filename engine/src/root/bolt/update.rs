//! Changes a bolt file in place, as bbolt itself does: copy on write, then one meta page.
//!
//! The file may not be replaced by a new one: its inode carries the lock that keeps dockerd and outcrop apart. So a change
//! writes new pages only where the present state has nothing (its free pages, or behind its end), makes them durable, and then
//! writes the *older* of the two meta pages, with a higher transaction ID and a checksum. Cut off anywhere before the last
//! byte of that page is on disk, the other meta page and all its pages are as they were; a torn meta page has a wrong checksum and
//! does not count.
//!
//! What is free is found by walking the tree, not by believing the file's list: a page that anything reaches is never written.

mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use self::node::{Change, Item, Node};
use super::{BUCKET, BoltError, FREELIST, File, HEADER, META, Pair, checksum, put_header, u32_at, u64_at};

/// Largest file that is read, in bytes: far more than any number of volumes needs.
const LARGEST: u64 = 256 << 20;
/// A free list's page number when the file has none, as bbolt writes it with `NoFreelistSync`.
const NO_LIST: u64 = u64::MAX;

/// Says why a bolt file was not changed. Its content is what it was before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error(transparent)]
    Bolt(#[from] BoltError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Sets (`Some`) and removes (`None`) keys of a bucket at the top of the file, all of them or none. Makes the bucket if it is not there.
///
/// The caller holds a lock that keeps other writers away. The change is on disk when this returns.
pub(crate) fn update(path: &Path, bucket: &[u8], changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<(), UpdateError> {
    let file = open(path, true)?;
    let bytes = whole(&file)?;
    let plan = plan(&bytes, bucket, changes)?;
    for (offset, page) in &plan.pages {
        file.write_all_at(page, *offset)?;
    }
    // The pages must be on disk before the meta page that leads to them.
    file.sync_data()?;
    file.write_all_at(&plan.meta, plan.meta_offset)?;
    file.sync_data()?;
    Ok(())
}

/// Opens a regular file; anything else (a pipe, a device, a link) is refused and waited for by nobody.
fn open(path: &Path, write: bool) -> io::Result<std::fs::File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).write(write).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "is no regular file"))
    }
}

fn whole(file: &std::fs::File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > LARGEST {
        return Err(io::Error::other(format!("is larger than {LARGEST} bytes")));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// What is to be written: first the pages, in any order, then the meta page.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) pages: Vec<(u64, Vec<u8>)>,
    pub(super) meta: Vec<u8>,
    pub(super) meta_offset: u64,
}

/// The fields of a meta page that a change needs.
struct Present {
    page_size: usize,
    /// The page it stands on, 0 or 1.
    slot: u64,
    flags: u32,
    root: u64,
    sequence: u64,
    list: u64,
    end: u64,
    transaction: u64,
}

/// Works a change out, without writing anything.
pub(super) fn plan(bytes: &[u8], bucket: &[u8], changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<Plan, BoltError> {
    let present = present(bytes)?;
    let file = File { bytes, page_size: present.page_size };
    let mut writer = Writer::new(&file, &present)?;
    let (mut root, sequence) = writer.find(&file, present.root, bucket)?.unwrap_or((None, 0));
    for (key, value) in changes {
        let change = Change { key, value: value.as_deref(), flags: 0 };
        root = Some(writer.apply(&file, root, &change)?);
    }
    let root = match root {
        Some(root) => root,
        None => writer.put(&Node::leaf())?,
    };
    let value = [root.to_le_bytes(), sequence.to_le_bytes()].concat();
    let change = Change { key: bucket, value: Some(&value), flags: BUCKET };
    let top = writer.apply(&file, Some(present.root), &change)?;
    writer.finish(&file, &present, top)
}

fn present(bytes: &[u8]) -> Result<Present, BoltError> {
    let meta = super::current(bytes)?;
    let broken = || BoltError::Meta(bytes.len());
    // Which of the two it is: the other one will be written.
    let is_first = super::meta_at(bytes, 0).is_some_and(|found| found.transaction == meta.transaction);
    let slot = u64::from(!is_first);
    let at = HEADER + slot as usize * meta.page_size;
    let number = |offset: usize| u64_at(bytes, at + offset).ok_or_else(broken);
    let present = Present {
        page_size: meta.page_size,
        slot,
        flags: u32_at(bytes, at + 12).ok_or_else(broken)?,
        root: meta.root,
        sequence: number(24)?,
        list: number(32)?,
        end: number(40)?,
        transaction: meta.transaction,
    };
    let pages = (bytes.len() / meta.page_size) as u64;
    if present.end < 3 || present.end > pages { Err(broken()) } else { Ok(present) }
}

/// Where new pages go, and what became of the old ones.
struct Writer {
    page_size: usize,
    /// Pages that the present state does not have.
    free: BTreeSet<u64>,
    /// First page behind the end.
    end: u64,
    /// New pages by their number, not on disk yet.
    new: BTreeMap<u64, Vec<u8>>,
}

impl Writer {
    fn new(file: &File<'_>, present: &Present) -> Result<Self, BoltError> {
        let mut used = reached(file, present.root, present.end)?;
        if present.list != NO_LIST {
            mark(file, present.list, present.end, &mut used)?;
        }
        let free = (2..present.end).filter(|id| !used.contains(id)).collect();
        Ok(Self { page_size: file.page_size, free, end: present.end, new: BTreeMap::new() })
    }

    /// A page of this change or of the file.
    fn page<'a>(&'a self, file: &File<'a>, id: u64) -> Result<&'a [u8], BoltError> {
        match self.new.get(&id) {
            Some(page) => Ok(page),
            None => file.page(id),
        }
    }

    /// Takes a run of free pages.
    fn allocate(&mut self, pages: u64) -> u64 {
        let mut run = 0;
        let mut last = None;
        for &id in &self.free {
            run = if last.is_some_and(|last| last + 1 == id) { run + 1 } else { 1 };
            last = Some(id);
            if run == pages {
                let start = id + 1 - pages;
                self.free.retain(|id| !(start..start + pages).contains(id));
                return start;
            }
        }
        let start = self.end;
        self.end += pages;
        start
    }

    fn put(&mut self, node: &Node) -> Result<u64, BoltError> {
        if node.items.len() > usize::from(u16::MAX) {
            return Err(BoltError::Page(0));
        }
        let pages = (HEADER + Node::size(&node.items)).div_ceil(self.page_size) as u64;
        let id = self.allocate(pages);
        self.new.insert(id, node.write(id, self.page_size));
        Ok(id)
    }

    /// Gives back pages that this change itself made; those of the present state stay untouched until the next change.
    fn drop_new(&mut self, id: u64) {
        if let Some(page) = self.new.remove(&id) {
            self.free.extend(id..id + (page.len() / self.page_size) as u64);
        }
    }

    /// Finds a bucket: its root page, and its sequence. A bucket that lies within its parent is put on a page.
    fn find(&mut self, file: &File<'_>, root: u64, name: &[u8]) -> Result<Option<(Option<u64>, u64)>, BoltError> {
        let mut found = None;
        file.walk(file.page(root)?, root, 0, &mut |flags, key, value| {
            if flags & BUCKET != 0 && key == name {
                found = Some(value.to_vec());
            }
        })?;
        let Some(value) = found else { return Ok(None) };
        let broken = || BoltError::Page(root);
        let (page, sequence) = u64_at(&value, 0).zip(u64_at(&value, 8)).ok_or_else(broken)?;
        if page != 0 {
            return Ok(Some((Some(page), sequence)));
        }
        let node = Node::parse(value.get(HEADER..).ok_or_else(broken)?, root)?;
        let page = if node.items.is_empty() { None } else { Some(self.put(&node)?) };
        Ok(Some((page, sequence)))
    }

    /// Changes one key of the tree at `root` and gives the new root.
    fn apply(&mut self, file: &File<'_>, root: Option<u64>, change: &Change<'_>) -> Result<u64, BoltError> {
        let mut parts = if let Some(root) = root {
            self.rewrite(file, root, 0, change)?
        } else {
            let mut node = Node::leaf();
            node.set(change);
            self.put_parts(node)?
        };
        while parts.len() > 1 {
            parts = self.put_parts(Node { leaf: false, items: parts })?;
        }
        match parts.pop() {
            Some(item) => Ok(item.child),
            None => self.put(&Node::leaf()),
        }
    }

    /// Writes the page anew, with the pages below it that change; gives the parts it became, as items of a branch above.
    fn rewrite(&mut self, file: &File<'_>, id: u64, depth: u32, change: &Change<'_>) -> Result<Vec<Item>, BoltError> {
        if depth > super::DEEPEST {
            return Err(BoltError::Page(id));
        }
        let mut node = Node::parse(self.page(file, id)?, id)?;
        if node.leaf {
            node.set(change);
        } else if node.items.is_empty() {
            node = Node::leaf();
            node.set(change);
        } else {
            // The last child whose first key is not behind the key; a key before all goes to the first child.
            let at = node.items.partition_point(|item| item.key.as_slice() <= change.key).saturating_sub(1);
            let below = self.rewrite(file, node.items[at].child, depth + 1, change)?;
            node.items.splice(at..=at, below);
        }
        self.drop_new(id);
        self.put_parts(node)
    }

    fn put_parts(&mut self, node: Node) -> Result<Vec<Item>, BoltError> {
        let mut items = Vec::new();
        for part in node.split(self.page_size) {
            let key = part.items[0].key.clone();
            items.push(Item { flags: 0, key, value: Vec::new(), child: self.put(&part)? });
        }
        Ok(items)
    }

    /// The free list and the meta page that make the new pages count.
    fn finish(mut self, file: &File<'_>, present: &Present, root: u64) -> Result<Plan, BoltError> {
        let mut list = present.list;
        if list != NO_LIST {
            // Room for all pages that can be free afterwards: what is not reached any more is at most what there is.
            let most = HEADER as u64 + 8 * (self.end + 1);
            let pages = most.div_ceil(self.page_size as u64);
            list = self.allocate(pages);
            let used = self.used_after(file, root)?;
            let own = list..list + pages;
            let free: Vec<u64> = (2..self.end).filter(|id| !used.contains(id) && !own.contains(id)).collect();
            self.new.insert(list, free_list(list, &free, pages as usize, self.page_size));
        }
        let slot = 1 - present.slot;
        // bbolt writes transaction n to page n % 2, and counts on it.
        let transaction = present.transaction + if (present.transaction + 1) % 2 == slot { 1 } else { 2 };
        let mut meta = vec![0; self.page_size];
        put_header(&mut meta, slot, META, 0, 0);
        let body = &mut meta[HEADER..];
        body[..4].copy_from_slice(&super::MAGIC.to_le_bytes());
        body[4..8].copy_from_slice(&super::VERSION.to_le_bytes());
        body[8..12].copy_from_slice(&(self.page_size as u32).to_le_bytes());
        body[12..16].copy_from_slice(&present.flags.to_le_bytes());
        for (n, number) in [root, present.sequence, list, self.end, transaction].into_iter().enumerate() {
            body[16 + n * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = checksum(&body[..56]);
        body[56..64].copy_from_slice(&sum.to_le_bytes());
        let size = self.page_size as u64;
        let pages = self.new.into_iter().map(|(id, page)| (id * size, page)).collect();
        Ok(Plan { pages, meta, meta_offset: slot * size })
    }

    /// The pages that the new state reaches.
    fn used_after(&self, file: &File<'_>, root: u64) -> Result<BTreeSet<u64>, BoltError> {
        let mut used = BTreeSet::new();
        let mut waiting = vec![(root, 0)];
        while let Some((id, depth)) = waiting.pop() {
            let page = self.page(file, id)?;
            let pages = u64::from(u32_at(page, 12).ok_or(BoltError::Page(id))?) + 1;
            if depth > super::DEEPEST || !(id..id + pages).all(|id| used.insert(id)) {
                return Err(BoltError::Page(id));
            }
            below(&Node::parse(page, id)?, depth, &mut waiting)?;
        }
        Ok(used)
    }
}

/// Adds the pages right below a page: children, and roots of buckets.
fn below(node: &Node, depth: u32, waiting: &mut Vec<(u64, u32)>) -> Result<(), BoltError> {
    for item in &node.items {
        if !node.leaf {
            waiting.push((item.child, depth + 1));
        } else if item.flags & BUCKET != 0 {
            let root = u64_at(&item.value, 0).ok_or(BoltError::Page(0))?;
            if root != 0 {
                waiting.push((root, depth + 1));
            }
        }
    }
    Ok(())
}

/// All pages that a tree has, with those of the buckets in it.
fn reached(file: &File<'_>, root: u64, end: u64) -> Result<BTreeSet<u64>, BoltError> {
    let mut used = BTreeSet::new();
    let mut waiting = vec![(root, 0)];
    while let Some((id, depth)) = waiting.pop() {
        if depth > super::DEEPEST {
            return Err(BoltError::Page(id));
        }
        mark(file, id, end, &mut used)?;
        below(&Node::parse(file.page(id)?, id)?, depth, &mut waiting)?;
    }
    Ok(used)
}

/// Notes a page with its overflow. Twice the same, or outside the file's own pages, is damage.
fn mark(file: &File<'_>, id: u64, end: u64, used: &mut BTreeSet<u64>) -> Result<(), BoltError> {
    let pages = (file.page(id)?.len() / file.page_size) as u64;
    let fits = id >= 2 && id + pages <= end && (id..id + pages).all(|id| used.insert(id));
    if fits { Ok(()) } else { Err(BoltError::Page(id)) }
}

fn free_list(id: u64, free: &[u64], pages: usize, page_size: usize) -> Vec<u8> {
    let mut page = vec![0; HEADER];
    // From 65,535 on the count stands in front of the numbers.
    let count = u16::try_from(free.len()).unwrap_or(u16::MAX);
    if count == u16::MAX {
        page.extend_from_slice(&(free.len() as u64).to_le_bytes());
    }
    for id in free {
        page.extend_from_slice(&id.to_le_bytes());
    }
    page.resize(pages * page_size, 0);
    put_header(&mut page, id, FREELIST, count, pages as u32 - 1);
    page
}

/// All pairs of a bucket, read beside writers: a state that was overwritten while it was read is read again.
pub(crate) fn read_beside(path: &Path, bucket: &[u8]) -> Result<Vec<Pair>, UpdateError> {
    let file = open(path, false)?;
    let mut tries = 0;
    loop {
        let mut bytes = whole(&file)?;
        let before = super::current(&bytes)?;
        let result = super::read(&bytes, bucket);
        // The pages of a state may be used again from the second change after it on.
        let metas = (before.page_size * 2).min(bytes.len());
        file.read_exact_at(&mut bytes[..metas], 0)?;
        if super::current(&bytes[..metas])?.transaction <= before.transaction + 1 {
            return Ok(result?);
        }
        tries += 1;
        if tries == 100 {
            return Err(io::Error::other("changes faster than it can be read").into());
        }
    }
}

#[cfg(test)]
mod tests;
