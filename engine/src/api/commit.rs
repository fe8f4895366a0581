//! `POST /commit`: an image of a container.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Api;
use super::archive::named;
use super::body;
use super::error::ApiError;
use super::query::Params;
use crate::container::{CommitOptions, Config};
use crate::progress::Ctx;

/// `POST /commit`.
pub(super) async fn commit(
    State(api): State<Api>,
    params: Params,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    api.writable()?;
    let body = body.map_err(|error| ApiError::new(error.status(), error.body_text()))?;
    let options = CommitOptions {
        reference: named(&params)?,
        author: params.text("author").to_owned(),
        comment: params.text("comment").to_owned(),
        changes: params.every("changes").iter().flat_map(|lines| lines.lines().map(str::to_owned)).collect(),
        pause: params.text("pause").is_empty() || params.on("pause"),
        config: Config::parse(&body)?,
    };
    let name = params.text("container").to_owned();
    let engine = api.engine.clone();
    let id = body::whole(&api.work, move |cancel| {
        engine.containers().commit(&name, &options, engine.images(), Ctx { progress: &|_| {}, cancel })
    });
    let answer = super::json(&json!({ "Id": id.await??.to_string() }))?;
    Ok((StatusCode::CREATED, answer).into_response())
}
