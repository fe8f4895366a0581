//! Writes tar headers: ustar, with PAX records for what does not fit (POSIX.1-2017 `pax`, "ustar Interchange Format").

use std::io::{self, Write};

use outcrop_layers::entry::{Entry, Kind, Time};

const BLOCK: usize = 512;

/// Largest numbers of 7 and 11 octal digits.
const LARGEST_ID: u64 = 0o777_7777;
const LARGEST_SIZE: u64 = 0o777_7777_7777;

/// Writes entries one after the other; [`PaxWriter::finish`] ends the archive.
pub struct PaxWriter<W> {
    out: W,
    bytes: u64,
    left: u64,
    padding: usize,
}

impl<W: Write> PaxWriter<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { out, bytes: 0, left: 0, padding: 0 }
    }

    /// Writes an entry's headers. Of a file, exactly its size must be written with [`Write`] afterwards.
    ///
    /// # Errors
    /// Those of the writer; `InvalidInput` when the entry before is not complete, or the entry is a whiteout or socket, which tar
    /// does not have.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.end_entry()?;
        let mut name = entry.path.to_vec();
        if name.is_empty() {
            name.push(b'.');
        }
        let (flag, link, device): (u8, &[u8], (u32, u32)) = match &entry.kind {
            Kind::File { .. } => (b'0', b"", (0, 0)),
            Kind::Hardlink { target } => (b'1', target, (0, 0)),
            Kind::Symlink { target } => (b'2', target, (0, 0)),
            Kind::CharDevice { major, minor } => (b'3', b"", (*major, *minor)),
            Kind::BlockDevice { major, minor } => (b'4', b"", (*major, *minor)),
            Kind::Directory { .. } => (b'5', b"", (0, 0)),
            Kind::Fifo => (b'6', b"", (0, 0)),
            Kind::Whiteout | Kind::Socket => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "tar has no such type of file"));
            }
        };
        if flag == b'5' && name.last() != Some(&b'/') {
            name.push(b'/');
        }
        let size = entry.kind.size();
        let records = records(entry, &name, link, size);
        if !records.is_empty() {
            let header = Header {
                name: b"PaxHeaders.0",
                link: b"",
                mode: 0o644,
                ids: (0, 0),
                size: records.len() as u64,
                time: 0,
            };
            self.put(&header.block(b'x', (0, 0)))?;
            self.put(&records)?;
            self.put(&[0; BLOCK][..padding(records.len() as u64)])?;
        }
        let header = Header {
            name: &name,
            link,
            mode: entry.mode,
            ids: (entry.uid.into(), entry.gid.into()),
            size,
            time: entry.mtime.seconds,
        };
        self.put(&header.block(flag, device))?;
        self.left = size;
        self.padding = padding(size);
        Ok(())
    }

    /// Ends the archive. Gives its length in bytes and what was written to.
    pub fn finish(mut self) -> io::Result<(u64, W)> {
        self.end_entry()?;
        self.put(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok((self.bytes, self.out))
    }

    fn end_entry(&mut self) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the entry before is not complete"));
        }
        let padding = std::mem::take(&mut self.padding);
        self.put(&[0; BLOCK][..padding])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

impl<W: Write> Write for PaxWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.out.write(&buffer[..wanted])?;
        self.left -= n as u64;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Header<'a> {
    name: &'a [u8],
    link: &'a [u8],
    mode: u16,
    ids: (u64, u64),
    size: u64,
    time: i64,
}

impl Header<'_> {
    fn block(&self, flag: u8, device: (u32, u32)) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        text(&mut block[..100], self.name);
        octal(&mut block[100..108], self.mode.into());
        octal(&mut block[108..116], if self.ids.0 > LARGEST_ID { 0 } else { self.ids.0 });
        octal(&mut block[116..124], if self.ids.1 > LARGEST_ID { 0 } else { self.ids.1 });
        octal(&mut block[124..136], if self.size > LARGEST_SIZE { 0 } else { self.size });
        let time = u64::try_from(self.time).ok().filter(|t| *t <= LARGEST_SIZE);
        octal(&mut block[136..148], time.unwrap_or(0));
        block[148..156].fill(b' ');
        block[156] = flag;
        text(&mut block[157..257], self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut block[329..337], device.0.into());
        octal(&mut block[337..345], device.1.into());
        let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
        octal(&mut block[148..155], sum);
        block
    }
}

/// What the plain header cannot hold, as PAX records.
fn records(entry: &Entry, name: &[u8], link: &[u8], size: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if name.len() > 100 || !name.is_ascii() {
        record(&mut out, b"path", name);
    }
    if link.len() > 100 || !link.is_ascii() {
        record(&mut out, b"linkpath", link);
    }
    let numbers = [
        (&b"size"[..], size, LARGEST_SIZE),
        (b"uid", entry.uid.into(), LARGEST_ID),
        (b"gid", entry.gid.into(), LARGEST_ID),
    ];
    for (key, value, largest) in numbers {
        if value > largest {
            record(&mut out, key, value.to_string().as_bytes());
        }
    }
    if entry.mtime.nanoseconds != 0 || !(0..=LARGEST_SIZE as i64).contains(&entry.mtime.seconds) {
        record(&mut out, b"mtime", time(entry.mtime).as_bytes());
    }
    for (key, value) in &entry.xattrs {
        record(&mut out, &[b"SCHILY.xattr.", &**key].concat(), value);
    }
    out
}

/// Seconds with their fraction, if there is one. Times before 1970 count backwards from it.
fn time(time: Time) -> String {
    let Time { seconds, nanoseconds } = time;
    match (seconds, nanoseconds) {
        (_, 0) => seconds.to_string(),
        (0.., _) => format!("{seconds}.{nanoseconds:09}"),
        _ => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds),
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", key, b"=", value, b"\n"] {
        out.extend_from_slice(part);
    }
}

fn text(field: &mut [u8], value: &[u8]) {
    let n = value.len().min(field.len());
    field[..n].copy_from_slice(&value[..n]);
}

/// Octal digits and a closing zero byte, the whole field wide.
fn octal(field: &mut [u8], value: u64) {
    let digits = format!("{value:0width$o}", width = field.len() - 1);
    text(field, digits.as_bytes());
}

fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}
