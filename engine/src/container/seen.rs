//! Containers, as far as images and disk usage need to know them: what `config.v2.json` says.

use std::io;
use std::path::PathBuf;

use outcrop_layers::digest::ImageId;
use serde::Deserialize;

use crate::root::files;
use crate::root::layout::Layout;

/// What a container's `config.v2.json` tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// Without the leading slash.
    pub(crate) name: String,
    /// `None` if it cannot be read.
    pub(crate) image: Option<ImageId>,
    pub(crate) running: bool,
    pub(crate) paused: bool,
    /// Named and anonymous volumes it mounts.
    pub(crate) volumes: Vec<String>,
    /// Why the file cannot be read.
    pub(crate) damage: Option<(PathBuf, String)>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct OnDisk {
    name: String,
    image: String,
    #[serde(deserialize_with = "null_is_default")]
    state: State,
    #[serde(deserialize_with = "null_is_default")]
    mount_points: std::collections::BTreeMap<String, MountPoint>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct State {
    running: bool,
    paused: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct MountPoint {
    name: String,
    #[serde(rename = "Type")]
    kind: String,
}

/// Go writes an empty list or map as `null`.
fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Container {
    /// All containers of a root, those with damaged files too, sorted by ID.
    pub(crate) fn all(layout: &Layout) -> io::Result<Vec<Self>> {
        let mut containers = Vec::new();
        for id in files::names(&layout.containers())? {
            let path = layout.containers().join(&id).join("config.v2.json");
            match files::read(&path, 8 << 20) {
                Ok(bytes) => containers.push(Self::parse(id, path, &bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
                Err(error) => {
                    let damage = Some((path, error.to_string()));
                    containers.push(Self { id, damage, ..Self::default() });
                }
            }
        }
        containers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(containers)
    }

    fn parse(id: String, path: PathBuf, bytes: &[u8]) -> Self {
        let found: OnDisk = match serde_json::from_slice(bytes) {
            Ok(found) => found,
            Err(error) => return Self { id, damage: Some((path, error.to_string())), ..Self::default() },
        };
        let volumes = found.mount_points.into_values().filter(|m| m.kind != "bind" && !m.name.is_empty());
        Self {
            id,
            name: found.name.trim_start_matches('/').into(),
            image: found.image.parse().ok(),
            running: found.state.running,
            paused: found.state.paused,
            volumes: volumes.map(|mount| mount.name).collect(),
            damage: None,
        }
    }
}
