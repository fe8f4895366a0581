//! Writes the tar that images are saved in: plain files and directories with short names.

use std::io::{self, Write};

const BLOCK: usize = 512;

/// A tar being written.
pub(crate) struct TarWriter<W> {
    out: W,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    /// A directory; `name` ends with a slash.
    pub(crate) fn directory(&mut self, name: &str) -> io::Result<()> {
        self.out.write_all(&header(name, b'5', 0o755, 0))
    }

    /// A file whose content is at hand.
    pub(crate) fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.file_from(name, content.len() as u64, |out| out.write_all(content), |error| error)
    }

    /// A file of `size` bytes that `write` writes; anything but that many bytes is an error.
    pub(crate) fn file_from<E>(
        &mut self,
        name: &str,
        size: u64,
        write: impl FnOnce(&mut Counted<'_, W>) -> Result<(), E>,
        fail: impl Fn(io::Error) -> E,
    ) -> Result<(), E> {
        self.out.write_all(&header(name, b'0', 0o644, size)).map_err(&fail)?;
        let mut counted = Counted { out: &mut self.out, left: size };
        write(&mut counted)?;
        if counted.left != 0 {
            let missing = format!("{name} is {} bytes shorter than its tar header says", counted.left);
            return Err(fail(io::Error::new(io::ErrorKind::InvalidData, missing)));
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.out.write_all(&[0; BLOCK][..padding as usize]).map_err(fail)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()
    }
}

/// Takes as many bytes as the header promised.
pub(crate) struct Counted<'a, W> {
    out: &'a mut W,
    left: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if buffer.len() as u64 > self.left {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than its tar header says"));
        }
        let written = self.out.write(buffer)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A POSIX header (ustar); names of at most 100 bytes, owner root, time 0.
fn header(name: &str, kind: u8, mode: u32, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    let mut octal = |at: usize, digits: usize, number: u64| {
        block[at..at + digits].copy_from_slice(format!("{number:0digits$o}").as_bytes());
    };
    octal(100, 7, u64::from(mode));
    octal(108, 7, 0);
    octal(116, 7, 0);
    octal(136, 11, 0);
    if size < 1 << 33 {
        octal(124, 11, size);
    } else {
        // Eleven octal digits do not suffice: GNU's binary form, which Go's reader takes too.
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[148..156].fill(b' ');
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use outcrop_layers::tar::TarReader;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let mut tar = TarWriter::new(&mut bytes);
        tar.directory("blobs/").expect("writes");
        tar.file("blobs/a", b"abc").expect("writes");
        tar.finish().expect("writes");
        assert_eq!(bytes.len() % BLOCK, 0);
        let mut reader = TarReader::new(&bytes[..]);
        assert_eq!(reader.next().expect("reads").expect("is there").header.name, b"blobs/");
        let mut entry = reader.next().expect("reads").expect("is there");
        let mut content = String::new();
        entry.read_to_string(&mut content).expect("reads");
        assert_eq!(content, "abc");
        assert!(reader.next().expect("reads").is_none());
    }

    #[test]
    fn a_file_of_another_length_is_an_error() {
        for content in ["ab", "abcd"] {
            let mut tar = TarWriter::new(io::sink());
            let written = tar.file_from("a", 3, |out| out.write_all(content.as_bytes()), |error| error);
            assert!(written.is_err(), "{content}");
        }
    }

    #[test]
    fn large_sizes_have_a_form() {
        let block = header("a", b'0', 0o644, 10 << 30);
        assert_eq!((block[124], &block[128..136]), (0x80, &(10_u64 << 30).to_be_bytes()[..]));
    }
}
