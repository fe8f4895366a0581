//! Unpacking layers and giving them back: `cargo bench -p outcrop-engine --bench apply`.
//!
//! Figures are of the file system that the temporary directory is on; nothing is synced, as `docker load` does not sync either.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use flate2::Compression;
use outcrop_engine::layer::apply::{Applied, ApplyOptions, apply};
use outcrop_engine::layer::diff::PaxWriter;
use outcrop_engine::layer::export::export;
use outcrop_engine::progress::Cancel;
use outcrop_layers::entry::{Entry, Kind, Time};

fn main() {
    divan::main();
}

/// A layer that is made while it is read: `files` files of `size` bytes, a hundred a directory.
#[derive(Clone)]
struct Layer {
    files: u64,
    size: u64,
    noise: Arc<Vec<u8>>,
}

impl Layer {
    fn new(files: u64, size: u64) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Half of it compresses, as programs do.
            (state >> 33) as u8 & if state >> 62 == 0 { 0xff } else { 0x0f }
        };
        let noise = std::iter::repeat_with(next).take(size as usize + 512).collect();
        Self { files, size, noise: Arc::new(noise) }
    }

    fn bytes(&self) -> u64 {
        self.files * self.size
    }

    fn write(&self, out: impl Write) -> io::Result<()> {
        let mut tar = PaxWriter::new(out);
        for n in 0..self.files {
            let mut entry = Entry {
                path: format!("dir{:04}", n / 100).into_bytes().into(),
                kind: Kind::Directory { opaque: false },
                mode: 0o755,
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
                mtime: Time { seconds: 1_700_000_000, nanoseconds: 0 },
                xattrs: Vec::new(),
            };
            if n % 100 == 0 {
                tar.entry(&entry)?;
            }
            entry.path = format!("dir{:04}/file{n:06}", n / 100).into_bytes().into();
            entry.kind = Kind::File { size: self.size, disk: None };
            entry.mode = 0o644;
            tar.entry(&entry)?;
            let at = (n % 512) as usize;
            tar.write_all(&self.noise[at..at + self.size as usize])?;
        }
        tar.finish().map(drop)
    }

    /// The tar in a file without a name.
    fn file(&self, gzip: bool) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let out = io::BufWriter::with_capacity(1 << 20, &file);
        if gzip {
            let mut out = flate2::write::GzEncoder::new(out, Compression::fast());
            self.write(&mut out).expect("writes");
            out.finish().expect("ends").into_inner().expect("flushes");
        } else {
            self.write(out).expect("writes");
        }
        io::Seek::rewind(&mut file).expect("rewinds");
        file
    }
}

fn unpack(tar: impl Read + Send) -> (tempfile::TempDir, Vec<u8>, Applied) {
    let dir = tempfile::tempdir().expect("a directory");
    let target = File::open(dir.path()).expect("opens");
    let cancel = Cancel::new();
    let rootless = !rustix::process::geteuid().is_root();
    let options = ApplyOptions { rootless, floor: 0, cancel: &cancel, on_bytes: &|_| {} };
    let mut split = Vec::new();
    let applied = apply(tar, target.as_fd(), &options, &mut split).expect("applies");
    (dir, split, applied)
}

fn bench_apply(bencher: Bencher<'_, '_>, layer: &Layer, gzip: bool) {
    let file = layer.file(gzip);
    bencher
        .counter(BytesCount::new(layer.bytes()))
        .with_inputs(|| {
            let mut file = file.try_clone().expect("the same file");
            io::Seek::rewind(&mut file).expect("rewinds");
            file
        })
        .bench_values(|file| {
            if gzip {
                unpack(flate2::bufread::GzDecoder::new(io::BufReader::with_capacity(256 << 10, file)))
            } else {
                unpack(file)
            }
        });
}

/// 1 GiB in files of 32 MiB.
#[divan::bench(sample_count = 3, sample_size = 1, args = [false, true])]
fn large_files(bencher: Bencher<'_, '_>, gzip: bool) {
    bench_apply(bencher, &Layer::new(32, 32 << 20), gzip);
}

/// 50,000 files of 2 KiB.
#[divan::bench(sample_count = 3, sample_size = 1, args = [false, true])]
fn small_files(bencher: Bencher<'_, '_>, gzip: bool) {
    bench_apply(bencher, &Layer::new(50_000, 2 << 10), gzip);
}

/// 256 MiB in files of 64 KiB, given back.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn give_back(bencher: Bencher<'_, '_>) {
    let layer = Layer::new(4096, 64 << 10);
    let (dir, split, _) = unpack(layer.file(false));
    let source = File::open(dir.path()).expect("opens");
    bencher
        .counter(BytesCount::new(layer.bytes()))
        .bench(|| export(source.as_fd(), &split[..], &mut io::sink()).expect("exports"));
}
