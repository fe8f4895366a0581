//! What is in a file: enough to know it, never all of it.
//!
//! Bytes in, safe structure out: at most a given number of bytes is read, whatever a file claims, and nothing in it is trusted. Texts
//! still hold what the file has, escape sequences included: whoever draws them makes them safe.

mod difference;
mod elf;
mod hex;

pub use difference::{Difference, Hunk, Line, Tag, difference};
pub use elf::Elf;
pub use hex::{HEX_COLUMNS, hex_line};

use std::io::{self, Read};

use crate::compress::{Compression, decoder, detect};
use crate::entry::Kind;
use crate::tar::{TarReader, looks_like_tar};

/// Bytes that are enough for a preview.
pub const ENOUGH: usize = 256 << 10;

/// Most members of an archive that are listed.
const MOST_MEMBERS: usize = 1000;

/// The beginning of a file, understood as far as possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What is in it.
    pub content: Content,
    /// What kind of file it is, when its first bytes tell: `PNG image`.
    pub format: Option<&'static str>,
    /// Whether all of the file was read.
    pub complete: bool,
    /// The bytes that were read, for showing them as such.
    pub bytes: Vec<u8>,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// No byte.
    Empty,
    /// Lines of text, without their ends; bytes that are no UTF-8 are written as `\xff`.
    Text(Vec<String>),
    /// A program or library.
    Elf(Elf),
    /// A tar: its first members.
    Tar(Vec<Member>),
    /// Something compressed, and what is in that.
    Packed(Box<Preview>),
    /// Bytes of unknown meaning.
    Bytes,
}

/// One member of a previewed tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, verbatim.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
}

/// Reads at most `limit` bytes and tells what is in the file.
///
/// # Errors
/// Only those of the reader: damaged content is shown as far as it goes.
pub fn preview(reader: impl Read, limit: usize) -> io::Result<Preview> {
    let (bytes, complete) = beginning(reader, limit)?;
    Ok(understand(bytes, complete, limit, true))
}

/// The first bytes of a reader, and whether they are all.
fn beginning(reader: impl Read, limit: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    let complete = bytes.len() <= limit;
    bytes.truncate(limit);
    Ok((bytes, complete))
}

fn understand(bytes: Vec<u8>, complete: bool, limit: usize, unpack: bool) -> Preview {
    let compression = detect(&bytes);
    let mut format = format_of(&bytes);
    let content = if bytes.is_empty() {
        Content::Empty
    } else if let Some(elf) = Elf::parse(&bytes) {
        format = Some("ELF");
        Content::Elf(elf)
    } else if compression != Compression::None && unpack {
        format = Some(compression.name());
        Content::Packed(Box::new(unpacked(&bytes, complete, limit)))
    } else if bytes[0] != 0 && looks_like_tar(&bytes) {
        format = Some("tar");
        Content::Tar(members(&bytes))
    } else if let Some(lines) = text(&bytes, complete) {
        Content::Text(lines)
    } else {
        Content::Bytes
    };
    Preview { content, format, complete, bytes }
}

/// What is in something compressed, as far as the bytes at hand lead.
fn unpacked(bytes: &[u8], complete: bool, limit: usize) -> Preview {
    let mut inside = Vec::new();
    let mut whole = false;
    if let Ok(mut decoder) = decoder(bytes) {
        let mut buffer = [0; 8 << 10];
        while inside.len() < limit {
            match decoder.read(&mut buffer) {
                Ok(0) => {
                    whole = complete;
                    break;
                }
                Ok(read) => inside.extend_from_slice(&buffer[..read.min(limit - inside.len())]),
                // Where the bytes at hand end.
                Err(_) => break,
            }
        }
    }
    understand(inside, whole, limit, false)
}

fn members(bytes: &[u8]) -> Vec<Member> {
    let mut tar = TarReader::new(bytes);
    let mut members = Vec::new();
    while let Ok(Some(entry)) = tar.next() {
        members.push(Member { name: entry.header.name, kind: entry.header.kind });
        if members.len() == MOST_MEMBERS {
            break;
        }
    }
    members
}

/// The lines, if it is text: no zero bytes, hardly any control characters, and at most one byte in twenty that is no UTF-8.
fn text(bytes: &[u8], complete: bool) -> Option<Vec<String>> {
    let bytes = if complete { bytes } else { without_partial_character(bytes) };
    let is_control = |b: &&u8| matches!(b, 0..=7 | 14..=26 | 28..=31 | 127);
    let invalid: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    let controls = bytes.iter().filter(is_control).count();
    if bytes.contains(&0) || controls > bytes.len() / 50 || invalid > bytes.len() / 20 {
        return None;
    }
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|b| *b == b'\n');
    Some(lines.map(|line| readable(line.strip_suffix(b"\r").unwrap_or(line))).collect())
}

fn readable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}

/// Cuts off a character whose last bytes were not read.
fn without_partial_character(bytes: &[u8]) -> &[u8] {
    let last = bytes.iter().rev().take(3).position(|b| !matches!(b, 0x80..=0xbf));
    let Some((start, first)) = last.map(|back| bytes.len() - 1 - back).map(|at| (at, bytes[at])) else { return bytes };
    let length = match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    };
    if start + length > bytes.len() { &bytes[..start] } else { bytes }
}

fn format_of(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 16] = [
        (b"\x89PNG\r\n", "PNG image"),
        (b"\xff\xd8\xff", "JPEG image"),
        (b"GIF8", "GIF image"),
        (b"PK\x03\x04", "zip archive (or jar, wheel, office document)"),
        (b"SQLite format 3\0", "SQLite database"),
        (b"!<arch>\n", "ar archive (a static library or .deb)"),
        (b"\xca\xfe\xba\xbe", "Java class"),
        (b"\xed\xab\xee\xdb", "rpm package"),
        (b"%PDF-", "PDF document"),
        (b"\0asm", "WebAssembly module"),
        (b"MZ", "Windows program"),
        (b"7z\xbc\xaf\x27\x1c", "7z archive"),
        (b"wOF2", "WOFF2 font"),
        (b"TZif", "time zone"),
        (b"\xde\x12\x04\x95", "gettext catalogue"),
        (b"#!", "script"),
    ];
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests;
