//! The files of a root file system that is made of files of this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use outcrop_layers::entry::{Entry, Kind, Time};

use super::{HostError, read_error};
use crate::layer::diff::PaxWriter;

/// Links that may be followed for one path, as in the kernel.
const MOST_LINKS: usize = 40;

/// Directories that programs expect, and their modes.
const DIRECTORIES: [(&str, u16); 10] = [
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/var", 0o755),
    ("/var/tmp", 0o1777),
];

/// Files without which names of users are not found.
const TEXTS: [(&str, &str); 3] = [
    ("/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"),
];

/// Paths of the root file system, absolute; parents sort before what is in them.
#[derive(Debug)]
pub(super) struct Tree {
    host: PathBuf,
    nodes: BTreeMap<PathBuf, Node>,
}

#[derive(Debug)]
enum Node {
    Directory { mode: u16 },
    Link { target: PathBuf },
    File { size: u64, mode: u16, mtime: Time },
    Text(&'static str),
}

impl Tree {
    /// Takes files below `host`.
    pub(super) fn new(host: &Path) -> Self {
        Self { host: host.into(), nodes: BTreeMap::new() }
    }

    /// Adds a file with all directories and links that lead to it. Gives the path of the file itself.
    pub(super) fn add(&mut self, path: &Path) -> Result<PathBuf, HostError> {
        let mut rest: Vec<PathBuf> = parts(path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == Path::new("..") {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            let on_host = self.on_host(&next);
            let meta = fs::symlink_metadata(&on_host).map_err(read_error(&on_host))?;
            if meta.is_symlink() {
                links += 1;
                if links > MOST_LINKS {
                    return Err(read_error(path)(io::Error::other("too many symbolic links")));
                }
                let target = fs::read_link(&on_host).map_err(read_error(&on_host))?;
                rest.extend(parts(&target));
                if target.has_root() {
                    at = "/".into();
                }
                self.nodes.insert(next, Node::Link { target });
                continue;
            }
            if !meta.is_dir() && !meta.is_file() {
                return Err(read_error(path)(io::Error::other("is neither a file nor a directory")));
            }
            self.nodes.entry(next.clone()).or_insert_with(|| node(&meta));
            at = next;
        }
        match self.nodes.get(&at) {
            Some(Node::File { .. }) => Ok(at),
            _ => Err(read_error(path)(io::Error::other("is no regular file"))),
        }
    }

    /// Paths of the regular files.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.nodes.iter().filter(|(_, node)| matches!(node, Node::File { .. })).map(|(path, _)| path.as_path())
    }

    /// Makes a library known to a loader that looks only where it was built to look: beside itself.
    pub(super) fn link_library(&mut self, name: &[u8], library: &Path, loader: Option<&Path>) {
        let Some(dir) = loader.and_then(Path::parent) else { return };
        let link = self.resolved(dir).join(OsStr::from_bytes(name));
        self.nodes.entry(link).or_insert_with(|| Node::Link { target: library.into() });
    }

    /// Gives a program another name beside its own, unless a program of that name is there.
    pub(super) fn link_program(&mut self, name: &str, program: &Path) {
        let (Some(dir), Some(file)) = (program.parent(), program.file_name()) else { return };
        let link = self.resolved(dir).join(name);
        self.nodes.entry(link).or_insert_with(|| Node::Link { target: file.into() });
    }

    /// Adds what every root file system has.
    pub(super) fn complete(&mut self) {
        for name in ["bin", "lib", "lib32", "lib64", "sbin"] {
            // On machines where these are links to directories of /usr, programs name either.
            let (path, inside) = (Path::new("/").join(name), Path::new("/usr").join(name));
            if let Ok(target) = fs::read_link(self.on_host(&path))
                && target == Path::new("usr").join(name)
                && self.nodes.contains_key(&inside)
            {
                self.nodes.insert(path, Node::Link { target });
            }
        }
        for (path, mode) in DIRECTORIES {
            self.nodes.insert(path.into(), Node::Directory { mode });
        }
        for (path, text) in TEXTS {
            self.nodes.insert(path.into(), Node::Text(text));
        }
        let parents: Vec<_> = self.nodes.keys().flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
        for parent in parents {
            self.nodes.entry(parent).or_insert(Node::Directory { mode: 0o755 });
        }
    }

    /// Writes all as a tar.
    pub(super) fn write(&self, out: impl Write) -> Result<u64, HostError> {
        let mut tar = PaxWriter::new(io::BufWriter::with_capacity(256 << 10, out));
        let newest = self.nodes.values().filter_map(|node| match node {
            Node::File { mtime, .. } => Some(*mtime),
            _ => None,
        });
        let newest = newest.max().unwrap_or_default();
        for (path, node) in &self.nodes {
            let (kind, mode, mtime) = match node {
                Node::Directory { mode } => (Kind::Directory { opaque: false }, *mode, newest),
                Node::Link { target } => {
                    (Kind::Symlink { target: target.as_os_str().as_bytes().into() }, 0o777, newest)
                }
                Node::File { size, mode, mtime } => (Kind::File { size: *size, disk: None }, *mode, *mtime),
                Node::Text(text) => (Kind::File { size: text.len() as u64, disk: None }, 0o644, newest),
            };
            let name = path.as_os_str().as_bytes();
            let name = name.strip_prefix(b"/").unwrap_or(name).into();
            let entry = Entry { path: name, kind, mode, uid: 0, gid: 0, mtime, xattrs: Vec::new() };
            tar.entry(&entry).map_err(HostError::Write)?;
            match node {
                Node::Text(text) => tar.write_all(text.as_bytes()).map_err(HostError::Write)?,
                Node::File { size, .. } => self.copy(path, *size, &mut tar)?,
                _ => {}
            }
        }
        Ok(tar.finish().map_err(HostError::Write)?.0)
    }

    fn copy(&self, path: &Path, size: u64, tar: &mut impl Write) -> Result<(), HostError> {
        let path = self.on_host(path);
        let mut file = File::open(&path).map_err(read_error(&path))?;
        let mut buffer = vec![0; 256 << 10];
        let mut left = size;
        loop {
            let n = file.read(&mut buffer).map_err(read_error(&path))?;
            left = match left.checked_sub(n as u64) {
                Some(0) if n == 0 => return Ok(()),
                Some(left) if n > 0 => left,
                _ => return Err(read_error(&path)(io::Error::other("has changed its size while it was read"))),
            };
            tar.write_all(&buffer[..n]).map_err(HostError::Write)?;
        }
    }

    /// A directory of the tree with its links followed.
    fn resolved(&self, dir: &Path) -> PathBuf {
        let mut at = PathBuf::from("/");
        let mut rest = parts(dir);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == Path::new("..") {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            match self.nodes.get(&next) {
                Some(Node::Link { target }) if links < MOST_LINKS => {
                    links += 1;
                    rest.extend(parts(target));
                    if target.has_root() {
                        at = "/".into();
                    }
                }
                _ => at = next,
            }
        }
        at
    }

    fn on_host(&self, path: &Path) -> PathBuf {
        self.host.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn node(meta: &Metadata) -> Node {
    if meta.is_dir() {
        return Node::Directory { mode: 0o755 };
    }
    let mtime = Time { seconds: meta.mtime(), nanoseconds: 0 };
    Node::File { size: meta.len(), mode: (meta.mode() & 0o7777) as u16, mtime }
}

/// The parts of a path, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let part = |component| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}
