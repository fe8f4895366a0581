//! What exactly differs at a path that [`changes`](super::changes) lists.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use outcrop_layers::change::{Aspect, Kind};
use rustix::fs::{FileType, Stat};

use super::{Change, ChangeKind, Lowers};
use crate::sys::{beneath, node};

/// What is known of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What happened.
    pub kind: Kind,
    /// What differs from the file below.
    pub what: Vec<Aspect>,
    /// Bytes of the regular file as it is.
    pub size: u64,
    /// Bytes that were copied up, at most.
    pub copied: u64,
    /// Which of the lower layers has the file below.
    pub lower: Option<usize>,
}

/// Looks into one change of `upper` above the `lowers` (topmost first). Reads both files where their sizes are the same.
///
/// # Errors
/// When one of them cannot be read, or has changed since it was listed.
pub fn detail(upper: impl AsFd, lowers: Lowers<'_>, rootless: bool, change: &Change) -> io::Result<Detail> {
    let path = change.path.strip_prefix(b"/").unwrap_or(&change.path);
    let (parent, name) = beneath::parent_and_name(path);
    let below = below(lowers, rootless, parent, name)?;
    let lower = below.as_ref().map(|below| below.lower);
    let kind = if change.kind == ChangeKind::Deleted { Kind::Deleted } else { Kind::New };
    let mut found = Detail { kind, what: Vec::new(), size: 0, copied: 0, lower };
    if change.kind == ChangeKind::Deleted {
        return Ok(found);
    }
    let dir = beneath::open_directory(upper, parent)?;
    let stat = node::stat(&dir, name)?;
    let is_file = |stat: &Stat| FileType::from_raw_mode(stat.st_mode).is_file();
    found.size = if is_file(&stat) { stat.st_size as u64 } else { 0 };
    let Some(below) = below else { return Ok(found) };
    if FileType::from_raw_mode(stat.st_mode) != FileType::from_raw_mode(below.stat.st_mode) {
        found.what.push(Aspect::Type);
        return Ok(found);
    }
    let old = &below.stat;
    if is_file(old) && !is_metacopy(&dir, name, rootless)? {
        found.copied = (old.st_size as u64).min(old.st_blocks as u64 * 512);
    }
    let same = same_content((&dir, &stat), (&below.dir, old), name)?;
    let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
    let time = |s: &Stat| (s.st_mtime, s.st_mtime_nsec);
    for (aspect, differs) in [
        (Aspect::Content, !same),
        (Aspect::Mode, stat.st_mode != old.st_mode),
        (Aspect::Owner, (stat.st_uid, stat.st_gid) != (old.st_uid, old.st_gid)),
        (Aspect::Time, !is_directory && time(&stat) != time(old)),
        (Aspect::Attributes, attributes(&dir, name)? != attributes(&below.dir, name)?),
    ] {
        if differs {
            found.what.push(aspect);
        }
    }
    found.kind = if same { Kind::Metadata } else { Kind::CopyUp };
    Ok(found)
}

/// What the lower layers show at a path.
struct Below {
    dir: OwnedFd,
    stat: Stat,
    lower: usize,
}

fn below(lowers: Lowers<'_>, rootless: bool, parent: &[u8], name: &[u8]) -> io::Result<Option<Below>> {
    let mut parts: Vec<(usize, OwnedFd)> = Vec::new();
    for (number, lower) in lowers.iter().enumerate() {
        parts.push((number, beneath::open_directory(lower, b"")?));
    }
    for component in parent.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for (number, dir) in parts {
            let Some(stat) = stat(&dir, component)? else { continue };
            if node::is_whiteout(&stat) || !FileType::from_raw_mode(stat.st_mode).is_dir() {
                break;
            }
            let opaque = super::is_opaque(dir.as_fd(), component, rootless)?;
            next.push((number, node::open_directory(&dir, component)?));
            if opaque {
                break;
            }
        }
        parts = next;
    }
    for (lower, dir) in parts {
        if let Some(stat) = stat(&dir, name)? {
            return Ok((!node::is_whiteout(&stat)).then_some(Below { dir, stat, lower }));
        }
    }
    Ok(None)
}

fn stat(dir: &OwnedFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match node::stat(dir, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        stat => stat.map(Some),
    }
}

