//! One 512-byte header block: v7, ustar, star and GNU (POSIX.1-2017 `pax`, "ustar Interchange Format"; GNU tar manual,
//! "Basic Tar Format").

use super::TarError;
use super::sparse::{Extent, MOST_EXTENTS};

/// Size of everything in a tar.
pub(super) const BLOCK: usize = 512;

/// A block with its position, whose checksum is right.
pub(super) struct Header<'a> {
    block: &'a [u8; BLOCK],
    at: u64,
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl<'a> Header<'a> {
    /// Checks the checksum, computed over signed or unsigned bytes as historical writers did.
    pub(super) fn parse(block: &'a [u8; BLOCK], at: u64) -> Result<Self, TarError> {
        let stated = octal(&block[148..156]).ok_or(TarError::Checksum { at })?;
        let field: u32 = block[148..156].iter().map(|b| u32::from(*b)).sum();
        let unsigned = block.iter().map(|b| u32::from(*b)).sum::<u32>() - field + 8 * 32;
        if stated != u64::from(unsigned) {
            let field: i64 = block[148..156].iter().map(|b| i64::from(*b as i8)).sum();
            let signed = block.iter().map(|b| i64::from(*b as i8)).sum::<i64>() - field + 8 * 32;
            if i64::try_from(stated) != Ok(signed) {
                return Err(TarError::Checksum { at });
            }
        }
        let format = match &block[257..265] {
            b"ustar  \0" => Format::Gnu,
            magic if magic.starts_with(b"ustar\0") && &block[508..512] == b"tar\0" => Format::Star,
            magic if magic.starts_with(b"ustar\0") => Format::Ustar,
            _ => Format::V7,
        };
        Ok(Self { block, at, format })
    }

    pub(super) fn flag(&self) -> u8 {
        self.block[156]
    }

    /// The name with ustar's prefix, verbatim.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        let prefix = match self.format {
            Format::V7 => &[][..],
            Format::Ustar => text(&self.block[345..500]),
            Format::Star => text(&self.block[345..476]),
            Format::Gnu => self.misplaced_prefix(),
        };
        if prefix.is_empty() {
            return name.to_vec();
        }
        let mut whole = Vec::with_capacity(prefix.len() + 1 + name.len());
        whole.extend_from_slice(prefix);
        whole.push(b'/');
        whole.extend_from_slice(name);
        whole
    }

    /// Go before 1.8 wrote a ustar prefix where GNU headers have times; it is one if those are no numbers.
    fn misplaced_prefix(&self) -> &'a [u8] {
        let is_time = |field: &[u8]| field[0] == 0 || number(field).is_some();
        if is_time(&self.block[345..357]) && is_time(&self.block[357..369]) {
            return &[];
        }
        let prefix = text(&self.block[345..500]);
        if prefix.is_ascii() { prefix } else { &[] }
    }

    pub(super) fn link(&self) -> &'a [u8] {
        text(&self.block[157..257])
    }

    pub(super) fn mode(&self) -> Result<u16, TarError> {
        let mode = self.unsigned(100..108, "mode")?;
        Ok((mode & 0o7777) as u16)
    }

    pub(super) fn uid(&self) -> Result<u32, TarError> {
        self.id(108..116, "the owner")
    }

    pub(super) fn gid(&self) -> Result<u32, TarError> {
        self.id(116..124, "the group")
    }

    pub(super) fn size(&self) -> Result<u64, TarError> {
        self.unsigned(124..136, "the size")
    }

    pub(super) fn mtime(&self) -> Result<i64, TarError> {
        self.signed(136..148, "the modification time")
    }

    /// Major and minor number; v7 headers have none.
    pub(super) fn device(&self) -> Result<(u32, u32), TarError> {
        if self.format == Format::V7 {
            return Ok((0, 0));
        }
        let part = |range, field| {
            u32::try_from(self.unsigned(range, field)?).map_err(|_| TarError::Number { at: self.at, field })
        };
        Ok((part(329..337, "the major device number")?, part(337..345, "the minor device number")?))
    }

    /// GNU's old sparse header: the extents in it, whether more blocks of them follow, and the real size.
    pub(super) fn old_sparse(&self) -> Result<(Vec<Extent>, bool, u64), TarError> {
        let mut extents = Vec::new();
        old_extents(&self.block[386..482], self.at, &mut extents)?;
        Ok((extents, self.block[482] != 0, self.unsigned(483..495, "the sparse file's size")?))
    }

    fn id(&self, range: std::ops::Range<usize>, field: &'static str) -> Result<u32, TarError> {
        let id = self.unsigned(range, field)?;
        // The highest means "leave it" to chown(2).
        u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or(TarError::Number { at: self.at, field })
    }

    fn unsigned(&self, range: std::ops::Range<usize>, field: &'static str) -> Result<u64, TarError> {
        let value = self.signed(range, field)?;
        u64::try_from(value).map_err(|_| TarError::Number { at: self.at, field })
    }

    fn signed(&self, range: std::ops::Range<usize>, field: &'static str) -> Result<i64, TarError> {
        number(&self.block[range]).ok_or(TarError::Number { at: self.at, field })
    }
}

/// Reads one extension block of GNU's old sparse format; true if a further one follows.
pub(super) fn extension(block: &[u8; BLOCK], at: u64, extents: &mut Vec<Extent>) -> Result<bool, TarError> {
    old_extents(&block[..504], at, extents)?;
    Ok(block[504] != 0)
}

fn old_extents(fields: &[u8], at: u64, extents: &mut Vec<Extent>) -> Result<(), TarError> {
    let field = "a sparse extent";
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 || extents.len() > MOST_EXTENTS {
            break;
        }
        let part = |bytes| number(bytes).and_then(|n| u64::try_from(n).ok()).ok_or(TarError::Number { at, field });
        extents.push(Extent { offset: part(&pair[..12])?, length: part(&pair[12..])? });
    }
    Ok(())
}

/// Up to the first zero byte.
fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|b| *b == 0).unwrap_or(field.len())]
}

/// Octal text, or GNU's base 256 (first bit set, then big-endian two's complement).
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 == 0 {
        return octal(field).and_then(|n| i64::try_from(n).ok());
    }
    let negative = field[0] & 0x40 != 0;
    let invert = if negative { 0xff } else { 0 };
    let mut value: u64 = 0;
    for (index, byte) in field.iter().enumerate() {
        let byte = if index == 0 { (byte ^ invert) & 0x7f } else { byte ^ invert };
        if value >> 56 != 0 {
            return None;
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).ok()?;
    Some(if negative { !value } else { value })
}

/// Octal digits between spaces and zero bytes; nothing at all is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let blank = |b: &u8| matches!(b, b' ' | 0);
    let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    text(&field[start..end]).iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' if value >> 61 == 0 => Some(value << 3 | u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_writers_put_them() {
        let table: [(&[u8], Option<i64>); 14] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"12\x003456", Some(0o12)),
            (b"0000648\0", None),
            (b"-000644\0", None),
            (b"\x80\0\0\0\0\0\0\x01", Some(1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ];
        for (field, expected) in table {
            assert_eq!(number(field), expected, "{}", field.escape_ascii());
        }
    }
}
