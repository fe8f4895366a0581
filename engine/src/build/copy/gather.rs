//! Finding what is copied, and summing it up.

use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};

use outcrop_layers::entry::Kind;
use rustix::fs::FileType;
use sha2::Digest as _;

use super::{Content, From, Item, Wanted, several, shown};
use crate::build::Said;
use crate::build::builder::Build;
use crate::build::download;
use crate::build::error::{BuildError, Result};
use crate::build::expand::{Lexer, Options};
use crate::build::glob::{Glob, is_pattern};
use crate::build::ignore::clean;
use crate::build::instruction::{Copy, CopySource, Instruction};
use crate::build::parse::is_url;
use crate::build::problem::nearest;
use crate::build::state::State;
use crate::build::tarsum::{self, Header};
use crate::build::tree::{self, real_path};
use crate::progress::{Ctx, Progress};
use crate::registry::Limits;
use crate::sys::walk::{Met, Visitor, WalkError, walk};
use crate::sys::{beneath, node};

/// The paths of all below `path`, names in byte order.
pub(super) fn below(root: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>, WalkError> {
    struct Paths(Vec<Vec<u8>>);
    impl Visitor for Paths {
        type Error = WalkError;

        fn meet(&mut self, met: &Met<'_>) -> Result<bool, WalkError> {
            self.0.push(met.path.to_vec());
            Ok(true)
        }
    }
    let directory = beneath::open_directory(root, path).map_err(|source| WalkError { path: path.into(), source })?;
    let mut paths = Paths(Vec::new());
    walk(&directory, &mut paths)?;
    let whole = |below: Vec<u8>| if path.is_empty() { below } else { [path, b"/", &below].concat() };
    Ok(paths.0.into_iter().map(whole).collect())
}

impl Build<'_> {
    /// Finds all sources of a step.
    pub(super) fn gather(
        &mut self,
        state: &State,
        copy: &Copy,
        wanted: &Wanted,
        step: &Instruction,
    ) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for source in &copy.sources {
            match source {
                CopySource::Heredoc(heredoc) => {
                    let mut text = heredoc.text();
                    if heredoc.expand {
                        text = self.heredoc(state, &text, step)?;
                    }
                    items.push(item_of_text(&heredoc.name, text));
                }
                CopySource::Path(path) => {
                    let path = self.word(state, path, &step.place)?;
                    if copy.add && is_url(&path) {
                        items.push(self.download(&path, copy, wanted, step)?);
                    } else {
                        items.extend(self.find(&path, wanted, shown(source), copy, step)?);
                    }
                }
            }
        }
        if items.is_empty() {
            return Err(step
                .place
                .problem("", format!("{} failed: no source files were specified", copy.word()))
                .into());
        }
        if items.len() > 1 && !wanted.target.ends_with('/') {
            return Err(step.place.problem(&copy.target, several(copy.word())).into());
        }
        Ok(items)
    }

    /// A here-document with its variables replaced; quotes in it are only characters.
    fn heredoc(&self, state: &State, text: &str, step: &Instruction) -> Result<String> {
        // Quotes are escaped, so that they come out as they went in.
        let mut quoted = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '"' | '\'') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        let beside = self.arguments.beside(state.env());
        let env: Vec<&String> = state.env().iter().chain(&beside).collect();
        let value = |name: &str| env.iter().find_map(|e| Some(e.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
        let out = Lexer::new('\\', Options::default()).word(&quoted, &value);
        out.map_err(|why| step.place.problem("", format!("cannot expand the here-document: {why}")).into())
    }

    /// The checksum of a file or directory of the context.
    pub(in crate::build) fn context_sum(&self, path: &str) -> io::Result<String> {
        let all = Wanted::of_context();
        self.item(self.context.root(), path.as_bytes(), &all).map(|item| item.sum)
    }

    fn find(&self, path: &str, wanted: &Wanted, word: &str, copy: &Copy, step: &Instruction) -> Result<Vec<Item>> {
        let clean = clean(path.trim_start_matches('/'));
        if clean == ".." || clean.starts_with("../") {
            let message = format!(
                "{} failed: forbidden path outside the build context: {path}; only what is in the folder of the build can be copied",
                copy.word()
            );
            return Err(step.place.problem(word, message).into());
        }
        let Some(root) = wanted.root(self.context.root()) else {
            return Err(self.missing(path, wanted, word, copy, step));
        };
        let relative = if clean == "." { "" } else { &*clean };
        let unreadable = |error: WalkError| BuildError::Invalid(format!("cannot read {path}: {error}"));
        if is_pattern(relative) {
            let glob = Glob::plain(relative).map_err(|error| step.place.problem(word, format!("{path}: {error}")))?;
            let mut items = Vec::new();
            for found in below(root, b"").map_err(unreadable)? {
                if glob.matches(&String::from_utf8_lossy(&found)) && !excluded(wanted, &found, &[]) {
                    let item = self.item(root, &found, wanted);
                    items.push(item.map_err(|error| {
                        self.no_item(&error, &String::from_utf8_lossy(&found), wanted, word, copy, step)
                    })?);
                }
            }
            return Ok(items);
        }
        // A backslash before a star says that it is no pattern.
        let literal = unescape(relative);
        let item = self.item(root, literal.as_bytes(), wanted);
        item.map(|item| vec![item]).map_err(|error| self.no_item(&error, path, wanted, word, copy, step))
    }

    /// Why a source could not be read.
    fn no_item(
        &self,
        error: &io::Error,
        path: &str,
        wanted: &Wanted,
        word: &str,
        copy: &Copy,
        step: &Instruction,
    ) -> BuildError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => self.missing(path, wanted, word, copy, step),
            _ => step.place.problem(word, format!("{} failed: {path}: {error}", copy.word())).into(),
        }
    }

    fn missing(&self, path: &str, wanted: &Wanted, word: &str, copy: &Copy, step: &Instruction) -> BuildError {
        let clean = clean(path.trim_start_matches('/'));
        let mut message = match &wanted.from {
            From::Context => format!(
                "{} failed: file not found in build context or excluded by .dockerignore: stat {clean}: file does not exist",
                copy.word()
            ),
            _ => format!(
                "{} failed: stat {path}: file does not exist in {}",
                copy.word(),
                copy.from.as_deref().unwrap_or_default()
            ),
        };
        if matches!(wanted.from, From::Context) && self.context.leaves_out(&clean) {
            message.push_str("; .dockerignore leaves it out");
        } else if let Some(root) = wanted.root(self.context.root()) {
            let (parent, name) = clean.rsplit_once('/').unwrap_or(("", &clean));
            let names: Vec<String> = below_names(root, parent);
            if tree::stat(root, clean.as_bytes()).is_ok() {
                message.push_str("; it is a link to something that is not there");
            } else if let Some(meant) = nearest(name, names.iter().map(String::as_str)) {
                message = format!("{message}; did you mean {meant}?");
            }
        }
        step.place.problem(word, message).into()
    }

    /// One file or directory with its checksum.
    fn item(&self, root: BorrowedFd<'_>, path: &[u8], wanted: &Wanted) -> io::Result<Item> {
        let real = real_path(root, path)?;
        let stat = tree::stat(root, &real)?;
        let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        let sum = if is_directory {
            // As in Docker, the directory itself counts, but for the root of the context.
            let mut sums = if real.is_empty() { Vec::new() } else { vec![self.sum(root, &real, wanted)?] };
            for below in below(root, &real).map_err(io::Error::other)? {
                if !excluded(wanted, &below, &real) {
                    sums.push(self.sum(root, &below, wanted)?);
                }
            }
            sums.sort();
            tarsum::join("dir", &sums)
        } else {
            format!("file:{}", self.sum(root, &real, wanted)?)
        };
        let (parents, name) = beneath::parent_and_name(path);
        let content = Content::Path { real, is_directory };
        Ok(Item { content, name: name.to_vec(), parents: parents.to_vec(), sum })
    }

    /// The checksum of one file: of the context it is known, but for directories that were only made for what is in them.
    /// Their path stands for them, as in Docker.
    fn sum(&self, root: BorrowedFd<'_>, path: &[u8], wanted: &Wanted) -> io::Result<String> {
        if matches!(wanted.from, From::Context) {
            let known = self.context.sum(path).map(str::to_owned);
            return Ok(known.unwrap_or_else(|| String::from_utf8_lossy(path).into_owned()));
        }
        let (parent, name) = beneath::parent_and_name(path);
        let parent = beneath::open_directory(root, parent)?;
        let stat = node::stat(&parent, name)?;
        let Some(entry) = tree::entry(parent.as_fd(), name, &stat, path.to_vec())? else { return Ok("socket".into()) };
        let slash = if matches!(entry.kind, Kind::Directory { .. }) { "/" } else { "" };
        let mut hash = tarsum::begin(&Header {
            name: &[path, slash.as_bytes()].concat(),
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            owner: tarsum::name(stat.st_uid),
            group: tarsum::name(stat.st_gid),
            kind: &entry.kind,
            xattrs: &entry.xattrs,
        });
        if matches!(entry.kind, Kind::File { .. }) {
            sum_up(&mut node::open_file(&parent, name)?, &mut hash)?;
        }
        Ok(tarsum::end(hash))
    }

    fn download(&mut self, url: &str, copy: &Copy, wanted: &Wanted, step: &Instruction) -> Result<Item> {
        let at = self.work.fresh("download");
        let said = self.said;
        let progress = |step: Progress| said(Said::Step(&step));
        let ctx = Ctx { progress: &progress, cancel: self.cancel };
        let got = download::get(
            url,
            &at,
            copy.checksum.as_deref(),
            (Limits::default(), &self.images.shared.registries.proxies),
            ctx,
        );
        if self.cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let refused = |why: String| step.place.problem(url, format!("{} failed: {why}", copy.word()));
        let got = got.map_err(refused)?;
        if got.name.is_none() && wanted.target.ends_with('/') {
            return Err(refused(format!("cannot determine filename for source {url}")).into());
        }
        let kind = Kind::File { size: got.size, disk: None };
        let name = got.named().as_bytes().to_vec();
        let mut hash = tarsum::begin(&Header {
            name: &name,
            mode: 0o100_600,
            uid: 0,
            gid: 0,
            owner: tarsum::name(0),
            group: tarsum::name(0),
            kind: &kind,
            xattrs: &[],
        });
        let mut file = &got.file;
        file.rewind().and_then(|()| sum_up(&mut file, &mut hash)).map_err(BuildError::io("read", &at))?;
        let content = Content::File { file: got.file, size: got.size, modified: got.modified };
        // Docker does not say what kind of thing it is.
        Ok(Item { content, name, parents: Vec::new(), sum: tarsum::end(hash) })
    }
}

