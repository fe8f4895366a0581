//! bbolt files, as far as `volumes/metadata.db` needs them: reads one bucket, writes a whole file, and
//! [`update`]s a file in place.
//!
//! A file is pages of one size. Pages 0 and 1 are metas; the valid one with the higher transaction ID counts. A page has a
//! header of 16 bytes (id, flags, count, overflow pages), then elements. A leaf element with flag 1 is a bucket: its value
//! is the bucket's root page and, when that is 0, the page itself (bbolt, `internal/common`).

pub(crate) mod update;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const META: u16 = 0x04;
const FREELIST: u16 = 0x10;
const BUCKET: u32 = 1;
const PAGE: usize = 4096;
const HEADER: usize = 16;
/// Deepest tree that is followed; a real one of this depth would be larger than any disk.
const DEEPEST: u32 = 32;

/// Key and value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Says why a bolt file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BoltError {
    #[error("no valid bolt meta page in {0} bytes")]
    Meta(usize),
    #[error("bolt page {0} is not what it should be")]
    Page(u64),
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Gets flags, key and value of each leaf element.
type Visit<'a> = dyn FnMut(u32, &[u8], &[u8]) + 'a;

struct File<'a> {
    bytes: &'a [u8],
    page_size: usize,
}

struct Meta {
    page_size: usize,
    root: u64,
    transaction: u64,
}

fn meta_at(bytes: &[u8], at: usize) -> Option<Meta> {
    let meta = bytes.get(at.checked_add(HEADER)?..)?;
    let valid =
        u32_at(meta, 0)? == MAGIC && u32_at(meta, 4)? == VERSION && checksum(meta.get(..56)?) == u64_at(meta, 56)?;
    let page_size = u32_at(meta, 8)? as usize;
    let sane = (512..=65536).contains(&page_size) && page_size.is_power_of_two();
    (valid && sane).then_some(Meta { page_size, root: u64_at(meta, 16)?, transaction: u64_at(meta, 48)? })
}

/// The meta page that counts: the valid one with the higher transaction ID.
fn current(bytes: &[u8]) -> Result<Meta, BoltError> {
    let first = meta_at(bytes, 0);
    // Where the second meta is depends on the page size, which a broken first meta cannot tell.
    let sizes = first.as_ref().map_or_else(|| (9..=16).map(|n| 1 << n).collect(), |meta| vec![meta.page_size]);
    let second = sizes.into_iter().find_map(|size| meta_at(bytes, size).filter(|meta| meta.page_size == size));
    let meta = [first, second].into_iter().flatten().max_by_key(|meta| meta.transaction);
    meta.ok_or(BoltError::Meta(bytes.len()))
}

/// Reads all pairs of the bucket `name` at the top of the file; a file without that bucket has none.
pub(crate) fn read(bytes: &[u8], name: &[u8]) -> Result<Vec<Pair>, BoltError> {
    let meta = current(bytes)?;
    let file = File { bytes, page_size: meta.page_size };
    let mut found = Vec::new();
    file.walk(file.page(meta.root)?, meta.root, 0, &mut |flags, key, value| {
        if flags & BUCKET != 0 && key == name {
            found = value.to_vec();
        }
    })?;
    let mut pairs = Vec::new();
    let mut collect = |flags: u32, key: &[u8], value: &[u8]| {
        if flags & BUCKET == 0 {
            pairs.push((key.to_vec(), value.to_vec()));
        }
    };
    match u64_at(&found, 0) {
        None => {}
        Some(0) => file.walk(found.get(HEADER..).unwrap_or_default(), 0, 0, &mut collect)?,
        Some(root) => file.walk(file.page(root)?, root, 0, &mut collect)?,
    }
    Ok(pairs)
}

impl<'a> File<'a> {
    /// A page with its overflow pages.
    fn page(&self, id: u64) -> Result<&'a [u8], BoltError> {
        let page = || {
            let start = usize::try_from(id).ok()?.checked_mul(self.page_size)?;
            let overflow = u32_at(self.bytes, start.checked_add(12)?)? as usize;
            let end = overflow.checked_add(1)?.checked_mul(self.page_size)?.checked_add(start)?;
            self.bytes.get(start..end)
        };
        page().ok_or(BoltError::Page(id))
    }

    fn walk(&self, page: &[u8], id: u64, depth: u32, visit: &mut Visit<'_>) -> Result<(), BoltError> {
        let error = || BoltError::Page(id);
        let (flags, count) = u16_at(page, 8).zip(u16_at(page, 10)).ok_or_else(error)?;
        if depth > DEEPEST || flags & (BRANCH | LEAF) == 0 {
            return Err(error());
        }
        for n in 0..usize::from(count) {
            let at = HEADER + n * 16;
            if flags & BRANCH != 0 {
                let child = u64_at(page, at + 8).ok_or_else(error)?;
                self.walk(self.page(child)?, child, depth + 1, visit)?;
                continue;
            }
            let element = || {
                let key = at.checked_add(u32_at(page, at + 4)? as usize)?;
                let value = key.checked_add(u32_at(page, at + 8)? as usize)?;
                let end = value.checked_add(u32_at(page, at + 12)? as usize)?;
                Some((u32_at(page, at)?, page.get(key..value)?, page.get(value..end)?))
            };
            let (flags, key, value) = element().ok_or_else(error)?;
            visit(flags, key, value);
        }
        Ok(())
    }
}

