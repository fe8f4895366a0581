//! What `docker image inspect` shows.

use std::fs;
use std::path::{Path, PathBuf};

use outcrop_layers::digest::ChainId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::image::Image;

/// An image in full, in Docker's order of fields.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspect {
    id: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: String,
    comment: String,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_config: Option<ContainerConfig>,
    docker_version: String,
    author: String,
    config: ContainerConfig,
    architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
    os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    os_version: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_size: Option<u64>,
    graph_driver: Value,
    #[serde(rename = "RootFS")]
    root_fs: Value,
    metadata: Value,
}

/// The parts of a stored configuration that only inspecting needs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Rest {
    comment: String,
    author: String,
    docker_version: String,
    container: String,
    variant: String,
    #[serde(rename = "os.version")]
    os_version: String,
    created: Option<String>,
    config: Option<ContainerConfig>,
    container_config: Option<ContainerConfig>,
}

/// A container's configuration in Docker's order. Values are passed on as they are stored: who reads an image has to
/// see what is in it.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerConfig {
    hostname: Text,
    domainname: Text,
    user: Text,
    attach_stdin: Flag,
    attach_stdout: Flag,
    attach_stderr: Flag,
    #[serde(skip_serializing_if = "Value::is_null")]
    exposed_ports: Value,
    tty: Flag,
    open_stdin: Flag,
    stdin_once: Flag,
    env: Value,
    cmd: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    healthcheck: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    args_escaped: Value,
    image: Text,
    volumes: Value,
    working_dir: Text,
    entrypoint: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    network_disabled: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    mac_address: Value,
    on_build: Value,
    labels: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    stop_signal: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    stop_timeout: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    shell: Value,
}

/// Any value, an empty text by default.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
struct Text(Value);

impl Default for Text {
    fn default() -> Self {
        Self(Value::String(String::new()))
    }
}

/// Any value, false by default.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
struct Flag(Value);

impl Default for Flag {
    fn default() -> Self {
        Self(Value::Bool(false))
    }
}

impl Inspect {
    /// Everything about `image`, in the shape of the version asked for.
    pub(super) fn new(engine: &Engine, image: &Image, asked: Option<u16>) -> Result<Self, serde_json::Error> {
        const NEVER: &str = "0001-01-01T00:00:00Z";
        let rest: Rest = serde_json::from_slice(&image.stored.raw)?;
        let config = image.config();
        let old = asked.is_some_and(|minor| minor < 45);
        Ok(Self {
            id: image.id.to_string(),
            repo_tags: image.tags.clone(),
            repo_digests: image.digests.clone(),
            parent: image.parent.map(|id| id.to_string()).unwrap_or_default(),
            comment: comment(image).unwrap_or(rest.comment),
            created: rest.created.unwrap_or_else(|| NEVER.to_owned()),
            container: old.then_some(rest.container),
            container_config: old.then(|| rest.container_config.unwrap_or_default()),
            docker_version: rest.docker_version,
            author: rest.author,
            config: rest.config.unwrap_or_default(),
            architecture: config.architecture.clone(),
            variant: rest.variant,
            os: config.os.clone(),
            os_version: rest.os_version,
            size: image.size,
            virtual_size: asked.filter(|minor| *minor < 44).map(|_| image.size),
            graph_driver: graph_driver(engine, &image.chains),
            root_fs: if image.layers().is_empty() {
                json!({"Type": "layers"})
            } else {
                json!({"Type": "layers", "Layers": image.layers()})
            },
            metadata: json!({"LastTagTime": image.last_tagged.as_deref().unwrap_or(NEVER)}),
        })
    }
}

/// The comment of the last step, which Docker shows when the configuration itself has none.
fn comment(image: &Image) -> Option<String> {
    let raw: Value = serde_json::from_slice(&image.stored.raw).ok()?;
    if raw["comment"].as_str().is_some_and(|comment| !comment.is_empty()) {
        return None;
    }
    image.config().history.last()?.comment.clone()
}

/// The directories of the topmost layer and of those below it.
fn graph_driver(engine: &Engine, chains: &[ChainId]) -> Value {
    let directories: Vec<PathBuf> = chains.iter().rev().filter_map(|chain| directory(engine, *chain)).collect();
    let part = |directory: &Path, name: &str| directory.join(name).to_string_lossy().into_owned();
    let Some((top, below)) = directories.split_first() else {
        return json!({"Data": null, "Name": engine.driver()});
    };
    let mut data = json!({
        "MergedDir": part(top, "merged"),
        "UpperDir": part(top, "diff"),
        "WorkDir": part(top, "work"),
    });
    if !below.is_empty() {
        data["LowerDir"] = below.iter().map(|directory| part(directory, "diff")).collect::<Vec<_>>().join(":").into();
    }
    json!({"Data": data, "Name": engine.driver()})
}

fn directory(engine: &Engine, chain: ChainId) -> Option<PathBuf> {
    let entry = engine.root().join("image").join(engine.driver()).join("layerdb/sha256").join(chain.0.hex());
    let cache = fs::read_to_string(entry.join("cache-id")).ok()?;
    let plain = !cache.is_empty() && cache.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| engine.root().join(engine.driver()).join(cache))
}
