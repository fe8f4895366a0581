//! Parts of files as readers, and streams brought into a file that nobody else sees.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::error::ArchiveError;
use crate::tar::Skip;

/// Bytes left free where archives are unpacked.
pub const SPOOL_FLOOR: u64 = 256 << 20;

/// How much is written before free space is looked at again.
const LOOK_EVERY: u64 = 16 << 20;

/// A part of a file, read without moving anybody else's position.
#[derive(Clone, Debug)]
pub struct Section {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Section {
    pub(super) fn new(file: Arc<File>, start: u64, length: u64) -> Self {
        Self { file, position: start, end: start.saturating_add(length) }
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.end - self.position
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left()).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..wanted], self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Skip for Section {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.left() {
            self.position = self.end;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += bytes;
        Ok(())
    }
}

/// Copies a stream into a file without a name in `directory`, as long as `floor` bytes stay free there.
pub(super) fn spool(mut stream: impl Read, directory: &Path, floor: u64) -> Result<File, ArchiveError> {
    let failed = |source| ArchiveError::Io { path: directory.into(), source };
    let mut file = nameless(directory).map_err(failed)?;
    let mut buffer = vec![0; 256 << 10];
    let (mut written, mut look_at) = (0, 0);
    loop {
        if written >= look_at {
            let stat = rustix::fs::fstatvfs(&file).map_err(|e| failed(e.into()))?;
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            if free < floor.saturating_add(LOOK_EVERY) {
                return Err(ArchiveError::Space { path: directory.into(), written, free, floor });
            }
            look_at = written + LOOK_EVERY;
        }
        let read = match stream.read(&mut buffer) {
            Ok(0) => return Ok(file),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(ArchiveError::Io { path: "the archive".into(), source }),
        };
        file.write_all(&buffer[..read]).map_err(failed)?;
        written += read as u64;
    }
}

/// Makes an empty file without a name in `directory`, for reading and writing: it goes when it is closed, also by a kill.
///
/// # Errors
/// The folder does not exist, may not be written, or is full.
pub fn nameless(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => return Ok(OwnedFd::into(file)),
        // File systems without it say one of these.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    for attempt in 0..100 {
        let path = directory.join(format!(".outcrop-archive-{}-{attempt}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spools_within_the_free_space() {
        let directory = tempfile::tempdir().expect("a directory");
        let bytes = vec![7; 3 << 20];
        let file = spool(&bytes[..], directory.path(), 0).expect("fits");
        let mut section = Section::new(Arc::new(file), 1 << 20, 2 << 20);
        section.skip(1 << 20).expect("within");
        let mut rest = Vec::new();
        section.read_to_end(&mut rest).expect("reads");
        assert_eq!((rest.len(), section.left()), (1 << 20, 0));
        assert!(section.skip(1).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).expect("lists").count(), 0, "it has no name");
        let full = spool(&bytes[..], directory.path(), u64::MAX).expect_err("does not fit").to_string();
        assert!(full.contains("0 bytes are written") && full.contains("must remain"), "{full}");
    }
}
