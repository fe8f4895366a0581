//! Docker's tar-split: all bytes of a layer's tar but the files' content, so that both together give the same tar again
//! (`layerdb/…/tar-split.json.gz`; the format is that of vbatts/tar-split, package `tar/storage`).
//!
//! It is JSON, one object a line. Type 2 is a segment: bytes of the tar, base64. Type 1 is a member: its name, and if it has
//! content that is on disk under that name, the size and the CRC-64 (Go's ISO table, big-endian) of it.
//!
//! Docker refuses a record in which a path occurs twice, and it reads sparse files back with their holes filled. Where the
//! content on disk under a name is not what stands in the tar - a path that comes again, a sparse file, a whiteout that has
//! content - the content is carried inside segments here. What a later entry replaces has already been recorded as a file
//! by then: whoever unpacks gives it to [`Kept`] before it is gone, and [`carry`] puts it in afterwards. All readers
//! of the format understand that.

mod kept;
mod line;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm::Crc64GoIso;

pub use self::kept::Kept;
use self::line::{Line, Lines};
use crate::fill::fill;
use crate::tar::{Mark, Member, Record, clean_path, mark, shown};

/// A segment is written when it has grown to this; a multiple of three, so that base64 has no padding within.
const SEGMENT: usize = 3 << 18;

/// Says why a record cannot be read, or does not give the layer's tar.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The record itself is damaged.
    #[error("tar-split record {position} is damaged: {why}")]
    Damaged {
        /// Which, from 0.
        position: u64,
        /// What is wrong.
        why: String,
    },
    /// A file of the layer is missing or cannot be read.
    #[error("file {name} of the layer: {source}")]
    File {
        /// Its name in the tar, made printable.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A file of the layer has changed.
    #[error("file {name} of the layer has changed: expected {expected}, found {found}")]
    Changed {
        /// Its name in the tar, made printable.
        name: String,
        /// What the record has.
        expected: String,
        /// What is on disk.
        found: String,
    },
    /// The record cannot be read.
    #[error("reading the tar-split record: {0}")]
    Read(io::Error),
    /// The tar cannot be written.
    #[error("writing: {0}")]
    Write(io::Error),
}

/// Writes the record of a tar while a [`TarReader`](crate::tar::TarReader) reads it; see
/// [`TarReader::recording`](crate::tar::TarReader::recording).
pub struct Splitter<W: Write> {
    out: Output<W>,
    segment: Vec<u8>,
    /// Hashes of paths. Two paths with the same hash only make content be carried that need not be.
    seen: HashSet<u64>,
    state: RandomState,
    current: Option<Current>,
}

/// The member whose content passes.
struct Current {
    name: Vec<u8>,
    size: u64,
    crc: crc_fast::Digest,
}

impl<W: Write> Splitter<W> {
    /// Writes JSON lines to `out`, many small writes: Docker has them gzipped.
    pub fn new(out: W) -> Self {
        let state = RandomState::new();
        Self { out: Output::new(out), segment: Vec::new(), seen: HashSet::new(), state, current: None }
    }

    /// Writes what is left, once the reader has said `None`.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_segment()?;
        Ok(self.out.out)
    }

    fn flush_segment(&mut self) -> io::Result<()> {
        if self.segment.is_empty() {
            return Ok(());
        }
        self.out.segment(&self.segment)?;
        self.segment.clear();
        Ok(())
    }
}

impl<W: Write> Record for Splitter<W> {
    fn raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.segment.len() + bytes.len() >= SEGMENT {
            let (now, later) = bytes.split_at(SEGMENT - self.segment.len());
            self.segment.extend_from_slice(now);
            self.flush_segment()?;
            bytes = later;
        }
        self.segment.extend_from_slice(bytes);
        Ok(())
    }

    fn member(&mut self, member: &Member) -> io::Result<()> {
        let first = match clean_path(&member.name) {
            Ok(path) if mark(&path) == Mark::None || member.stored == 0 => self.seen.insert(self.state.hash_one(&path)),
            _ => false,
        };
        if first && member.sparse.is_none() {
            self.flush_segment()?;
            let (name, size) = (member.name.clone(), member.stored);
            self.current = Some(Current { name, size, crc: crc_fast::Digest::new(Crc64GoIso) });
        }
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.current {
            Some(current) => {
                current.crc.update(bytes);
                Ok(())
            }
            None => self.raw(bytes),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self.current.take() {
            Some(Current { name, size, crc }) => self.out.file(&name, size, crc.finalize().to_be_bytes()),
            None => Ok(()),
        }
    }
}

/// Writes lines.
struct Output<W> {
    out: W,
    position: u64,
    line: String,
}

impl<W: Write> Output<W> {
    fn new(out: W) -> Self {
        Self { out, position: 0, line: String::new() }
    }

