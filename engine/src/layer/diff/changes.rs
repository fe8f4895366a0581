//! The list of changes, by reading the upper directory against the lower ones. The cost is that of the upper directory.
//!
//! The rules are those of moby's `archive.ChangesDirs` on the two merged trees: a directory is changed when its own metadata is,
//! or when anything below it is; of a removed directory only the top is listed; sizes and times of directories do not count.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Dir, FileType, OFlags, Stat};

use super::{Change, ChangeKind, DiffError, Lowers};
use crate::sys::walk::{self, Met, Visitor, WalkError};
use crate::sys::{beneath, node};

/// Lists what `upper` changes of the `lowers` (topmost first), sorted by path. `rootless` tells whether overlayfs' attributes are
/// `user.overlay.*`.
///
/// # Errors
/// When a directory or file of them cannot be read.
pub fn changes(upper: impl AsFd, lowers: Lowers<'_>, rootless: bool) -> Result<Vec<Change>, DiffError> {
    let root = Level { lowers: (0..lowers.len()).collect(), listed: true };
    let mut compare = Compare { lowers, rootless, levels: vec![root], open: None, found: BTreeSet::new() };
    walk::walk(upper, &mut compare)?;
    Ok(compare.found.into_iter().collect())
}

/// A directory on the way to where the walk is.
struct Level {
    /// Which lower layers have a part of it.
    lowers: Vec<usize>,
    /// Whether it is in the list already.
    listed: bool,
}

struct Compare<'a> {
    lowers: Lowers<'a>,
    rootless: bool,
    levels: Vec<Level>,
    /// The last level's parts in the lower layers, opened.
    open: Option<Vec<OwnedFd>>,
    found: BTreeSet<Change>,
}

/// What the layers below show at a path.
struct Below {
    stat: Stat,
    /// In which of the lower layers that have the parent it was found.
    first: usize,
    /// The lower layers that have a part of it, if it is a directory.
    parts: Vec<usize>,
}

impl Visitor for Compare<'_> {
    type Error = DiffError;

    fn meet(&mut self, met: &Met<'_>) -> Result<bool, DiffError> {
        let stat = met.stat()?;
        let below = self.below(met).map_err(|e| met.error(e))?;
        if node::is_whiteout(&stat) {
            if below.is_some() {
                self.list(met.path, ChangeKind::Deleted);
            }
            return Ok(false);
        }
        let listed = match &below {
            None => {
                self.list(met.path, ChangeKind::Added);
                true
            }
            Some(below) if self.differs(met, &stat, below).map_err(|e| met.error(e))? => {
                self.list(met.path, ChangeKind::Modified);
                true
            }
            Some(_) => false,
        };
        if !met.kind.is_dir() {
            return Ok(false);
        }
        let opaque = super::is_opaque(met.dir, met.name, self.rootless).map_err(|e| met.error(e))?;
        self.levels.push(Level { lowers: below.map(|b| b.parts).unwrap_or_default(), listed });
        self.open = None;
        if opaque {
            self.hidden(met).map_err(|e| met.error(e))?;
        }
        Ok(true)
    }

    fn leave(&mut self, _: &Met<'_>) -> Result<(), DiffError> {
        self.levels.pop();
        self.open = None;
        Ok(())
    }
}