fn put_header(page: &mut [u8], id: u64, flags: u16, count: u16, overflow: u32) {
    page[..8].copy_from_slice(&id.to_le_bytes());
    page[8..10].copy_from_slice(&flags.to_le_bytes());
    page[10..12].copy_from_slice(&count.to_le_bytes());
    page[12..16].copy_from_slice(&overflow.to_le_bytes());
}

/// A leaf with its overflow, as many whole pages as it needs. `pairs` must be sorted by key.
fn leaf(id: u64, flags: u32, pairs: &[Pair]) -> Vec<u8> {
    let mut page = vec![0; HEADER + pairs.len() * 16];
    for (n, (key, value)) in pairs.iter().enumerate() {
        let at = HEADER + n * 16;
        let position = (page.len() - at) as u32;
        for (field, number) in [flags, position, key.len() as u32, value.len() as u32].into_iter().enumerate() {
            page[at + field * 4..at + field * 4 + 4].copy_from_slice(&number.to_le_bytes());
        }
        page.extend_from_slice(key);
        page.extend_from_slice(value);
    }
    let pages = page.len().div_ceil(PAGE);
    page.resize(pages * PAGE, 0);
    put_header(&mut page, id, LEAF, pairs.len() as u16, pages as u32 - 1);
    page
}

fn meta(id: u64, root: u64, high_water: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    put_header(&mut page, id, META, 0, 0);
    let body = &mut page[HEADER..];
    body[..4].copy_from_slice(&MAGIC.to_le_bytes());
    body[4..8].copy_from_slice(&VERSION.to_le_bytes());
    body[8..12].copy_from_slice(&(PAGE as u32).to_le_bytes());
    // Root page, sequence, free list's page, first page that is not there, transaction.
    for (n, number) in [root, 0, 2, high_water, id].into_iter().enumerate() {
        body[16 + n * 8..24 + n * 8].copy_from_slice(&number.to_le_bytes());
    }
    let sum = checksum(&body[..56]);
    body[56..64].copy_from_slice(&sum.to_le_bytes());
    page
}

/// Writes a file with one bucket. At most 65,535 pairs.
pub(crate) fn write(name: &[u8], mut pairs: Vec<Pair>) -> Vec<u8> {
    pairs.sort();
    pairs.dedup_by(|a, b| a.0 == b.0);
    pairs.truncate(usize::from(u16::MAX));
    let mut value = vec![0; HEADER];
    let content = if pairs.is_empty() {
        // An empty bucket is stored within its parent, as bbolt does.
        let mut page = vec![0; HEADER];
        put_header(&mut page, 0, LEAF, 0, 0);
        value.extend_from_slice(&page);
        Vec::new()
    } else {
        value[..8].copy_from_slice(&4_u64.to_le_bytes());
        leaf(4, 0, &pairs)
    };
    let high_water = 4 + (content.len() / PAGE) as u64;
    let mut free = vec![0; PAGE];
    put_header(&mut free, 2, FREELIST, 0, 0);
    [meta(0, 3, high_water), meta(1, 3, high_water), free, leaf(3, BUCKET, &[(name.to_vec(), value)]), content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(n: usize) -> Vec<Pair> {
        (0..n).map(|n| (format!("v{n:05}").into_bytes(), vec![b'x'; n % 300])).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for pairs in [many(0), many(1), many(2000)] {
            let bytes = write(b"volumes", pairs.clone());
            assert_eq!(bytes.len() % PAGE, 0);
            assert_eq!(read(&bytes, b"volumes"), Ok(pairs));
            assert_eq!(read(&bytes, b"other"), Ok(Vec::new()));
        }
    }

    #[test]
    fn one_broken_meta_does_not_matter_two_do() {
        let mut bytes = write(b"volumes", many(3));
        bytes[20] ^= 1;
        assert_eq!(read(&bytes, b"volumes"), Ok(many(3)));
        bytes[PAGE + 20] ^= 1;
        assert_eq!(read(&bytes, b"volumes"), Err(BoltError::Meta(bytes.len())));
    }

    #[test]
    fn damage_is_an_error_never_a_panic() {
        let whole = write(b"volumes", many(40));
        for cut in (0..whole.len()).step_by(37) {
            let _ = read(&whole[..cut], b"volumes");
        }
        // Every byte of the pages behind the metas, which no checksum guards.
        for at in 2 * PAGE..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let _ = read(&bytes, b"volumes");
        }
        for bytes in [vec![], vec![0; PAGE], vec![0; 65536], vec![0xff; 65536]] {
            assert!(read(&bytes, b"volumes").is_err());
        }
    }

    #[test]
    fn a_page_that_points_at_itself_ends() {
        let mut bytes = write(b"volumes", many(1));
        let page = &mut bytes[3 * PAGE..4 * PAGE];
        put_header(page, 3, BRANCH, 1, 0);
        page[HEADER + 8..HEADER + 16].copy_from_slice(&3_u64.to_le_bytes());
        assert_eq!(read(&bytes, b"volumes"), Err(BoltError::Page(3)));
    }
}
