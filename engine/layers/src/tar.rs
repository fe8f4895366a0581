//! Reads tar streams as layers use them: v7, ustar, GNU and PAX, sparse files included.
//!
//! [`TarReader`] walks the headers itself. It holds one block, one bounded buffer and nothing that grows with what an
//! archive claims. One size decides where the next header is: PAX's if there is one, else the header's; types without
//! content have none, whatever is claimed. What dockerd's reader (Go's `archive/tar`) refuses or ignores is refused or
//! ignored here, so that both see the same files: global PAX headers are checked and ignored, for example.
//!
//! Nothing is skipped silently: a stream is read to its real end, past the closing zero blocks, so that a hash over the
//! stream covers all of it, and a [`Record`] sees every byte.

mod entry;
mod error;
mod header;
mod member;
mod path;
mod pax;
#[cfg(test)]
pub(crate) mod random;
mod record;
mod sparse;
#[cfg(test)]
pub(crate) mod write;

use std::io::{self, BufRead, BufReader, Read};

pub use self::entry::TarEntry;
pub use self::error::TarError;
pub(crate) use self::error::shown;
use self::header::{BLOCK, Header};
pub use self::member::{LayerItem, Member, is_overlay_xattr};
pub use self::path::{Mark, clean_path, mark};
use self::pax::Pax;
pub use self::record::{Record, Skip};
pub use self::sparse::Extent;
use crate::entry::{Kind, Time};
use crate::fill::fill;

/// Largest long name and largest PAX header that are read, in bytes.
pub const LONGEST_SPECIAL: u64 = 1 << 20;

/// Bytes read at once from what is below.
const BUFFER: usize = 64 << 10;

/// Reads a tar member by member.
pub struct TarReader<R, S = ()> {
    input: BufReader<R>,
    record: S,
    /// Set if content need not be read to be passed over.
    skip: Option<fn(&mut R, u64) -> io::Result<()>>,
    at: u64,
    stored_left: u64,
    padding: u64,
    in_member: bool,
    name: Vec<u8>,
    done: bool,
}

impl<R: Read> TarReader<R> {
    /// Reads `inner` to its end.
    pub fn new(inner: R) -> Self {
        Self::recording(inner, ())
    }
}

impl<R: Skip> TarReader<R> {
    /// Passes over content that nobody reads, and stops at the closing zero blocks: for listing what is in a file.
    pub fn skipping(inner: R) -> Self {
        Self { skip: Some(R::skip), ..Self::recording(inner, ()) }
    }
}

