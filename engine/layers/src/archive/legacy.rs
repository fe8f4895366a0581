//! Archives of Docker before 1.10: `repositories` leads to folders with a v1 configuration and a layer, each with its parent
//! (Docker image specification v1.0). The configuration is put together from them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::ArchiveError;
use super::image::{ImageInArchive, LayerBlob};
use super::json;
use super::members::{Fetch, Members};
use super::resolve::{more_images, platform_of};
use crate::config::{ImageConfig, MOST_LAYERS};
use crate::digest::{DiffId, Digest};

/// `{"name": {"tag": "id"}}`
type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// What of `<id>/json` the chain and the history need.
#[derive(Deserialize)]
struct Step {
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    created: Option<Value>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    container_config: Option<ContainerConfig>,
}

#[derive(Deserialize)]
struct ContainerConfig {
    #[serde(rename = "Cmd", default)]
    command: Option<Vec<String>>,
}

/// All images that `repositories` names.
pub(super) fn images<M: Members>(
    fetch: &Fetch<'_, M>,
    repositories: &[u8],
) -> Result<Vec<ImageInArchive>, ArchiveError> {
    let repositories: Repositories = json::parse("repositories", repositories)?;
    let mut images: Vec<(String, ImageInArchive)> = Vec::new();
    for (name, tags) in repositories {
        for (tag, id) in tags {
            let tag = format!("{name}:{tag}");
            if let Some((_, image)) = images.iter_mut().find(|(other, _)| *other == id) {
                image.tags.push(tag);
                continue;
            }
            let mut image = image(fetch, &id)?;
            image.tags.push(tag);
            more_images("repositories", images.len())?;
            images.push((id, image));
        }
    }
    if images.is_empty() {
        return Err(ArchiveError::NoImage { name: "repositories" });
    }
    Ok(images.into_iter().map(|(_, image)| image).collect())
}

fn image<M: Members>(fetch: &Fetch<'_, M>, top: &str) -> Result<ImageInArchive, ArchiveError> {
    let mut layers = Vec::new();
    let mut history = Vec::new();
    let mut next = Some(top.to_owned());
    let mut newest = None;
    while let Some(id) = next {
        if layers.len() == MOST_LAYERS {
            let (what, limit) = ("has more layers".into(), format!("{MOST_LAYERS} layers"));
            return Err(ArchiveError::Limit { name: format!("image {top}"), what, limit });
        }
        // An ID is used as a name here: nothing else may pass.
        Digest::from_hex(&id)
            .map_err(|e| ArchiveError::Document { name: "repositories".into(), why: e.to_string() })?;
        let name = format!("{id}/json");
        let bytes = fetch.need("image configuration", &name)?;
        let step: Step = json::parse(&name, &bytes)?;
        layers.push(layer(fetch, &id)?);
        history.push(item(&step));
        next = step.parent.filter(|parent| !parent.is_empty());
        newest.get_or_insert_with(|| bytes.into_owned());
    }
    layers.reverse();
    history.reverse();
    let newest: Map<String, Value> = json::parse(top, &newest.unwrap_or_default())?;
    let diff_ids: Vec<DiffId> = layers.iter().map(|layer| layer.diff_id).collect();
    let (config, parsed) = config(top, newest, history, &diff_ids)?;
    Ok(ImageInArchive {
        config_digest: Digest::of(&config),
        platform: platform_of(&parsed),
        config,
        parsed,
        layers,
        tags: Vec::new(),
        manifest: None,
    })
}

fn layer<M: Members>(fetch: &Fetch<'_, M>, id: &str) -> Result<LayerBlob, ArchiveError> {
    let path = format!("{id}/layer.tar");
    let missing = || ArchiveError::Missing { what: "layer", name: path.clone() };
    let (name, size) = fetch.members.find(&path).ok_or_else(missing)?;
    let diff_id = fetch.members.diff_id(&name)?.ok_or_else(missing)?;
    Ok(LayerBlob { name, diff_id, digest: None, size: Some(size) })
}

/// The history entry of one v1 configuration.
fn item(step: &Step) -> Value {
    let mut item = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            item.insert(key.into(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(Value::from);
    let command = step.container_config.as_ref().and_then(|config| config.command.as_ref());
    put("created", step.created.clone());
    put("author", text(&step.author));
    put("created_by", command.map(|words| words.join(" ").into()));
    put("comment", text(&step.comment));
    Value::Object(item)
}

/// The v1 configuration without its own chain, with history and layers instead.
fn config(
    top: &str,
    mut newest: Map<String, Value>,
    history: Vec<Value>,
    diff_ids: &[DiffId],
) -> Result<(Vec<u8>, ImageConfig), ArchiveError> {
    for key in ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"] {
        newest.remove(key);
    }
    newest.insert("history".into(), history.into());
    let diff_ids: Vec<String> = diff_ids.iter().map(ToString::to_string).collect();
    newest.insert("rootfs".into(), serde_json::json!({ "type": "layers", "diff_ids": diff_ids }));
    let config = Value::Object(newest).to_string().into_bytes();
    let parsed =
        ImageConfig::parse(&config).map_err(|source| ArchiveError::Config { name: format!("{top}/json"), source })?;
    Ok((config, parsed))
}
