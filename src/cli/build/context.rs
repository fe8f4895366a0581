//! The build context as it is sent: a folder without what `.dockerignore` leaves out, or standard input.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use outcrop_engine::build::{Ignore, ignore};
use outcrop_engine::layer::diff::PaxWriter;
use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::tar::looks_like_tar;

use crate::cli::Failure;
use crate::cli::upload::{Chunks, Source, stream_of};
use crate::report::progress::Meter;

/// What a Dockerfile is called in the tar if it is from elsewhere.
const ELSEWHERE: &str = ".dockerfile.outcrop";
const IGNORE: &str = ".dockerignore";

/// What is sent.
pub(crate) struct Context {
    /// The Dockerfile's path in it.
    pub(crate) dockerfile: String,
    /// Dockerfiles to compare with.
    pub(crate) against: Vec<String>,
    content: Content,
}

enum Content {
    /// A folder.
    Folder {
        folder: PathBuf,
        ignore: Box<Ignore>,
        /// Files that are sent in the place of those of the folder, or beside them.
        instead: Vec<(String, Vec<u8>)>,
    },
    /// A tar.
    Tar(Source),
    /// Nothing but these files.
    Files(Vec<(String, Vec<u8>)>),
}

impl Context {
    /// Finds out what `path` and `file` mean.
    pub(crate) fn open(path: &str, file: &str, against: &[String]) -> Result<Self, Failure> {
        if path == "-" {
            return Self::of_stdin(file);
        }
        let remote = ["http://", "https://", "git://", "git@", "ssh://", "github.com/"];
        if remote.iter().any(|prefix| path.starts_with(prefix)) {
            return Err(Failure::usage(format!("{path}: a context is a folder or -; fetch the files first")));
        }
        let folder = PathBuf::from(path);
        match fs::metadata(&folder) {
            Ok(about) if about.is_dir() => {}
            Ok(_) => return Err(Failure::new(format!("unable to prepare context: {path} is no folder"))),
            Err(error) => {
                return Err(Failure::new(format!("unable to prepare context: path {path:?} not found: {error}")));
            }
        }
        let mut instead = Vec::new();
        let dockerfile = if file == "-" {
            instead.push((ELSEWHERE.to_owned(), stdin()?));
            ELSEWHERE.to_owned()
        } else {
            Self::in_folder(&folder, file, &mut instead)?
        };
        let mut inside = Vec::new();
        for other in against {
            let name = Self::in_folder(&folder, other, &mut instead)?;
            if name == ELSEWHERE {
                return Err(Failure::new(format!("--against {other}: it must be in {path}")));
            }
            inside.push(name);
        }
        let own = [format!("{dockerfile}.dockerignore"), IGNORE.to_owned()];
        let found = own.iter().find_map(|name| fs::read(folder.join(name)).ok().map(|bytes| (name, bytes)));
        let (name, bytes) = found.unwrap_or((&own[1], Vec::new()));
        let patterns = ignore::read(&String::from_utf8_lossy(&bytes));
        let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", folder.join(name).display()));
        let mut ignore = Ignore::new(&patterns).map_err(|error| wrong(&error))?;
        let needed: Vec<&str> =
            [name.as_str(), dockerfile.as_str()].into_iter().chain(inside.iter().map(String::as_str)).collect();
        ignore.keep(&needed).map_err(|error| wrong(&error))?;
        if dockerfile == ELSEWHERE {
            // The engine takes it away again, with the file that says so.
            let mut text = bytes;
            text.extend_from_slice(format!("\n{ELSEWHERE}\n").as_bytes());
            if !folder.join(IGNORE).exists() {
                text.extend_from_slice(format!("{IGNORE}\n").as_bytes());
            }
            instead.push((IGNORE.to_owned(), text));
        }
        Ok(Self { dockerfile, against: inside, content: Content::Folder { folder, ignore: Box::new(ignore), instead } })
    }

    /// The Dockerfile's path in the tar; one from outside of the folder is sent beside it.
    fn in_folder(folder: &Path, file: &str, instead: &mut Vec<(String, Vec<u8>)>) -> Result<String, Failure> {
        let path = if file.is_empty() { folder.join("Dockerfile") } else { PathBuf::from(file) };
        let path = if !path.exists() && Path::new(file).is_relative() { folder.join(&path) } else { path };
        let failed = |error: io::Error| {
            Failure::new(format!(
                "unable to prepare context: unable to read the Dockerfile {}: {error}",
                path.display()
            ))
        };
        let path = if file.is_empty() && !path.exists() && folder.join("dockerfile").exists() {
            folder.join("dockerfile")
        } else {
            path.clone()
        };
        let real = path.canonicalize().map_err(failed)?;
        let root = folder.canonicalize().map_err(failed)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The file itself may be a link: what counts is where the link is.
        let place = parent.canonicalize().map_err(failed)?.join(path.file_name().unwrap_or_default());
        if let (Ok(name), true) = (place.strip_prefix(&root), real.starts_with(&root)) {
            return name.to_str().map(str::to_owned).ok_or_else(|| Failure::new(format!("{file}: is not UTF-8")));
        }
        instead.push((ELSEWHERE.to_owned(), fs::read(&real).map_err(failed)?));
        Ok(ELSEWHERE.to_owned())
    }

