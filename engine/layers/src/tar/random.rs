//! Tars made by chance: read back exactly, and never a crash when they are damaged. The seed is in each message.

use std::io::{self, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use super::write::{Block, Tar};
use super::*;
use crate::tarsplit::{Splitter, assemble};

/// A small generator (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Some fixed seeds and one of this moment.
pub(crate) fn seeds(fixed: u64) -> impl Iterator<Item = u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    (0..fixed).map(|n| n * 7919 + 3).chain([now])
}

/// What a member must be read as: name, kind, owner, content.
type Expected = (Vec<u8>, Kind, u32, Vec<u8>);

fn name(random: &mut Random, number: usize) -> Vec<u8> {
    let mut name = format!("{number}-").into_bytes();
    name.extend(random.bytes(30).into_iter().filter(|b| !matches!(b, 0 | b'/')));
    name
}

fn member(random: &mut Random, tar: Tar, number: usize) -> (Tar, Expected) {
    let name = name(random, number);
    let long: Vec<u8> = [&name[..], &vec![b'n'; random.below(500)]].concat();
    let content = random.bytes(3000);
    let size = content.len() as u64;
    let file = Kind::File { size, disk: None };
    match random.below(7) {
        0 => (tar.block(&Block::new(&name, b'0', size)).content(&content), (name, file, 1000, content)),
        1 => {
            let tar = tar.special(b'L', &[&long[..], b"\0"].concat());
            (tar.block(&Block::gnu(b"cut", b'0', size)).content(&content), (long, file, 1000, content))
        }
        2 => {
            let uid = random.next() as u32 >> 1;
            let value = random.bytes(300);
            let (uid_text, size_text) = (uid.to_string(), size.to_string());
            let pax: [(&str, &[u8]); 4] = [
                ("path", &long),
                ("uid", uid_text.as_bytes()),
                ("size", size_text.as_bytes()),
                ("SCHILY.xattr.user.x", &value),
            ];
            let wrong_size = random.below(100_000) as u64;
            (tar.pax(&pax).block(&Block::new(b"x", b'0', wrong_size)).content(&content), (long, file, uid, content))
        }
        3 => (tar.block(&Block::new(&name, b'5', 0)), (name, Kind::Directory { opaque: false }, 1000, Vec::new())),
        4 => {
            let mut block = Block::new(&name, b'2', 0);
            block.link(b"../else/where");
            let kind = Kind::Symlink { target: b"../else/where"[..].into() };
            (tar.block(&block), (name, kind, 1000, Vec::new()))
        }
        5 => {
            let hole = random.below(100_000) as u64;
            let map = format!("{hole},{size}");
            let real = hole + size + random.below(1000) as u64;
            let real_text = real.to_string();
            let pax: [(&str, &[u8]); 2] =
                [("GNU.sparse.size", real_text.as_bytes()), ("GNU.sparse.map", map.as_bytes())];
            let mut whole = vec![0; hole as usize];
            whole.extend_from_slice(&content);
            whole.resize(real as usize, 0);
            let kind = Kind::File { size: real, disk: None };
            (tar.pax(&pax).block(&Block::new(&name, b'0', size)).content(&content), (name, kind, 1000, whole))
        }
        _ => (tar.special(b'g', b"8 a=b c\n").block(&Block::new(&name, b'6', 0)), (name, Kind::Fifo, 1000, Vec::new())),
    }
}

fn make(random: &mut Random) -> (Vec<u8>, Vec<Expected>) {
    let mut tar = Tar::default();
    let mut expected = Vec::new();
    for number in 0..random.below(30) {
        let (longer, member) = member(random, tar, number);
        tar = longer;
        expected.push(member);
    }
    let mut bytes = tar.end();
    bytes.resize(bytes.len() + random.below(20_000), random.next() as u8);
    (bytes, expected)
}

/// Gives as little as it likes.
struct Pieces<'a>(&'a [u8], Random);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = buffer.len().min(1 + self.1.below(700));
        self.0.read(&mut buffer[..piece])
    }
}

impl Skip for Pieces<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.0 = self.0.get(bytes as usize..).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }
}

#[test]
fn what_is_written_is_read() {
    for seed in seeds(60) {
        let mut random = Random::new(seed);
        let (tar, expected) = make(&mut random);
        let mut reader = TarReader::recording(Pieces(&tar, Random::new(seed)), Splitter::new(Vec::new()));
        let mut files = Vec::new();
        for (name, kind, uid, content) in &expected {
            let mut entry = reader.next().unwrap_or_else(|e| panic!("seed {seed}: {e}")).expect("as many");
            let found = (&entry.header.name, &entry.header.kind, entry.header.uid);
            assert_eq!(found, (name, kind, *uid), "seed {seed}");
            let mut read = Vec::new();
            if random.below(4) > 0 {
                entry.read_to_end(&mut read).expect("content");
                assert!(read == *content, "seed {seed}: content of {}", shown(name));
            }
            files.push((name, content));
        }
        assert!(reader.next().expect("the end").is_none(), "seed {seed}");
        let record = reader.into_inner().1.finish().expect("to memory");
        let open = |wanted: &[u8]| {
            let found = files.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, content)| &content[..]).ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        let mut again = Vec::new();
        assemble(&record[..], open, &mut again).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(again == tar, "seed {seed}: other bytes");

        let mut skipping = TarReader::skipping(Pieces(&tar, Random::new(seed)));
        for (name, ..) in &expected {
            let entry = skipping.next().expect("a tar").expect("as many");
            assert_eq!(&entry.header.name, name, "seed {seed}");
            let start = entry.header.content_at as usize;
            assert!(tar.len() >= start + entry.header.stored as usize, "seed {seed}");
        }
        assert!(skipping.next().expect("the end").is_none(), "seed {seed}");
    }
}

/// Reads all of it; what it is called with must not matter.
fn survive(tar: &[u8]) {
    let mut reader = TarReader::recording(tar, Splitter::new(io::sink()));
    let mut buffer = [0; 4096];
    while let Ok(Some(mut entry)) = reader.next() {
        let _ = entry.header.clone().layer_item();
        // A hole may be claimed to be endless.
        for _ in 0..100 {
            if entry.read(&mut buffer).unwrap_or(0) == 0 {
                break;
            }
        }
    }
}

#[test]
fn damage_is_survived() {
    for seed in seeds(150) {
        let mut random = Random::new(seed);
        let (mut tar, _) = make(&mut random);
        for _ in 0..=random.below(8) {
            let at = random.below(tar.len());
            match random.below(3) {
                0 => tar[at] = random.next() as u8,
                1 => tar.truncate(at.max(1)),
                _ => tar[at] ^= 1 << random.below(8),
            }
            // Damage behind a checksum is found by it: make it right for half of them.
            let block = at / 512 * 512;
            if let Some(header) = tar.get_mut(block..block + 512).filter(|_| random.below(2) == 0)
                && let Ok(array) = <[u8; 512]>::try_from(&*header)
            {
                header.copy_from_slice(&Block(array).bytes());
            }
        }
        survive(&tar);
    }
}
