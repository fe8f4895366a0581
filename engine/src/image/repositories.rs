//! The index of names, `repositories.json`.
//!
//! `{"Repositories":{"alpine":{"alpine:3":"sha256:…","alpine@sha256:…":"sha256:…"}}}`, names in the familiar form.

use std::collections::{BTreeMap, HashMap};
use std::io;

use outcrop_layers::digest::ImageId;
use serde::{Deserialize, Serialize};

use super::Reference;
use crate::root::files;
use crate::root::layout::Layout;
use crate::root::transaction::Transaction;

/// Largest index that is read, bytes: some 400,000 names.
const LARGEST: u64 = 64 << 20;

/// The index, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repositories {
    names: BTreeMap<String, BTreeMap<String, ImageId>>,
    damage: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct OnDisk<V> {
    #[serde(rename = "Repositories")]
    repositories: BTreeMap<String, BTreeMap<String, V>>,
}

/// Names of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) tags: Vec<String>,
    pub(crate) digests: Vec<String>,
}

impl Repositories {
    /// Reads the index. Damage is no error: see [`Repositories::damage`].
    pub(crate) fn read(layout: &Layout) -> io::Result<Self> {
        let bytes = match files::read(&layout.repositories(), LARGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Self::damaged(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok(Self::parse(&bytes))
    }

    fn damaged(why: String) -> Self {
        Self { names: BTreeMap::new(), damage: Some(why) }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::damaged("expected the index of names, found an empty file".into());
        }
        match serde_json::from_slice::<OnDisk<String>>(bytes) {
            Err(error) => Self::damaged(format!("expected the index of names: {error}")),
            Ok(found) => {
                let mut index = Self::default();
                for (reference, id) in found.repositories.into_values().flatten() {
                    index.damage = index.add_text(&reference, &id).err().or(index.damage);
                }
                index
            }
        }
    }

    fn add_text(&mut self, reference: &str, id: &str) -> Result<(), String> {
        let parsed = Reference::parse(reference).map_err(|error| format!("name {reference:?}: {error}"))?;
        let id = id.parse().map_err(|error| format!("name {reference:?}: {error}"))?;
        self.set(&parsed, id);
        Ok(())
    }

    /// Finds pairs of name and ID in what is left of an index.
    pub(crate) fn salvage(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let strings: Vec<&str> = text.split('"').collect();
        let mut index = Self::default();
        // `"name":"sha256:…"` splits into …, name, `:`, sha256:…, …
        for window in strings.windows(4) {
            if window[1].trim() == ":" && window[2].starts_with("sha256:") {
                let _ = index.add_text(window[0], window[2]);
            }
        }
        index
    }

    /// What is wrong with the index, in words.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// The image with that name; one with a digest is found by it, whatever its tag.
    pub(crate) fn get(&self, reference: &Reference) -> Option<ImageId> {
        let key = key(reference);
        self.names.get(&reference.familiar_name())?.get(&key).copied()
    }

    /// All names of a repository.
    pub(crate) fn of_name(&self, name: &Reference) -> Vec<(Reference, ImageId)> {
        let names = self.names.get(&name.familiar_name());
        names.into_iter().flatten().filter_map(|(text, id)| Some((Reference::parse(text).ok()?, *id))).collect()
    }

    /// All names of an image, sorted.
    pub(crate) fn of_image(&self, id: ImageId) -> Vec<Reference> {
        let all = self.names.values().flatten();
        all.filter(|(_, named)| **named == id).filter_map(|(text, _)| Reference::parse(text).ok()).collect()
    }

    /// The images that have names, each as often as it has.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ImageId> {
        self.names.values().flat_map(BTreeMap::values).copied()
    }

    /// Names by image.
    pub(crate) fn by_image(&self) -> HashMap<ImageId, Names> {
        let mut by_image: HashMap<ImageId, Names> = HashMap::new();
        for (text, id) in self.names.values().flatten() {
            let names = by_image.entry(*id).or_default();
            if text.contains('@') { &mut names.digests } else { &mut names.tags }.push(text.clone());
        }
        by_image
    }

    /// Gives a name to an image; tells which other image had it.
    pub(crate) fn set(&mut self, reference: &Reference, id: ImageId) -> Option<ImageId> {
        let before = self.names.entry(reference.familiar_name()).or_default().insert(key(reference), id);
        before.filter(|before| *before != id)
    }

    /// Takes a name away; tells whether it was there.
    pub(crate) fn remove(&mut self, reference: &Reference) -> bool {
        let name = reference.familiar_name();
        let Some(names) = self.names.get_mut(&name) else { return false };
        let was_there = names.remove(&key(reference)).is_some();
        if names.is_empty() {
            self.names.remove(&name);
        }
        was_there
    }

