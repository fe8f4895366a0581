//! One page of a tree, taken apart and put together.

use super::super::{BRANCH, BoltError, HEADER, LEAF, put_header, u16_at, u32_at, u64_at};

/// One key that is set or removed.
pub(super) struct Change<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
    pub(super) flags: u32,
}

/// A page's content, taken apart. Branches have the child's page as their value.
pub(super) struct Node {
    pub(super) leaf: bool,
    pub(super) items: Vec<Item>,
}

#[derive(Clone)]
pub(super) struct Item {
    pub(super) flags: u32,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) child: u64,
}

impl Node {
    pub(super) fn set(&mut self, change: &Change<'_>) {
        let found = self.items.binary_search_by(|item| item.key.as_slice().cmp(change.key));
        let item = change.value.map(|value| Item {
            flags: change.flags,
            key: change.key.to_vec(),
            value: value.to_vec(),
            child: 0,
        });
        match (found, item) {
            (Ok(at), Some(item)) => self.items[at] = item,
            (Ok(at), None) => drop(self.items.remove(at)),
            (Err(at), Some(item)) => self.items.insert(at, item),
            (Err(_), None) => {}
        }
    }

    pub(super) fn leaf() -> Self {
        Self { leaf: true, items: Vec::new() }
    }

    pub(super) fn parse(page: &[u8], id: u64) -> Result<Self, BoltError> {
        let error = || BoltError::Page(id);
        let (flags, count) = u16_at(page, 8).zip(u16_at(page, 10)).ok_or_else(error)?;
        let leaf = flags & LEAF != 0;
        if flags & (LEAF | BRANCH) == 0 {
            return Err(error());
        }
        let item = |n: usize| {
            let at = HEADER + n * 16;
            let number = |offset: usize| u32_at(page, at + offset).map(|number| number as usize);
            if leaf {
                let key = at.checked_add(number(4)?)?;
                let value = key.checked_add(number(8)?)?;
                let end = value.checked_add(number(12)?)?;
                Some(Item {
                    flags: u32_at(page, at)?,
                    key: page.get(key..value)?.to_vec(),
                    value: page.get(value..end)?.to_vec(),
                    child: 0,
                })
            } else {
                let key = at.checked_add(number(0)?)?;
                let end = key.checked_add(number(4)?)?;
                Some(Item {
                    flags: 0,
                    key: page.get(key..end)?.to_vec(),
                    value: Vec::new(),
                    child: u64_at(page, at + 8)?,
                })
            }
        };
        let items = (0..usize::from(count)).map(|n| item(n).ok_or_else(error)).collect::<Result<_, _>>()?;
        Ok(Self { leaf, items })
    }

    /// Bytes on disk, without the page header.
    pub(super) fn size(items: &[Item]) -> usize {
        items.iter().map(Item::size).sum()
    }

    /// Cuts the content into parts of about one size that fit a page; one item larger than a page is a part of its own.
    pub(super) fn split(self, page_size: usize) -> Vec<Self> {
        let capacity = page_size - HEADER;
        let total = Self::size(&self.items);
        let enough = total.div_ceil(total.div_ceil(capacity).max(1));
        let mut parts: Vec<Self> = Vec::new();
        let mut filled = 0;
        for item in self.items {
            let size = item.size();
            match parts.last_mut() {
                // Branches need two items, or a tree would grow without end.
                Some(part)
                    if (filled < enough && filled + size <= capacity) || (!self.leaf && part.items.len() < 2) =>
                {
                    part.items.push(item);
                    filled += size;
                }
                _ => {
                    parts.push(Self { leaf: self.leaf, items: vec![item] });
                    filled = size;
                }
            }
        }
        parts
    }

    pub(super) fn write(&self, id: u64, page_size: usize) -> Vec<u8> {
        let mut page = vec![0; HEADER + self.items.len() * 16];
        for (n, item) in self.items.iter().enumerate() {
            let at = HEADER + n * 16;
            let position = (page.len() - at) as u32;
            let (key, value) = (item.key.len() as u32, item.value.len() as u32);
            let fields: [u32; 4] = if self.leaf {
                [item.flags, position, key, value]
            } else {
                [position, key, item.child as u32, (item.child >> 32) as u32]
            };
            for (field, number) in fields.into_iter().enumerate() {
                page[at + field * 4..][..4].copy_from_slice(&number.to_le_bytes());
            }
            page.extend_from_slice(&item.key);
            page.extend_from_slice(&item.value);
        }
        let pages = page.len().div_ceil(page_size);
        page.resize(pages * page_size, 0);
        put_header(&mut page, id, if self.leaf { LEAF } else { BRANCH }, self.items.len() as u16, pages as u32 - 1);
        page
    }
}

impl Item {
    pub(super) fn size(&self) -> usize {
        16 + self.key.len() + self.value.len()
    }
}
