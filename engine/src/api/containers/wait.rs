//! `POST /containers/{id}/wait`: without a thread for each who waits.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::Api;
use super::super::error::{ApiError, JSON};
use super::super::hijack::{Frames, connect};
use super::super::query::Params;
use crate::container::protocol::Kind;
use crate::container::{Attached, Exited, Until, Waiting};

/// How often it is looked whether a container is removed.
const LOOK: Duration = Duration::from_millis(20);

/// `POST /containers/{id}/wait`. The answer's head comes when nothing that happens later can be missed, its body at the end.
pub(super) async fn wait(State(api): State<Api>, Path(id): Path<String>, params: Params) -> Result<Response, ApiError> {
    let until = match params.text("condition") {
        "" | "not-running" => Until::NotRunning,
        "next-exit" => Until::NextExit,
        "removed" => Until::Removed,
        other => return Err(ApiError::invalid(format!("invalid condition: {other:?}"))),
    };
    let waiting = api.containers(move |containers| containers.begin_wait(&id, until)).await?;
    let body = Body::from_stream(futures_util::stream::once(async move {
        let exited = ended(&api, waiting, until).await?;
        let mut answer = json!({ "StatusCode": exited.code });
        if !exited.error.is_empty() {
            answer["Error"] = json!({ "Message": exited.error });
        }
        Ok::<_, std::io::Error>(format!("{answer}\n"))
    }));
    Ok(([(CONTENT_TYPE, JSON)], body).into_response())
}

async fn ended(api: &Api, waiting: Waiting, until: Until) -> std::io::Result<Exited> {
    let Waiting { id, last, shim } = waiting;
    let mut exited = last;
    if let Some(shim) = shim {
        exited = match told(shim).await? {
            Some(exited) => exited,
            // Killed, or it gave up waiting for a start: the record tells.
            None => match api
                .containers({
                    let id = id.clone();
                    move |containers| containers.record(&id)
                })
                .await
            {
                Ok(record) => Exited { code: record.state.exit_code, error: record.state.error },
                Err(_) => exited,
            },
        };
    }
    if until == Until::Removed {
        let containers = api.engine.containers();
        while containers.exists(&id) {
            tokio::time::sleep(LOOK).await;
        }
        // That it could not be started was said to who started it; removed it was without error.
        exited.error.clear();
    }
    Ok(exited)
}

/// How the shim says that the container ended; nothing when it goes without.
async fn told(shim: Attached) -> std::io::Result<Option<Exited>> {
    let mut shim = connect(shim)?;
    let mut frames = Frames::default();
    while let Ok(Some(frame)) = frames.next(&mut shim).await {
        match frame.kind {
            Kind::Exit => {
                let exit = frame.exit();
                return Ok(Some(Exited { code: exit.code, error: exit.error }));
            }
            Kind::Failed => return Ok(Some(Exited::failed(frame.text()))),
            _ => {}
        }
    }
    Ok(None)
}
