//! `/containers`, as far as they are on disk: this engine does not run any yet.

use std::fs;
use std::io::Read;
use std::path::Path as FilePath;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};

use super::error::{ApiError, json_body, lacking};
use super::query::Params;
use super::{Api, split_name};
use crate::engine::Engine;
use crate::usage::ContainerUsage;

/// The largest description of a container that is read, in bytes.
const LARGEST: u64 = 8 << 20;

fn document(path: &FilePath) -> Option<Value> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// `config.v2.json` of every container, newest first.
fn on_disk(engine: &Engine) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(engine.root().join("containers")) else { return Vec::new() };
    let mut all: Vec<Value> =
        entries.flatten().filter_map(|entry| document(&entry.path().join("config.v2.json"))).collect();
    all.sort_by(|a, b| b["Created"].as_str().cmp(&a["Created"].as_str()));
    all
}

fn state(container: &Value) -> &'static str {
    let state = &container["State"];
    match () {
        () if state["Paused"] == true => "paused",
        () if state["Running"] == true => "running",
        () if state["Dead"] == true => "dead",
        () if state["StartedAt"].as_str().is_none_or(|t| t.starts_with("0001")) => "created",
        () => "exited",
    }
}

fn status(container: &Value) -> String {
    match state(container) {
        "exited" => format!("Exited ({})", container["State"]["ExitCode"]),
        "running" => "Up".into(),
        "paused" => "Up (Paused)".into(),
        "dead" => "Dead".into(),
        _ => "Created".into(),
    }
}

fn command(container: &Value) -> String {
    let words = container["Args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    container["Path"].as_str().into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn summary(container: &Value) -> Value {
    let created = container["Created"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    json!({
        "Id": container["ID"],
        "Names": [container["Name"]],
        "Image": container["Config"]["Image"],
        "ImageID": container["Image"],
        "Command": command(container),
        "Created": created.map_or(0, jiff::Timestamp::as_second),
        "Ports": [],
        "Labels": container["Config"]["Labels"].as_object().cloned().unwrap_or_default(),
        "State": state(container),
        "Status": status(container),
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {"Networks": {}},
        "Mounts": mounts(container),
    })
}

fn mounts(container: &Value) -> Vec<Value> {
    let points = container["MountPoints"].as_object();
    let mount = |mount: &Value| {
        let kind = mount["Type"].as_str().filter(|kind| !kind.is_empty()).unwrap_or("bind");
        json!({
            "Type": kind, "Name": mount["Name"], "Source": mount["Source"], "Destination": mount["Destination"],
            "Driver": mount["Driver"], "Mode": mount["Relabel"], "RW": mount["RW"], "Propagation": mount["Propagation"],
        })
    };
    points.into_iter().flat_map(|points| points.values()).map(mount).collect()
}

/// A container with its sizes, for `/system/df`.
pub(super) fn used(container: &ContainerUsage) -> Value {
    let mount = |name: &String| json!({"Type": "volume", "Name": name, "Driver": "local", "RW": true});
    json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": container.image_name,
        "ImageID": container.image,
        "Command": container.command,
        "Created": container.created,
        "Ports": [],
        "SizeRw": container.size_rw,
        "SizeRootFs": container.size_root_fs,
        "Labels": {},
        "State": container.state,
        "Status": container.state,
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {"Networks": {}},
        "Mounts": container.volumes.iter().map(mount).collect::<Vec<_>>(),
    })
}

/// `GET /containers/json`.
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    const NAMES: [&str; 17] = [
        "ancestor",
        "before",
        "exited",
        "expose",
        "health",
        "id",
        "isolation",
        "is-task",
        "label",
        "name",
        "network",
        "publish",
        "since",
        "status",
        "volume",
        "driver",
        "reference",
    ];
    let filters = params.filters(&NAMES)?;
    let all = params.on("all") || filters.has("status");
    let containers = api.blocking(|engine| Ok(on_disk(engine))).await?;
    let fits = |container: &&Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let image = text(&container["Config"]["Image"]);
        let labels = container["Config"]["Labels"].as_object().into_iter().flatten();
        let labels = labels.map(|(name, value)| (name.clone(), text(value))).collect();
        (all || matches!(state(container), "running" | "paused"))
            && filters.allows("status", state(container))
            && filters.allows_prefix("id", &text(&container["ID"]))
            && (!filters.has("name") || filters.get("name").any(|part| text(&container["Name"]).contains(part)))
            && filters.labels_match("label", &labels)
            && (!filters.has("ancestor")
                || filters.get("ancestor").any(|wanted| image == wanted || text(&container["Image"]).contains(wanted)))
    };
    super::json(&containers.iter().filter(fits).map(summary).collect::<Vec<_>>())
}

/// `GET /containers/{id}/json`; the rest is not there yet.
pub(super) async fn get(State(api): State<Api>, Path(rest): Path<String>, uri: Uri) -> Result<Response, ApiError> {
    let (name, what) = split_name(&rest);
    let name = name.to_owned();
    let found = api.blocking({
        let name = name.clone();
        move |engine| Ok(find(engine, &name))
    });
    let found = found.await??;
    if what == "json" { super::json(&found) } else { Err(lacking(uri.path())) }
}

/// The container with this name, ID, or beginning of an ID.
fn find(engine: &Engine, name: &str) -> Result<Value, ApiError> {
    let all = on_disk(engine);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let exact =
        |c: &&Value| text(&c["ID"]) == name || text(&c["Name"]).trim_start_matches('/') == name.trim_start_matches('/');
    let found: Vec<&Value> = match all.iter().find(exact) {
        Some(container) => vec![container],
        None => all.iter().filter(|c| !name.is_empty() && text(&c["ID"]).starts_with(name)).collect(),
    };
    match found.as_slice() {
        [] => Err(ApiError::not_found(format!("No such container: {name}"))),
        [container] => Ok(inspect(engine, container)),
        _ => Err(ApiError::invalid(format!("multiple IDs found with provided prefix: {name}"))),
    }
}

fn inspect(engine: &Engine, container: &Value) -> Value {
    let id = container["ID"].as_str().unwrap_or_default();
    let host = engine.root().join("containers").join(id).join("hostconfig.json");
    let mut all_state = container["State"].clone();
    all_state["Status"] = state(container).into();
    json!({
        "Id": container["ID"], "Created": container["Created"], "Path": container["Path"], "Args": container["Args"],
        "State": all_state, "Image": container["Image"], "ResolvConfPath": container["ResolvConfPath"],
        "HostnamePath": container["HostnamePath"], "HostsPath": container["HostsPath"], "LogPath": container["LogPath"],
        "Name": container["Name"], "RestartCount": container["RestartCount"], "Driver": container["Driver"],
        "Platform": container["OS"], "MountLabel": container["MountLabel"], "ProcessLabel": container["ProcessLabel"],
        "AppArmorProfile": container["AppArmorProfile"], "ExecIDs": null,
        "HostConfig": document(&host).unwrap_or(Value::Null), "Mounts": mounts(container),
        "Config": container["Config"], "NetworkSettings": container["NetworkSettings"],
    })
}

/// `POST /containers/create`: checks the body, then says that containers come later.
pub(super) async fn create(body: Result<Bytes, BytesRejection>) -> Result<Response, ApiError> {
    json_body::<Value>(body)?;
    Err(lacking("creating containers"))
}

/// `POST /containers/prune`: nothing is removed that this engine did not make.
pub(super) async fn prune() -> Result<Response, ApiError> {
    super::json(&json!({"ContainersDeleted": null, "SpaceReclaimed": 0}))
}
