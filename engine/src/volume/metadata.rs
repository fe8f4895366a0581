//! `volumes/metadata.db`: what dockerd knows of volumes beyond their folders.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::VolumeError;
use crate::root::Layout;
use crate::root::bolt::update::{read_beside, update};
use crate::root::lock::Changing;

const BUCKET: &[u8] = b"volumes";

/// One volume's entry. dockerd writes `null` where nothing was given, and tells it so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) driver: String,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) options: Option<BTreeMap<String, String>>,
}

fn path(layout: &Layout) -> PathBuf {
    layout.metadata_db()
}

/// All entries, by name. A file that cannot be read has none: volumes are their folders.
pub(super) fn read(layout: &Layout) -> BTreeMap<String, Entry> {
    let pairs = read_beside(&path(layout), BUCKET).unwrap_or_default();
    let parsed = pairs
        .into_iter()
        .filter_map(|(key, value)| Some((String::from_utf8(key).ok()?, serde_json::from_slice(&value).ok()?)));
    parsed.collect()
}

/// Writes an entry; it is on disk when this returns.
pub(super) fn put(layout: &Layout, _held: &Changing, entry: &Entry) -> Result<(), VolumeError> {
    let json = serde_json::to_vec(entry).map_err(|error| VolumeError::io("write", path(layout))(error.into()))?;
    change(layout, &[(entry.name.clone().into_bytes(), Some(json))])
}

/// Removes entries.
pub(super) fn remove(layout: &Layout, _held: &Changing, names: &[&str]) -> Result<(), VolumeError> {
    change(layout, &names.iter().map(|name| (name.as_bytes().to_vec(), None)).collect::<Vec<_>>())
}

fn change(layout: &Layout, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<(), VolumeError> {
    let path = path(layout);
    update(&path, BUCKET, changes).map_err(VolumeError::metadata(&path))
}
