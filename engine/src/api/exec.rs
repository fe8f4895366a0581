//! `/containers/{id}/exec` and `/exec`: more processes in a running container.

use axum::Extension;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::Api;
use super::containers::size;
use super::error::{ApiError, json_body};
use super::hijack::{Ended, Framing, Hijack, Keys, Plan};
use super::query::Params;
use super::version::Asked;
use crate::container::{ContainerError, ExecConfig};

/// The endpoints of execs that are there already.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .route("/exec/{id}/json", get(inspect))
}

/// `POST /containers/{id}/exec`.
pub(super) async fn create(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body.map_err(|error| ApiError::new(error.status(), error.body_text()))?;
    let config = ExecConfig::parse(&body)?;
    Keys::parse(&config.detach_keys).map_err(ApiError::invalid)?;
    let exec = api.change(move |containers| containers.exec_create(&id, config)).await?;
    Ok((StatusCode::CREATED, super::json(&json!({ "Id": exec }))?).into_response())
}

/// `POST /exec/{id}/start`. What keeps the process from starting is said on its output, as Docker does.
async fn start(
    State(api): State<Api>,
    Extension(Asked(asked)): Extension<Asked>,
    Path(id): Path<String>,
    mut request: Request,
) -> Result<Response, ApiError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Body {
        detach: bool,
        tty: bool,
        console_size: Option<[u16; 2]>,
    }
    api.writable()?;
    let hijack = Hijack::of(&mut request);
    let Body { detach, tty, console_size } = json_body(Bytes::from_request(request, &()).await)?;
    let exec = api.containers({
        let id = id.clone();
        move |containers| containers.exec(&id)
    });
    let exec = exec.await?;
    if exec.config.tty != tty && !detach {
        tracing::debug!(exec = exec.id, "started with another idea of its terminal");
    }
    let started = api.engine.containers();
    let task = tokio::task::spawn_blocking(move || started.exec_start(&id, console_size));
    let attached = match task.await.map_err(|error| ApiError::panicked(&error))? {
        Ok(attached) if detach => {
            drop(attached);
            return Ok(StatusCode::OK.into_response());
        }
        Ok(attached) => Ok(attached),
        Err(ContainerError::Start(message)) if !detach => Err(message),
        Err(error) => return Err(error.into()),
    };
    let framing = Framing::of(exec.config.tty);
    let keys = exec.config.tty.then(|| Keys::parse(&exec.config.detach_keys)).transpose().map_err(ApiError::invalid)?;
    let media_type = framing.media_type(asked);
    let attached = match attached {
        Ok(attached) => attached,
        Err(message) => return Ok(hijack.say(framing, &format!("{message}\r\n"), media_type)),
    };
    let containers = api.engine.containers();
    let plan = Plan { attached, framing, first: Vec::new(), keys };
    Ok(hijack.join(plan, media_type, move |ended| {
        if ended == Ended::Detached {
            tokio::task::spawn_blocking(move || {
                if let Ok(record) = containers.record(&exec.container_id) {
                    containers.note(&record, "exec_detach", &[("execID", &exec.id)]);
                }
            });
        }
    }))
}

/// `POST /exec/{id}/resize`.
async fn resize(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    let (rows, columns) = size(&params)?;
    api.change(move |containers| containers.exec_resize(&id, rows, columns)).await?;
    Ok(StatusCode::OK.into_response())
}

/// `GET /exec/{id}/json`.
async fn inspect(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let exec = api.containers(move |containers| containers.exec(&id)).await?;
    let words = exec.config.cmd.split_first();
    let mut process = json!({
        "tty": exec.config.tty,
        "entrypoint": words.map_or("", |(first, _)| first),
        "arguments": words.map_or(&[][..], |(_, rest)| rest),
        "privileged": exec.config.privileged,
    });
    if !exec.config.user.is_empty() {
        process["user"] = exec.config.user.clone().into();
    }
    super::json(&json!({
        "ID": exec.id,
        "Running": exec.running,
        "ExitCode": exec.exit_code,
        "ProcessConfig": process,
        "OpenStdin": exec.config.attach_stdin,
        "OpenStderr": exec.config.attach_stderr,
        "OpenStdout": exec.config.attach_stdout,
        "CanRemove": false,
        "ContainerID": exec.container_id,
        "DetachKeys": exec.config.detach_keys,
        "Pid": exec.pid,
    }))
}
