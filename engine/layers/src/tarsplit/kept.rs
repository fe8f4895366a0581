//! Content of files that a later entry of the same layer replaces.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use crate::tar::clean_path;

/// Keeps content by path, the first of each path, in a file that is made when it is needed.
pub struct Kept {
    make: Box<dyn FnMut() -> io::Result<File> + Send>,
    file: Option<File>,
    end: u64,
    places: HashMap<Box<[u8]>, (u64, u64)>,
}

impl Kept {
    /// `make` gives an empty file to read and write; nobody else needs to see it.
    pub fn new(make: impl FnMut() -> io::Result<File> + Send + 'static) -> Self {
        Self { make: Box::new(make), file: None, end: 0, places: HashMap::new() }
    }

    /// Whether nothing was replaced: then the record is right as it is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Copies what is about to be replaced at `path` (in the form of `Entry::path`). Only the first content of a path counts:
    /// that of later ones is carried in the record already.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep(&mut self, path: &[u8], mut content: impl Read) -> io::Result<()> {
        if self.places.contains_key(path) {
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some((self.make)()?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        let mut output = At { file, position: self.end };
        let length = io::copy(&mut content, &mut output)?;
        self.places.insert(path.into(), (self.end, length));
        self.end += length;
        Ok(())
    }

    /// What was kept of a member of that name.
    pub(super) fn get(&self, name: &[u8]) -> Option<impl Read> {
        let (start, length) = *self.places.get(&clean_path(name).ok()?)?;
        let file = self.file.as_ref()?;
        Some(At { file, position: start }.take(length))
    }
}

/// A position of its own in a file.
struct At<'a> {
    file: &'a File,
    position: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Write for At<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(buffer, self.position)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
