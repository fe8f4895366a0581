//! Registries, spoken to in the OCI distribution protocol.
//!
//! The client is our own, on hyper and rustls (with ring): a resumed download, the limits on size and time, the hosts that credentials
//! and redirects may lead to and progress are what must hold here, and the libraries for this protocol leave them to their HTTP client.
//!
//! Everything is asynchronous and runs on the thread that waits for it.

mod address;
mod auth;
mod blob;
mod body;
mod connect;
mod error;
mod http;
mod manifest;
mod proxy;
mod registries;
mod repository;
mod tls;
mod upload;
mod web;

use std::time::Duration;

use tokio::runtime::Runtime;

pub(crate) use address::decoded;
pub(crate) use address::{Endpoint, HUB, HUB_KEY, endpoints};
pub use auth::Credentials;
pub(crate) use auth::log_in;
pub use error::RegistryError;
pub(crate) use http::Limits;
pub(crate) use manifest::Descriptor;
pub use proxy::Proxies;
pub use registries::Registries;
pub(crate) use repository::{Access, Repository};
pub(crate) use upload::Upload;
pub(crate) use web::WebFile;

use crate::progress::Cancel;

/// How soon a request to stop is seen.
const CANCEL: Duration = Duration::from_millis(50);

/// What requests run on: the thread that waits for them, and no other. Progress is told between two runs, not within one.
pub(crate) struct Talk(Option<Runtime>);

impl Talk {
    /// Starts.
    pub(crate) fn new() -> Result<Self, RegistryError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .map(|runtime| Self(Some(runtime)))
            .map_err(|source| RegistryError::Local { what: "start to talk to registries", source })
    }

    /// Runs `work` until it is done or somebody asks it to stop.
    pub(crate) fn run<T, E: From<RegistryError>>(
        &self,
        cancel: &Cancel,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(runtime) = &self.0 else { return Err(RegistryError::Cancelled.into()) };
        runtime.block_on(async {
            tokio::select! {
                done = work => done,
                () = cancelled(cancel) => Err(RegistryError::Cancelled.into()),
            }
        })
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // A name that is being looked up may take minutes; nobody waits for it.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs `work` on this thread until it is done or somebody asks it to stop.
pub(crate) fn run<T, E: From<RegistryError>>(
    cancel: &Cancel,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    Talk::new()?.run(cancel, work)
}

async fn cancelled(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(CANCEL).await;
    }
}