/// Puts the rest of a file into a hash.
fn sum_up(file: &mut impl Read, hash: &mut sha2::Sha256) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn item_of_text(name: &str, text: String) -> Item {
    let kind = Kind::File { size: text.len() as u64, disk: None };
    let header =
        Header { name: name.as_bytes(), mode: 0o644, uid: 0, gid: 0, owner: b"", group: b"", kind: &kind, xattrs: &[] };
    let mut hash = tarsum::begin(&header);
    hash.update(text.as_bytes());
    let sum = format!("file:{}", tarsum::end(hash));
    Item { content: Content::Text(text.into_bytes()), name: name.as_bytes().to_vec(), parents: Vec::new(), sum }
}

/// Whether `--exclude` says no to a path, counted from the root or from the source.
pub(super) fn excluded(wanted: &Wanted, path: &[u8], source: &[u8]) -> bool {
    if wanted.exclude.is_empty() {
        return false;
    }
    let from_source = path.strip_prefix(source).unwrap_or(path);
    let from_source = from_source.strip_prefix(b"/").unwrap_or(from_source);
    [path, from_source].iter().any(|path| wanted.exclude.leaves_out(&String::from_utf8_lossy(path)))
}

fn below_names(root: BorrowedFd<'_>, directory: &str) -> Vec<String> {
    let Ok(found) =
        beneath::open(root, directory.as_bytes(), rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY)
    else {
        return Vec::new();
    };
    let entries = rustix::fs::Dir::read_from(found).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect()
}

fn unescape(path: &str) -> String {
    let mut out = String::new();
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}