    fn segment(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.clear();
        self.line.push_str(r#"{"type":2,"payload":""#);
        STANDARD.encode_string(bytes, &mut self.line);
        self.line.push('"');
        self.end()
    }

    /// A member; without content it has no checksum.
    fn file(&mut self, name: &[u8], size: u64, checksum: [u8; 8]) -> io::Result<()> {
        self.line.clear();
        self.line.push_str(r#"{"type":1"#);
        match std::str::from_utf8(name) {
            Ok("") => {}
            Ok(name) => {
                self.line.push_str(r#","name":"#);
                self.line.push_str(&serde_json::to_string(name)?);
            }
            Err(_) => {
                self.line.push_str(r#","name_raw":""#);
                STANDARD.encode_string(name, &mut self.line);
                self.line.push('"');
            }
        }
        if size == 0 {
            self.line.push_str(r#","payload":null"#);
        } else {
            self.line.push_str(r#","size":"#);
            self.line.push_str(&size.to_string());
            self.line.push_str(r#","payload":""#);
            STANDARD.encode_string(checksum, &mut self.line);
            self.line.push('"');
        }
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.line.push_str(r#","position":"#);
        self.line.push_str(&self.position.to_string());
        self.line.push_str("}\n");
        self.position += 1;
        self.out.write_all(self.line.as_bytes())
    }
}

/// Puts a layer's tar together again from its record (already ungzipped) and its files, which `open` finds by their name in
/// the tar. Gives the number of bytes written. Each file's size and checksum are compared; the digest of it all is for the
/// caller to compare.
///
/// # Errors
/// The first of [`SplitError`]; what was written until then is the tar's beginning.
pub fn assemble<R: Read>(
    split: impl Read,
    mut open: impl FnMut(&[u8]) -> io::Result<R>,
    out: &mut impl Write,
) -> Result<u64, SplitError> {
    let mut written = 0;
    let mut buffer = vec![0; 256 << 10];
    let mut lines = Lines::new(BufReader::with_capacity(64 << 10, split));
    while let Some(line) = lines.next()? {
        match line {
            Line::Segment(bytes) => {
                out.write_all(bytes).map_err(SplitError::Write)?;
                written += bytes.len() as u64;
            }
            Line::File(file) if file.size == 0 => {}
            Line::File(file) => {
                let content = open(file.name).map_err(|source| SplitError::File { name: shown(file.name), source })?;
                copy(content, &file, &mut buffer, |bytes| out.write_all(bytes))?;
                written += file.size;
            }
        }
    }
    Ok(written)
}

/// Copies a record (both ungzipped) and puts the content of files that were replaced while the layer was unpacked into
/// segments, since it is on disk no more.
///
/// # Errors
/// The first of [`SplitError`].
pub fn carry(split: impl Read, kept: &Kept, out: impl Write) -> Result<(), SplitError> {
    let mut output = Output::new(out);
    let mut buffer = vec![0; SEGMENT];
    let mut lines = Lines::new(BufReader::with_capacity(64 << 10, split));
    while let Some(line) = lines.next()? {
        match line {
            Line::Segment(bytes) => output.segment(bytes).map_err(SplitError::Write)?,
            Line::File(file) => match kept.get(file.name).filter(|_| file.size > 0) {
                Some(content) => copy(content, &file, &mut buffer, |bytes| output.segment(bytes))?,
                None => output.file(file.name, file.size, file.checksum).map_err(SplitError::Write)?,
            },
        }
    }
    Ok(())
}

/// Hands on a file's content in full buffers and compares it with its record.
fn copy(
    mut content: impl Read,
    file: &line::File<'_>,
    buffer: &mut [u8],
    mut give: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), SplitError> {
    let failed = |source| SplitError::File { name: shown(file.name), source };
    let mut crc = crc_fast::Digest::new(Crc64GoIso);
    let mut left = file.size;
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let filled = fill(&mut content, &mut buffer[..wanted]).map_err(failed)?;
        if filled == 0 {
            let (expected, found) = (format!("{} bytes", file.size), format!("{} bytes", file.size - left));
            return Err(SplitError::Changed { name: shown(file.name), expected, found });
        }
        crc.update(&buffer[..filled]);
        give(&buffer[..filled]).map_err(SplitError::Write)?;
        left -= filled as u64;
    }
    if fill(&mut content, &mut [0]).map_err(failed)? > 0 {
        let expected = format!("{} bytes", file.size);
        return Err(SplitError::Changed { name: shown(file.name), expected, found: "more".into() });
    }
    let found = crc.finalize().to_be_bytes();
    if found != file.checksum {
        let text = |sum: [u8; 8]| format!("CRC-64 {}", hex::encode(sum));
        let (expected, found) = (text(file.checksum), text(found));
        return Err(SplitError::Changed { name: shown(file.name), expected, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
