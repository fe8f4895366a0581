//! Undoes the compression of layers and archives: gzip (also several members, as estargz has), zstd, bzip2, xz or none.
//!
//! The window of zstd is limited to 128 MiB and the dictionary of xz to about as much; a stream that needs more is
//! refused before it is allocated. Nothing is taken from what a stream claims.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// How a stream is compressed, told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not, or in a way that is not known.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// What `bzip2` writes.
    Bzip2,
    /// What `xz` writes.
    Xz,
}

impl Compression {
    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}

/// How many first bytes [`detect`] looks at.
pub const MAGIC_LENGTH: usize = 6;

/// Most base-2 logarithm of a zstd window: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Most memory for xz in KiB: 128 MiB of dictionary and some.
const XZ_MEMORY: u32 = 136 << 10;

const BUFFER: usize = 64 << 10;

/// Tells the compression from a stream's first bytes; [`MAGIC_LENGTH`] suffice.
pub fn detect(first: &[u8]) -> Compression {
    match first {
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        // A frame, or a skippable frame before one.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
        _ => Compression::None,
    }
}

/// Says what is wrong with a compressed stream. It is inside the [`io::Error`] of a [`Decoder`].
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stream ends too early.
    #[error("the {} stream is cut off: it ends at byte {at} of the compressed data", .compression.name())]
    Truncated {
        /// Where it ends, in compressed bytes.
        at: u64,
        /// What it is.
        compression: Compression,
    },
    /// The stream is damaged, or needs too much memory.
    #[error("the {} stream is damaged near byte {at} of the compressed data: {source}", .compression.name())]
    Damaged {
        /// How far it was read, in compressed bytes.
        at: u64,
        /// What it is.
        compression: Compression,
        /// What the decoder says.
        source: io::Error,
    },
}

/// Reads the uncompressed bytes.
pub struct Decoder<R: Read> {
    stream: Stream<Source<R>>,
    compression: Compression,
}

enum Stream<R: Read> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(zstd::Decoder<'static, BufReader<R>>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<BufReader<R>>>),
    Xz(Box<lzma_rust2::XzReader<BufReader<R>>>),
}

/// Looks at the first bytes of `inner` and undoes the compression they tell.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn decoder<R: Read>(mut inner: R) -> io::Result<Decoder<R>> {
    let mut head = [0; MAGIC_LENGTH];
    let mut filled = 0;
    while filled < head.len() {
        match inner.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let compression = detect(&head[..filled]);
    let source = Source { head, filled, position: 0, inner, bytes: 0, failed: false };
    let stream = match compression {
        Compression::None => Stream::Plain(source),
        Compression::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(buffered(source)))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(buffered(source))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Stream::Zstd(decoder)
        }
        Compression::Bzip2 => Stream::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(source)))),
        Compression::Xz => Stream::Xz(Box::new(lzma_rust2::XzReader::new_mem_limit(buffered(source), true, XZ_MEMORY))),
    };
    Ok(Decoder { stream, compression })
}

fn buffered<R: Read>(source: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER, source)
}

impl<R: Read> Decoder<R> {
    /// What the first bytes told.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How many compressed bytes have been read.
    pub fn compressed_bytes(&self) -> u64 {
        self.source().bytes
    }

    /// What was wrapped.
    pub fn into_inner(self) -> R {
        match self.stream {
            Stream::Plain(source) => source.inner,
            Stream::Gzip(decoder) => decoder.into_inner().into_inner().inner,
            Stream::Zstd(decoder) => decoder.finish().into_inner().inner,
            Stream::Bzip2(decoder) => decoder.into_inner().into_inner().inner,
            Stream::Xz(decoder) => decoder.into_inner().into_inner().inner,
        }
    }

    fn source(&self) -> &Source<R> {
        match &self.stream {
            Stream::Plain(source) => source,
            Stream::Gzip(decoder) => decoder.get_ref().get_ref(),
            Stream::Zstd(decoder) => decoder.get_ref().get_ref(),
            Stream::Bzip2(decoder) => decoder.get_ref().get_ref(),
            Stream::Xz(decoder) => decoder.inner().get_ref(),
        }
    }

    /// Tells an error of the stream from one of what is below it, which passes as it is.
    fn explain(&self, error: io::Error) -> io::Error {
        let source = self.source();
        if source.failed || error.kind() == io::ErrorKind::Interrupted || self.compression == Compression::None {
            return error;
        }
        let (at, compression) = (source.bytes, self.compression);
        match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), DecodeError::Truncated { at, compression }),
            _ => io::Error::new(io::ErrorKind::InvalidData, DecodeError::Damaged { at, compression, source: error }),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(source) => source.read(buffer),
            Stream::Gzip(decoder) => decoder.read(buffer),
            Stream::Zstd(decoder) => decoder.read(buffer),
            Stream::Bzip2(decoder) => decoder.read(buffer),
            Stream::Xz(decoder) => decoder.read(buffer),
        };
        read.map_err(|error| self.explain(error))
    }
}

