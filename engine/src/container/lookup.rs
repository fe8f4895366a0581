//! Finding a container by ID, name or the beginning of an ID.

use std::fs;
use std::path::Path;

use super::error::{ContainerError, Doing, Result};
use super::record::Directory;

/// IDs of all containers of the data root, sorted.
pub(crate) fn ids(root: &Path) -> Result<Vec<String>> {
    let path = root.join("containers");
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing("read", &path)?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let name = entry.doing("read", &path)?.file_name();
        all.extend(name.to_str().filter(|name| is_id(name)).map(str::to_owned));
    }
    all.sort();
    Ok(all)
}

/// The ID of the container that `text` names: an ID, a name with or without its slash, or the beginning of one ID.
pub(crate) fn find(root: &Path, text: &str) -> Result<String> {
    let not_found = || ContainerError::NotFound(text.chars().take(300).collect());
    if text.is_empty() {
        return Err(not_found());
    }
    if is_id(text) && Directory::of(root, text).path().is_dir() {
        return Ok(text.to_owned());
    }
    let ids = ids(root)?;
    if let Some(id) = by_name(root, &ids, text) {
        return Ok(id);
    }
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut fitting = ids.into_iter().filter(|id| hex && id.starts_with(text));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(ContainerError::Ambiguous(text.to_owned())),
        (None, _) => Err(not_found()),
    }
}

/// The container that has `name`.
pub(crate) fn by_name(root: &Path, ids: &[String], name: &str) -> Option<String> {
    let name = name.trim_start_matches('/');
    let has = |id: &&String| Directory::of(root, id).record().is_ok_and(|record| record.plain_name() == name);
    ids.iter().find(has).cloned()
}

/// Whether a text has the form of a container's ID.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
