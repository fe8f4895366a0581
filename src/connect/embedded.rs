//! The engine in this process, behind the same client as any other.

use std::path::PathBuf;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use outcrop_engine::api::{Api, transport};
use outcrop_engine::registry::Registries;
use outcrop_engine::{Engine, OpenError, OpenOptions};

use super::{ConnectError, PATIENCE};

/// Opens the engine on `root`.
pub(crate) async fn open(root: PathBuf, rootless: bool, registries: Registries) -> Result<Api, ConnectError> {
    let options = OpenOptions { rootless, registries, ..OpenOptions::new(root) };
    let opened = tokio::task::spawn_blocking(move || Engine::open(&options)).await;
    let engine =
        opened.map_err(|error| ConnectError::Choice(format!("opening the data root stopped at a bug: {error}")))?;
    engine.map(Api::new).map_err(|error: OpenError| ConnectError::Open(error))
}

/// A client of `api` that uses no socket.
pub(crate) fn client(api: &Api) -> Result<Docker, ConnectError> {
    let service = api.service();
    let send = move |request: BollardRequest| {
        let service = service.clone();
        async move { transport::send(service, request).await.map_err(bollard::errors::Error::from) }
    };
    Docker::connect_with_custom_transport(send, Some("embedded://outcrop"), PATIENCE, API_DEFAULT_VERSION)
        .map_err(|source| ConnectError::Client { place: "the embedded engine".into(), source })
}
