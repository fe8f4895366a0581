//! `GET /containers/{id}/stats`.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::super::Api;
use super::super::error::{ApiError, JSON};
use super::super::query::Params;

/// Time between two readings.
const STEP: Duration = Duration::from_secs(1);

/// `GET /containers/{id}/stats`: a reading each second; with `stream=0` one that has another one second before it, with
/// `one-shot=1` too one alone and at once.
pub(super) async fn stats(
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let stream = params.text("stream").is_empty() || params.on("stream");
    let record = api.containers(move |containers| containers.record(&id)).await?;
    let id = record.id;
    let first = read(&api, id.clone()).await?;
    if !stream {
        if !record.state.running || params.on("one-shot") {
            return super::super::json(&first);
        }
        tokio::time::sleep(STEP).await;
        return super::super::json(&after(&first, read(&api, id).await?));
    }
    let (lines, receiver) = mpsc::channel(4);
    tokio::spawn(follow(api, id, first, lines));
    let body = Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, Infallible>));
    Ok(([(CONTENT_TYPE, JSON)], body).into_response())
}

async fn read(api: &Api, id: String) -> Result<Value, ApiError> {
    api.containers(move |containers| containers.stats(&id)).await
}

/// A reading with what the one before it says of the processor.
fn after(before: &Value, mut reading: Value) -> Value {
    reading["preread"] = before["read"].clone();
    reading["precpu_stats"] = before["cpu_stats"].clone();
    reading
}

/// Sends a reading each second until the client goes, the API stops or the container is removed.
async fn follow(api: Api, id: String, first: Value, lines: mpsc::Sender<Bytes>) {
    let mut stopped = api.stopped();
    let mut last = first;
    loop {
        if lines.send(format!("{last}\n").into()).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(STEP) => {}
            () = lines.closed() => return,
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        match read(&api, id.clone()).await {
            Ok(reading) => last = after(&last, reading),
            Err(_) => return,
        }
    }
}
