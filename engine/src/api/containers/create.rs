//! `POST /containers/create`.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use outcrop_layers::archive::Platform;

use super::super::Api;
use super::super::error::ApiError;
use super::super::query::Params;
use crate::container::CreateBody;
use crate::image::{Image, Reference};

/// `POST /containers/create`. An image that is not there is a 404, after which clients pull it.
pub(in super::super) async fn create(
    State(api): State<Api>,
    params: Params,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    api.writable()?;
    let body = body.map_err(|error| ApiError::new(error.status(), error.body_text()))?;
    if body.iter().all(u8::is_ascii_whitespace) || body.trim_ascii() == b"null" {
        return Err(ApiError::invalid("config cannot be empty in order to create a container"));
    }
    let body = CreateBody::parse(&body)?;
    let name = params.text("name").to_owned();
    let named = body.config.image.clone();
    if named.is_empty() {
        return Err(ApiError::invalid("no image named: give Image"));
    }
    let platform = params.platform()?;
    let image = api.blocking({
        let named = named.clone();
        move |engine| engine.images().resolve(&named)
    });
    let image = image.await.map_err(|error| error.or_missing(format!("No such image: {}", with_tag(&named))))?;
    let warning = fits(&image, &named, platform.as_deref())?;
    let id = image.id.to_string();
    let mut created = api.change(move |containers| containers.create(&name, body, &containers.image(&id)?)).await?;
    created.warnings.splice(0..0, warning);
    Ok((StatusCode::CREATED, super::super::json(&created)?).into_response())
}

/// The name as it would have to be pulled.
fn with_tag(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.or_latest().familiar())
}

/// Whether the image is of the platform wanted; a warning where none was named and it is not the host's.
fn fits(image: &Image, named: &str, wanted: Option<&str>) -> Result<Option<String>, ApiError> {
    let config = image.config();
    let has =
        Platform { os: config.os.clone(), architecture: config.architecture.clone(), variant: config.variant.clone() };
    let same = |one: &Platform, other: &Platform| one.os == other.os && one.architecture == other.architecture;
    let Some(wanted) = wanted else {
        let host = Platform::host();
        let warning = format!(
            "The requested image's platform ({has}) does not match the detected host platform ({host}) and no specific platform was requested"
        );
        return Ok((!same(&has, &host)).then_some(warning));
    };
    let wanted =
        Platform::parse(wanted).ok_or_else(|| ApiError::invalid(format!("{wanted:?} is no platform: os/arch")))?;
    if same(&has, &wanted) {
        return Ok(None);
    }
    Err(ApiError::not_found(format!(
        "image with reference {named} was found but does not match the specified platform: wanted {wanted}, actual: {has}"
    )))
}
