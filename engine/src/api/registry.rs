//! Registries: pulling, pushing, logging in.

use std::cell::{Cell, RefCell};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use tokio::sync::oneshot;

use super::body::{self, BodyWriter, Line};
use super::error::{self, ApiError, JSON};
use super::query::Params;
use super::{Api, archive};
use crate::image::{ImageError, Images, PullOptions, Pulled, PushOptions, Reference};
use crate::progress::{Ctx, Progress};
use crate::registry::{self, Credentials};

/// Who asks, as the header `X-Registry-Auth` says.
fn credentials(headers: &HeaderMap) -> Result<Credentials, ApiError> {
    let Some(header) = headers.get("x-registry-auth") else { return Ok(Credentials::default()) };
    let found = header.to_str().ok().and_then(Credentials::from_header);
    found.ok_or_else(|| ApiError::invalid("invalid X-Registry-Auth header: it must be JSON in base 64"))
}

/// `POST /images/create?fromImage=…`.
pub(super) async fn pull(api: &Api, image: &str, params: &Params, headers: &HeaderMap) -> Result<Response, ApiError> {
    let mut reference = Reference::parse(image)?;
    if let Some(tag) = params.some("tag") {
        reference = match tag.parse() {
            Ok(digest) => reference.with_digest(digest),
            Err(_) => reference.with_tag(&tag)?,
        };
    }
    let all = reference.is_name_only();
    let options = PullOptions { reference, platform: params.platform()?, credentials: credentials(headers)? };
    begun(api, move |images, out, ctx| {
        let newer = Cell::new(false);
        let told = |pulled: &Pulled| {
            newer.set(newer.get() || pulled.newer);
            for text in pulled.told() {
                out.borrow_mut().line(&Line::status(&text));
            }
        };
        if all {
            images.pull_all(&options, &told, ctx)?;
        } else {
            told(&images.pull(&options, ctx)?);
        }
        out.borrow_mut().line(&Line::status(&Pulled::status(&options.reference, newer.get())));
        Ok(())
    })
    .await
}

/// `POST /images/{name}/push`.
pub(super) async fn push(api: &Api, name: &str, params: &Params, headers: &HeaderMap) -> Result<Response, ApiError> {
    let mut reference = Reference::parse(name)?;
    if let Some(tag) = params.some("tag") {
        reference = reference.with_tag(&tag)?;
    }
    let options = PushOptions { reference, credentials: credentials(headers)? };
    begun(api, move |images, out, ctx| {
        let told = |pushed: &crate::image::Pushed| {
            let (tag, digest, size) = (&pushed.tag, pushed.digest, pushed.size);
            let mut out = out.borrow_mut();
            out.line(&Line::status(&format!("{tag}: digest: {digest} size: {size}")));
            out.line(&Line::aux(json!({"Tag": tag, "Digest": digest, "Size": size})));
        };
        images.push(&options, &told, ctx)
    })
    .await
}

/// Runs a job whose answer begins with its first step of progress: what goes wrong before has a status of its own, what goes wrong
/// later is the last line.
async fn begun(
    api: &Api,
    job: impl FnOnce(&Images, &RefCell<BodyWriter>, Ctx<'_>) -> Result<(), ImageError> + Send + 'static,
) -> Result<Response, ApiError> {
    let (first, begun) = oneshot::channel();
    let engine = api.engine.clone();
    let answer = body::stream(&api.work, move |out, cancel| {
        let (out, first) = (RefCell::new(out), RefCell::new(Some(first)));
        let begin = |how: Result<(), ApiError>| {
            let first = first.borrow_mut().take();
            first.is_some_and(|first| first.send(how).is_ok())
        };
        let progress = |step: Progress| {
            begin(Ok(()));
            out.borrow_mut().step(&step);
        };
        let done = job(engine.images(), &out, Ctx { progress: &progress, cancel });
        match done {
            Ok(()) => drop(begin(Ok(()))),
            Err(error) => {
                let text = error.to_string();
                if first.borrow().is_some() {
                    begin(Err(error.into()));
                } else {
                    out.borrow_mut().line(&Line::error(&text));
                }
            }
        }
    });
    match begun.await {
        Ok(Err(error)) => Err(error),
        _ => Ok(archive::streamed(answer, JSON)),
    }
}

/// `POST /auth`.
pub(super) async fn auth(State(api): State<Api>, body: Result<Bytes, BytesRejection>) -> Result<Response, ApiError> {
    let credentials = error::json_body::<Credentials>(body)?.complete();
    let settings = api.engine.images().shared.registries.clone();
    let asked = body::whole(&api.work, move |cancel| {
        registry::run(cancel, registry::log_in(&credentials, &settings, registry::Limits::default()))
    });
    asked.await?.map_err(ImageError::from)?;
    super::json(&json!({"Status": "Login Succeeded", "IdentityToken": ""}))
}