    /// Adds names that are not in the index yet.
    pub(crate) fn add_missing(&mut self, other: Self, exists: impl Fn(ImageId) -> bool) -> usize {
        let mut added = 0;
        for (name, names) in other.names {
            for (text, id) in names {
                if exists(id) && !self.names.get(&name).is_some_and(|names| names.contains_key(&text)) {
                    self.names.entry(name.clone()).or_default().insert(text, id);
                    added += 1;
                }
            }
        }
        added
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&OnDisk { repositories: self.names.clone() }).unwrap_or_default()
    }

    /// Writes the index, and a copy for [`Repositories::read_copy`].
    pub(crate) fn write(&self, transaction: &mut Transaction) -> io::Result<()> {
        let json = self.to_json();
        let layout = transaction.layout().clone();
        transaction.publish_file(&layout.repositories(), &json, 0o600)?;
        // The copy is a help, no part of the root: without it the change holds all the same.
        let _ = transaction.publish_file(&layout.repositories_copy(), &json, 0o600);
        Ok(())
    }

    /// Reads the copy of the index that the last change by outcrop left.
    pub(crate) fn read_copy(layout: &Layout) -> Self {
        files::read(&layout.repositories_copy(), LARGEST).map_or_else(|_| Self::default(), |bytes| Self::parse(&bytes))
    }

    /// Reads the index for a change: a damaged one is rebuilt from what is left of it and from the copy.
    pub(crate) fn read_to_change(layout: &Layout) -> io::Result<Self> {
        let index = Self::read(layout)?;
        if index.damage.is_none() {
            return Ok(index);
        }
        let exists = |id| layout.content(id).exists();
        let mut rebuilt = Self { damage: None, ..index };
        let rest = files::read(&layout.repositories(), LARGEST).unwrap_or_default();
        rebuilt.add_missing(Self::salvage(&rest), exists);
        rebuilt.add_missing(Self::read_copy(layout), exists);
        Ok(rebuilt)
    }
}

/// The key within a repository: Docker drops the tag where there is a digest.
fn key(reference: &Reference) -> String {
    match reference.digest() {
        Some(digest) => reference.with_digest(digest).familiar(),
        None => reference.clone().or_latest().familiar(),
    }
}

#[cfg(test)]
mod tests {
    use outcrop_layers::digest::Digest;

    use super::*;

    fn id(text: &str) -> ImageId {
        ImageId(Digest::of(text.as_bytes()))
    }

    fn reference(text: &str) -> Reference {
        Reference::parse(text).expect("is a reference")
    }

    #[test]
    fn has_dockers_form_and_comes_back() {
        let mut index = Repositories::default();
        index.set(&reference("alpine"), id("a"));
        index.set(&reference("host:5000/x:1"), id("b"));
        index.set(&reference("alpine").with_digest(Digest::of(b"m")), id("a"));
        let json = String::from_utf8(index.to_json()).expect("text");
        let manifest = Digest::of(b"m");
        assert_eq!(
            json,
            format!(
                r#"{{"Repositories":{{"alpine":{{"alpine:latest":"{a}","alpine@{manifest}":"{a}"}},"host:5000/x":{{"host:5000/x:1":"{b}"}}}}}}"#,
                a = id("a"),
                b = id("b")
            )
        );
        assert_eq!(Repositories::parse(json.as_bytes()), index);
        assert_eq!(index.of_image(id("a")).len(), 2);
        assert_eq!(index.set(&reference("alpine:latest"), id("b")), Some(id("a")));
        assert!(index.remove(&reference("alpine")) && !index.remove(&reference("alpine")));
    }

    #[test]
    fn damage_is_told_and_what_is_left_is_found() {
        let mut index = Repositories::default();
        for name in ["a:1", "b:2", "c:3"] {
            index.set(&reference(name), id(name));
        }
        let json = index.to_json();
        for bytes in [&b""[..], &[0; 40], &json[..json.len() - 3], &json[..10], b"[]", b"{}"] {
            let read = Repositories::parse(bytes);
            assert!(read.damage().is_some(), "{bytes:?}");
        }
        assert_eq!(Repositories::salvage(&json), index);
        let cut = Repositories::salvage(&json[..json.len() - 20]);
        assert_eq!((cut.get(&reference("b:2")), cut.get(&reference("c:3"))), (Some(id("b:2")), None));
        let one_bad = br#"{"Repositories":{"a":{"a:1":"sha256:12"}}}"#;
        assert!(Repositories::parse(one_bad).damage().is_some_and(|why| why.contains("a:1")));
    }
}
