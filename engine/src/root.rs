//! The data root: Docker's own layout on disk, and who may change it.

pub(crate) mod bolt;
pub(crate) mod damage;
pub(crate) mod files;
pub(crate) mod layout;
pub(crate) mod lock;
pub mod namespace;
pub(crate) mod recovery;
pub(crate) mod transaction;
mod tried;

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(crate) use layout::Layout;
use lock::{Asked, Changing, Presence};
use namespace::NamespaceError;
use transaction::Transaction;
use tried::Tried;

use crate::engine::OpenOptions;
use crate::image::ImageError;
use crate::image::error::is_full;

/// Whether a data root may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    ReadWrite,
    /// It may not.
    ReadOnly {
        /// Who or what forbids it, in words.
        why: String,
    },
}

/// One thing that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it: expected and found.
    pub what: String,
    /// Images (familiar names, or short IDs) and containers that it hits.
    pub hits: Vec<String>,
    /// What to do about it.
    pub remedy: String,
}

/// Says why a data root cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is something else.
    #[error("{} is not empty and no data root: it lacks image and containers; give an empty directory", .0.display())]
    NotARoot(PathBuf),
    /// It was written with another storage driver.
    #[error("{} was written with the storage driver {found}, not {asked}", path.display())]
    Driver {
        /// The root.
        path: PathBuf,
        /// What it has.
        found: String,
        /// What was asked for.
        asked: String,
    },
    /// The storage driver cannot work here.
    #[error("the storage driver {driver} cannot use {}: {why}", path.display())]
    Unsupported {
        /// The root.
        path: PathBuf,
        /// The driver.
        driver: String,
        /// What is missing, in words.
        why: String,
    },
    /// Its processes are in another user namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A system call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Bytes kept for removals on a full disk: the intent and two copies of the index of some thousand images.
const RESERVE: u64 = 1 << 20;

/// An opened data root.
pub(crate) struct Root {
    layout: Layout,
    access: Access,
    rootless: bool,
    tried: Option<Tried>,
    presence: Option<Presence>,
}

impl Root {
    pub(crate) fn open(options: &OpenOptions) -> Result<Self, OpenError> {
        let path = locate(options)?;
        let driver = choose_driver(&path, options.driver.as_deref())?;
        let layout = Layout::new(&path, &driver);
        let (access, presence) = if options.read_only {
            (Access::ReadOnly { why: "opened for reading only, as asked".into() }, None)
        } else {
            match claim(&layout) {
                Ok(Asked::Granted(presence)) => (Access::ReadWrite, Some(presence)),
                Ok(Asked::Taken(who)) => (Access::ReadOnly { why: who }, None),
                Err(OpenError::Io { what, path, source }) if is_read_only(&source) => {
                    (Access::ReadOnly { why: format!("cannot {what} {}: {source}", path.display()) }, None)
                }
                Err(error) => return Err(error),
            }
        };
        let mut root = Self { layout, access, rootless: options.rootless, tried: None, presence };
        if root.access == Access::ReadWrite {
            root.prepare()?;
            match namespace::register(&path) {
                // On a full disk containers can still be looked at and removed.
                Err(NamespaceError::Io { source, .. }) if is_full(&source) => {}
                registered => registered?,
            }
            root.try_out()?;
            root.keep_reserve();
        }
        Ok(root)
    }

    /// Creates what is missing, and removes what killed processes left.
    fn prepare(&self) -> Result<(), OpenError> {
        let layout = &self.layout;
        let held = Changing::wait(&layout.lock()).map_err(OpenError::io("lock", &layout.lock()))?;
        for (path, mode) in layout.directories() {
            files::make_directory(&path, mode).map_err(OpenError::io("create", &path))?;
        }
        recovery::recover(layout, &held).map_err(OpenError::io("clean up", &layout.transactions()))?;
        Ok(())
    }

    /// Finds out what the file system can; where it cannot hold layers, the root is for reading only.
    fn try_out(&mut self) -> Result<(), OpenError> {
        let place = self.layout.transactions();
        let tried = match Tried::remembered_or_new(&self.layout, self.rootless) {
            // On a full disk nothing can be tried out, but images can be listed and removed.
            Err(error) if is_full(&error) => return Ok(()),
            tried => tried.map_err(OpenError::io("write in", &place))?,
        };
        if !tried.takes_layers {
            self.access = Access::ReadOnly { why: tried.problems.join("; ") };
            self.presence = None;
        }
        self.tried = Some(tried);
        Ok(())
    }

    /// What the file system cannot do, in sentences.
    pub(crate) fn warnings(&self) -> &[String] {
        self.tried.as_ref().map_or(&[], |tried| &tried.problems)
    }

