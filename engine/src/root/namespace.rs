//! The user namespace of an ordinary user's data root: one for all processes that use it at a time.
//!
//! A process can look into a container, or run something in it, only from the user namespace that the container's own belong to. So
//! `outcrop/namespace.json` lists the processes that are in it, commands as well as shims, each with its start time; whoever comes
//! joins the namespace of one that still lives, and makes a new one when none does. All of that happens under `outcrop/lock`; where
//! there is no root yet, its directory is made for that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::layout::Layout;
use super::lock::Changing;
use super::{OpenError, files};
use crate::sys::process::ProcessId;
use crate::sys::userns::{self, Entered, Request, UserNamespaceError};

/// Largest list that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// How long a process that is ending may keep its namespace to itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says why a process cannot use a data root.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The processes of the root are in another user namespace than this one.
    #[error(
        "process {pid} uses {} in another user namespace, from which containers cannot be shared: run this again, or wait \
         until that process and the containers have ended", root.display()
    )]
    Another {
        /// The root.
        root: PathBuf,
        /// One of the other processes.
        pid: i32,
    },
    /// The list could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Moves this process into the user namespace of the data root `root`, or into a new one when nobody is in it, and into a mount
/// namespace of its own. Makes the directory of a root that is not there yet. Must be called before any thread is started; there is no
/// way back.
///
/// # Errors
/// As [`userns::enter`].
pub fn enter(root: &Path, request: &Request<'_>) -> Result<Entered, UserNamespaceError> {
    // What cannot be a root, or only for reading, has no containers; opening it tells why.
    let made = super::locate(&crate::OpenOptions::new(root)).and_then(|root| {
        let list = List::of(&root);
        super::make_own(&list.layout)?;
        let lock = list.lock().map_err(OpenError::io("lock", &list.layout.lock()))?;
        Ok((list, lock))
    });
    let Ok((list, _lock)) = made else { return userns::enter(request) };
    for process in list.read() {
        match namespace(process).map(|namespace| userns::join(namespace.as_fd())) {
            Some(Ok(entered)) => {
                // Best effort: opening the root notes it too, and tells of errors.
                let _ = list.add();
                return Ok(entered);
            }
            // It cannot be had: opening the root tells.
            Some(Err(UserNamespaceError::Refused(_))) | None => {}
            Some(Err(error)) => return Err(error),
        }
    }
    let entered = userns::enter(request)?;
    let _ = list.add();
    Ok(entered)
}

/// Notes that this process uses the data root `root`, where it is in a user namespace at all.
///
/// # Errors
/// When the root's other processes are in another one.
pub(crate) fn register(root: &Path) -> Result<(), NamespaceError> {
    if userns::is_initial() {
        return Ok(());
    }
    let list = List::of(root);
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| NamespaceError::Io { path, source }
    };
    let _lock = list.lock().map_err(failed(&list.layout.lock()))?;
    let path = Path::new("/proc/self/ns/user");
    let own = File::open(path).and_then(|own| identity(&own)).map_err(failed(path))?;
    for process in list.read() {
        let theirs = namespace(process).and_then(|theirs| identity(&theirs).ok());
        if theirs != Some(own) && process.lives() {
            return Err(NamespaceError::Another { root: root.into(), pid: process.pid });
        }
    }
    list.add().map_err(failed(&list.path))
}

/// The list of a root.
struct List {
    layout: Layout,
    path: PathBuf,
}

impl List {
    fn of(root: &Path) -> Self {
        // The driver is of no matter for what is in our own directory.
        let layout = Layout::new(root, "");
        Self { path: layout.own().join("namespace.json"), layout }
    }

    /// Waits for the lock.
    fn lock(&self) -> io::Result<Changing> {
        Changing::wait(&self.layout.lock())
    }

    /// Who is in it; a damaged list says nobody.
    fn read(&self) -> Vec<ProcessId> {
        let bytes = files::read(&self.path, LARGEST).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Adds this process where it is not in it, and leaves out those that have ended. Nothing of it has to last over a power cut.
    fn add(&self) -> io::Result<()> {
        let own = ProcessId::own().ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        let mut all = self.read();
        if all.contains(&own) {
            return Ok(());
        }
        all.retain(|process| process.lives());
        all.push(own);
        let staged = self.path.with_extension("new");
        let _ = fs::remove_file(&staged);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        file.write_all(&serde_json::to_vec(&all)?)?;
        fs::rename(&staged, &self.path)
    }
}

/// The namespace of a process, if that very one still lives.
fn namespace(process: ProcessId) -> Option<File> {
    let until = Instant::now() + PATIENCE;
    while process.lives() {
        match File::open(format!("/proc/{}/ns/user", process.pid)) {
            // Looked at afterwards: then it is not that of another process that has got the number meanwhile.
            Ok(namespace) => return process.lives().then_some(namespace),
            // One that is about to end lets nobody in.
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => break,
        }
    }
    None
}

/// What tells one namespace from another.
fn identity(namespace: &File) -> io::Result<(u64, u64)> {
    let meta = namespace.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_who_lives() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("outcrop")).expect("a directory");
        let list = List::of(root.path());
        assert_eq!(list.read(), []);
        let own = ProcessId::own().expect("this process");
        let ended = ProcessId { start: own.start + 1, ..own };
        fs::write(&list.path, serde_json::to_vec(&[ended]).expect("JSON")).expect("writes");
        assert_eq!(list.read(), [ended]);
        assert!(namespace(ended).is_none() && namespace(own).is_some());
        list.add().expect("adds");
        list.add().expect("adds once");
        assert_eq!(list.read(), [own]);
        fs::write(&list.path, "{cut").expect("writes");
        assert_eq!(list.read(), [], "a damaged list says nobody");
        list.add().expect("writes it anew");
        assert_eq!(list.read(), [own]);
    }
}