/// Whether only the metadata was copied up.
fn is_metacopy(dir: &OwnedFd, name: &[u8], rootless: bool) -> io::Result<bool> {
    let key: &[u8] = if rootless { b"user.overlay.metacopy" } else { b"trusted.overlay.metacopy" };
    Ok(node::xattr(dir, name, key)?.is_some())
}

/// Whether two files of one type hold the same. Directories do.
fn same_content(new: (&OwnedFd, &Stat), old: (&OwnedFd, &Stat), name: &[u8]) -> io::Result<bool> {
    match FileType::from_raw_mode(new.1.st_mode) {
        FileType::RegularFile if new.1.st_size != old.1.st_size => Ok(false),
        FileType::RegularFile => same_bytes(node::open_file(new.0, name)?, node::open_file(old.0, name)?),
        FileType::Symlink => Ok(node::read_link(new.0, name)? == node::read_link(old.0, name)?),
        FileType::CharacterDevice | FileType::BlockDevice => Ok(new.1.st_rdev == old.1.st_rdev),
        _ => Ok(true),
    }
}

fn same_bytes(mut one: File, mut other: File) -> io::Result<bool> {
    let (mut a, mut b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let read = one.read(&mut a)?;
        if read == 0 {
            return Ok(other.read(&mut b[..1])? == 0);
        }
        match other.read_exact(&mut b[..read]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if a[..read] != b[..read] {
            return Ok(false);
        }
    }
}

/// Extended attributes, without those that overlayfs keeps its own accounts in.
fn attributes(dir: &OwnedFd, name: &[u8]) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for key in node::xattr_names(dir, name)? {
        if !outcrop_layers::tar::is_overlay_xattr(&key)
            && let Some(value) = node::xattr(dir, name, &key)?
        {
            all.insert(key, value);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::ChangeKind::{Added, Deleted, Modified};
    use super::*;

    #[test]
    fn what_changed_and_whence() {
        let scratch = tempfile::tempdir().expect("a directory");
        let at = |layer: &str, path: &str| scratch.path().join(layer).join(path);
        let put = |layer: &str, path: &str, content: &str| {
            let path = at(layer, path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        };
        for (layer, path, content) in [
            ("base", "d/grown", "ab"),
            ("base", "d/mode", "same"),
            ("base", "d/gone", "x"),
            ("base", "d/hidden", "base"),
            ("top", "d/hidden", "top"),
            ("base", "type", "x"),
            ("upper", "d/grown", "abc"),
            ("upper", "d/mode", "same"),
            ("upper", "d/hidden", "TOP"),
            ("upper", "new", "12345"),
            ("upper", "type/x", "x"),
        ] {
            put(layer, path, content);
        }
        let mode = at("upper", "d/mode");
        fs::set_permissions(&mode, fs::Permissions::from_mode(0o600)).expect("a mode");
        fs::set_permissions(at("base", "d/mode"), fs::Permissions::from_mode(0o644)).expect("a mode");
        let time = fs::metadata(at("base", "d/mode")).expect("metadata").modified().expect("a time");
        File::options().write(true).open(&mode).expect("opens").set_modified(time).expect("a time");
        let open = |layer: &str| File::open(scratch.path().join(layer)).expect("opens");
        let lowers = [open("top"), open("base")];
        let look = |path: &str, kind| {
            let change = Change { path: path.as_bytes().into(), kind };
            let found = detail(open("upper"), &lowers, true, &change).expect("a detail");
            let what = found.what.iter().filter(|aspect| **aspect != Aspect::Time).copied().collect::<Vec<_>>();
            (found.kind, what, found.size, found.copied, found.lower)
        };
        assert_eq!(look("/d/grown", Modified), (Kind::CopyUp, vec![Aspect::Content], 3, 2, Some(1)));
        assert_eq!(look("/d/mode", Modified), (Kind::Metadata, vec![Aspect::Mode], 4, 4, Some(1)));
        assert_eq!(look("/d/hidden", Modified), (Kind::CopyUp, vec![Aspect::Content], 3, 3, Some(0)));
        assert_eq!(look("/d/gone", Deleted), (Kind::Deleted, vec![], 0, 0, Some(1)));
        assert_eq!(look("/new", Added), (Kind::New, vec![], 5, 0, None));
        assert_eq!(look("/type", Modified), (Kind::New, vec![Aspect::Type], 0, 0, Some(1)));
        assert_eq!(look("/d", Modified).0, Kind::Metadata);
    }
}
