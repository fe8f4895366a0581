//! What only reading content tells: whether a version in doubt really changed, and what is in an image twice.
//!
//! Nothing here is done unless it is asked for. Only files of equal size are read, each layer in one pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::digest::Digest;
use crate::index::FileType;
use crate::source::{LayerSource, SourceError};
use crate::tree::{NodeId, Tree};
use crate::view::View;

/// The file that a version's content is in: its layer, and the position of its first name there.
type File = (usize, u32);

/// What comparing the versions in doubt found, for [`Tree::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The path.
    pub node: NodeId,
    /// The layer whose version was in doubt.
    pub layer: usize,
    /// Whether its content is that of the version below.
    pub same: bool,
}

/// Compares the content of all versions in doubt. `progress` is told the bytes read and the bytes to read.
///
/// # Errors
/// When a layer cannot be read, or on cancelling.
pub fn doubts(
    tree: &Tree,
    source: &dyn LayerSource,
    progress: &dyn Fn(u64, u64),
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<Finding>, SourceError> {
    let file = |version: &crate::version::Version| {
        let layer = version.from as usize;
        (layer, tree.layer(layer).first_name(version.record))
    };
    let pairs: Vec<_> = tree.doubts().map(|(node, below, version)| (node, file(below), file(version))).collect();
    let digests = hash(tree, source, pairs.iter().flat_map(|(_, a, b)| [*a, *b]), progress, cancel)?;
    let findings = pairs.into_iter().filter_map(|(node, below, version)| {
        let (a, b) = (digests.get(&below)?, digests.get(&version)?);
        Some(Finding { node, layer: version.0, same: a == b })
    });
    Ok(findings.collect())
}

/// Files of the finished file system that have the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Digest of the content.
    pub digest: Digest,
    /// Size of one of them in bytes.
    pub size: u64,
    /// The files, by path; hard links to one of them are not listed.
    pub files: Vec<NodeId>,
}

impl Duplicate {
    /// Bytes that all but one of them take.
    pub fn bytes(&self) -> u64 {
        self.size.saturating_mul(self.files.len() as u64 - 1)
    }
}

/// Finds content that the finished file system has more than once under different paths, the most bytes first. That is no waste as
/// [`crate::waste`] counts it: all of them can be reached.
///
/// # Errors
/// When a layer cannot be read, or on cancelling.
pub fn duplicates(
    tree: &Tree,
    source: &dyn LayerSource,
    progress: &dyn Fn(u64, u64),
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<Duplicate>, SourceError> {
    let mut by_size: BTreeMap<u64, BTreeMap<File, NodeId>> = BTreeMap::new();
    for node in tree.nodes() {
        let Some(seen) = tree.seen(node, View::Whole).filter(|s| s.entry.file_type().is_file()) else { continue };
        let first = tree.layer(seen.layer).first_name(seen.entry.position());
        let is_there = tree.layer(seen.layer).entry(first).file_type() == FileType::File;
        if seen.entry.size() > 0 && is_there {
            by_size.entry(seen.entry.size()).or_default().entry((seen.layer, first)).or_insert(node);
        }
    }
    by_size.retain(|_, files| files.len() > 1);
    let files = by_size.values().flat_map(BTreeMap::keys).copied();
    let digests = hash(tree, source, files, progress, cancel)?;
    let mut found: HashMap<(u64, Digest), Vec<NodeId>> = HashMap::new();
    for (size, files) in by_size {
        for (file, node) in files {
            if let Some(digest) = digests.get(&file) {
                found.entry((size, *digest)).or_default().push(node);
            }
        }
    }
    let several = found.into_iter().filter(|(_, files)| files.len() > 1);
    let mut duplicates: Vec<Duplicate> = several
        .map(|((size, digest), mut files)| {
            files.sort_unstable();
            Duplicate { digest, size, files }
        })
        .collect();
    duplicates.sort_unstable_by_key(|d| (std::cmp::Reverse(d.bytes()), d.files[0]));
    Ok(duplicates)
}

fn hash(
    tree: &Tree,
    source: &dyn LayerSource,
    files: impl Iterator<Item = File>,
    progress: &dyn Fn(u64, u64),
    cancel: &dyn Fn() -> bool,
) -> Result<HashMap<File, Digest>, SourceError> {
    let mut wanted: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    let mut all = 0_u64;
    for (layer, position) in files {
        if wanted.entry(layer).or_default().insert(position) {
            all = all.saturating_add(tree.layer(layer).entry(position).size());
        }
    }
    let done = std::cell::Cell::new(0_u64);
    let mut digests = HashMap::new();
    for (layer, positions) in wanted {
        let step = |bytes: u64| {
            done.set(done.get().saturating_add(bytes));
            progress(done.get(), all);
        };
        let hashed = source.hash(layer, &positions, &step, cancel)?;
        digests.extend(hashed.into_iter().map(|(position, digest)| ((layer, position), digest)));
    }
    Ok(digests)
}