    /// What `docker info` shows below the driver's name.
    pub(crate) fn driver_status(&self) -> Vec<(String, String)> {
        let Some(tried) = &self.tried else { return Vec::new() };
        // Docker calls all of ext2, 3 and 4 so, as their magic number is one.
        let kind = if tried.kind.starts_with("ext") { "extfs" } else { &tried.kind };
        let rows = [
            ("Backing Filesystem", kind.to_owned()),
            ("Supports d_type", tried.d_type.to_string()),
            ("userxattr", self.rootless.to_string()),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn rootless(&self) -> bool {
        self.rootless
    }

    /// Refuses when the root may only be read.
    pub(crate) fn writable(&self) -> Result<(), ImageError> {
        match &self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly { why } => Err(ImageError::ReadOnly(why.clone())),
        }
    }

    /// Waits for the short lock.
    pub(crate) fn change(&self) -> Result<Changing, ImageError> {
        self.writable()?;
        Changing::wait(&self.layout.lock()).map_err(ImageError::io("lock", self.layout.lock()))
    }

    /// Keeps a little room, so that a removal can still write its intent and the index when the disk is full.
    pub(crate) fn keep_reserve(&self) {
        let path = self.layout.reserve();
        let missing = std::fs::metadata(&path).map_or(true, |meta| meta.len() < RESERVE);
        if self.access == Access::ReadWrite && missing {
            // Without room there is no reserve; that is no reason to fail.
            let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
            let _ = file.map(|file| rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, RESERVE));
        }
    }

    /// Gives that room up; tells whether there was any.
    pub(crate) fn give_up_reserve(&self) -> bool {
        std::fs::metadata(self.layout.reserve()).is_ok_and(|meta| meta.len() > 0)
            && std::fs::remove_file(self.layout.reserve()).is_ok()
    }

    /// Starts a transaction.
    pub(crate) fn begin(&self) -> Result<Transaction, ImageError> {
        self.writable()?;
        Transaction::begin(&self.layout).map_err(ImageError::io("write in", self.layout.transactions()))
    }
}

impl OpenError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.into(), source }
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Finds the root's real path, makes the directory if need be, and refuses one that is something else.
fn locate(options: &OpenOptions) -> Result<PathBuf, OpenError> {
    let asked = &options.root;
    if !asked.exists() && !options.read_only {
        if let Some(parent) = asked.parent() {
            std::fs::create_dir_all(parent).map_err(OpenError::io("create", parent))?;
        }
        files::make_directory(asked, 0o710).map_err(OpenError::io("create", asked))?;
    }
    let path = asked.canonicalize().map_err(OpenError::io("open", asked))?;
    let names = files::names(&path).map_err(OpenError::io("read", &path))?;
    if is_root(&names) { Ok(path) } else { Err(OpenError::NotARoot(path)) }
}

/// Whether a directory with these entries is a data root, whole or killed while it was made: `image` with what goes with it, or
/// nothing that a data root has not. `/etc` may have `containers` too.
fn is_root(names: &[String]) -> bool {
    let has = |name: &str| names.iter().any(|found| found == name);
    let ours = ["image", "overlay2", "containers", "volumes", "tmp", "outcrop", "lost+found"];
    has("image") && (has("containers") || has("overlay2") || has("vfs"))
        || names.iter().all(|name| ours.contains(&name.as_str()))
}

/// The driver that was asked for, else the one that the root was written with.
fn choose_driver(root: &Path, asked: Option<&str>) -> Result<String, OpenError> {
    let found = files::names(&root.join("image")).map_err(OpenError::io("read", &root.join("image")))?;
    let used = |name: &str| {
        let images = root.join("image").join(name).join("imagedb/content/sha256");
        std::fs::read_dir(images).is_ok_and(|mut entries| entries.next().is_some())
    };
    match asked {
        Some(asked) => match found.iter().find(|name| used(name)) {
            Some(other) if !found.iter().any(|name| name == asked) => {
                Err(OpenError::Driver { path: root.into(), found: other.clone(), asked: asked.into() })
            }
            _ => Ok(asked.into()),
        },
        None if found.is_empty() || found.iter().any(|name| name == "overlay2" && used(name)) => Ok("overlay2".into()),
        None => {
            Ok(found.iter().find(|name| used(name)).or(found.first()).cloned().unwrap_or_else(|| "overlay2".into()))
        }
    }
}

/// Takes the lock that dockerd would take; makes its file first if there is none.
fn claim(layout: &Layout) -> Result<Asked, OpenError> {
    let db = layout.metadata_db();
    let ask = || Presence::ask(&db).map_err(OpenError::io("lock", &db));
    // Where there is a file, nothing may be written before its lock is had.
    if db.exists() {
        let asked = ask()?;
        make_own(layout)?;
        return Ok(asked);
    }
    make_own(layout)?;
    files::make_directory(&layout.volumes(), 0o701).map_err(OpenError::io("create", &layout.volumes()))?;
    let mut transaction = Transaction::begin(layout).map_err(OpenError::io("write in", &layout.transactions()))?;
    let staged = transaction.fresh("metadata");
    let bytes = bolt::write(b"volumes", Vec::new());
    files::write_new(&staged, &bytes, 0o600).map_err(OpenError::io("write", &staged))?;
    // A link does not replace the file of somebody who was faster.
    match std::fs::hard_link(&staged, &db) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(OpenError::io("create", &db)(error)),
        _ => files::sync_directory(&layout.volumes()).map_err(OpenError::io("write", &layout.volumes()))?,
    }
    transaction.finish().map_err(OpenError::io("write in", &layout.transactions()))?;
    ask()
}

fn make_own(layout: &Layout) -> Result<(), OpenError> {
    for path in [layout.own(), layout.transactions()] {
        files::make_directory(&path, 0o700).map_err(OpenError::io("create", &path))?;
    }
    Ok(())
}
