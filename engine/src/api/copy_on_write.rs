//! `GET /outcrop/watch`: copy-on-write in a container as it happens, an update a line.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use outcrop_layers::watch::{Options, Overlay, Updates, Watch, WatchError};
use serde_json::Value;

use super::Api;
use super::body::{self, BodyWriter};
use super::error::{ApiError, JSON};
use super::query::Params;
use crate::container::Containers;
use crate::progress::Cancel;

/// How often is looked whether the container still runs and the client still listens.
const LOOK: Duration = Duration::from_millis(500);

/// Watches the container `container`, which need not run yet, until it has ended or the client goes. What happens after the
/// answer has begun is told.
pub(super) async fn watch(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let name = params.some("container").ok_or_else(|| ApiError::invalid("container: say which, by name or ID"))?;
    let inspect = api.containers(move |containers| containers.inspect(&name, false)).await?;
    let id = inspect["Id"].as_str().unwrap_or_default().to_owned();
    let begun = tokio::task::spawn_blocking(move || begin(&inspect)).await;
    let begun = begun.map_err(|error| ApiError::panicked(&error))?;
    let (watch, updates) = begun.map_err(|error| ApiError::internal(&error))?;
    let containers = api.engine.containers();
    let body = body::stream(&api.work, move |mut out, cancel| {
        follow(&updates, &mut out, cancel, || has_ended(&containers, &id));
        watch.stop();
        for update in updates.iter() {
            out.line(&update);
        }
    });
    Ok(([(CONTENT_TYPE, JSON)], body).into_response())
}

fn begin(inspect: &Value) -> Result<(Watch, Updates), WatchError> {
    let data = |name: &str| inspect["GraphDriver"]["Data"][name].as_str().unwrap_or_default();
    let name = inspect["Name"].as_str().unwrap_or_default().trim_start_matches('/');
    let overlay = Overlay::of_graph_driver(name, data("LowerDir"), data("UpperDir"), data("WorkDir"))
        .of_container(inspect["Id"].as_str().unwrap_or_default());
    let (watch, updates) = Watch::start(Options::default())?;
    watch.attach(overlay)?;
    Ok((watch, updates))
}

/// Hands updates on until there is no reason to.
fn follow(updates: &Updates, out: &mut BodyWriter, cancel: &Cancel, ended: impl Fn() -> bool) {
    let mut looked = std::time::Instant::now();
    loop {
        match updates.recv_timeout(LOOK) {
            Ok(update) => out.line(&update),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if cancel.is_cancelled() {
            return;
        }
        if looked.elapsed() >= LOOK {
            looked = std::time::Instant::now();
            if ended() {
                return;
            }
        }
    }
}

/// Whether the container has run and ended, or is gone.
fn has_ended(containers: &Containers, id: &str) -> bool {
    match containers.inspect(id, false) {
        Ok(inspect) => matches!(inspect["State"]["Status"].as_str(), Some("exited" | "dead" | "removing")),
        Err(_) => true,
    }
}
