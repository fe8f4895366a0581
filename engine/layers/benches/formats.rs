//! How fast the byte formats are read: `cargo bench -p outcrop-layers --bench formats`.

use std::io::{self, Read, Write};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use outcrop_layers::compress::decoder;
use outcrop_layers::tar::TarReader;
use outcrop_layers::tarsplit::{Splitter, assemble};

const GIB: u64 = 1 << 30;
const ENTRIES: usize = 135_000;

fn main() {
    divan::main();
}

/// A ustar header.
fn header(name: &str, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"14000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum::<u32>();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Many small files in folders, as a distribution has them; only headers and a block of content each.
fn small_files() -> Vec<u8> {
    let mut tar = Vec::with_capacity(ENTRIES * 1024 + 1024);
    for number in 0..ENTRIES {
        let (folder, size) = (number / 100, 100 + number % 400);
        let name = format!("usr/share/package-{folder}/directory/file-{number}.txt");
        tar.extend_from_slice(&header(&name, size as u64));
        tar.resize(tar.len() + size, b'x');
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Big files without end, of which the first GiB is read.
struct BigFiles {
    file: Vec<u8>,
    position: usize,
    number: usize,
}

impl BigFiles {
    fn new() -> io::Take<Self> {
        Self { file: vec![7; 16 << 20], position: 0, number: 0 }.take(GIB)
    }
}

impl Read for BigFiles {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == 0 {
            let header = header(&format!("big/file-{}", self.number), (16 << 20) - 512);
            self.file[..512].copy_from_slice(&header);
            self.number += 1;
        }
        let read = (&self.file[self.position..]).read(buffer)?;
        self.position = (self.position + read) % self.file.len();
        Ok(read)
    }
}

#[divan::bench(sample_count = 5)]
fn read_one_gib(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(GIB)).with_inputs(BigFiles::new).bench_values(|input| {
        let mut buffer = vec![0; 256 << 10];
        let mut reader = TarReader::new(input);
        while let Some(mut entry) = reader.next().expect("a tar") {
            while entry.read(&mut buffer).expect("content") > 0 {}
        }
        reader.at()
    });
}

#[divan::bench(sample_count = 10)]
fn list_135_000_entries(bencher: Bencher<'_, '_>) {
    let tar = small_files();
    bencher.counter(ItemsCount::new(ENTRIES)).bench(|| {
        let mut reader = TarReader::new(&tar[..]);
        let mut paths = 0;
        while let Some(entry) = reader.next().expect("a tar") {
            paths += entry.header.path().expect("a path").len();
        }
        paths
    });
}

fn record(tar: &[u8], out: impl Write) {
    let mut reader = TarReader::recording(tar, Splitter::new(out));
    while reader.next().expect("a tar").is_some() {}
    reader.into_inner().1.finish().expect("written");
}

#[divan::bench(sample_count = 5)]
fn split_135_000_entries(bencher: Bencher<'_, '_>) {
    let tar = small_files();
    bencher.counter(ItemsCount::new(ENTRIES)).bench(|| record(&tar, io::sink()));
}

#[divan::bench(sample_count = 5)]
fn pass_over_one_gib(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(GIB)).with_inputs(BigFiles::new).bench_values(|input| {
        let mut reader = TarReader::new(input);
        while reader.next().expect("a tar").is_some() {}
        reader.at()
    });
}

#[divan::bench(sample_count = 5)]
fn split_one_gib(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(GIB)).with_inputs(BigFiles::new).bench_values(|input| {
        let mut reader = TarReader::recording(input, Splitter::new(io::sink()));
        while reader.next().expect("a tar").is_some() {}
        reader.at()
    });
}

#[divan::bench(sample_count = 3, args = [1, 6])]
fn split_135_000_entries_gzipped(bencher: Bencher<'_, '_>, level: u32) {
    let tar = small_files();
    bencher.counter(ItemsCount::new(ENTRIES)).bench(|| {
        record(&tar, flate2::write::GzEncoder::new(io::sink(), flate2::Compression::new(level)));
    });
}

#[divan::bench(sample_count = 5)]
fn assemble_135_000_entries(bencher: Bencher<'_, '_>) {
    let tar = small_files();
    let mut split = Vec::new();
    record(&tar, &mut split);
    bencher.counter(BytesCount::new(tar.len())).bench(|| {
        let content = |name: &[u8]| {
            let number = name.rsplit(|b| *b == b'-').next().expect("a number");
            let number: usize =
                number.iter().take_while(|b| b.is_ascii_digit()).fold(0, |n, d| n * 10 + usize::from(d - b'0'));
            Ok(io::repeat(b'x').take((100 + number % 400) as u64))
        };
        assemble(&split[..], content, &mut io::sink()).expect("assembles")
    });
}

#[divan::bench(sample_count = 3)]
fn gunzip(bencher: Bencher<'_, '_>) {
    let tar = small_files();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&tar).expect("to memory");
    let packed = packed.finish().expect("to memory");
    bencher.counter(BytesCount::new(tar.len())).bench(|| {
        let mut decoder = decoder(&packed[..]).expect("reads");
        io::copy(&mut decoder, &mut io::sink()).expect("decodes")
    });
}
