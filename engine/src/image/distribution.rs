//! What is known of layers at registries, as dockerd keeps it below `distribution/`: a help for pushing, which may be lost.
//!
//! `diffid-by-digest/sha256/<blob>` holds a diff ID, `v2metadata-by-diffid/sha256/<diff ID>` the blobs it came as, newest last.

use std::fs;
use std::path::{Path, PathBuf};

use outcrop_layers::digest::{DiffId, Digest};
use serde::{Deserialize, Serialize};

use crate::root::files;
use crate::root::layout::Layout;
use crate::root::transaction::Transaction;

/// The largest list that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// Most places that are remembered of a layer; dockerd's number.
const MOST: usize = 50;

/// A blob that has a layer's content, and a repository that had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// The blob.
    #[serde(rename = "Digest")]
    pub(crate) blob: Digest,
    /// `docker.io/library/alpine`
    #[serde(rename = "SourceRepository")]
    pub(crate) repository: String,
    /// Dockerd's mark of who pushed it; nobody's where it was pulled.
    #[serde(default, rename = "HMAC")]
    mark: String,
}

fn sources_path(layout: &Layout, diff: DiffId) -> PathBuf {
    layout.distribution().join("v2metadata-by-diffid/sha256").join(diff.0.hex())
}

/// Where a layer was seen, newest first.
pub(crate) fn sources(layout: &Layout, diff: DiffId) -> Vec<Source> {
    let text = files::read(&sources_path(layout, diff), LARGEST).unwrap_or_default();
    let mut all: Vec<Source> = serde_json::from_slice(&text).unwrap_or_default();
    all.reverse();
    all
}

/// Notes that `repository` has a layer as `blob`. That it cannot be noted is no failure.
pub(crate) fn note(transaction: &mut Transaction, diff: DiffId, blob: Digest, repository: &str) {
    let layout = transaction.layout().clone();
    let mut all = sources(&layout, diff);
    all.reverse();
    all.retain(|source| source.blob != blob || source.repository != repository);
    all.push(Source { blob, repository: repository.into(), mark: String::new() });
    let all = &all[all.len().saturating_sub(MOST)..];
    let by_digest = layout.distribution().join("diffid-by-digest/sha256").join(blob.hex());
    let json = serde_json::to_vec(all).unwrap_or_default();
    let noted = write(transaction, &sources_path(&layout, diff), &json)
        .and_then(|()| write(transaction, &by_digest, diff.to_string().as_bytes()));
    if let Err(error) = noted {
        tracing::debug!(%error, "where a layer is was not noted");
    }
}

/// Puts a file in its place at once. It is not synced: what is cut off by a power cut is taken for nothing.
fn write(transaction: &mut Transaction, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let distribution = transaction.layout().distribution();
    let parents: Vec<_> = path.ancestors().skip(1).take_while(|parent| parent.starts_with(&distribution)).collect();
    for parent in parents.into_iter().rev() {
        files::make_directory(parent, 0o700)?;
    }
    let staged = transaction.fresh("file");
    fs::write(&staged, bytes)?;
    fs::rename(&staged, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Access;
    use crate::{Engine, OpenOptions};

    #[test]
    fn places_of_layers_are_dockers_files() {
        let scratch = tempfile::tempdir().expect("temporary directory");
        let options = OpenOptions { rootless: true, ..OpenOptions::new(scratch.path().join("root")) };
        let engine = Engine::open(&options).expect("opens");
        assert_eq!(engine.access(), &Access::ReadWrite);
        let root = &engine.images().shared.root;
        let (diff, one, two) = (DiffId(Digest::of(b"diff")), Digest::of(b"one"), Digest::of(b"two"));
        let mut transaction = root.begin().expect("begins");
        for (blob, repository) in [(one, "h/a"), (two, "h/b"), (one, "h/a")] {
            note(&mut transaction, diff, blob, repository);
        }
        let found: Vec<_> = sources(root.layout(), diff).into_iter().map(|s| (s.blob, s.repository)).collect();
        assert_eq!(found, [(one, "h/a".to_owned()), (two, "h/b".to_owned())]);
        let text = fs::read_to_string(sources_path(root.layout(), diff)).expect("is there");
        assert!(text.starts_with(&format!(r#"[{{"Digest":"{two}","SourceRepository":"h/b","HMAC":""}}"#)), "{text}");
        fs::write(sources_path(root.layout(), diff), "[{").expect("writes");
        assert_eq!(sources(root.layout(), diff), []);
    }
}
