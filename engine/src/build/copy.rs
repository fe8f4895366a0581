//! `COPY` and `ADD`: what is copied, its checksum, and the writing of it.

mod gather;
mod write;

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use outcrop_layers::digest::DiffId;

use super::base::{Named, unseen};
use super::builder::{Build, Next};
use super::chmod::Change;
use super::error::Result;
use super::ignore::{Ignore, clean};
use super::instruction::{Copy, CopySource, Instruction};
use super::state::State;
use super::tree::{self, Writable, real_path};
use crate::image::staging::Staging;
use crate::sys::{beneath, node};

/// Where sources are looked for.
pub(crate) enum From {
    Context,
    /// A stage, or an image.
    Tree(OwnedFd),
    /// An image in which nothing is.
    Nothing,
}

/// One source, found.
pub(crate) struct Item {
    pub(crate) content: Content,
    /// Its last component.
    name: Vec<u8>,
    /// The directories before it, for `--parents`.
    parents: Vec<u8>,
    /// The checksum of all of it.
    sum: String,
}

/// What a source is.
pub(crate) enum Content {
    /// Something at this path, which has no links in it, in the context or a tree.
    Path { real: Vec<u8>, is_directory: bool },
    /// Bytes of the Dockerfile.
    Text(Vec<u8>),
    /// What was downloaded.
    File { file: std::fs::File, size: u64, modified: i64 },
}

/// The options of one step, variables replaced.
pub(crate) struct Wanted {
    pub(crate) from: From,
    /// As it was written.
    pub(crate) target: String,
    /// From the root, with a slash at its end if it has to be a directory.
    pub(crate) path: String,
    pub(crate) chown: Option<String>,
    pub(crate) chmod: Option<Change>,
    pub(crate) exclude: Ignore,
    /// Whether local archives are unpacked.
    pub(crate) unpack: bool,
    /// Whether downloaded ones are.
    pub(crate) unpack_downloads: bool,
    pub(crate) parents: bool,
}

impl Wanted {
    /// All of the context.
    fn of_context() -> Self {
        Self {
            from: From::Context,
            target: String::new(),
            path: String::new(),
            chown: None,
            chmod: None,
            exclude: Ignore::default(),
            unpack: false,
            unpack_downloads: false,
            parents: false,
        }
    }

    /// The directory that paths of sources count from.
    pub(crate) fn root<'a>(&'a self, context: BorrowedFd<'a>) -> Option<BorrowedFd<'a>> {
        match &self.from {
            From::Context => Some(context),
            From::Tree(tree) => Some(tree.as_fd()),
            From::Nothing => None,
        }
    }
}

