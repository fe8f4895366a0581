//! JSON documents of archives: limits first, then only the keys that are needed.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

use super::error::ArchiveError;
use super::platform::Platform;
use crate::config::LARGEST_DOCUMENT;
use crate::digest::Digest;

/// Deepest nesting of a document.
pub const DEEPEST_DOCUMENT: usize = 100;

/// Most values (numbers, texts, lists, objects) in one document: none needs more memory than its text times ten.
pub const MOST_VALUES: usize = 250_000;

/// Parses a document after its limits are checked without recursion.
pub(super) fn parse<'de, T: Deserialize<'de>>(name: &str, bytes: &'de [u8]) -> Result<T, ArchiveError> {
    check(name, bytes)?;
    serde_json::from_slice(bytes).map_err(|e| ArchiveError::Document { name: name.into(), why: e.to_string() })
}

/// Checks size, depth and number of values.
pub(super) fn check(name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let limit = |what: String, limit: String| Err(ArchiveError::Limit { name: name.into(), what, limit });
    if bytes.len() > LARGEST_DOCUMENT {
        return too_large(name, bytes.len() as u64);
    }
    let (mut depth, mut values) = (0usize, 0usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                depth += 1;
                values += 1;
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, b',') => values += 1,
            _ => {}
        }
        if depth > DEEPEST_DOCUMENT {
            return limit("is nested deeper".into(), format!("{DEEPEST_DOCUMENT} levels"));
        }
        if values > MOST_VALUES {
            return limit("has more values".into(), format!("{MOST_VALUES} values"));
        }
    }
    Ok(())
}

/// The error for a document of `bytes`.
pub(super) fn too_large<T>(name: &str, bytes: u64) -> Result<T, ArchiveError> {
    let what = format!("has {bytes} bytes");
    Err(ArchiveError::Limit { name: name.into(), what, limit: format!("{LARGEST_DOCUMENT} bytes for a JSON document") })
}

/// One image of `manifest.json` (Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format").
#[derive(Debug, Deserialize)]
pub(super) struct DockerItem {
    #[serde(rename = "Config")]
    pub(super) config: String,
    #[serde(rename = "RepoTags", default, deserialize_with = "or_null")]
    pub(super) tags: Vec<String>,
    #[serde(rename = "Layers", default, deserialize_with = "or_null")]
    pub(super) layers: Vec<String>,
}

/// An index, a manifest list, or an image manifest: which one, its media type or its keys tell.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) media_type: Option<String>,
    #[serde(default)]
    pub(super) manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(super) config: Option<Descriptor>,
    #[serde(default)]
    pub(super) layers: Option<Vec<Descriptor>>,
    /// Only schema 1 has it.
    #[serde(default)]
    pub(super) fs_layers: Option<de::IgnoredAny>,
}

/// A reference to a blob (OCI image specification, "Content Descriptors").
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: Option<String>,
    pub(super) digest: Digest,
    #[serde(default)]
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Where an OCI layout keeps the blob.
    pub(super) fn blob(&self) -> String {
        format!("blobs/sha256/{}", self.digest.hex())
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether it says itself that it is no image: buildkit's attestations do.
    pub(super) fn is_attestation(&self) -> bool {
        self.annotation("vnd.docker.reference.type") == Some("attestation-manifest")
            || self.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown")
    }
}

/// Go writes an empty list as `null`.
fn or_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_before_parsing() {
        let deep = "[".repeat(200_000);
        let deep = check("a.json", deep.as_bytes()).expect_err("deep").to_string();
        assert_eq!(deep, "a.json is nested deeper, more than the limit of 100 levels");
        let many = format!("[{}{{}}]", "{},".repeat(1_000_000));
        assert!(check("a.json", many.as_bytes()).is_err_and(|e| e.to_string().contains("250000 values")));
        let large = check("a.json", &vec![b' '; LARGEST_DOCUMENT + 1]).expect_err("large").to_string();
        assert!(large.contains("8388609 bytes, more than the limit of 8388608 bytes"), "{large}");
        let quoted = format!("{{\"a\": \"{}\\\"\"}}", "[{,".repeat(1000));
        assert!(check("a.json", quoted.as_bytes()).is_ok());
    }

    #[test]
    fn null_is_empty() {
        let items: Vec<DockerItem> =
            parse("manifest.json", br#"[{"Config":"c","RepoTags":null,"Layers":null,"Extra":1}]"#).expect("parses");
        assert!(items[0].tags.is_empty() && items[0].layers.is_empty());
    }
}
