//! What a running container has on disk besides Docker's files: `outcrop/run/<id>/` of the data root.
//!
//! ```text
//! lock            held by the shim while it lives
//! attach.sock     where it talks to clients
//! config.json     the OCI bundle
//! process.json    who the first process is: PID and start time
//! shim.log        what the shim had to say
//! net             where pasta is shown the network namespace
//! root/           where a root without control groups is made, there for a moment
//! runtime/        the OCI runtime's own state
//! exec/<id>/      the same for each exec
//! ```

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::{Doing, Result};
use crate::sys::process::ProcessId;

/// What the lock is called before it is held.
const NEW_LOCK: &str = "new-lock";

/// Where pasta is shown the network namespace.
pub(crate) const NETWORK: &str = "net";

/// The runtime directory of one container.
#[derive(Clone, Debug)]
pub(crate) struct RunDirectory(PathBuf);

impl RunDirectory {
    /// That of container `id` in the data root `root`.
    pub(crate) fn of(root: &Path, id: &str) -> Self {
        Self(root.join("outcrop/run").join(id))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The directory of one exec.
    pub(crate) fn exec(&self, exec: &str) -> PathBuf {
        self.0.join("exec").join(exec)
    }

    /// Makes it, and takes its lock: while that is held nobody takes the container for a killed process's leftovers.
    pub(crate) fn create(&self) -> Result<File> {
        loop {
            make(&self.0)?;
            // Locked before it has its name, so that nobody meets it free.
            let staged = self.file(NEW_LOCK);
            let taken = File::create(&staged).and_then(|lock| {
                lock.lock()?;
                fs::rename(&staged, self.file("lock"))?;
                Ok(lock)
            });
            match taken {
                // Somebody cleaned up.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                taken => return taken.doing("lock", self.file("lock")),
            }
        }
    }

    /// Removes one that has no lock: its process was killed before it had one, or after it was removed.
    pub(crate) fn remove_abandoned(&self) {
        if let Ok(lock) = File::options().append(true).open(self.file(NEW_LOCK)) {
            if lock.try_lock().is_err() {
                return;
            }
            let _ = fs::remove_file(self.file(NEW_LOCK));
        }
        // One with something else in it is somebody's.
        let _ = fs::remove_dir(&self.0);
    }

    /// Whether a shim lives.
    pub(crate) fn has_shim(&self) -> bool {
        shim_lives(&self.0)
    }

    /// Removes it with all that is in it, the lock last: without it nobody would know what is left.
    pub(crate) fn remove(&self) -> Result<()> {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten().filter(|entry| entry.file_name() != "lock") {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).doing("remove", &self.0),
            _ => Ok(()),
        }
    }

    /// The first process as it was noted at the start, if that very one still lives.
    pub(crate) fn process(&self) -> Option<ProcessId> {
        let bytes = fs::read(self.file("process.json")).ok()?;
        let process: ProcessId = serde_json::from_slice(&bytes).ok()?;
        process.lives().then_some(process)
    }
}

/// Makes a directory for its owner alone, with its parents.
pub(crate) fn make(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).doing("create", path)
}

/// Whether the shim whose directory is `here` lives.
pub(crate) fn shim_lives(here: &Path) -> bool {
    let Ok(lock) = File::options().append(true).open(here.join("lock")) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}
