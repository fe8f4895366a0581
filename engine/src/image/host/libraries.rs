//! Where the dynamic loader looks for libraries (`ld.so(8)`), without its cache.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::elf::Elf;

/// How deep `include` lines may be nested.
const DEEPEST: usize = 8;

/// Directories that are searched.
pub(super) struct Libraries {
    /// Those that loaders know themselves, so that they find libraries there in a container too.
    known: Vec<PathBuf>,
    /// Those of `/etc/ld.so.conf` besides, which only this machine's cache makes known.
    configured: Vec<PathBuf>,
    machines: HashMap<PathBuf, Option<(u16, bool)>>,
}

/// A library that was found.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Whether the loader finds it in a container only by a link in a directory that it knows itself.
    pub(super) needs_link: bool,
}

impl Libraries {
    pub(super) fn of_this_machine() -> Self {
        let machine = std::env::consts::ARCH;
        let mut known = Vec::new();
        for abi in ["linux-gnu", "linux-gnueabihf", "linux-musl"] {
            let multiarch = format!("{}-{abi}", if machine == "x86" { "i386" } else { machine });
            known.extend([Path::new("/lib").join(&multiarch), Path::new("/usr/lib").join(multiarch)]);
        }
        known.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from));
        let mut configured = Vec::new();
        configuration(Path::new("/etc/ld.so.conf"), 0, &mut configured);
        configured.retain(|dir| !known.contains(dir));
        // The loader of musl knows this directory, the one of glibc does not.
        configured.push("/usr/local/lib".into());
        Self { known, configured, machines: HashMap::new() }
    }

    /// Finds a library that `needing` at `path` names, as part of a `program`.
    pub(super) fn find(&mut self, name: &[u8], path: &Path, needing: &Elf, program: (&Path, &Elf)) -> Option<Found> {
        let name = Path::new(OsStr::from_bytes(name));
        if name.has_root() {
            return Some(Found { path: name.into(), needs_link: false });
        }
        let mut own = Vec::new();
        if needing.runpath.is_empty() {
            own.extend(expand(&needing.rpath, path));
            own.extend(expand(&program.1.rpath, program.0));
        }
        own.extend(expand(&needing.runpath, path));
        let rest = self.known.iter().map(|dir| (dir, false)).chain(self.configured.iter().map(|dir| (dir, true)));
        let places: Vec<_> =
            own.iter().map(|dir| (dir, false)).chain(rest).map(|(dir, link)| (dir.join(name), link)).collect();
        let found = places.into_iter().find(|(path, _)| self.machine(path) == Some(needing.machine));
        found.map(|(path, needs_link)| Found { path, needs_link })
    }

    /// What kind of machine an ELF file is for; `None` if it is no ELF file.
    fn machine(&mut self, path: &Path) -> Option<(u16, bool)> {
        if let Some(known) = self.machines.get(path) {
            return *known;
        }
        let read = || Elf::read(path, File::open(path).ok().filter(|_| path.is_file())?).ok().map(|elf| elf.machine);
        let machine = read();
        self.machines.insert(path.into(), machine);
        machine
    }
}

/// The directories of an RPATH or RUNPATH.
fn expand(list: &[u8], path: &Path) -> Vec<PathBuf> {
    let origin = path.parent().unwrap_or(Path::new("/"));
    let lib = if cfg!(target_pointer_width = "64") { "lib64" } else { "lib" };
    let text = String::from_utf8_lossy(list);
    let one = |dir: &str| {
        let origin = origin.to_string_lossy();
        let mut dir = dir.to_owned();
        for (name, value) in [("ORIGIN", &*origin), ("LIB", lib), ("PLATFORM", std::env::consts::ARCH)] {
            dir = dir.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
        }
        PathBuf::from(dir)
    };
    text.split(':').filter(|dir| !dir.is_empty()).map(one).filter(|dir| dir.is_absolute()).collect()
}

/// Reads `/etc/ld.so.conf`: a directory a line, and `include PATTERN`.
fn configuration(path: &Path, depth: usize, dirs: &mut Vec<PathBuf>) {
    let Ok(text) = fs::read_to_string(path) else { return };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(pattern) = line.strip_prefix("include ") {
            let pattern = path.parent().unwrap_or(Path::new("/")).join(pattern.trim());
            for file in matching(&pattern) {
                if depth < DEEPEST {
                    configuration(&file, depth + 1, dirs);
                }
            }
        } else if line.starts_with('/') {
            dirs.push(line.trim_end_matches('/').into());
        }
    }
}

/// Files that match a pattern with at most one `*`, in its last part.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (pattern.parent(), pattern.file_name()) else { return Vec::new() };
    let name = name.as_bytes();
    let Some(star) = name.iter().position(|&b| b == b'*') else { return vec![pattern.into()] };
    let (before, after) = (&name[..star], &name[star + 1..]);
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let fits = |name: &std::ffi::OsString| {
        let name = name.as_bytes();
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let mut found: Vec<_> = entries.filter(fits).map(|name| dir.join(name)).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_paths() {
        let dirs = expand(b"$ORIGIN/../lib:/opt/x:relative:${ORIGIN}", Path::new("/a/bin/p"));
        assert_eq!(dirs, ["/a/bin/../lib", "/opt/x", "/a/bin"].map(PathBuf::from));
    }

    #[test]
    fn loader_configuration() {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir(dir.path().join("d")).expect("directory");
        fs::write(dir.path().join("c"), "# x\ninclude d/*.conf\n/last/\ninclude c\n").expect("file");
        fs::write(dir.path().join("d/b.conf"), "/two # y\n").expect("file");
        fs::write(dir.path().join("d/a.conf"), "/one\n").expect("file");
        fs::write(dir.path().join("d/no"), "/no\n").expect("file");
        let mut dirs = Vec::new();
        configuration(&dir.path().join("c"), DEEPEST, &mut dirs);
        assert_eq!(dirs, [PathBuf::from("/last")]);
        dirs.clear();
        configuration(&dir.path().join("c"), DEEPEST - 1, &mut dirs);
        assert_eq!(dirs[..3], ["/one", "/two", "/last"].map(PathBuf::from));
    }
}
