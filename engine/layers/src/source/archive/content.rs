//! The content of one member of a tar, owning the stream it comes from.

use std::io::{self, Cursor, Read};

use crate::entry::Kind;
use crate::tar::{Extent, TarError, TarReader};

/// The content of the first member of a stream, the holes of a sparse file as zeros.
pub(super) struct MemberContent<R> {
    stored: io::Take<io::Chain<Cursor<Vec<u8>>, R>>,
    /// Stored parts still to come, of a sparse file.
    extents: std::vec::IntoIter<Extent>,
    part: Extent,
    at: u64,
    size: u64,
}

impl<R: Read> MemberContent<R> {
    /// Reads the headers of the first member; `None` when it is no file.
    pub(super) fn open(stream: R) -> Result<Option<Self>, TarError> {
        let mut tar = TarReader::new(Keep { inner: stream, kept: Vec::new() });
        let Some(member) = tar.next()?.map(|entry| entry.header) else { return Ok(None) };
        let Kind::File { size, .. } = member.kind else { return Ok(None) };
        let (Keep { inner, mut kept }, ()) = tar.into_inner();
        kept.drain(..kept.len().min(member.content_at as usize));
        let whole = vec![Extent { offset: 0, length: size }];
        let mut extents = member.sparse.unwrap_or(whole).into_iter();
        let part = extents.next().unwrap_or(Extent { offset: size, length: 0 });
        let stored = Cursor::new(kept).chain(inner).take(member.stored);
        Ok(Some(Self { stored, extents, part, at: 0, size }))
    }
}

impl<R: Read> Read for MemberContent<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.part.offset + self.part.length && self.at < self.size {
            self.part = self.extents.next().unwrap_or(Extent { offset: self.size, length: 0 });
            if self.part.offset >= self.size {
                break;
            }
        }
        let hole = self.at < self.part.offset;
        let end = if hole { self.part.offset } else { self.part.offset + self.part.length };
        let wanted = buffer.len().min(usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        if wanted == 0 {
            return Ok(0);
        }
        let read = if hole {
            buffer.fill(0);
            wanted
        } else {
            self.stored.read(buffer)?
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// Keeps what passes: only headers and what is read ahead of them.
struct Keep<R> {
    inner: R,
    kept: Vec<u8>,
}

impl<R: Read> Read for Keep<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.kept.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}