/// The first bytes again, then the rest; counts.
struct Source<R> {
    head: [u8; MAGIC_LENGTH],
    filled: usize,
    position: usize,
    inner: R,
    bytes: u64,
    failed: bool,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.position < self.filled {
            let read = (&self.head[self.position..self.filled]).read(buffer)?;
            self.position += read;
            read
        } else {
            let read = self.inner.read(buffer);
            self.failed = matches!(&read, Err(error) if error.kind() != io::ErrorKind::Interrupted);
            read?
        };
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn plain() -> Vec<u8> {
        (0..200_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("to memory");
        encoder.finish().expect("to memory")
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).expect("to memory");
        encoder.finish().expect("to memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("to memory");
        encoder.include_checksum(true).expect("to memory");
        encoder.write_all(bytes).expect("to memory");
        encoder.finish().expect("to memory")
    }

    /// Gives one byte at a time, as a slow pipe may.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }

    fn decode(bytes: &[u8]) -> io::Result<(Compression, Vec<u8>)> {
        let mut decoder = decoder(bytes)?;
        let mut out = Vec::new();
        decoder.read_to_end(&mut out)?;
        assert_eq!(decoder.compressed_bytes(), bytes.len() as u64);
        Ok((decoder.compression(), out))
    }

    #[test]
    fn round_trips() {
        let plain = plain();
        let (first, second) = plain.split_at(77_777);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&plain)].concat();
        let table = [
            (Compression::None, plain.clone()),
            (Compression::Gzip, gzip(&plain)),
            (Compression::Gzip, [gzip(first), gzip(b""), gzip(second)].concat()),
            (Compression::Zstd, zstd(&plain)),
            (Compression::Zstd, [zstd(first), zstd(second)].concat()),
            (Compression::Zstd, skippable),
            (Compression::Bzip2, bzip2(&plain)),
        ];
        for (compression, bytes) in table {
            let (found, out) = decode(&bytes).expect("decodes");
            assert_eq!(found, compression);
            assert!(out == plain, "{}", compression.name());
        }
        let mut out = Vec::new();
        let slow = gzip(&plain);
        decoder(Slow(&slow)).expect("reads").read_to_end(&mut out).expect("decodes");
        assert!(out == plain);
    }

    /// What `xz -9e` makes of a line.
    const XZ: &[u8] = &[
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x1c, 0x00,
        0x00, 0x00, 0x10, 0xcf, 0x58, 0xcc, 0x01, 0x00, 0x09, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x78, 0x7a,
        0x0a, 0x00, 0x00, 0x00, 0xeb, 0x12, 0xb6, 0x8b, 0xfc, 0x71, 0xdf, 0x28, 0x00, 0x01, 0x22, 0x0a, 0x15, 0x1a,
        0xe1, 0x67, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
    ];

    #[test]
    fn xz_within_its_memory() {
        assert_eq!(decode(XZ).expect("decodes"), (Compression::Xz, b"hello, xz\n".to_vec()));
        let error = decode(&XZ[..40]).expect_err("cut");
        assert!(error.to_string().contains("xz stream is cut off: it ends at byte 40"), "{error}");
        // The dictionary byte says 4 GiB; the block header's checksum is right again.
        let mut greedy = XZ.to_vec();
        greedy[16] = 40;
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &greedy[12..20]) as u32;
        greedy[20..24].copy_from_slice(&sum.to_le_bytes());
        let error = decode(&greedy).expect_err("too large");
        assert!(error.to_string().contains("mem"), "{error}");
    }

    #[test]
    fn nothing_and_little_are_plain() {
        for bytes in [&b""[..], b"\x1f", b"{}", b"BZhx"] {
            assert_eq!(decode(bytes).expect("plain"), (Compression::None, bytes.to_vec()));
        }
    }

    #[test]
    fn cut_streams_tell_where() {
        let plain = plain();
        for whole in [gzip(&plain), zstd(&plain), bzip2(&plain)] {
            for cut in [whole.len() / 3, whole.len() - 1] {
                let error = decode(&whole[..cut]).expect_err("cut");
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
                assert!(error.to_string().contains(&format!("ends at byte {cut} of")), "{error}");
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let plain = plain();
        for mut bytes in [gzip(&plain), zstd(&plain), bzip2(&plain)] {
            let last = bytes.len() - 3;
            bytes[last] ^= 0x55;
            assert!(decode(&bytes).is_err());
            let middle = bytes.len() / 2;
            bytes[middle..middle + 9].fill(0xff);
            assert!(decode(&bytes).is_err());
        }
    }

    #[test]
    fn greedy_windows_are_refused() {
        // A frame header that asks for a window of 2 GiB: exponent 21, no content size.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0];
        let error = decode(&greedy).expect_err("too large");
        assert!(error.to_string().contains("zstd stream is damaged"), "{error}");
    }
}