impl<R: Read, S: Record> TarReader<R, S> {
    /// Reads `inner` to its end and shows every byte to `record`.
    pub fn recording(inner: R, record: S) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER, inner),
            record,
            skip: None,
            at: 0,
            stored_left: 0,
            padding: 0,
            in_member: false,
            name: Vec::new(),
            done: false,
        }
    }

    /// How many bytes have been read of the uncompressed tar.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// What listens.
    pub fn record_mut(&mut self) -> &mut S {
        &mut self.record
    }

    /// What was wrapped; complete only once [`TarReader::next`] has said `None`.
    pub fn into_inner(self) -> (R, S) {
        (self.input.into_inner(), self.record)
    }

    /// Goes to the next member, past whatever content of the last one is unread; `None` at the end of the stream.
    ///
    /// # Errors
    /// All of [`TarError`]; what comes after an error is not defined, but safe.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator; the entry borrows the reader")]
    pub fn next(&mut self) -> Result<Option<TarEntry<'_, R, S>>, TarError> {
        if self.done {
            return Ok(None);
        }
        self.finish_member()?;
        let begin = self.at;
        let mut special = Special::default();
        let mut block = [0; BLOCK];
        loop {
            let at = self.at;
            if !self.block(&mut block, "a header")? || is_zero(&block) && self.is_end(&mut block)? {
                if special.seen {
                    return Err(self.truncated("the headers of one entry"));
                }
                self.drain()?;
                return Ok(None);
            }
            let header = Header::parse(&block, at)?;
            match header.flag() {
                b'x' => special.pax = Some(Pax::parse(&self.special(&header, "a PAX header", at)?, at)?),
                b'g' => drop(Pax::parse(&self.special(&header, "a global PAX header", at)?, at)?),
                b'L' => special.name = Some(c_string(self.special(&header, "a long name", at)?)),
                b'K' => special.link = Some(c_string(self.special(&header, "a long link", at)?)),
                b'V' => continue,
                _ => {
                    let member = self.member(&header, special, begin)?;
                    return Ok(Some(TarEntry { header: member, reader: self, position: 0, extent: 0 }));
                }
            }
            special.seen |= header.flag() != b'g';
        }
    }

    /// Builds the member of a plain header and all special ones before it.
    fn member(&mut self, header: &Header<'_>, special: Special, begin: u64) -> Result<Member, TarError> {
        let mut pax = special.pax.unwrap_or_default();
        let mut name = special.name.or(pax.path.take()).unwrap_or_else(|| header.name());
        let link = special.link.or(pax.link.take()).unwrap_or_else(|| header.link().to_vec());
        let flag = match header.flag() {
            0 if name.ends_with(b"/") => b'5',
            flag => flag,
        };
        let has_content = matches!(flag, 0 | b'0' | b'7' | b'S');
        let stored = match pax.size {
            Some(size) => size,
            None => header.size()?,
        };
        let stored = if has_content { stored } else { 0 };
        self.stored_left = stored;
        self.padding = padding_of(stored);
        let mut size = stored;
        let sparse = if has_content { self.sparse(header, flag, &mut pax, &mut name, &mut size)? } else { None };
        let mtime = match pax.mtime {
            Some(time) => time,
            None => Time { seconds: header.mtime()?, nanoseconds: 0 },
        };
        let member = Member {
            kind: kind(flag, size, link, &name, header)?,
            mode: header.mode()?,
            uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
            gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
            mtime,
            xattrs: pax.xattrs(),
            sparse,
            header_at: begin,
            content_at: self.at,
            stored: self.stored_left,
            name,
        };
        self.in_member = true;
        self.name.clone_from(&member.name);
        self.record.member(&member).map_err(|source| TarError::Record { at: self.at, source })?;
        Ok(member)
    }

    /// The content of a special header, with its padding passed over.
    fn special(&mut self, header: &Header<'_>, what: &'static str, at: u64) -> Result<Vec<u8>, TarError> {
        let bytes = header.size()?;
        if bytes > LONGEST_SPECIAL {
            return Err(TarError::Large { at, what, bytes });
        }
        let whole = bytes + padding_of(bytes);
        let mut content = Vec::with_capacity(whole.min(4096) as usize);
        let read = (&mut self.input).take(whole).read_to_end(&mut content);
        let read = read.map_err(|source| TarError::Read { at: self.at, source })?;
        self.at += read as u64;
        self.raw(&content)?;
        if (read as u64) < whole {
            return Err(self.truncated(what));
        }
        content.truncate(bytes as usize);
        Ok(content)
    }

    /// Reads one block; false at the end of the stream.
    fn block(&mut self, block: &mut [u8; BLOCK], inside: &str) -> Result<bool, TarError> {
        let read = self.fill(block)?;
        self.raw(&block[..read])?;
        match read {
            0 => Ok(false),
            BLOCK => Ok(true),
            _ => Err(self.truncated(inside)),
        }
    }

    /// After a block of zeros: true if the archive ends here, with a second one or with the stream.
    fn is_end(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, TarError> {
        let at = self.at;
        let read = self.fill(block)?;
        self.raw(&block[..read])?;
        if block[..read].iter().all(|b| *b == 0) { Ok(true) } else { Err(TarError::LoneZeros { at }) }
    }

    /// Passes over the rest of the last member.
    fn finish_member(&mut self) -> Result<(), TarError> {
        if !self.in_member {
            return Ok(());
        }
        if let Some(skip) = self.skip {
            self.skip_content(skip)?;
        }
        if self.stored_left > 0 {
            self.read_content()?;
        }
        self.in_member = false;
        self.record.end().map_err(|source| TarError::Record { at: self.at, source })?;
        let mut block = [0; BLOCK];
        let padding = self.padding as usize;
        // A stream may end without the last padding.
        let read = self.fill(&mut block[..padding])?;
        self.raw(&block[..read])
    }

    /// Passes content that nobody reads to the record, straight from the buffer.
    fn read_content(&mut self) -> Result<(), TarError> {
        while self.stored_left > 0 {
            let buffered = match self.input.fill_buf() {
                Ok(buffered) => buffered,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(error)),
            };
            if buffered.is_empty() {
                return Err(self.failed(io::ErrorKind::UnexpectedEof.into()));
            }
            let take = buffered.len().min(usize::try_from(self.stored_left).unwrap_or(usize::MAX));
            let recorded = self.record.content(&buffered[..take]);
            self.input.consume(take);
            self.at += take as u64;
            self.stored_left -= take as u64;
            recorded.map_err(|source| TarError::Record { at: self.at, source })?;
        }
        Ok(())
    }

    fn skip_content(&mut self, skip: fn(&mut R, u64) -> io::Result<()>) -> Result<(), TarError> {
        let buffered = self.stored_left.min(self.input.buffer().len() as u64);
        self.input.consume(buffered as usize);
        let beyond = self.stored_left - buffered;
        if beyond > 0 {
            skip(self.input.get_mut(), beyond).map_err(|source| self.failed(source))?;
        }
        self.at += self.stored_left;
        self.stored_left = 0;
        Ok(())
    }

    /// Reads stored content of the current member; 0 only if there is none left.
    fn content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.stored_left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..wanted])?;
        if read == 0 {
            let inside = format!("the content of {}", shown(&self.name));
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, TarError::Truncated { at: self.at, inside }));
        }
        self.record.content(&buffer[..read])?;
        self.at += read as u64;
        self.stored_left -= read as u64;
        Ok(read)
    }

    /// Reads what follows the archive's end.
    fn drain(&mut self) -> Result<(), TarError> {
        self.done = true;
        let mut buffer = [0; 16 << 10];
        while self.skip.is_none() {
            let read = self.fill(&mut buffer)?;
            if read == 0 {
                break;
            }
            self.raw(&buffer[..read])?;
        }
        Ok(())
    }

    /// Fills the buffer as far as the stream goes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, TarError> {
        let filled = fill(&mut self.input, buffer).map_err(|source| TarError::Read { at: self.at, source })?;
        self.at += filled as u64;
        Ok(filled)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), TarError> {
        self.record.raw(bytes).map_err(|source| TarError::Record { at: self.at, source })
    }

    fn truncated(&self, inside: &str) -> TarError {
        TarError::Truncated { at: self.at, inside: inside.into() }
    }

    /// Takes an error of ours out of its wrapping again.
    fn failed(&self, source: io::Error) -> TarError {
        match source.downcast::<TarError>() {
            Ok(error) => error,
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                TarError::Truncated { at: self.at, inside: format!("the content of {}", shown(&self.name)) }
            }
            Err(source) => TarError::Read { at: self.at, source },
        }
    }
}

