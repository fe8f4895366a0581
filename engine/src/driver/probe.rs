//! What the file system of a data root makes possible.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Dir, FileType};

use crate::sys::mount::Overlay;
use crate::sys::{fs as filesystem, node};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The file system, with the place it is mounted at (`ext4 at /var`).
    pub filesystem: String,
    /// Its type (`ext4`); Docker shows it as backing file system.
    pub kind: String,
    /// Whether directories tell the types of their files, which overlayfs needs.
    pub d_type: bool,
    /// Whether overlays can be mounted that keep their attributes as `trusted.overlay.*`.
    pub overlay: bool,
    /// Whether overlays can be mounted that keep their attributes as `user.overlay.*`, as in a user namespace.
    pub userxattr: bool,
    /// What is not possible and why, in sentences without a full stop.
    pub problems: Vec<String>,
}

impl Probe {
    /// Whether layers can be stored and mounted, with or without root.
    pub fn works(&self, rootless: bool) -> bool {
        self.d_type && if rootless { self.userxattr } else { self.overlay }
    }
}

/// Tries it out in `scratch`, an existing directory of the data root's file system, which is left as it was.
///
/// # Errors
/// When nothing can be written there.
pub fn probe(scratch: &Path, rootless: bool) -> io::Result<Probe> {
    let dir = scratch.join("probe");
    fs::create_dir(&dir)?;
    let probed = look(&dir, rootless);
    let parent = File::open(scratch)?;
    crate::sys::walk::remove_tree(&parent, b"probe").map_err(|e| e.source)?;
    probed
}

fn look(dir: &Path, rootless: bool) -> io::Result<Probe> {
    let fd = File::open(dir)?;
    let mounted = filesystem::mounted(&fd)?;
    let mut found = Probe {
        filesystem: mounted.to_string(),
        kind: mounted.kind.clone(),
        d_type: d_type(dir)?,
        overlay: false,
        userxattr: false,
        problems: Vec::new(),
    };
    if !found.d_type {
        found.problems.push(format!(
            "{mounted} does not tell file types in its directories (d_type), which overlayfs needs; an xfs must be made with ftype=1"
        ));
    }
    let key: &[u8] = if rootless { b"user.overlay.opaque" } else { b"trusted.overlay.opaque" };
    if let Err(error) = node::set_xattr(&fd, b"", key, b"y") {
        let key = key.escape_ascii();
        found.problems.push(format!("{mounted} takes no extended attribute {key}: {error}"));
        return Ok(found);
    }
    match overlay(dir, rootless) {
        Ok(()) if rootless => found.userxattr = true,
        Ok(()) => found.overlay = true,
        Err(error) if mounted.kind == "overlay" => {
            found.problems.push(format!("{mounted} is itself an overlay, which takes no overlay on top: {error}"));
        }
        Err(error) => found.problems.push(format!("no overlay can be mounted on {mounted}: {error}")),
    }
    Ok(found)
}

/// Whether reading a directory gives the types of files.
fn d_type(dir: &Path) -> io::Result<bool> {
    File::create(dir.join("file"))?;
    let fd = File::open(dir)?;
    for entry in Dir::read_from(fd.as_fd())? {
        let entry = entry?;
        if entry.file_name().to_bytes() == b"file" {
            return Ok(entry.file_type() == FileType::RegularFile);
        }
    }
    Err(io::Error::other("a file that was just made is not in its directory"))
}

/// Makes an overlay that nobody sees.
fn overlay(dir: &Path, rootless: bool) -> io::Result<()> {
    for name in ["low", "up", "work", "at"] {
        fs::create_dir(dir.join(name))?;
    }
    let upper = Some((dir.join("up"), dir.join("work")));
    let overlay = Overlay { base: dir.into(), lowers: vec![dir.join("low")], upper, userxattr: rootless };
    overlay.try_out(&dir.join("at"))
}
