//! Archives in and out: `/images/load`, `/images/create`, `/images/get`.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use super::Api;
use super::body::{self, BodyReader, BodyWriter, Line};
use super::error::{ApiError, JSON, lacking};
use super::query::Params;
use crate::image::{ImageError, ImportOptions, LoadOptions, Loaded, Reference, SaveFormat};
use crate::progress::{Ctx, Progress};

/// A response with a body of that kind.
pub(super) fn streamed(body: Body, kind: HeaderValue) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// `POST /images/load`. The answer begins at once; what goes wrong is its last line.
pub(super) async fn load(State(api): State<Api>, params: Params, body: Body) -> Result<Response, ApiError> {
    let options = LoadOptions { platform: params.platform()? };
    let quiet = params.on("quiet");
    let archive = BodyReader::new(body);
    let engine = api.engine.clone();
    let answer = body::stream(&api.work, move |mut out, cancel| {
        let progress = |step: Progress| {
            if !quiet {
                out.progress(&step);
            }
        };
        let done = engine.images().load(archive, &options, Ctx { progress: &progress, cancel });
        finish(&mut out, done, |out, loaded| loaded.iter().for_each(|image| tell(out, image)));
    });
    Ok(streamed(answer, JSON))
}

fn tell(out: &mut BodyWriter, image: &Loaded) {
    for (name, old) in &image.replaced {
        let text = format!("The image {name} already exists, renaming the old one with ID {old} to empty string\n");
        out.line(&Line::stream(text));
    }
    for warning in &image.warnings {
        out.line(&Line::stream(format!("Warning: {warning}\n")));
    }
    for tag in &image.tags {
        out.line(&Line::stream(format!("Loaded image: {tag}\n")));
    }
    if image.tags.is_empty() {
        out.line(&Line::stream(format!("Loaded image ID: {}\n", image.id)));
    }
}

fn finish<T>(out: &mut BodyWriter, done: Result<T, ImageError>, told: impl FnOnce(&mut BodyWriter, T)) {
    match done {
        Ok(value) => told(out, value),
        Err(error) => out.line(&Line::error(&error.to_string())),
    }
}

/// `POST /images/create`: `fromImage=…` pulls, `fromSrc=-` makes an image of a root file system.
pub(super) async fn create(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(image) = params.some("fromImage") {
        return super::registry::pull(&api, &image, &params, &headers).await;
    }
    let source = params.text("fromSrc").to_owned();
    if source.is_empty() {
        return Err(ApiError::invalid("fromImage or fromSrc must be given"));
    }
    if source != "-" {
        return Err(lacking(&format!("importing from {source}")));
    }
    let options = ImportOptions {
        reference: named(&params)?,
        changes: params.every("changes").iter().flat_map(|lines| lines.lines().map(str::to_owned)).collect(),
        message: params.some("message").unwrap_or_else(|| format!("Imported from {source}")),
        source,
        platform: params.platform()?,
    };
    let archive = BodyReader::new(body);
    let engine = api.engine.clone();
    let answer = body::stream(&api.work, move |mut out, cancel| {
        let done = engine.images().import(archive, &options, Ctx { progress: &|step| out.progress(&step), cancel });
        finish(&mut out, done, |out, id| out.line(&Line::status(&id.to_string())));
    });
    Ok(streamed(answer, JSON))
}

/// The name in `repo` and `tag`, checked before any byte is read.
pub(super) fn named(params: &Params) -> Result<Option<String>, ApiError> {
    let Some(repository) = params.some("repo") else { return Ok(None) };
    let mut reference = Reference::parse(&repository)?;
    if reference.digest().is_some() {
        return Err(ApiError::invalid("cannot import digest reference"));
    }
    if let Some(tag) = params.some("tag") {
        reference = reference.with_tag(&tag)?;
    }
    Ok(Some(reference.or_latest().familiar()))
}

/// `GET /images/get?names=…`.
pub(super) async fn save(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    save_names(&api, params.every("names"), &params).await
}

/// Saves `names`. All are looked up first, so that an unknown one is a 404 and not half an archive.
/// `format=oci-archive` leaves Docker's own documents out.
pub(super) async fn save_names(api: &Api, names: Vec<String>, params: &Params) -> Result<Response, ApiError> {
    if names.is_empty() {
        return Err(ApiError::invalid("no image named: give names="));
    }
    let format = match params.text("format") {
        "" | "docker-archive" => SaveFormat::Docker,
        "oci-archive" => SaveFormat::Oci,
        other => return Err(ApiError::invalid(format!("format {other:?}: docker-archive or oci-archive"))),
    };
    let platform = params.platform()?;
    for name in names.clone() {
        let missing = format!("No such image: {name}");
        let platform = platform.clone();
        let found = api.blocking(move |engine| engine.images().can_save(&name, platform.as_deref())).await;
        found.map_err(|error| error.or_missing(missing))?;
    }
    let engine = api.engine.clone();
    let answer = body::stream(&api.work, move |mut out, cancel| {
        let saved = engine.images().save(&names, &mut out, format, Ctx { progress: &|_| {}, cancel });
        let flushed = saved.and_then(|()| {
            std::io::Write::flush(&mut out).map_err(|source| ImageError::Stream { what: "send the archive", source })
        });
        if let Err(error) = flushed {
            tracing::warn!(%error, "an archive was broken off");
            out.abort(&error);
        }
    });
    Ok(streamed(answer, HeaderValue::from_static("application/x-tar")))
}
