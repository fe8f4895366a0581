//! The storage driver overlay2, laid out as Docker's: a directory a layer with `diff`, `link`, `lower`, `work`, `committed`, and
//! short names for all layers in `l/` (moby `daemon/graphdriver/overlay2`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use super::{CacheId, Driver, DriverError, Staged, Usage};
use crate::layer::diff::{self, Change};
use crate::sys::mount::{self, Overlay};
use crate::sys::walk;

/// Most lower layers of one layer, as Docker has it.
pub const MOST_LOWERS: usize = 128;

/// Largest of the small files that is read, in bytes: 128 lower layers take 3.7 kB.
const LARGEST: u64 = 64 << 10;

/// Letters of a short name (RFC 4648 base 32).
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The driver on one data root.
#[derive(Clone, Debug)]
pub struct Overlay2 {
    home: PathBuf,
    rootless: bool,
}

impl Overlay2 {
    /// Uses `overlay2` in the data root `root`; `rootless` keeps overlayfs' attributes as `user.overlay.*`. Touches nothing.
    pub fn new(root: &Path, rootless: bool) -> Self {
        Self { home: root.join("overlay2"), rootless }
    }

    /// The driver's directory in the data root.
    pub fn home(&self) -> &Path {
        &self.home
    }

    fn dir(&self, id: &CacheId) -> PathBuf {
        self.home.join(id)
    }

