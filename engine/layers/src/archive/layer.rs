//! One layer of an archive as a stream.

use std::io::{self, Read};

use super::error::ArchiveError;
use super::file::Section;
use super::image::LayerBlob;
use crate::compress::{Compression, Decoder, decoder};
use crate::digest::{DiffId, Digest, Hashing};
use crate::tar::Skip;

/// The uncompressed tar of a layer.
///
/// Read to its end it is verified: its last read fails if the bytes are not those of the diff ID, or of the blob's
/// digest. Content that is skipped is passed over without reading where the archive has it uncompressed; then nothing can
/// be verified.
pub struct LayerReader {
    stream: Stream,
    name: String,
    expected: Option<DiffId>,
    blob: Option<Digest>,
}

enum Stream {
    Plain(Section),
    HashedPlain(Hashing<Section>),
    Packed(Box<Hashing<Decoder<Hashing<Section>>>>),
    Ended,
}

impl LayerReader {
    /// Reads a layer that must be `blob`.
    pub(super) fn new(section: Section, blob: &LayerBlob) -> Result<Self, ArchiveError> {
        let mut reader = Self::unknown(section, &blob.name)?;
        reader.expected = Some(blob.diff_id);
        reader.blob = blob.digest;
        Ok(reader)
    }

    /// Reads a layer of which nothing is known.
    pub(super) fn unknown(section: Section, name: &str) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Io { path: name.into(), source };
        let packed = decoder(Hashing::new(section.clone())).map_err(failed)?;
        let stream = match packed.compression() {
            Compression::None => Stream::HashedPlain(Hashing::new(section)),
            _ => Stream::Packed(Box::new(Hashing::new(packed))),
        };
        Ok(Self { stream, name: name.into(), expected: None, blob: None })
    }

    /// Reads to the end and tells what the diff ID is.
    pub(super) fn diff_id(mut self) -> io::Result<DiffId> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = match &mut self.stream {
                Stream::Plain(_) | Stream::Ended => 0,
                Stream::HashedPlain(hashing) => hashing.read(&mut buffer)?,
                Stream::Packed(hashing) => hashing.read(&mut buffer)?,
            };
            if read == 0 {
                break;
            }
        }
        Ok(DiffId(match self.stream {
            Stream::HashedPlain(hashing) => hashing.finish().0,
            Stream::Packed(hashing) => hashing.finish().0,
            Stream::Plain(_) | Stream::Ended => Digest::of(b""),
        }))
    }

    /// Whether content can be passed over without reading it.
    pub fn is_seekable(&self) -> bool {
        !matches!(self.stream, Stream::Packed(_))
    }

    /// Compares the digests of all that has passed.
    fn verify(&mut self) -> io::Result<()> {
        let (found, blob) = match std::mem::replace(&mut self.stream, Stream::Ended) {
            Stream::Plain(_) | Stream::Ended => return Ok(()),
            Stream::HashedPlain(hashing) => {
                let found = hashing.finish().0;
                (found, found)
            }
            Stream::Packed(hashing) => {
                let (found, _, packed) = hashing.finish();
                (found, packed.into_inner().finish().0)
            }
        };
        let expected = [(self.blob, blob), (self.expected.map(|id| id.0), found)];
        for (expected, found) in expected {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                let error = ArchiveError::Mismatch { name: format!("layer {}", self.name), expected, found };
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(())
    }
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(section) => section.read(buffer),
            Stream::HashedPlain(hashing) => hashing.read(buffer),
            Stream::Packed(hashing) => hashing.read(buffer),
            Stream::Ended => return Ok(0),
        }?;
        if read == 0 && !buffer.is_empty() {
            self.verify()?;
        }
        Ok(read)
    }
}

impl Skip for LayerReader {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if let Stream::HashedPlain(_) = self.stream
            && let Stream::HashedPlain(hashing) = std::mem::replace(&mut self.stream, Stream::Ended)
        {
            self.stream = Stream::Plain(hashing.finish().2);
        }
        match &mut self.stream {
            Stream::Plain(section) => section.skip(bytes),
            _ => match io::copy(&mut self.take(bytes), &mut io::sink())? {
                skipped if skipped == bytes => Ok(()),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}