    fn of_stdin(file: &str) -> Result<Self, Failure> {
        let source =
            Source::stdin("requested build from stdin, but stdin is empty: give a folder, a tar or a Dockerfile")?;
        let Source::Stdin(first) = &source else { return Err(Failure::new("standard input cannot be read")) };
        let compressed =
            [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"].iter().any(|m| first.starts_with(m));
        if compressed || looks_like_tar(first) {
            let dockerfile = if file.is_empty() { "Dockerfile" } else { file };
            return Ok(Self { dockerfile: dockerfile.into(), against: Vec::new(), content: Content::Tar(source) });
        }
        if !file.is_empty() {
            return Err(Failure::usage("-f with - needs a tar on standard input"));
        }
        let mut text = first.clone();
        io::stdin()
            .read_to_end(&mut text)
            .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
        let files = vec![("Dockerfile".to_owned(), text)];
        Ok(Self { dockerfile: "Dockerfile".into(), against: Vec::new(), content: Content::Files(files) })
    }

    /// These files and no others; the first one is the Dockerfile.
    pub(crate) fn of_files(files: Vec<(String, Vec<u8>)>, dockerfile: &str) -> Self {
        Self { dockerfile: dockerfile.into(), against: Vec::new(), content: Content::Files(files) }
    }

    /// Sends it, on a thread of its own.
    pub(crate) fn stream(self, meter: Meter) -> Box<dyn Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static> {
        let content = match self.content {
            Content::Tar(source) => return Box::new(Box::pin(source.stream(meter))),
            content => content,
        };
        Box::new(Box::pin(stream_of(meter, move |sender| {
            let mut out = Chunks::new(sender.clone());
            if let Err(error) = write(content, &mut out).and_then(|()| out.flush()) {
                let _ = sender.blocking_send(Err(error));
            }
        })))
    }
}

fn stdin() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = io::stdin().read_to_end(&mut text);
    read.map(|_| text).map_err(|error| Failure::new(format!("cannot read standard input: {error}")))
}

fn write(content: Content, out: &mut Chunks) -> io::Result<()> {
    let mut tar = PaxWriter::new(out);
    match content {
        Content::Tar(_) => {}
        Content::Files(files) => files.iter().try_for_each(|(name, text)| text_file(&mut tar, name, text))?,
        Content::Folder { folder, ignore, instead } => {
            let mut walk = Walk { tar, ignore: &ignore, instead: &instead, linked: HashMap::new() };
            walk.directory(&folder, &mut Vec::new())?;
            tar = walk.tar;
            instead.iter().try_for_each(|(name, text)| text_file(&mut tar, name, text))?;
        }
    }
    tar.finish().map(drop)
}

fn text_file(tar: &mut PaxWriter<&mut Chunks>, name: &str, text: &[u8]) -> io::Result<()> {
    let kind = Kind::File { size: text.len() as u64, disk: None };
    tar.entry(&entry(name.as_bytes(), kind, 0o644, 0))?;
    tar.write_all(text)
}

/// As docker sends it: everything is root's, times have seconds.
fn entry(path: &[u8], kind: Kind, mode: u32, seconds: i64) -> Entry {
    let mtime = Time { seconds, nanoseconds: 0 };
    Entry { path: path.into(), kind, mode: (mode & 0o7777) as u16, uid: 0, gid: 0, mtime, xattrs: Vec::new() }
}

struct Walk<'a, 'b> {
    tar: PaxWriter<&'a mut Chunks>,
    ignore: &'b Ignore,
    instead: &'b [(String, Vec<u8>)],
    /// First names of files that have several.
    linked: HashMap<(u64, u64), Vec<u8>>,
}

impl Walk<'_, '_> {
    fn directory(&mut self, at: &Path, path: &mut Vec<u8>) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", at.display()));
        let mut names: Vec<_> = fs::read_dir(at)
            .map_err(named)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<_>>()?;
        names.sort();
        for name in names {
            let length = path.len();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            self.file(&at.join(&name), path)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn file(&mut self, at: &Path, path: &mut Vec<u8>) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", at.display()));
        let about = fs::symlink_metadata(at).map_err(named)?;
        let shown = String::from_utf8_lossy(path).into_owned();
        let left_out = self.ignore.leaves_out(&shown) || self.instead.iter().any(|(name, _)| *name == shown);
        if left_out && !(about.is_dir() && self.ignore.may_take_in_below(&shown)) {
            return Ok(());
        }
        let kind = about.file_type();
        let (mode, time) = (about.mode(), about.mtime());
        if kind.is_dir() {
            if !left_out {
                self.tar.entry(&entry(path, Kind::Directory { opaque: false }, mode, time))?;
            }
            return self.directory(at, path);
        }
        if about.nlink() > 1 {
            let first = self.linked.entry((about.dev(), about.ino())).or_insert_with(|| path.clone());
            if first != path {
                let kind = Kind::Hardlink { target: first.clone().into() };
                return self.tar.entry(&entry(path, kind, mode, time));
            }
        }
        if kind.is_symlink() {
            let target = fs::read_link(at).map_err(named)?.as_os_str().as_bytes().into();
            return self.tar.entry(&entry(path, Kind::Symlink { target }, 0o777, time));
        }
        if kind.is_fifo() {
            return self.tar.entry(&entry(path, Kind::Fifo, mode, time));
        }
        if !kind.is_file() {
            // Sockets and devices are no content of an image.
            return Ok(());
        }
        let mut file = File::open(at).map_err(named)?;
        let size = file.metadata().map_err(named)?.len();
        self.tar.entry(&entry(path, Kind::File { size, disk: None }, mode, time))?;
        let copied = io::copy(&mut (&mut file).take(size), &mut self.tar)?;
        io::copy(&mut io::repeat(0).take(size - copied), &mut self.tar).map(drop)
    }
}