impl Compare<'_> {
    /// Adds a change, and the directories it is in.
    fn list(&mut self, path: &[u8], kind: ChangeKind) {
        let slashes = path.iter().enumerate().filter(|&(_, &b)| b == b'/').map(|(at, _)| at);
        let ends: Vec<usize> = slashes.collect();
        for (level, end) in self.levels[1..].iter_mut().zip(ends) {
            if !level.listed {
                level.listed = true;
                self.found.insert(change(&path[..end], ChangeKind::Modified));
            }
        }
        self.found.insert(change(path, kind));
    }

    /// Opens the parts that lower layers have of the directory the walk is in.
    fn open(&mut self, directory: &[u8]) -> io::Result<&[OwnedFd]> {
        if self.open.is_none() {
            let level = &self.levels[self.levels.len() - 1];
            let open = |&n: &usize| beneath::open_directory(super::at(&self.lowers[n]), directory);
            self.open = Some(level.lowers.iter().map(open).collect::<io::Result<_>>()?);
        }
        Ok(self.open.as_deref().unwrap_or_default())
    }

    /// What the layers below show where something was met.
    fn below(&mut self, met: &Met<'_>) -> io::Result<Option<Below>> {
        let rootless = self.rootless;
        let (parent, name) = beneath::parent_and_name(met.path);
        let mut found: Option<Below> = None;
        self.open(parent)?;
        let numbers = &self.levels[self.levels.len() - 1].lowers;
        for (position, dir) in self.open.iter().flatten().enumerate() {
            let stat = match node::stat(dir, name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                stat => stat?,
            };
            let is_dir = FileType::from_raw_mode(stat.st_mode).is_dir();
            if node::is_whiteout(&stat) || !is_dir && found.is_some() {
                break;
            }
            let below = found.get_or_insert(Below { stat, first: position, parts: Vec::new() });
            if !is_dir {
                break;
            }
            below.parts.push(numbers[position]);
            if super::is_opaque(dir.as_fd(), name, rootless)? {
                break;
            }
        }
        Ok(found)
    }

    /// Lists what an opaque directory hides and does not have itself.
    fn hidden(&mut self, met: &Met<'_>) -> io::Result<()> {
        let upper = node::open_directory(met.dir, met.name)?;
        let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut gone: BTreeSet<Vec<u8>> = BTreeSet::new();
        for part in self.open(met.path)? {
            let part = beneath::open(part, b"", OFlags::RDONLY | OFlags::DIRECTORY)?;
            for entry in Dir::read_from(&part)? {
                let name = entry?.file_name().to_bytes().to_vec();
                if matches!(name.as_slice(), b"." | b"..") || names.contains(&name) || gone.contains(&name) {
                    continue;
                }
                let removed = node::is_whiteout(&node::stat(&part, &name)?);
                if removed { &mut gone } else { &mut names }.insert(name);
            }
        }
        for name in names {
            match node::stat(&upper, &name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.list(&[met.path, b"/", &name].concat(), ChangeKind::Deleted);
                }
                stat => drop(stat?),
            }
        }
        Ok(())
    }

    /// Whether what was met differs from what is below it.
    fn differs(&self, met: &Met<'_>, stat: &Stat, below: &Below) -> io::Result<bool> {
        let old = &below.stat;
        let owner = |s: &Stat| (s.st_mode, s.st_uid, s.st_gid, s.st_rdev);
        if owner(stat) != owner(old) {
            return Ok(true);
        }
        if !met.kind.is_dir() && (stat.st_size != old.st_size || !same_time(stat, old)) {
            return Ok(true);
        }
        if met.kind.is_symlink() {
            return Ok(false);
        }
        let Some(lower) = self.open.as_deref().and_then(|open| open.get(below.first)) else { return Ok(false) };
        let capability = b"security.capability";
        Ok(node::xattr(met.dir, met.name, capability)? != node::xattr(lower, met.name, capability)?)
    }
}

/// A file system without fractions of seconds does not make a change.
fn same_time(a: &Stat, b: &Stat) -> bool {
    a.st_mtime == b.st_mtime && (a.st_mtime_nsec == b.st_mtime_nsec || a.st_mtime_nsec == 0 || b.st_mtime_nsec == 0)
}

fn change(path: &[u8], kind: ChangeKind) -> Change {
    Change { path: [b"/", path].concat().into(), kind }
}

impl From<io::Error> for DiffError {
    fn from(source: io::Error) -> Self {
        Self::Walk(WalkError { path: Box::default(), source })
    }
}
