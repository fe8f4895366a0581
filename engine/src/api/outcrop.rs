//! `/outcrop`: what Docker has no endpoints for. [`super`] lists them.

use std::io::{self, Write};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Api;
use super::body::{self, BodyReader, BodyWriter};
use super::error::ApiError;
use super::query::Params;
use super::volumes::described;
use crate::progress::Ctx;
use crate::volume::{Compression, Item, VolumeError, Volumes};

/// Levels of a tree where none are named.
const DEPTH: usize = 1;

/// Every endpoint of this program's own.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/outcrop/containers/{id}/changes", get(changes))
        .route("/outcrop/watch", get(super::copy_on_write::watch))
        .route("/outcrop/volumes/{name}/archive", get(backup).post(restore))
        .route("/outcrop/volumes/{name}/clone", post(clone))
        .route("/outcrop/volumes/{name}/tree", get(tree))
        .route("/outcrop/volumes/{name}/size", get(size))
        .route("/outcrop/volumes/{name}/folder", get(read_folder).put(write_folder))
        .route("/outcrop/volumes/{name}/file", get(read_file))
}

async fn changes(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    super::json(&api.containers(move |containers| containers.changes_in_detail(&id)).await?)
}

/// A body that `write` writes. What fails on the way breaks it off.
fn written(
    api: &Api,
    write: impl FnOnce(&Volumes, &mut BodyWriter) -> Result<(), VolumeError> + Send + 'static,
) -> Response {
    let volumes = api.engine.volumes();
    let body = body::stream(&api.work, move |mut out, _| {
        let done = write(&volumes, &mut out).map_err(|error| error.to_string());
        if let Err(error) = done.and_then(|()| out.flush().map_err(|error| error.to_string())) {
            tracing::warn!(error, "a volume's archive was broken off");
            out.abort(&io::Error::other(error));
        }
    });
    ([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], body).into_response()
}

async fn backup(State(api): State<Api>, Path(name): Path<String>, params: Params) -> Result<Response, ApiError> {
    let compression = match params.text("compression") {
        "" | "zstd" => Compression::Zstd,
        "gzip" => Compression::Gzip,
        "none" => Compression::None,
        other => return Err(ApiError::invalid(format!("compression {other:?}: zstd, gzip or none"))),
    };
    let asked = name.clone();
    api.volumes(move |volumes| volumes.inspect(&asked)).await?;
    Ok(written(&api, move |volumes, out| volumes.backup(&name, compression, out).map(drop)))
}

async fn restore(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
    body: Body,
) -> Result<Response, ApiError> {
    let labels = params.every("label").into_iter().map(|label| match label.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (label, String::new()),
    });
    let labels = Some(labels.collect()).filter(|labels: &std::collections::BTreeMap<_, _>| !labels.is_empty());
    let archive = BodyReader::new(body);
    let volumes = api.engine.volumes();
    let volume = body::whole(&api.work, move |cancel| {
        volumes.restore(&name, labels, archive, Ctx { progress: &|_| {}, cancel })
    });
    let volume = volume.await??;
    Ok((StatusCode::CREATED, super::json(&described(&volume))?).into_response())
}

async fn clone(State(api): State<Api>, Path(name): Path<String>, params: Params) -> Result<Response, ApiError> {
    let new = params.some("to").ok_or_else(|| ApiError::invalid("no name for the new volume: give to="))?;
    let volumes = api.engine.volumes();
    let volume = body::whole(&api.work, move |cancel| volumes.clone_to(&name, &new, cancel)).await??;
    Ok((StatusCode::CREATED, super::json(&described(&volume))?).into_response())
}

async fn tree(State(api): State<Api>, Path(name): Path<String>, params: Params) -> Result<Response, ApiError> {
    let path = params.text("path").to_owned();
    let depth = match params.text("depth") {
        "" => DEPTH,
        text => text.parse().map_err(|_| ApiError::invalid(format!("depth {text:?} is no number")))?,
    };
    let items = api.volumes(move |volumes| volumes.tree(&name, &path, depth)).await?;
    super::json(&items.iter().map(item).collect::<Vec<_>>())
}

fn item(item: &Item) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mtime = jiff::Timestamp::new(item.mtime.seconds, item.mtime.nanoseconds as i32).unwrap_or_default();
    json!({
        "Path": text(&item.path), "Mode": item.mode, "Uid": item.uid, "Gid": item.gid, "Size": item.size,
        "Files": item.files, "Mtime": mtime.to_string(), "Link": item.link.as_deref().map(text),
    })
}

async fn size(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let size = api.volumes(move |volumes| volumes.measure(&name)).await?;
    super::json(&json!({
        "Bytes": size.bytes, "Disk": size.disk, "Files": size.files, "Directories": size.directories,
    }))
}

async fn read_folder(State(api): State<Api>, Path(name): Path<String>, params: Params) -> Result<Response, ApiError> {
    let path = params.text("path").to_owned();
    let (asked, folder) = (name.clone(), path.clone());
    api.volumes(move |volumes| volumes.attach(&asked, &folder).map(drop)).await?;
    Ok(written(&api, move |volumes, out| volumes.read_folder(&name, &path, out).map(drop)))
}

async fn write_folder(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
    body: Body,
) -> Result<Response, ApiError> {
    let path = params.text("path").to_owned();
    let archive = BodyReader::new(body);
    let volumes = api.engine.volumes();
    body::whole(&api.work, move |cancel| {
        volumes.write_folder(&name, &path, archive, Ctx { progress: &|_| {}, cancel })
    })
    .await??;
    Ok(StatusCode::OK.into_response())
}

async fn read_file(State(api): State<Api>, Path(name): Path<String>, params: Params) -> Result<Response, ApiError> {
    let path = params.some("path").ok_or_else(|| ApiError::invalid("no file named: give path="))?;
    let place = path.clone();
    let mut file = api.volumes(move |volumes| volumes.read_file(&name, &place)).await?;
    Ok(written(&api, move |_, out| {
        let broken = |source| VolumeError::Io { what: "read", path: path.into(), source };
        io::copy(&mut file, out).map(drop).map_err(broken)
    }))
}
