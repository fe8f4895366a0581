//! Errors as Docker answers them: a status and `{"message"}`.

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::container::{ContainerError, ContainerErrorKind};
use crate::filters::FilterError;
use crate::image::{ErrorKind, ImageError, ReferenceError};
use crate::volume::VolumeError;

/// What JSON answers call themselves.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer that says what went wrong.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

impl ApiError {
    /// Any status.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 400.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 500.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    /// 500: a bug in the engine; what it said went to the log.
    pub(super) fn panicked(error: &tokio::task::JoinError) -> Self {
        tracing::error!(%error, "the engine stopped at a bug");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the engine stopped at a bug; please report it")
    }

    /// For something that was not found, says first what was wanted.
    pub(super) fn naming(mut self, what: &str) -> Self {
        if self.status == StatusCode::NOT_FOUND {
            self.message = format!("{what}: {}", self.message);
        }
        self
    }

    /// For something that was not found, says exactly this.
    pub(super) fn or_missing(mut self, message: String) -> Self {
        if self.status == StatusCode::NOT_FOUND {
            self.message = message;
        }
        self
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

pub(super) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::ReadOnly => StatusCode::FORBIDDEN,
        ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Damaged | ErrorKind::Cancelled | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        Self::new(status(error.kind()), error.to_string())
    }
}

/// Reads a JSON body, however it is labelled. An empty one stands for defaults.
pub(super) fn json_body<T: DeserializeOwned + Default>(body: Result<Bytes, BytesRejection>) -> Result<T, ApiError> {
    let body = body.map_err(|error| ApiError::new(error.status(), error.body_text()))?;
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&body).map_err(|error| ApiError::invalid(format!("invalid JSON: {error}")))
}

impl From<VolumeError> for ApiError {
    fn from(error: VolumeError) -> Self {
        Self::new(status(error.kind()), error.to_string())
    }
}

impl From<ContainerError> for ApiError {
    fn from(error: ContainerError) -> Self {
        let status = match error.kind() {
            ContainerErrorKind::NotFound => StatusCode::NOT_FOUND,
            ContainerErrorKind::Conflict => StatusCode::CONFLICT,
            ContainerErrorKind::NotModified => StatusCode::NOT_MODIFIED,
            ContainerErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ContainerErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Name(name) => Self::invalid(format!("Invalid filter '{name}'")),
            error => Self::invalid(error.to_string()),
        }
    }
}

impl From<ReferenceError> for ApiError {
    fn from(error: ReferenceError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status == StatusCode::NOT_MODIFIED {
            return self.status.into_response();
        }
        let body = serde_json::to_string(&Message { message: &self.message }).unwrap_or_default() + "\n";
        (self.status, [(CONTENT_TYPE, JSON)], body).into_response()
    }
}

/// 404 for a path that the API does not have.
pub(super) async fn no_page() -> ApiError {
    ApiError::not_found("page not found")
}

/// 501 for what Docker has and this engine not yet.
pub(super) async fn not_yet(uri: Uri, body: Body) -> ApiError {
    // A client in the middle of sending would see a broken pipe instead of the answer.
    super::body::drain(body).await;
    lacking(uri.path())
}

/// 501, naming what lacks.
pub(super) fn lacking(path: &str) -> ApiError {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        format!("{path}: outcrop {VERSION} cannot do this yet; it loads, imports, saves, tags and removes images"),
    )
}

/// What an engine outside a swarm answers.
pub(super) async fn no_swarm() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "This node is not a swarm manager. outcrop has no swarm mode.")
}
