//! Maps of sparse files: which parts of a file are stored (GNU tar manual, "Storing Sparse Files").

use std::io::Read;

use super::error::{TarError, shown};
use super::header::{self, BLOCK, Header};
use super::pax::Pax;
use super::{Record, TarReader};

/// Most extents of one file; a map is at most one special header long anyway.
pub(super) const MOST_EXTENTS: usize = 1 << 16;

/// A stored part of a sparse file; all between is zeros that need no disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

impl<R: Read, S: Record> TarReader<R, S> {
    /// Reads a file's sparse map, from wherever its version keeps it; changes name and size to the real ones.
    pub(super) fn sparse(
        &mut self,
        header: &Header<'_>,
        flag: u8,
        pax: &mut Pax,
        name: &mut Vec<u8>,
        size: &mut u64,
    ) -> Result<Option<Vec<Extent>>, TarError> {
        let wrong = |name: &[u8], why| TarError::Sparse { name: shown(name), why };
        let keys = &mut pax.sparse;
        let extents = if flag == b'S' {
            self.old_sparse(header, size)?
        } else {
            match (keys.major, keys.minor, keys.map.take()) {
                (None, None, None) => return Ok(None),
                (None, None, Some(map)) | (Some(0), Some(0 | 1), Some(map)) => map,
                (Some(1), Some(0), _) => {
                    self.sparse_map().map_err(|error| error.unwrap_or(wrong(name, "damaged map")))?
                }
                _ => return Err(wrong(name, "unknown version, or a map is missing")),
            }
        };
        if flag != b'S' {
            *size = keys.size.ok_or_else(|| wrong(name, "its real size is missing"))?;
            if let Some(real) = keys.name.take() {
                *name = real;
            }
        }
        check(name, &extents, *size, self.stored_left)?;
        Ok(Some(extents))
    }

    fn old_sparse(&mut self, header: &Header<'_>, size: &mut u64) -> Result<Vec<Extent>, TarError> {
        let (mut extents, mut more, real) = header.old_sparse()?;
        *size = real;
        let mut block = [0; BLOCK];
        while more {
            let at = self.at;
            if !self.block(&mut block, "a sparse map")? {
                return Err(self.truncated("a sparse map"));
            }
            let before = extents.len();
            more = header::extension(&block, at, &mut extents)?;
            if extents.len() == before || extents.len() > MOST_EXTENTS {
                return Err(TarError::Number { at, field: "the number of sparse extents" });
            }
        }
        Ok(extents)
    }

    /// Reads version 1.0's map, which is part of the stored content. `Err(None)` is a map that is none.
    fn sparse_map(&mut self) -> Result<Vec<Extent>, Option<TarError>> {
        let mut map = MapReader::default();
        let mut block = [0; BLOCK];
        loop {
            self.stored_left = self.stored_left.checked_sub(BLOCK as u64).ok_or(None)?;
            if !self.block(&mut block, "a sparse map")? {
                return Err(Some(self.truncated("a sparse map")));
            }
            if map.take(&block).ok_or(None)? {
                return Ok(map.finish());
            }
        }
    }
}

/// Checks that the extents are in order, within `size`, and together exactly the `stored` bytes.
fn check(name: &[u8], extents: &[Extent], size: u64, stored: u64) -> Result<(), TarError> {
    let wrong = |why| Err(TarError::Sparse { name: shown(name), why });
    if extents.len() > MOST_EXTENTS {
        return wrong("more than 65536 extents");
    }
    let mut end = 0;
    let mut sum = 0u64;
    for extent in extents {
        if extent.offset < end {
            return wrong("its extents overlap or are not in order");
        }
        end = match extent.offset.checked_add(extent.length) {
            Some(end) if end <= size => end,
            _ => return wrong("an extent lies behind the file's end"),
        };
        sum += extent.length;
    }
    if sum == stored { Ok(()) } else { wrong("the extents do not add up to the bytes stored") }
}

/// Parses version 0.1's map: `offset,length,offset,length…`.
pub(super) fn parse_list(list: &[u8]) -> Option<Vec<Extent>> {
    let mut numbers = list.split(|b| *b == b',');
    let mut extents = Vec::new();
    while let Some(offset) = numbers.next() {
        extents.push(Extent { offset: decimal(offset)?, length: decimal(numbers.next()?)? });
        if extents.len() > MOST_EXTENTS {
            return None;
        }
    }
    Some(extents)
}

/// Version 1.0's map stands before the content: decimal numbers, each ended by a newline, padded to a block.
#[derive(Default)]
struct MapReader {
    expected: Option<u64>,
    offset: Option<u64>,
    value: Option<u64>,
    extents: Vec<Extent>,
}

impl MapReader {
    /// Takes one block; true when the map is complete (what is left of the block is padding).
    fn take(&mut self, block: &[u8]) -> Option<bool> {
        for byte in block {
            match byte {
                b'0'..=b'9' => self.value = Some(push_digit(self.value.unwrap_or(0), *byte)?),
                b'\n' => {
                    let value = self.value.take()?;
                    match (self.expected, self.offset.take()) {
                        (None, _) => self.expected = Some(value).filter(|n| *n <= MOST_EXTENTS as u64),
                        (Some(_), None) => self.offset = Some(value),
                        (Some(_), Some(offset)) => self.extents.push(Extent { offset, length: value }),
                    }
                    if self.expected? == self.extents.len() as u64 {
                        return Some(true);
                    }
                }
                _ => return None,
            }
        }
        Some(false)
    }

    fn finish(self) -> Vec<Extent> {
        self.extents
    }
}

/// Decimal digits only, at most what a signed 64-bit number holds.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0, |value, digit| push_digit(value, *digit))
}

fn push_digit(value: u64, digit: u8) -> Option<u64> {
    if !digit.is_ascii_digit() {
        return None;
    }
    let value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    i64::try_from(value).is_ok().then_some(value)
}
