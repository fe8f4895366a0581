//! A member with its content.

use std::io::{self, Read};

use super::{Member, Record, TarReader};

/// One member, and its content through [`Read`].
///
/// Reading gives the file's content as it would be on disk: the zeros of a sparse file's holes too. Who can write holes
/// reads [`TarEntry::read_stored`] along `header.sparse` instead.
pub struct TarEntry<'a, R, S = ()> {
    /// What the headers say.
    pub header: Member,
    pub(super) reader: &'a mut TarReader<R, S>,
    pub(super) position: u64,
    pub(super) extent: usize,
}

impl<R: Read, S: Record> TarEntry<'_, R, S> {
    /// Reads only what is stored: for a sparse file its extents, one after the other.
    pub fn read_stored(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.content(buffer)
    }

    /// What listens to the archive's bytes.
    pub fn record_mut(&mut self) -> &mut S {
        &mut self.reader.record
    }
}

impl<R: Read, S: Record> Read for TarEntry<'_, R, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(extents) = &self.header.sparse else { return self.reader.content(buffer) };
        while extents.get(self.extent).is_some_and(|e| e.offset + e.length <= self.position) {
            self.extent += 1;
        }
        let (until, hole) = match extents.get(self.extent) {
            Some(extent) if extent.offset > self.position => (extent.offset, true),
            Some(extent) => (extent.offset + extent.length, false),
            None => (self.header.kind.size(), true),
        };
        let wanted = buffer.len().min(usize::try_from(until - self.position).unwrap_or(usize::MAX));
        let read = if hole {
            buffer[..wanted].fill(0);
            wanted
        } else {
            self.reader.content(&mut buffer[..wanted])?
        };
        self.position += read as u64;
        Ok(read)
    }
}