/// What special headers said about the member to come.
#[derive(Default)]
struct Special {
    seen: bool,
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

fn kind(flag: u8, size: u64, link: Vec<u8>, name: &[u8], header: &Header<'_>) -> Result<Kind, TarError> {
    Ok(match flag {
        0 | b'0' | b'7' | b'S' => Kind::File { size, disk: None },
        b'1' => Kind::Hardlink { target: clean_path(&link)? },
        b'2' => Kind::Symlink { target: link.into() },
        b'3' => {
            let (major, minor) = header.device()?;
            Kind::CharDevice { major, minor }
        }
        b'4' => {
            let (major, minor) = header.device()?;
            Kind::BlockDevice { major, minor }
        }
        b'5' => Kind::Directory { opaque: false },
        b'6' => Kind::Fifo,
        flag => return Err(TarError::Type { name: shown(name), flag: char::from(flag) }),
    })
}

/// Whether bytes can be the beginning of a tar: a header, or the zeros that end an empty one.
pub fn looks_like_tar(first: &[u8]) -> bool {
    match first.first_chunk::<BLOCK>() {
        Some(block) => is_zero(block) || Header::parse(block, 0).is_ok(),
        None => false,
    }
}

fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(0, |all, byte| all | byte) == 0
}

fn padding_of(bytes: u64) -> u64 {
    bytes.wrapping_neg() % BLOCK as u64
}

fn c_string(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

#[cfg(test)]
mod tests;
