//! `POST /containers/{id}/attach`.

use std::io::Write;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::super::Api;
use super::super::error::ApiError;
use super::super::hijack::{Ended, Framing, Hijack, Keys, Plan};
use super::super::query::Params;
use super::super::version::Asked;
use crate::container::LogOptions;
use crate::progress::Cancel;

/// `POST /containers/{id}/attach`. Nothing is missed of what the container writes after the answer.
pub(super) async fn attach(
    State(api): State<Api>,
    Extension(Asked(asked)): Extension<Asked>,
    Path(id): Path<String>,
    params: Params,
    mut request: Request,
) -> Result<Response, ApiError> {
    api.writable()?;
    let keys = Keys::parse(params.text("detachKeys")).map_err(ApiError::invalid)?;
    let [stdin, stdout, stderr] = ["stdin", "stdout", "stderr"].map(|name| params.on(name));
    let (past, live) = (params.on("logs"), params.on("stream"));
    let hijack = Hijack::of(&mut request);
    let (record, attached, first) = api
        .containers(move |containers| {
            let record = containers.record(&id)?;
            let attached = containers.attach(&record.id, live && stdin, live && stdout, live && stderr)?;
            let mut first = Vec::new();
            if past {
                let framing = Framing::of(record.config.tty);
                let options = LogOptions { stdout, stderr, ..LogOptions::default() };
                containers.logs(&record.id, &options, &Cancel::new(), &mut |line| {
                    first.write_all(&framing.wrap(line.stream, line.text.as_bytes())).is_ok()
                })?;
            }
            if !live {
                attached.shutdown();
            }
            containers.note(&record, "attach", &[]);
            Ok((record, attached, first))
        })
        .await?;
    let framing = Framing::of(record.config.tty);
    let keys = record.config.tty.then_some(keys);
    let containers = api.engine.containers();
    Ok(hijack.join(Plan { attached, framing, first, keys }, framing.media_type(asked), move |ended| {
        if ended == Ended::Detached {
            tokio::task::spawn_blocking(move || containers.note(&record, "detach", &[]));
        }
    }))
}
