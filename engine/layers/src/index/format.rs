//! The bytes of an index on disk: a header, fixed-size records, the text, and a checksum over all of it.

use super::record::{ALL_FLAGS, FileType};
use super::{LayerIndex, MOST_ENTRIES, MOST_TEXT, NONE, Record, Span};

const MAGIC: &[u8; 8] = b"outcropL";
/// Increased whenever the meaning of a byte changes; files of other versions are rebuilt.
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 4 + 4 + 32;
const RECORD: usize = 80;
const CRC: crc::Crc<u64, crc::Table<16>> = crc::Crc::<u64, crc::Table<16>>::new(&crc::CRC_64_XZ);

/// Most bytes such a file can have.
pub(super) const LARGEST: u64 = (HEADER + RECORD * MOST_ENTRIES + MOST_TEXT + 8) as u64;

/// Writes an index; `stamp` says what it was made of.
pub(super) fn write(index: &LayerIndex, stamp: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + index.records.len() * RECORD + index.text.len() + 8);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(index.records.len() as u32).to_le_bytes());
    out.extend_from_slice(&(index.text.len() as u32).to_le_bytes());
    out.extend_from_slice(stamp);
    for record in &index.records {
        out.extend_from_slice(&encode(record));
    }
    out.extend_from_slice(&index.text);
    let sum = CRC.checksum(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// Reads an index made of what `stamp` says; `None` when it is of something else, of another version, or damaged.
pub(super) fn read(bytes: &[u8], stamp: &[u8; 32]) -> Option<LayerIndex> {
    let (content, sum) = bytes.split_last_chunk::<8>()?;
    let (header, rest) = content.split_at_checked(HEADER)?;
    let mut at = Fields { bytes: header };
    if at.take::<8>() != *MAGIC || at.u32() != VERSION {
        return None;
    }
    let (count, length) = (at.u32() as usize, at.u32() as usize);
    if at.take::<32>() != *stamp || count == 0 || count > MOST_ENTRIES || length > MOST_TEXT {
        return None;
    }
    let (records, text) = rest.split_at_checked(count * RECORD)?;
    if text.len() != length || CRC.checksum(content) != u64::from_le_bytes(*sum) {
        return None;
    }
    let records: Vec<Record> = records.chunks_exact(RECORD).map(decode).collect::<Option<_>>()?;
    is_sound(&records, length).then(|| LayerIndex::from_parts(records, text.to_vec()))
}

/// Whether all positions are inside and point the right way: what reading an index relies on.
fn is_sound(records: &[Record], length: usize) -> bool {
    let inside = |span: Span| span.range().end <= length;
    records.iter().enumerate().all(|(at, record)| {
        let parent = records.get(record.parent as usize);
        let placed = (at == 0 && record.parent == 0 && record.file_type == FileType::Directory)
            || ((record.parent as usize) < at && parent.is_some_and(|p| record.end <= p.end));
        let ends = (record.end as usize) > at && record.end as usize <= records.len();
        let extra = match record.file_type {
            FileType::CharDevice | FileType::BlockDevice => true,
            FileType::Hardlink if record.extra.start == NONE => true,
            FileType::Hardlink => {
                records.get(record.extra.start as usize).is_some_and(|r| r.file_type == FileType::File)
            }
            _ => inside(record.extra),
        };
        placed && ends && extra && inside(record.name) && inside(record.xattrs)
    })
}

fn encode(r: &Record) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    for number in [r.parent, r.end, r.name.start, r.name.length, r.extra.start, r.extra.length] {
        put(&number.to_le_bytes());
    }
    for number in [r.xattrs.start, r.xattrs.length, r.uid, r.gid, r.nanoseconds] {
        put(&number.to_le_bytes());
    }
    for number in [r.seconds as u64, r.size, r.disk, r.content] {
        put(&number.to_le_bytes());
    }
    put(&r.mode.to_le_bytes());
    put(&[r.file_type as u8, r.flags]);
    out
}

fn decode(bytes: &[u8]) -> Option<Record> {
    let mut at = Fields { bytes };
    let mut span = || Span { start: at.u32(), length: at.u32() };
    let (place, name, extra, xattrs) = (span(), span(), span(), span());
    let (uid, gid, nanoseconds) = (at.u32(), at.u32(), at.u32());
    let (seconds, size, disk, content) = (at.u64() as i64, at.u64(), at.u64(), at.u64());
    let mode = u16::from_le_bytes(at.take());
    let [file_type, flags] = at.take();
    Some(Record {
        parent: place.start,
        end: place.length,
        name,
        extra,
        xattrs,
        uid,
        gid,
        seconds,
        nanoseconds,
        size,
        disk,
        content,
        mode,
        file_type: *FileType::ALL.get(usize::from(file_type))?,
        flags: flags & ALL_FLAGS,
    })
}

/// Reads numbers one after the other; zeros after the end.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((taken, rest)) = self.bytes.split_first_chunk::<N>() else { return [0; N] };
        self.bytes = rest;
        *taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
