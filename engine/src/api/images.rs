//! `/images`: listing, inspecting, history, tagging, removing.

mod inspect;

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;
use super::query::Params;
use super::version::Asked;
use super::{Api, body, split_name};
use crate::image::{HistoryItem, ImageError, ListOptions, Reference, Removed};
use crate::progress::Ctx;

/// What `/images/json` may be filtered by.
const LIST_FILTERS: [&str; 6] = ["dangling", "label", "before", "since", "reference", "until"];
/// What `/images/prune` may be filtered by.
const PRUNE_FILTERS: [&str; 4] = ["dangling", "label", "label!", "until"];

/// The year 1, in seconds since 1970.
const ZERO_TIME: i64 = -62_135_596_800;

/// An image in a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Summary<'a> {
    containers: i64,
    created: i64,
    id: String,
    labels: Option<&'a BTreeMap<String, String>>,
    parent_id: String,
    repo_digests: Vec<&'a str>,
    repo_tags: Vec<&'a str>,
    shared_size: i64,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_size: Option<u64>,
}

impl<'a> Summary<'a> {
    /// The row of `image`, in the shape of the version asked for.
    pub(super) fn new(image: &'a crate::image::Summary, asked: Option<u16>) -> Self {
        let dangling = image.tags.is_empty() && image.digests.is_empty() && asked.is_some_and(|minor| minor < 43);
        let names = |names: &'a [String], none: &'a str| {
            if dangling { vec![none] } else { names.iter().map(String::as_str).collect() }
        };
        let count = |number: Option<u64>| number.map_or(-1, |n| n as i64);
        Self {
            containers: count(image.containers),
            // Go's zero time, for which the docker command says `N/A`.
            created: if image.created == 0 && asked.is_some() { ZERO_TIME } else { image.created },
            id: image.id.to_string(),
            labels: Some(&image.labels).filter(|labels| !labels.is_empty()),
            parent_id: image.parent.map(|id| id.to_string()).unwrap_or_default(),
            repo_digests: names(&image.digests, "<none>@<none>"),
            repo_tags: names(&image.tags, "<none>:<none>"),
            shared_size: count(image.shared_size),
            size: image.size,
            virtual_size: asked.filter(|minor| *minor < 44).map(|_| image.size),
        }
    }
}

/// `GET /images/json`.
pub(super) async fn list(
    State(api): State<Api>,
    Extension(Asked(asked)): Extension<Asked>,
    params: Params,
) -> Result<Response, ApiError> {
    let mut filters = params.filters(&LIST_FILTERS)?;
    if asked.is_some_and(|minor| minor < 25) && !params.text("filter").is_empty() {
        filters.add("reference", params.text("filter"));
    }
    let shared = params.on("shared-size");
    let options = ListOptions { all: params.on("all"), filters, containers: false, shared };
    let images = api.blocking(move |engine| engine.images().list(&options)).await?;
    super::json(&images.iter().map(|image| Summary::new(image, asked)).collect::<Vec<_>>())
}

/// `GET /images/{name}/json`, `/history` and `/get`.
pub(super) async fn get(
    State(api): State<Api>,
    Extension(Asked(asked)): Extension<Asked>,
    Path(rest): Path<String>,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (name, what) = split_name(&rest);
    match what {
        "json" => inspect(&api, name.to_owned(), asked).await,
        "history" => history(&api, name.to_owned()).await,
        "get" => super::archive::save_names(&api, vec![name.to_owned()], &params).await,
        _ => Err(unknown(&uri)),
    }
}

/// `POST /images/{name}/tag` and `/push`.
pub(super) async fn post(
    State(api): State<Api>,
    Path(rest): Path<String>,
    params: Params,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (name, what) = split_name(&rest);
    match what {
        "tag" => tag(&api, name.to_owned(), &params).await,
        "push" => super::registry::push(&api, name, &params, &headers).await,
        _ => Err(unknown(&uri)),
    }
}

fn unknown(_uri: &Uri) -> ApiError {
    ApiError::not_found("page not found")
}

async fn inspect(api: &Api, name: String, asked: Option<u16>) -> Result<Response, ApiError> {
    let missing = format!("no such image: {name}");
    let answer = api.blocking(move |engine| {
        let image = engine.images().resolve(&name)?;
        Ok(inspect::Inspect::new(engine, &image, asked).and_then(|inspect| serde_json::to_vec(&inspect)))
    });
    let answer = answer.await.map_err(|error| error.naming(&missing))?;
    let bytes = answer.map_err(|error| ApiError::internal(&error))?;
    Ok(([(axum::http::header::CONTENT_TYPE, super::error::JSON)], bytes).into_response())
}

async fn history(api: &Api, name: String) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row<'a> {
        comment: &'a str,
        created: i64,
        created_by: &'a str,
        id: &'a str,
        size: u64,
        tags: Option<&'a [String]>,
    }
    let rows: Vec<HistoryItem> =
        api.blocking(move |engine| engine.images().history(&engine.images().resolve(&name)?)).await?;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| Row {
            comment: &row.comment,
            created: row.created,
            created_by: &row.created_by,
            id: &row.id,
            size: row.size,
            tags: Some(row.tags.as_slice()).filter(|tags| !tags.is_empty()),
        })
        .collect();
    super::json(&rows)
}

async fn tag(api: &Api, name: String, params: &Params) -> Result<Response, ApiError> {
    let (repository, tag) = (params.text("repo"), params.text("tag"));
    let mut reference = Reference::parse(repository)?;
    if reference.digest().is_some() {
        return Err(ApiError::invalid("refusing to create a tag with a digest reference"));
    }
    if !tag.is_empty() {
        reference = reference.with_tag(tag)?;
    }
    api.blocking(move |engine| engine.images().tag(&engine.images().resolve(&name)?, &reference.or_latest())).await?;
    Ok(StatusCode::CREATED.into_response())
}

#[derive(Serialize)]
enum Gone<'a> {
    Untagged(&'a str),
    Deleted(&'a str),
}

fn gone(removed: &[Removed]) -> Vec<Gone<'_>> {
    removed
        .iter()
        .map(|removed| match removed {
            Removed::Untagged(name) => Gone::Untagged(name),
            Removed::Deleted(id) => Gone::Deleted(id),
        })
        .collect()
}

/// `DELETE /images/{name}`.
pub(super) async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let (force, prune) = (params.on("force"), !params.on("noprune"));
    let engine = api.engine.clone();
    let removed = body::whole(&api.work, move |cancel| {
        engine.images().remove(&name, force, prune, Ctx { progress: &|_| {}, cancel })
    });
    super::json(&gone(&removed.await??))
}

/// `POST /images/prune`.
pub(super) async fn prune(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer<'a> {
        images_deleted: Option<Vec<Gone<'a>>>,
        space_reclaimed: u64,
    }
    let filters = params.filters(&PRUNE_FILTERS)?;
    let engine = api.engine.clone();
    let done: Result<_, ImageError> =
        body::whole(&api.work, move |cancel| engine.images().prune(&filters, Ctx { progress: &|_| {}, cancel }))
            .await?;
    let (removed, space_reclaimed) = done?;
    let images_deleted = Some(gone(&removed)).filter(|gone| !gone.is_empty());
    super::json(&Answer { images_deleted, space_reclaimed })
}
