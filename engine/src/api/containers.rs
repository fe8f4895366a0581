//! `/containers`: listing, inspecting, creating, renaming, removing. What has streams or waits is in files of its own.

mod archive;
mod attach;
mod create;
mod lifecycle;
mod logs;
mod stats;
mod wait;

pub(super) use lifecycle::size;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Serialize;
use serde_json::json;

use super::Api;
use super::error::ApiError;
use super::query::Params;
use crate::container::{ContainerError, Containers, ListOptions};
use crate::root::Access;

impl Api {
    /// Runs a call of the container library where blocking does no harm.
    pub(super) async fn containers<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Containers) -> Result<T, ContainerError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let containers = self.engine.containers();
        let done = tokio::task::spawn_blocking(move || call(&containers)).await;
        done.map_err(|error| ApiError::panicked(&error))?.map_err(ApiError::from)
    }

    /// As [`Api::containers`], for what changes something: refused where the root is open for reading only.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Containers) -> Result<T, ContainerError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.writable()?;
        self.containers(call).await
    }

    /// Refuses where the root is open for reading only.
    pub(super) fn writable(&self) -> Result<(), ApiError> {
        match self.engine.access() {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly { why } => {
                Err(ApiError::new(StatusCode::FORBIDDEN, format!("the data root is open for reading only: {why}")))
            }
        }
    }
}

/// Every endpoint of containers.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/containers/json", get(list))
        .route("/containers/create", post(create::create))
        .route("/containers/prune", post(prune))
        .route("/containers/{id}", delete(lifecycle::remove))
        .route("/containers/{id}/json", get(inspect))
        .route("/containers/{id}/top", get(top))
        .route("/containers/{id}/changes", get(changes))
        .route("/containers/{id}/logs", get(logs::logs))
        .route("/containers/{id}/stats", get(stats::stats))
        .route("/containers/{id}/export", get(archive::export))
        .route("/containers/{id}/archive", get(archive::read).head(archive::stat).put(archive::write))
        .route("/containers/{id}/start", post(lifecycle::start))
        .route("/containers/{id}/stop", post(lifecycle::stop))
        .route("/containers/{id}/restart", post(lifecycle::restart))
        .route("/containers/{id}/kill", post(lifecycle::kill))
        .route("/containers/{id}/pause", post(lifecycle::pause))
        .route("/containers/{id}/unpause", post(lifecycle::unpause))
        .route("/containers/{id}/rename", post(lifecycle::rename))
        .route("/containers/{id}/resize", post(lifecycle::resize))
        .route("/containers/{id}/update", post(lifecycle::update))
        .route("/containers/{id}/wait", post(wait::wait))
        .route("/containers/{id}/attach", post(attach::attach))
        .route("/containers/{id}/exec", post(super::exec::create))
}

/// `GET /containers/json`.
async fn list(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let limit = match params.text("limit") {
        "" => 0,
        text => text
            .parse::<i64>()
            .map_err(|_| ApiError::invalid(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))?,
    };
    let options = ListOptions {
        all: params.on("all"),
        limit: usize::try_from(limit).unwrap_or(0),
        size: params.on("size"),
        filters: crate::filters::Filters::from_json(params.text("filters"))?,
    };
    super::json(&api.containers(move |containers| containers.list(&options)).await?)
}

/// `GET /containers/{id}/json`.
async fn inspect(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    let size = params.on("size");
    super::json(&api.containers(move |containers| containers.inspect(&id, size)).await?)
}

/// `GET /containers/{id}/top`.
async fn top(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    let arguments = params.text("ps_args").to_owned();
    super::json(&api.containers(move |containers| containers.top(&id, &arguments)).await?)
}

/// `GET /containers/{id}/changes`.
async fn changes(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row {
        path: String,
        kind: u8,
    }
    let changes = api.containers(move |containers| containers.changes(&id)).await?;
    let rows: Vec<Row> = changes
        .iter()
        .map(|change| Row { path: String::from_utf8_lossy(&change.path).into_owned(), kind: change.kind as u8 })
        .collect();
    super::json(&Some(rows).filter(|rows| !rows.is_empty()))
}

/// `POST /containers/prune`.
async fn prune(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let filters = params.filters(&["until", "label", "label!"])?;
    let (removed, freed) = api.change(move |containers| containers.prune(&filters)).await?;
    let removed = Some(removed).filter(|removed| !removed.is_empty());
    super::json(&json!({ "ContainersDeleted": removed, "SpaceReclaimed": freed }))
}

/// 204.
fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
