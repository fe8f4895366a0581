//! The build context: what the client sent, unpacked, with the checksum of everything in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use outcrop_layers::compress::decoder;
use outcrop_layers::tar::TarReader;
use sha2::Digest as _;

use super::error::{BuildError, Result};
use super::ignore::{self, Ignore};
use super::tarsum::{self, Header};
use crate::image::ImageError;
use crate::layer::apply::{self, ApplyOptions};
use crate::progress::Cancel;
use crate::root::files;
use crate::sys::beneath;

/// The name of the file that says what is left out.
pub(crate) const IGNORE: &str = ".dockerignore";
/// Largest Dockerfile or `.dockerignore` that is read, in bytes.
const LARGEST: u64 = 8 << 20;

/// An unpacked context.
pub(crate) struct Context {
    directory: PathBuf,
    root: OwnedFd,
    sums: BTreeMap<Vec<u8>, String>,
    /// What `.dockerignore` says, to tell why a file is not there.
    ignore: Ignore,
}

/// Hands everything that is read on to somebody else too.
struct Tee<R, W> {
    from: R,
    to: Option<W>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        // Whoever unpacks stops reading when something is wrong, and says so itself.
        if self.to.as_mut().is_some_and(|to| to.write_all(&buffer[..n]).is_err()) {
            self.to = None;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(n)
    }
}

impl Context {
    /// Unpacks a tar (plain or compressed) into the new directory `directory`.
    pub(crate) fn unpack(tar: impl Read + Send, directory: PathBuf, rootless: bool, cancel: &Cancel) -> Result<Self> {
        files::make_directory(&directory, 0o700).map_err(BuildError::io("create", &directory))?;
        let root: OwnedFd = File::open(&directory).map_err(BuildError::io("open", &directory))?.into();
        let unreadable = |error: io::Error| BuildError::Invalid(format!("cannot read the build context: {error}"));
        let tar = decoder(tar).map_err(unreadable)?;
        let (reader, writer) = io::pipe().map_err(unreadable)?;
        let (unpacked, sums) = std::thread::scope(|scope| {
            let target = root.as_fd();
            let unpacking = scope.spawn(move || {
                let options = ApplyOptions { rootless, floor: apply::floor(target), cancel, on_bytes: &|_| {} };
                apply::extract(reader, target, &options)
            });
            let sums = sums(Tee { from: tar, to: Some(writer) });
            (unpacking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), sums)
        });
        if cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        // If both failed, the one says what and the other that nobody listened.
        unpacked.map_err(|error| match ImageError::apply("build context", &directory, error) {
            ImageError::Layer { detail, .. } => {
                BuildError::Invalid(format!("cannot unpack the build context: {detail}"))
            }
            error => error.into(),
        })?;
        let sums = sums.map_err(unreadable)?;
        Ok(Self { directory, root, sums, ignore: Ignore::default() })
    }

    /// Reads the Dockerfile `name`, and leaves out what was sent only to be read here.
    pub(crate) fn dockerfile(&mut self, name: &str) -> Result<Vec<u8>> {
        let clean = ignore::clean(&format!("/{name}"));
        let path = clean.trim_start_matches('/');
        let content = self.read(path).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "no such file in the build context".to_owned(),
                _ => error.to_string(),
            };
            BuildError::Invalid(format!("Cannot locate specified Dockerfile: {name}: {why}"))
        })?;
        let own = format!("{path}.dockerignore");
        let ignored =
            self.read(&own).map(|bytes| (own, bytes)).or_else(|_| self.read(IGNORE).map(|b| (IGNORE.into(), b)));
        if let Ok((name, bytes)) = ignored {
            let wrong = |error: ignore::IgnoreError| BuildError::Invalid(format!("{name}: {error}"));
            let patterns = ignore::read(&String::from_utf8_lossy(&bytes));
            self.ignore = Ignore::new(&patterns).map_err(wrong)?;
            for file in [path, IGNORE] {
                if self.ignore.leaves_out(file) && self.sums.remove(file.as_bytes()).is_some() {
                    let _ = std::fs::remove_file(self.directory.join(file));
                }
            }
        }
        Ok(content)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let real = super::tree::real_path(self.root.as_fd(), path.as_bytes())?;
        let mut bytes = Vec::new();
        beneath::open_file(&self.root, &real)?.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Where it is.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Where it is, as a path.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The checksum of one file.
    pub(crate) fn sum(&self, path: &[u8]) -> Option<&str> {
        self.sums.get(path).map(String::as_str)
    }

    /// Whether `.dockerignore` says that `path` is no part of it.
    pub(crate) fn leaves_out(&self, path: &str) -> bool {
        self.ignore.leaves_out(path)
    }
}

/// The checksums of a tar's members, by path.
fn sums(tar: impl Read) -> io::Result<BTreeMap<Vec<u8>, String>> {
    let mut sums = BTreeMap::new();
    let mut reader = TarReader::new(tar);
    let mut buffer = vec![0; 256 << 10];
    while let Some(mut entry) = reader.next().map_err(io::Error::other)? {
        let member = entry.header.clone();
        let path = member.path().map_err(io::Error::other)?;
        let header = Header {
            name: &member.name,
            mode: member.mode.into(),
            uid: member.uid,
            gid: member.gid,
            owner: b"",
            group: b"",
            kind: &member.kind,
            xattrs: &member.xattrs,
        };
        let mut hash = tarsum::begin(&header);
        loop {
            match entry.read(&mut buffer)? {
                0 => break,
                n => hash.update(&buffer[..n]),
            }
        }
        sums.insert(path.into_vec(), tarsum::end(hash));
    }
    Ok(sums)
}
