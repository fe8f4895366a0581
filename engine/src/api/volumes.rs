//! `/volumes`, and the list of plugins, which is empty here.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::error::{ApiError, json_body};
use super::query::Params;
use super::version::Asked;
use crate::usage::VolumeUsage;
use crate::volume::{Create, Volume, VolumeError, Volumes};

impl Api {
    /// Runs a call of the volume library where blocking does no harm.
    pub(super) async fn volumes<T: Send + 'static>(
        &self,
        call: impl FnOnce(Volumes) -> Result<T, VolumeError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let volumes = self.engine.volumes();
        let done = tokio::task::spawn_blocking(move || call(volumes)).await;
        done.map_err(|error| ApiError::panicked(&error))?.map_err(ApiError::from)
    }
}

/// A volume as Docker describes it.
pub(super) fn described(volume: &Volume) -> Value {
    let created = jiff::Timestamp::from_second(volume.created).map(|time| time.to_string()).unwrap_or_default();
    json!({
        "CreatedAt": created, "Driver": volume.driver, "Labels": volume.labels,
        "Mountpoint": volume.mountpoint.to_string_lossy(), "Name": volume.name, "Options": volume.options, "Scope": "local",
    })
}

/// A volume with its size, for `/system/df`.
pub(super) fn used(usage: &VolumeUsage) -> Value {
    let mut value = described(&Volume {
        name: usage.name.clone(),
        driver: "local".into(),
        mountpoint: usage.mountpoint.clone(),
        created: usage.created,
        labels: Some(usage.labels.clone()),
        options: None,
    });
    value["UsageData"] = json!({"RefCount": usage.ref_count, "Size": usage.size});
    value
}

/// `GET /volumes`.
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let filters = params.filters(&["dangling", "driver", "label", "name"])?;
    let volumes = api.volumes(move |volumes| volumes.list(&filters)).await?;
    super::json(&json!({"Volumes": volumes.iter().map(described).collect::<Vec<_>>(), "Warnings": null}))
}

/// `GET /volumes/{name}`.
pub(super) async fn inspect(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, ApiError> {
    super::json(&described(&api.volumes(move |volumes| volumes.inspect(&name)).await?))
}

/// `POST /volumes/create`.
pub(super) async fn create(State(api): State<Api>, body: Result<Bytes, BytesRejection>) -> Result<Response, ApiError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Request {
        name: String,
        driver: String,
        labels: Option<BTreeMap<String, String>>,
        driver_opts: Option<BTreeMap<String, String>>,
    }
    let Request { name, driver, labels, driver_opts } = json_body(body)?;
    let request = Create { name, driver, labels, options: driver_opts };
    let volume = api.volumes(move |volumes| volumes.create(&request)).await?;
    Ok((StatusCode::CREATED, super::json(&described(&volume))?).into_response())
}

/// `DELETE /volumes/{name}`.
pub(super) async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let force = params.on("force");
    api.volumes(move |volumes| volumes.remove(&name, force)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /volumes/prune`. For clients older than version 1.42 named volumes go too.
pub(super) async fn prune(
    State(api): State<Api>,
    Extension(Asked(asked)): Extension<Asked>,
    params: Params,
) -> Result<Response, ApiError> {
    let mut filters = params.filters(&["all", "label", "label!"])?;
    if asked.is_some_and(|minor| minor < 42) {
        filters.add("all", "true");
    }
    let pruned = api.volumes(move |volumes| volumes.prune(&filters)).await?;
    for (volume, why) in &pruned.kept {
        tracing::warn!(volume, why, "a volume was kept");
    }
    super::json(&json!({"VolumesDeleted": pruned.names, "SpaceReclaimed": pruned.bytes}))
}

/// `GET /plugins`: the engine has none.
pub(super) async fn plugins() -> Result<Response, ApiError> {
    super::json(&json!([]))
}
