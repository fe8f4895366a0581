//! A layer as a registry takes it: its very tar, compressed so that the same tar gives the same blob each time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use outcrop_layers::digest::{Digest, Hashing};

use crate::image::{ImageError, Images};
use crate::layer::export::export;
use crate::layer::store::{Layer, TAR_SPLIT};
use crate::progress::Cancel;

/// How often it is told how far it is, in bytes.
const EACH: u64 = 4 << 20;

/// A compressed layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Compresses a layer into a new file at `path`. `told` hears how many bytes of the tar are done.
pub(super) fn compress(
    images: &Images,
    layer: &Layer,
    path: &Path,
    told: &dyn Fn(u64),
    cancel: &Cancel,
) -> Result<(File, Blob), ImageError> {
    let content_path = images.shared.driver.diff_dir(&layer.cache);
    let split_path = images.layout().layer(layer.chain).join(TAR_SPLIT);
    let content = File::open(&content_path).map_err(ImageError::io("open", &content_path))?;
    let split = File::open(&split_path).map_err(ImageError::io("open", split_path))?;
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(ImageError::io("write", path))?;
    let compressed = Hashing::new(BufWriter::with_capacity(256 << 10, file));
    // No time, no name: the same bytes each time.
    let gzip = GzEncoder::new(compressed, Compression::default());
    let mut out = Checked { inner: Hashing::new(gzip), told, cancel, failed: None };
    let exported = export(content.as_fd(), split, &mut out);
    if cancel.is_cancelled() {
        return Err(ImageError::Cancelled);
    }
    if let Some(error) = out.failed {
        return Err(ImageError::io("write", path)(error));
    }
    let damaged = |detail: String| ImageError::Damaged { path: content_path.clone(), detail };
    exported.map_err(|error| damaged(error.to_string()))?;
    let (found, _, gzip) = out.inner.finish();
    if found != layer.diff.0 {
        return Err(damaged(format!("expected the layer {}, found {found}", layer.diff)));
    }
    let (digest, size, writer) = gzip.finish().map_err(ImageError::io("write", path))?.finish();
    let file = writer.into_inner().map_err(|error| ImageError::io("write", path)(error.into_error()))?;
    Ok((file, Blob { digest, size }))
}

/// Stops when asked to, tells how far it is, and keeps why writing failed.
struct Checked<'a, W> {
    inner: Hashing<W>,
    told: &'a dyn Fn(u64),
    cancel: &'a Cancel,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Checked<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let before = self.inner.bytes();
        match self.inner.write(buffer) {
            Ok(written) => {
                if before / EACH != self.inner.bytes() / EACH {
                    (self.told)(self.inner.bytes());
                }
                Ok(written)
            }
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