impl Build<'_> {
    /// Runs `COPY` or `ADD`.
    pub(crate) fn copy_step(&mut self, state: &mut State, copy: &Copy, step: &Instruction) -> Result<()> {
        let (wanted, flags, unknown) = self.wanted(state, copy, step)?;
        if let Some(key) = unknown {
            // A plan cannot know what a stage that runs will make.
            let comment = format!("#(nop) {} {flags}{key} in {} ", copy.word(), wanted.target);
            let config = state.commented(&[&comment]);
            self.probe(state, &config);
            return Ok(());
        }
        let items = self.gather(state, copy, &wanted, step)?;
        let sums: Vec<String> = items.iter().map(|item| item.sum.clone()).collect();
        let sum = if let [one] = &sums[..] { one.clone() } else { super::tarsum::join("multi", &sums) };
        let config = state.commented(&[&format!("#(nop) {} {flags}{sum} in {} ", copy.word(), wanted.target)]);
        self.copied = Some(Copied {
            word: copy.word(),
            begin: format!("#(nop) {} {flags}", copy.word()),
            kind: sum.split_once(':').map_or_else(String::new, |(kind, _)| format!("{kind}:")),
            end: format!(" in {} ", wanted.target),
            files: self.files(&items, &wanted),
        });
        if self.probe(state, &config) == Next::Done {
            return Ok(());
        }
        let mut staging = Staging::begin(self.images, self.ctx())?;
        let writable = Writable::begin(self.images, &state.layers, &mut staging)?;
        self.write_items(&items, &wanted, &writable, step)?;
        let Writable { tree, upper } = writable;
        drop(tree);
        self.commit(state, staging, &upper, &config)
    }

    /// What a step wants, how its flags read in the history, and for a plan the name of what it cannot know.
    fn wanted(&mut self, state: &State, copy: &Copy, step: &Instruction) -> Result<(Wanted, String, Option<String>)> {
        let at = &step.place;
        let word = |text: &str| self.word(state, text, at);
        let some = |text: &Option<String>| text.as_deref().map(word).transpose();
        let target = match word(&copy.target)? {
            empty if empty.is_empty() => {
                return Err(at.problem(&copy.target, format!("{}: the destination is empty", copy.word())).into());
            }
            target => target,
        };
        let (chown, chmod) = (some(&copy.chown)?, some(&copy.chmod)?);
        let excludes = copy.excludes.iter().map(|text| word(text)).collect::<Result<Vec<_>>>()?;
        let exclude = Ignore::new(&excludes).map_err(|error| at.problem(&error.pattern, error.to_string()))?;
        let mut flags = chown.as_ref().map(|chown| format!("--chown={chown}")).unwrap_or_default();
        let marks = [
            (copy.parents, "--parents "),
            (copy.unpack == Some(true), "--unpack "),
            (copy.unpack == Some(false), "--unpack=false "),
        ];
        if let Some(chmod) = &chmod {
            flags = format!("--chmod={chmod} {flags}");
        }
        for (_, mark) in marks.iter().filter(|(on, _)| *on) {
            flags = format!("{mark}{flags}");
        }
        let chmod = chmod.as_deref().map(Change::parse).transpose().map_err(|why| at.problem("--chmod", why))?;
        let whole =
            if target.starts_with('/') { target.clone() } else { format!("/{}/{target}", state.config.working_dir) };
        let slash = if target.ends_with('/') && clean(&whole) != "/" { "/" } else { "" };
        let path = format!("{}{slash}", clean(&whole));
        let many = copy.sources.len() > 1 && !target.ends_with('/');
        if many {
            return Err(at.problem(&copy.target, several(copy.word())).into());
        }
        let mut unknown = None;
        let from = match some(&copy.from)? {
            None => From::Context,
            Some(name) => match self.source(&name, step)? {
                Ok(Some(tree)) => From::Tree(tree),
                Ok(None) => From::Nothing,
                Err(key) => {
                    unknown = Some(format!("stage:{key}"));
                    From::Nothing
                }
            },
        };
        let unpack = copy.add && copy.unpack != Some(false);
        let (unpack_downloads, parents) = (copy.unpack == Some(true), copy.parents);
        let wanted = Wanted { from, target, path, chown, chmod, exclude, unpack, unpack_downloads, parents };
        Ok((wanted, flags, unknown))
    }

    /// The files of a stage or an image; in a plan the key of a stage that has to run, or of an image that would be pulled.
    pub(crate) fn source(
        &mut self,
        name: &str,
        step: &Instruction,
    ) -> Result<std::result::Result<Option<OwnedFd>, String>> {
        let before = self.done.len();
        let stage = self.file.stage(name).filter(|at| *at < before);
        let layers: Vec<DiffId> = match stage {
            Some(at) if self.plan.is_some() && self.done[at].missed => return Ok(Err(self.done[at].key.clone())),
            Some(at) => {
                self.flush()?;
                self.done[at].layers.clone()
            }
            None if name.bytes().all(|b| b.is_ascii_digit()) => {
                let why = format!("invalid from flag value {name}: there is no stage of that number before this one");
                return Err(step.place.problem(name, why).into());
            }
            None => {
                let (named, platform) = (Named { name, word: name, place: &step.place }, self.options.platform.clone());
                match self.image(named, platform.as_deref())? {
                    Some(image) => image.layers().to_vec(),
                    None => return Ok(Err(unseen(name))),
                }
            }
        };
        Ok(Ok(tree::view(self.images, &layers)?))
    }

    /// What of the context goes where, to tell later what of it changed.
    fn files(&self, items: &[Item], wanted: &Wanted) -> Vec<(Vec<u8>, Vec<u8>)> {
        if self.plan.is_none() || !matches!(wanted.from, From::Context) {
            return Vec::new();
        }
        let target = wanted.path.trim_matches('/').as_bytes();
        let to = |name: &[u8]| if target.is_empty() { name.to_vec() } else { [target, b"/", name].concat() };
        let mut files = Vec::new();
        for item in items {
            let Content::Path { real, is_directory } = &item.content else { continue };
            if *is_directory {
                for path in gather::below(self.context.root(), real).unwrap_or_default() {
                    let name = path[real.len()..].strip_prefix(b"/").unwrap_or(&path[real.len()..]);
                    files.push((path.clone(), to(name)));
                }
            } else if wanted.path.ends_with('/') || items.len() > 1 {
                files.push((real.clone(), to(&item.name)));
            } else {
                files.push((real.clone(), target.to_vec()));
                files.push((real.clone(), to(&item.name)));
            }
        }
        files
    }
}

/// Docker's words for a destination that has to be a directory.
pub(crate) fn several(word: &str) -> String {
    format!("When using {word} with more than one source file, the destination must be a directory and end with a /")
}

/// Where something goes in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its path without links.
    pub(crate) path: Vec<u8>,
    /// Directories on the way, itself last, that are not there.
    pub(crate) missing: Vec<Vec<u8>>,
    pub(crate) is_directory: bool,
}

impl Placed {
    /// In an empty tree.
    pub(crate) fn nowhere(path: &[u8]) -> Self {
        let mut missing = Vec::new();
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            missing.push(path[..at].to_vec());
        }
        if !path.is_empty() {
            missing.push(path.to_vec());
        }
        Self { path: path.to_vec(), is_directory: path.is_empty(), missing }
    }

    /// One directory up; of the root, the root itself.
    fn up(&mut self) {
        self.missing.pop();
        self.path.truncate(beneath::parent_and_name(&self.path).0.len());
        self.is_directory = self.missing.is_empty();
    }
}

