//! A file that appears whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Written under a name of its own beside the target, then given its name; never over an existing file.
pub(crate) struct NewFile {
    file: File,
    part: PathBuf,
    target: PathBuf,
}

impl NewFile {
    pub(crate) fn create(target: &Path) -> Result<Self, String> {
        if std::fs::symlink_metadata(target).is_ok() {
            return Err(format!("{} exists already: choose another name", target.display()));
        }
        let name = target.file_name().ok_or_else(|| format!("{} is no file name", target.display()))?;
        let part = target.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&part);
        let file = file.map_err(|e| format!("cannot write {}: {e}", part.display()))?;
        Ok(Self { file, part, target: target.to_owned() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_all(bytes).map_err(|e| format!("cannot write {}: {e}", self.target.display()))
    }

    /// Syncs it and gives it its name, unless something took the name meanwhile.
    pub(crate) fn finish(self) -> Result<(), String> {
        let error = |e: std::io::Error| format!("cannot write {}: {e}", self.target.display());
        self.file.sync_all().map_err(error)?;
        // A hard link, unlike a rename, does not replace what is there.
        match std::fs::hard_link(&self.part, &self.target) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(error(e)),
            Err(_) => std::fs::rename(&self.part, &self.target).map_err(error),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Cut short or finished by a link: the name of its own goes either way. After a rename there is nothing to remove.
        let _ = std::fs::remove_file(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_whole_and_replaces_nothing() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let target = folder.path().join("a");
        let mut file = NewFile::create(&target).expect("is new");
        file.write(b"abc").expect("writes");
        assert!(!target.exists());
        file.finish().expect("finishes");
        assert_eq!(std::fs::read(&target).expect("is there"), b"abc");
        assert!(NewFile::create(&target).is_err());
        drop(NewFile::create(&folder.path().join("b")).expect("is new"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }
}
