//! Files of a container as tar: `/archive` and `/export`.

use std::io::Write;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;

use super::super::Api;
use super::super::body::{self, BodyReader, BodyWriter};
use super::super::error::ApiError;
use super::super::query::Params;
use crate::container::{ContainerError, PathStat};

const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");
const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

fn path(params: &Params) -> Result<String, ApiError> {
    params.some("path").ok_or_else(|| ApiError::invalid("bad parameter: 'path' cannot be empty"))
}

async fn stat_of(api: &Api, id: String, path: String) -> Result<HeaderValue, ApiError> {
    let stat: PathStat = api.containers(move |containers| containers.stat_path(&id, &path)).await?;
    let text = serde_json::to_vec(&stat).map_err(|error| ApiError::internal(&error))?;
    let text = base64::engine::general_purpose::STANDARD.encode(text);
    HeaderValue::from_str(&text).map_err(|error| ApiError::internal(&error))
}

/// `HEAD /containers/{id}/archive`.
pub(super) async fn stat(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    Ok(([(STAT, stat_of(&api, id, path(&params)?).await?)], "").into_response())
}

/// `GET /containers/{id}/archive`.
pub(super) async fn read(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    let path = path(&params)?;
    let stat = stat_of(&api, id.clone(), path.clone()).await?;
    let body = tar(&api, move |containers, out| containers.copy_from(&id, &path, out).map(drop));
    Ok(([(CONTENT_TYPE, TAR), (STAT, stat)], body).into_response())
}

/// A tar that `write` writes. What fails on the way breaks the answer off.
fn tar(
    api: &Api,
    write: impl FnOnce(&crate::container::Containers, &mut BodyWriter) -> Result<(), ContainerError> + Send + 'static,
) -> Body {
    let containers = api.engine.containers();
    body::stream(&api.work, move |mut out, _| {
        let done = write(&containers, &mut out).map_err(|error| error.to_string());
        if let Err(error) = done.and_then(|()| out.flush().map_err(|error| error.to_string())) {
            tracing::warn!(error, "an archive was broken off");
            out.abort(&std::io::Error::other(error));
        }
    })
}

/// `PUT /containers/{id}/archive`.
pub(super) async fn write(
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
    body: Body,
) -> Result<Response, ApiError> {
    let keep_kind = params.on("noOverwriteDirNonDir");
    let path = path(&params);
    let archive = BodyReader::new(body);
    api.writable()?;
    let path = path?;
    let containers = api.engine.containers();
    body::whole(&api.work, move |_| containers.copy_to(&id, &path, archive, keep_kind)).await??;
    Ok(StatusCode::OK.into_response())
}

/// `GET /containers/{id}/export`.
pub(super) async fn export(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let name = id.clone();
    api.containers(move |containers| containers.record(&name)).await?;
    let body = tar(&api, move |containers, out| containers.export(&id, out).map(drop));
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], body).into_response())
}