/// How many links that lead to nothing are followed.
const MOST_LINKS: usize = 40;

/// Finds where `path` is in a tree, links on the way followed inside of it; also those that lead to what is not there yet.
///
/// # Errors
/// When something on the way is no directory, or links lead in a circle.
pub(crate) fn place(tree: BorrowedFd<'_>, path: &[u8]) -> io::Result<Placed> {
    let mut placed = Placed { path: Vec::new(), missing: Vec::new(), is_directory: true };
    let mut links = 0;
    let mut left: Vec<Vec<u8>> = parts(path);
    while let Some(part) = left.pop() {
        if !placed.is_directory && placed.missing.is_empty() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if part == b".." {
            placed.up();
            continue;
        }
        let next = if placed.path.is_empty() { part } else { [&placed.path, &b"/"[..], &part].concat() };
        let found =
            if placed.missing.is_empty() { real_path(tree, &next) } else { Err(io::ErrorKind::NotFound.into()) };
        match found {
            Ok(real) => {
                placed.is_directory = beneath::open_directory(tree, &real).is_ok();
                placed.path = real;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => match dangling(tree, &next) {
                Some(_) if links == MOST_LINKS => return Err(rustix::io::Errno::LOOP.into()),
                Some(target) => {
                    links += 1;
                    left.extend(parts(&target));
                    if target.starts_with(b"/") {
                        placed = Placed { path: Vec::new(), missing: Vec::new(), is_directory: true };
                    }
                }
                None => {
                    placed.missing.push(next.clone());
                    placed.path = next;
                    placed.is_directory = false;
                }
            },
            Err(error) => return Err(error),
        }
    }
    Ok(placed)
}

/// The components of a path, the first of them last.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b".")).rev().map(<[u8]>::to_vec).collect()
}

/// Where the link at `path` leads, if there is one.
fn dangling(tree: BorrowedFd<'_>, path: &[u8]) -> Option<Vec<u8>> {
    let (parent, name) = beneath::parent_and_name(path);
    node::read_link(beneath::open_directory(tree, parent).ok()?, name).ok()
}

/// What a step copies, as far as a plan needs it.
pub(crate) struct Copied {
    pub(crate) word: &'static str,
    begin: String,
    /// `file:`, `dir:` or `multi:`; nothing for what was downloaded.
    kind: String,
    end: String,
    /// Files of the context, and where they go.
    files: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Files that are compared with what they were, at most.
const COMPARED: usize = 20_000;

impl Copied {
    /// Whether a step of the past copied to the same place with the same flags.
    pub(crate) fn is_similar(&self, words: &str) -> bool {
        words.contains(&format!("{}{}", self.begin, self.kind)) && words.ends_with(&self.end)
    }

    /// The files that are not what they are in the layer at `layer`.
    pub(crate) fn changed(&self, layer: &Path, context: BorrowedFd<'_>) -> Vec<String> {
        let Ok(layer) = std::fs::File::open(layer) else { return Vec::new() };
        let mut seen = HashSet::new();
        let mut changed = Vec::new();
        for (from, to) in self.files.iter().take(COMPARED) {
            if !same(context, from, layer.as_fd(), to) {
                // One of two places that it may have gone to.
                let elsewhere =
                    self.files.iter().any(|(f, t)| f == from && t != to && same(context, f, layer.as_fd(), t));
                if !elsewhere && seen.insert(from.clone()) {
                    changed.push(String::from_utf8_lossy(from).into_owned());
                }
            }
        }
        changed
    }
}

/// Whether two files are the same but for their times and owners.
fn same(one: BorrowedFd<'_>, path: &[u8], other: BorrowedFd<'_>, to: &[u8]) -> bool {
    let (Ok(a), Ok(b)) = (tree::stat(one, path), tree::stat(other, to)) else { return false };
    let is_file = rustix::fs::FileType::from_raw_mode(a.st_mode).is_file();
    if a.st_mode != b.st_mode || (is_file && a.st_size != b.st_size) {
        return false;
    }
    if !is_file {
        return true;
    }
    let (Ok(a), Ok(b)) = (beneath::open_file(one, path), beneath::open_file(other, to)) else { return false };
    let (mut a, mut b) = (io::BufReader::new(a), io::BufReader::new(b));
    loop {
        use io::BufRead;
        let (Ok(left), Ok(right)) = (a.fill_buf(), b.fill_buf()) else { return false };
        let n = left.len().min(right.len());
        if n == 0 {
            return left.len() == right.len();
        }
        if left[..n] != right[..n] {
            return false;
        }
        a.consume(n);
        b.consume(n);
    }
}

/// A source's word, to point at.
pub(crate) fn shown(source: &CopySource) -> &str {
    match source {
        CopySource::Path(path) => path,
        CopySource::Heredoc(heredoc) => &heredoc.name,
    }
}

#[cfg(test)]
mod tests;