    /// A layer's short name, from its file `link`.
    fn link(dir: &Path) -> Result<String, DriverError> {
        let path = dir.join("link");
        let text = match read(&path) {
            Err(DriverError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && !dir.exists() => {
                return Err(DriverError::Missing { path: dir.into() });
            }
            text => text?,
        };
        if is_short_name(&text) {
            Ok(text)
        } else {
            Err(DriverError::Damaged { path, why: shown("a short name", &text) })
        }
    }

    /// The short names of the layers below, from the file `lower`; none when there is no such file.
    fn lower(dir: &Path) -> Result<Vec<String>, DriverError> {
        let path = dir.join("lower");
        let text = match read(&path) {
            Err(DriverError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let names = text.trim_end().split(':').map(|part| part.strip_prefix("l/").filter(|name| is_short_name(name)));
        let names: Option<Vec<_>> = names.map(|name| name.map(str::to_owned)).collect();
        names.ok_or_else(|| DriverError::Damaged { path, why: shown("a list of l/NAME", &text) })
    }

    /// The layer behind a short name.
    fn behind(&self, name: &str) -> Result<CacheId, DriverError> {
        let path = self.home.join("l").join(name);
        let target = match fs::read_link(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.named(name).ok_or(DriverError::Missing { path });
            }
            target => target.map_err(io_error("read", &path))?,
        };
        let id = target.to_str().and_then(|t| t.strip_prefix("../")?.strip_suffix("/diff")?.parse().ok());
        id.ok_or_else(|| DriverError::Damaged { path, why: shown("a link to ../ID/diff", &target.to_string_lossy()) })
    }

    /// Looks through all layers for the one whose short name has lost its link in `l/`.
    fn named(&self, name: &str) -> Option<CacheId> {
        self.list().ok()?.into_iter().find(|id| Self::link(&self.dir(id)).is_ok_and(|link| link == name))
    }

    /// Lower directories for mounting, by their short names; a lost link in `l/` is replaced by the directory itself.
    fn lower_paths(&self, names: &[String]) -> Result<Vec<PathBuf>, DriverError> {
        let path = |name: &String| {
            let short = self.home.join("l").join(name);
            if short.is_dir() {
                return Ok(short);
            }
            let diff = self.diff_dir(&self.behind(name)?);
            if diff.is_dir() { Ok(diff) } else { Err(DriverError::Missing { path: diff }) }
        };
        names.iter().map(path).collect()
    }
}

impl Driver for Overlay2 {
    fn name(&self) -> &'static str {
        "overlay2"
    }

    fn prepare(&self) -> Result<(), DriverError> {
        for (path, mode) in [(self.home.clone(), 0o710), (self.home.join("l"), 0o700)] {
            match make_dir(&path, mode) {
                Err(DriverError::Exists { .. }) => {}
                made => made?,
            }
        }
        Ok(())
    }

    fn stage(&self, at: &Path) -> Result<Staged, DriverError> {
        make_dir(at, 0o710)?;
        let path = at.join("diff");
        make_dir(&path, 0o755)?;
        write(&at.join("link"), &short_name().map_err(io_error("name", at))?, 0o644)?;
        let diff = File::open(&path).map_err(io_error("open", &path))?.into();
        Ok(Staged { path: at.into(), diff })
    }

    fn publish(&self, staged: Staged, id: &CacheId, parent: Option<&CacheId>) -> Result<(), DriverError> {
        if let Some(parent) = parent {
            let parent = self.dir(parent);
            let mut lowers = vec![Self::link(&parent)?];
            lowers.extend(Self::lower(&parent)?);
            if lowers.len() > MOST_LOWERS {
                return Err(DriverError::Deep { layers: lowers.len() + 1, most: MOST_LOWERS + 1 });
            }
            let lower: Vec<_> = lowers.iter().map(|name| format!("l/{name}")).collect();
            write(&staged.path.join("lower"), &lower.join(":"), 0o644)?;
            make_dir(&staged.path.join("work"), 0o700)?;
            let committed = parent.join("committed");
            if !committed.exists() {
                write(&committed, "", 0o600)?;
            }
        }
        let link = Self::link(&staged.path)?;
        let path = self.dir(id);
        match rustix::fs::renameat_with(CWD, &staged.path, CWD, &path, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => return Err(DriverError::Exists { path }),
            renamed => renamed.map_err(|e| io_error("rename the finished layer to", &path)(e.into()))?,
        }
        let short = self.home.join("l").join(link);
        std::os::unix::fs::symlink(format!("../{id}/diff"), &short).map_err(io_error("create", &short))
    }

    fn diff_dir(&self, id: &CacheId) -> PathBuf {
        self.dir(id).join("diff")
    }

    fn parents(&self, id: &CacheId) -> Result<Vec<CacheId>, DriverError> {
        if !self.exists(id) {
            return Err(DriverError::Missing { path: self.dir(id) });
        }
        Self::lower(&self.dir(id))?.iter().map(|name| self.behind(name)).collect()
    }

    fn mount(&self, id: &CacheId, at: &Path) -> Result<(), DriverError> {
        let dir = self.dir(id);
        let diff = dir.join("diff");
        if !diff.is_dir() {
            return Err(DriverError::Missing { path: diff });
        }
        let mut lowers = self.lower_paths(&Self::lower(&dir)?)?;
        let writable = !dir.join("committed").exists();
        if lowers.is_empty() {
            // Overlayfs wants two directories.
            return mount::bind(&diff, at, !writable).map_err(io_error("mount at", at));
        }
        let upper = if writable {
            Some((diff, dir.join("work")))
        } else {
            lowers.insert(0, diff);
            None
        };
        let overlay = Overlay { base: self.home.clone(), lowers, upper, userxattr: self.rootless };
        overlay.mount(at).map_err(io_error("mount the overlay at", at))
    }

    fn unmount(&self, at: &Path) -> Result<(), DriverError> {
        mount::unmount(at).map_err(io_error("unmount", at))
    }

    fn remove(&self, id: &CacheId, trash: &Path) -> Result<(), DriverError> {
        let dir = self.dir(id);
        let at = trash.join(format!("{id}-removing"));
        match fs::rename(&dir, &at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !dir.exists() => {
                return Err(DriverError::Missing { path: dir });
            }
            renamed => renamed.map_err(io_error("move away", &dir))?,
        }
        self.discard(&at)
    }

    fn discard(&self, at: &Path) -> Result<(), DriverError> {
        if let Ok(link) = Self::link(at) {
            let short = self.home.join("l").join(&link);
            // The link of a layer that is there, whoever's it is, stays.
            if !short.exists() {
                match fs::remove_file(&short) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(io_error("remove", &short)(error));
                    }
                    _ => {}
                }
            }
        }
        let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else { return Ok(()) };
        let parent = match File::open(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            parent => parent.map_err(io_error("open", parent_of(at)))?,
        };
        walk::remove_tree(&parent, name.as_encoded_bytes()).map_err(|source| DriverError::Walk {
            doing: "remove from",
            path: parent_of(at).into(),
            source,
        })
    }

    fn usage(&self, id: &CacheId) -> Result<Usage, DriverError> {
        let path = self.diff_dir(id);
        let dir = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(DriverError::Missing { path }),
            dir => dir.map_err(io_error("open", &path))?,
        };
        super::usage(&dir).map_err(|source| DriverError::Walk { doing: "read", path, source })
    }

    fn changes(&self, id: &CacheId) -> Result<Vec<Change>, DriverError> {
        let open = |id: &CacheId| {
            let path = self.diff_dir(id);
            File::open(&path).map_err(io_error("open", &path))
        };
        let lowers = self.parents(id)?.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(diff::changes(&open(id)?, &lowers, self.rootless)?)
    }

    fn exists(&self, id: &CacheId) -> bool {
        self.diff_dir(id).is_dir()
    }

    fn list(&self) -> Result<Vec<CacheId>, DriverError> {
        let entries = match fs::read_dir(&self.home) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io_error("read", &self.home))?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io_error("read", &self.home))?;
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()).filter(|_| is_dir) {
                ids.push(id);
            }
        }
        ids.sort();
        Ok(ids)
    }
}

/// A new short name of 26 letters, as Docker's.
fn short_name() -> io::Result<String> {
    let mut bytes = [0; 26];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|b| char::from(LETTERS[usize::from(b % 32)])).collect())
}

/// Whether it is one file name of letters and digits; Docker's have 26 of A-Z and 2-7.
fn is_short_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn shown(expected: &str, found: &str) -> String {
    format!("expected {expected}, found {:?}", found.chars().take(100).collect::<String>())
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> DriverError {
    let path = path.to_owned();
    move |source| DriverError::Io { doing, path: path.clone(), source }
}

/// Reads a small file that must be a regular one.
fn read(path: &Path) -> Result<String, DriverError> {
    let read = || {
        let meta = fs::symlink_metadata(path)?;
        if !meta.is_file() || meta.len() > LARGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "is no small regular file"));
        }
        fs::read_to_string(path)
    };
    read().map_err(io_error("read", path))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), DriverError> {
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(io_error("write", path))
}

/// Makes a directory with exactly this mode, whatever the umask.
fn make_dir(path: &Path, mode: u32) -> Result<(), DriverError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(DriverError::Exists { path: path.into() });
        }
        made => made.map_err(io_error("create", path))?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io_error("set the mode of", path))
}

#[cfg(test)]
mod tests;
