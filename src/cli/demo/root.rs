//! A data root that lasts as long as the program.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// How the folders begin.
const PREFIX: &str = "outcrop-demo-";
/// The file whose lock says that somebody uses the folder.
const LOCK: &str = "in-use";

/// A folder with a data root in it, removed on drop. When the program is killed, the next one removes it.
pub(super) struct Root {
    folder: PathBuf,
    data: PathBuf,
    _lock: File,
}

impl Root {
    /// Makes one in `parent`, after removing what killed programs of this user left there.
    pub(super) fn create(parent: &Path) -> Result<Self, Failure> {
        clean(parent);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| Failure::io("make", &path, &error)
        };
        let folder = parent.join(format!("{PREFIX}{}", std::process::id()));
        {
            use std::os::unix::fs::DirBuilderExt;
            fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed(&folder))?;
        }
        let lock = File::create(folder.join(LOCK)).map_err(failed(&folder))?;
        lock.lock().map_err(failed(&folder))?;
        Ok(Self { data: folder.join("root"), folder, _lock: lock })
    }

    /// Where the data root goes.
    pub(super) fn path(&self) -> &Path {
        &self.data
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes folders of demos that nobody uses any more.
fn clean(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Without the file, its program was killed before it made one, or this is its first moment: leave it alone.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) => remove(&entry.path()),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

/// Removes a folder. Layers may have folders that forbid writing, also to their owner.
fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_err() {
        allow(folder);
        let _ = fs::remove_dir_all(folder);
    }
}

fn allow(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            allow(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_at_the_end_and_after_a_kill() {
        let scratch = tempfile::tempdir().expect("temporary directory");
        let stale = scratch.path().join("outcrop-demo-1");
        fs::create_dir(&stale).expect("makes");
        fs::write(stale.join(LOCK), "").expect("writes");
        let fresh = scratch.path().join("outcrop-demo-2");
        fs::create_dir(&fresh).expect("makes");
        let root = Root::create(scratch.path()).unwrap_or_else(|failure| panic!("{}", failure.message()));
        assert!(!stale.exists() && fresh.exists() && root.folder.exists());
        clean(scratch.path());
        assert!(root.folder.exists(), "one that is in use stays");
        let folder = root.folder.clone();
        drop(root);
        assert!(!folder.exists());
    }
}
