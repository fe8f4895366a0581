//! Names in an archive: links between them, and how documents are fetched by name.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use super::error::ArchiveError;
use super::json;
use crate::digest::{DiffId, Digest};
use crate::tar::clean_path;

/// Most members of one image archive: a thousand images with a hundred layers.
pub const MOST_MEMBERS: usize = 200_000;

/// Most bytes of names that are remembered of one archive: 200 for each of [`MOST_MEMBERS`].
const MOST_NAME_BYTES: usize = 40_000_000;

/// Most bytes of JSON that one archive may make us hold.
pub const MOST_DOCUMENT_BYTES: usize = 64 << 20;

/// Links followed from one name, as the kernel does.
const MOST_LINKS: usize = 40;

/// What members an archive has, and links among them.
#[derive(Debug)]
pub(super) struct Names<T> {
    nodes: HashMap<String, Node<T>>,
    bytes: usize,
}

#[derive(Debug)]
enum Node<T> {
    Link(String),
    Item(T),
}

impl<T> Names<T> {
    pub(super) fn new() -> Self {
        Self { nodes: HashMap::new(), bytes: 0 }
    }

    /// Adds a member; a later one of the same name replaces it, as unpacking would.
    pub(super) fn add(&mut self, name: String, item: T) -> Result<(), ArchiveError> {
        self.insert(name, Node::Item(item))
    }

    /// Adds a link whose target, a clean path, is already made relative to the archive.
    pub(super) fn link(&mut self, name: String, target: String) -> Result<(), ArchiveError> {
        self.insert(name, Node::Link(target))
    }

    fn insert(&mut self, name: String, node: Node<T>) -> Result<(), ArchiveError> {
        let limit =
            |what: &str, limit| Err(ArchiveError::Limit { name: "the archive".into(), what: what.into(), limit });
        if self.nodes.len() >= MOST_MEMBERS {
            return limit("has more members", format!("{MOST_MEMBERS} members"));
        }
        self.bytes += name.len() + if let Node::Link(target) = &node { target.len() } else { 0 };
        if self.bytes > MOST_NAME_BYTES {
            return limit("has longer names", format!("{MOST_NAME_BYTES} bytes in all"));
        }
        self.nodes.insert(name, node);
        Ok(())
    }

    /// Follows links from `name`; the last name and what is there.
    pub(super) fn find(&self, name: &str) -> Option<(&str, &T)> {
        let mut name = self.nodes.get_key_value(&*clean(name)?)?;
        for _ in 0..MOST_LINKS {
            match name {
                (name, Node::Item(item)) => return Some((name, item)),
                (_, Node::Link(target)) => name = self.nodes.get_key_value(target)?,
            }
        }
        None
    }
}

/// A name from a document as a member's name.
pub(super) fn clean(name: &str) -> Option<String> {
    clean_path(name.as_bytes()).ok().and_then(|path| String::from_utf8(path.into()).ok())
}

/// Where a symbolic link at `name` leads inside the archive; its root is the root for absolute ones.
pub(super) fn link_target(name: &str, text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    match (text.starts_with('/'), name.rsplit_once('/')) {
        (false, Some((directory, _))) => clean(&format!("{directory}/{text}")),
        _ => clean(text),
    }
}

/// An archive as far as the search for images needs it.
pub(super) trait Members {
    /// Whether there is a file of that name: its name with links followed, and its size.
    fn find(&self, name: &str) -> Option<(String, u64)>;
    /// A document of at most [`crate::config::LARGEST_DOCUMENT`]; `None` if there is none of that name.
    fn document(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, ArchiveError>;
    /// The digest of a layer's tar, found by reading it.
    fn diff_id(&self, name: &str) -> Result<Option<DiffId>, ArchiveError>;
}

/// Fetches documents, and no more of them than allowed.
pub(super) struct Fetch<'a, M> {
    pub(super) members: &'a M,
    left: Cell<usize>,
}

impl<'a, M: Members> Fetch<'a, M> {
    pub(super) fn new(members: &'a M) -> Self {
        Self { members, left: Cell::new(MOST_DOCUMENT_BYTES) }
    }

    /// A document whose limits are checked.
    pub(super) fn get(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, ArchiveError> {
        let Some(bytes) = self.members.document(name)? else { return Ok(None) };
        json::check(name, &bytes)?;
        let left = self.left.get().checked_sub(bytes.len()).ok_or_else(|| ArchiveError::Limit {
            name: name.into(),
            what: "makes the documents larger".into(),
            limit: format!("{MOST_DOCUMENT_BYTES} bytes of JSON in an archive"),
        })?;
        self.left.set(left);
        Ok(Some(bytes))
    }

    /// A document that must be there.
    pub(super) fn need(&self, what: &'static str, name: &str) -> Result<Cow<'a, [u8]>, ArchiveError> {
        self.get(name)?.ok_or_else(|| ArchiveError::Missing { what, name: name.into() })
    }
}

/// Compares a document with the digest that its name or a descriptor promises.
pub(super) fn verify(name: &str, bytes: &[u8], expected: Digest) -> Result<(), ArchiveError> {
    let found = Digest::of(bytes);
    if found == expected { Ok(()) } else { Err(ArchiveError::Mismatch { name: name.into(), expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        let mut names = Names::new();
        let long = "n".repeat(1 << 20);
        let error = (0..100).find_map(|n| names.add(format!("{n}{long}"), ()).err()).expect("refused");
        assert_eq!(error.to_string(), "the archive has longer names, more than the limit of 40000000 bytes in all");
        let mut names = Names::<()>::new();
        let error = (0..=MOST_MEMBERS).find_map(|n| names.link(n.to_string(), "x".into()).err()).expect("refused");
        assert_eq!(error.to_string(), "the archive has more members, more than the limit of 200000 members");
        assert!(Names::<()>::find(&Names::new(), "x").is_none());
    }

    #[test]
    fn links_stay_inside() {
        let table = [
            ("a/layer.tar", "../b/layer.tar", Some("b/layer.tar")),
            ("a/layer.tar", "/b", Some("b")),
            ("layer.tar", "b", Some("b")),
            ("a/b/c", "../../x", Some("x")),
            ("a/b", "../../x", None),
            ("a", "..", None),
        ];
        for (name, text, expected) in table {
            assert_eq!(link_target(name, text.as_bytes()).as_deref(), expected, "{name} -> {text}");
        }
    }
}
