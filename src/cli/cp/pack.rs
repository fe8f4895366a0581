//! Files of this machine into a tar.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Failure;
use super::local::Local;
use super::place::base;

/// A file or a folder that is to be packed.
pub(super) struct Packing {
    path: PathBuf,
    is_directory: bool,
    name: PathBuf,
}

impl Packing {
    /// `name` is what it is called in the tar; without one it keeps its own. With `follow` it is what a link leads to.
    pub(super) fn new(from: Local, name: Option<String>, follow: bool) -> Self {
        let own = || base(&from.path.to_string_lossy());
        let name = PathBuf::from(name.unwrap_or_else(own));
        let name = if name == Path::new("/") { PathBuf::from(".") } else { name };
        let path = if follow { std::fs::canonicalize(&from.path).unwrap_or(from.path) } else { from.path };
        Self { path, is_directory: from.is_directory, name }
    }

    /// Packs it; an error breaks the stream off.
    pub(super) fn run(self, out: super::Chunks) {
        let broken = out.breaker();
        if let Err(error) = self.pack(out)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            broken(error);
        }
    }

    fn pack(self, out: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        tar.follow_symlinks(false);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display()));
        if self.is_directory {
            if self.name == OsStr::new(".") {
                tar.append_dir(".", &self.path).map_err(named)?;
            }
            tar.append_dir_all(&self.name, &self.path).map_err(named)?;
        } else if self.name == OsStr::new(".") {
            return Err(io::Error::other(format!("{}: not a directory", self.path.display())));
        } else {
            tar.append_path_with_name(&self.path, &self.name).map_err(named)?;
        }
        let mut out = tar.into_inner()?;
        out.flush()
    }
}

/// Why packing broke off, if it did.
pub(super) fn failed(error: &Mutex<Option<io::Error>>) -> Option<Failure> {
    let error = error.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some(Failure::new(error.to_string()))
}
