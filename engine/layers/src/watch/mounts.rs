//! The overlay mounts of the machine, as `/proc/PID/mountinfo` lists them (proc_pid_mountinfo(5)).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::error::WatchError;
use super::overlay::{LowerLayer, Overlay};

/// An overlay with an upper directory, and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount point, in the mount namespace where it was found.
    pub point: PathBuf,
    /// What is mounted; its name is the mount point.
    pub overlay: Overlay,
}

/// The list of mounts of this process: it becomes urgent when the list changes (poll(2), POLLPRI).
pub(crate) fn list() -> io::Result<File> {
    File::open("/proc/self/mountinfo")
}

/// All overlays with an upper directory that can be reached, of every mount namespace that this process may look into.
///
/// # Errors
/// The mounts of this process cannot be read.
pub fn overlays() -> io::Result<Vec<Mount>> {
    let mut all = of_list(&fs::read("/proc/self/mountinfo")?);
    let mut namespaces = HashSet::from([fs::read_link("/proc/self/ns/mnt").unwrap_or_default()]);
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if !entry.file_name().as_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // Processes come and go, and those of others may be out of reach.
        let Ok(namespace) = fs::read_link(entry.path().join("ns/mnt")) else { continue };
        if namespaces.insert(namespace)
            && let Ok(list) = fs::read(entry.path().join("mountinfo"))
        {
            all.extend(of_list(&list));
        }
    }
    let mut seen = HashSet::new();
    all.retain(|mount| mount.overlay.upper.is_dir() && seen.insert(mount.overlay.upper.clone()));
    Ok(all)
}

/// The overlay that is mounted at `point`.
///
/// # Errors
/// There is none, or it has no upper directory.
pub fn at(point: &Path) -> Result<Overlay, WatchError> {
    let not_mounted = || WatchError::NotMounted { path: point.to_owned() };
    let absolute = fs::canonicalize(point).map_err(|_| not_mounted())?;
    let mounts = of_list(&fs::read("/proc/self/mountinfo")?);
    // A later mount hides an earlier one at the same place.
    let found = mounts.into_iter().rev().find(|mount| mount.point == absolute);
    found.map(|mount| mount.overlay).ok_or_else(not_mounted)
}

/// The overlays in one list.
fn of_list(list: &[u8]) -> Vec<Mount> {
    list.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// One line; `None` if it is no overlay with an upper directory.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = path(&unescaped(fields.nth(4)?));
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    if fields.next()? != b"overlay" {
        return None;
    }
    let options = fields.nth(1)?;
    let name = point.to_string_lossy().into_owned();
    let mut overlay = Overlay { name, ..Overlay::default() };
    let (mut upper, mut work, mut lowers) = (None, PathBuf::new(), Vec::new());
    for option in options.split(|byte| *byte == b',') {
        let end = option.iter().position(|byte| *byte == b'=').unwrap_or(option.len());
        let value = unescaped(option.get(end + 1..).unwrap_or_default());
        match &option[..end] {
            b"upperdir" => upper = Some(path(&unquoted(&value))),
            b"workdir" => work = path(&unquoted(&value)),
            b"lowerdir" => lowers.extend(list_of(&value)),
            b"lowerdir+" | b"datadir+" => lowers.push(path(&value)),
            b"userxattr" => overlay.userxattr = true,
            b"metacopy" => overlay.metacopy = value == b"on",
            _ => {}
        }
    }
    let base = point.parent().and_then(Path::parent).map(Path::to_owned);
    let whole = |path: PathBuf| resolved(base.as_deref(), path);
    overlay.upper = whole(upper?);
    overlay.work = whole(work);
    // The kernel lists the topmost first.
    overlay.lowers =
        lowers.into_iter().rev().map(|lower| LowerLayer { path: whole(lower), created_by: None }).collect();
    Some(Mount { point, overlay })
}

/// Docker gives long lists relative to its folder of layers, two levels above the mount point, and as links there.
fn resolved(base: Option<&Path>, path: PathBuf) -> PathBuf {
    let whole = match base {
        Some(base) if path.is_relative() => base.join(&path),
        _ => path,
    };
    fs::canonicalize(&whole).unwrap_or(whole)
}

fn path(bytes: &[u8]) -> PathBuf {
    std::ffi::OsString::from_vec(bytes.to_vec()).into()
}

/// The kernel's own escapes: `\040` for a space.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some((&byte, rest)) = left.split_first() {
        let octal = rest.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(value) if byte == b'\\' => {
                out.push(value);
                left = &rest[3..];
            }
            _ => {
                out.push(byte);
                left = rest;
            }
        }
    }
    out
}

/// The mount option's escapes: `\:` for a colon.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.push(if byte == b'\\' { *bytes.next().unwrap_or(&byte) } else { byte });
    }
    out
}

/// The paths in `lowerdir=`, topmost first. Two colons begin those that only hold content.
fn list_of(value: &[u8]) -> Vec<PathBuf> {
    let (mut all, mut one, mut bytes) = (Vec::new(), Vec::new(), value.iter());
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => one.extend(bytes.next()),
            b':' => all.push(std::mem::take(&mut one)),
            _ => one.push(byte),
        }
    }
    all.push(one);
    all.iter().filter(|one| !one.is_empty()).map(|one| path(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_list() {
        let list = br"22 1 0:21 / /proc rw - proc proc rw
36 35 0:32 / /d/overlay2/ab/merged rw,relatime shared:1 - overlay overlay rw,lowerdir=l/B:l/A,upperdir=ab/diff,workdir=ab/work
37 35 0:33 / /m\040nt rw - overlay none rw,lowerdir=/x\134:y:/z\054w,upperdir=/u\134:p,workdir=/wo,userxattr,metacopy=on
38 35 0:34 / /new rw master:3 - overlay o rw,lowerdir+=/top,lowerdir+=/base:1,upperdir=/u,workdir=/w
39 35 0:35 / /ro ro - overlay o ro,lowerdir=/a:/b
nonsense";
        let mounts = of_list(list);
        let lowers =
            |overlay: &Overlay| overlay.lowers.iter().map(|lower| lower.path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(mounts.len(), 3);
        assert_eq!(lowers(&mounts[0].overlay), ["/d/overlay2/l/A", "/d/overlay2/l/B"]);
        assert_eq!(mounts[0].overlay.upper, Path::new("/d/overlay2/ab/diff"));
        assert_eq!(mounts[1].point, Path::new("/m nt"));
        assert_eq!(lowers(&mounts[1].overlay), ["/z,w", "/x:y"]);
        assert_eq!(mounts[1].overlay.upper, Path::new("/u:p"));
        assert!(mounts[1].overlay.userxattr && mounts[1].overlay.metacopy && !mounts[0].overlay.metacopy);
        assert_eq!(lowers(&mounts[2].overlay), ["/base:1", "/top"]);
    }

    #[test]
    fn says_that_nothing_is_mounted() {
        let error = at(Path::new("/none")).expect_err("nothing there").to_string();
        assert!(error.contains("no overlay") && error.contains("/none"), "{error}");
    }
}
