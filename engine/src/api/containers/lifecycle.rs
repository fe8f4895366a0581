//! Starting, stopping and what else changes a container in one step.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::Api;
use super::super::error::ApiError;
use super::super::query::Params;
use super::no_content;
use crate::container::HostConfig;

/// `POST /containers/{id}/start`.
pub(super) async fn start(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.change(move |containers| containers.start(&id)).await?;
    Ok(no_content())
}

/// Seconds to wait before SIGKILL; nothing for the container's own.
fn timeout(params: &Params) -> Result<Option<i64>, ApiError> {
    let wrong = |text: &str| ApiError::invalid(format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
    params.some("t").map(|text| text.parse().map_err(|_| wrong(&text))).transpose()
}

/// `POST /containers/{id}/stop`.
pub(super) async fn stop(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    let (timeout, signal) = (timeout(&params)?, params.some("signal"));
    api.change(move |containers| containers.stop(&id, timeout, signal.as_deref())).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/restart`.
pub(super) async fn restart(
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let (timeout, signal) = (timeout(&params)?, params.some("signal"));
    api.change(move |containers| containers.restart(&id, timeout, signal.as_deref())).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/kill`.
pub(super) async fn kill(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    let signal = params.text("signal").to_owned();
    let what = format!("cannot kill container: {id}");
    api.change(move |containers| containers.kill(&id, &signal)).await.map_err(|error| error.naming(&what))?;
    Ok(no_content())
}

/// `POST /containers/{id}/pause`.
pub(super) async fn pause(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.change(move |containers| containers.pause(&id)).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/unpause`.
pub(super) async fn unpause(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.change(move |containers| containers.unpause(&id)).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/rename`.
pub(super) async fn rename(
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let name = params.text("name").to_owned();
    api.change(move |containers| containers.rename(&id, &name)).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/update`.
pub(super) async fn update(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body.map_err(|error| ApiError::new(error.status(), error.body_text()))?;
    let change = HostConfig::parse(&body)?;
    let warnings = api.change(move |containers| containers.update(&id, &change)).await?;
    super::super::json(&serde_json::json!({ "Warnings": if warnings.is_empty() { None } else { Some(warnings) } }))
}

/// Rows and columns of a terminal, `h` and `w`.
pub(in super::super) fn size(params: &Params) -> Result<(u16, u16), ApiError> {
    let number = |name: &str| {
        let text = params.text(name);
        text.parse().map_err(|_| ApiError::invalid(format!("invalid resize {name} {text:?}: a number up to 65535")))
    };
    Ok((number("h")?, number("w")?))
}

/// `POST /containers/{id}/resize`.
pub(super) async fn resize(
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let (rows, columns) = size(&params)?;
    api.change(move |containers| containers.resize(&id, rows, columns)).await?;
    Ok(StatusCode::OK.into_response())
}

/// `DELETE /containers/{id}`.
pub(super) async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    if params.on("link") {
        return Err(ApiError::invalid("links between containers do not exist here: rm without --link"));
    }
    let (force, volumes) = (params.on("force"), params.on("v"));
    api.change(move |containers| containers.remove(&id, force, volumes)).await?;
    Ok(no_content())
}
