//! The Docker Engine API over an [`Engine`]: one file a resource.
//!
//! [`Api::service`] is the whole of it as a tower service; [`transport`] reaches it inside the process without a socket,
//! [`serve`] puts it on one. Calls of the engine block, so each runs on a blocking thread; a client that goes away sets
//! the [`Cancel`](crate::progress::Cancel) of the work it started.
//!
//! What Docker has no endpoints for is below `/outcrop`:
//!
//! | endpoint | what it does |
//! |---|---|
//! | `GET /outcrop/containers/{id}/changes` | what the container changed: a list of [`DetailedChange`](outcrop_layers::change::DetailedChange) |
//! | `GET /outcrop/watch?container=` | copy-on-write as it happens, an [`Update`](outcrop_layers::watch::Update) a line, until the container ends |
//! | `GET /outcrop/volumes/{name}/archive?compression=` | backs a volume up: a tar, `zstd` (default), `gzip` or `none` |
//! | `POST /outcrop/volumes/{name}/archive?label=` | restores a backup (the body, compressed or not) as a new volume: 201 and the volume |
//! | `POST /outcrop/volumes/{name}/clone?to=` | copies a volume to a new one: 201 and the volume |
//! | `GET /outcrop/volumes/{name}/tree?path=&depth=` | lists files below a folder, one level by default: `Path`, `Mode`, `Uid`, `Gid`, `Size`, `Files`, `Mtime`, `Link` |
//! | `GET /outcrop/volumes/{name}/size` | counts: `Bytes`, `Disk`, `Files`, `Directories` |
//! | `GET /outcrop/volumes/{name}/folder?path=` | a folder as tar |
//! | `PUT /outcrop/volumes/{name}/folder?path=` | unpacks a tar (compressed or not) into a folder |
//! | `GET /outcrop/volumes/{name}/file?path=` | one file's bytes |

mod archive;
mod body;
mod build;
mod commit;
mod containers;
mod copy_on_write;
mod error;
mod events;
mod exec;
mod hijack;
mod images;
mod networks;
mod outcrop;
mod query;
mod registry;
pub mod serve;
mod system;
pub mod transport;
mod version;
mod volumes;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use axum::routing::{any, get, post};
use tokio::sync::watch;
use tower::{Service, ServiceExt};

pub use body::Work;
pub use version::{HIGHEST, LOWEST};

use crate::engine::Engine;
use crate::image::ImageError;
use error::ApiError;

/// The largest JSON body that is read, in bytes.
const LARGEST_JSON: usize = 4 << 20;

/// The API of one engine. Clones share it.
#[derive(Clone)]
pub struct Api {
    engine: Engine,
    /// What is under way, so that stopping can wait for it or cancel it.
    work: Arc<Work>,
    /// Turns true when the API is to stop: endless answers end then.
    stop: watch::Sender<bool>,
}

impl Api {
    /// Makes the API of `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { engine, work: Arc::default(), stop: watch::Sender::new(false) }
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is under way.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Ends answers that would go on for ever (`/events`). Requests are still answered.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Every endpoint, with and without `/v1.NN` before its path.
    pub fn service(
        &self,
    ) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + use<> {
        let router = self.router();
        tower::service_fn(move |mut request: Request| {
            let router = router.clone();
            async move {
                // Before routing: a router's own layers run after it.
                let known = version::strip(&mut request);
                let mut response = match known {
                    Ok(()) => router.oneshot(request).await?,
                    Err(error) => axum::response::IntoResponse::into_response(error),
                };
                version::announce(response.headers_mut());
                Ok(response)
            }
        })
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/_ping", get(system::ping))
            .route("/version", get(system::version))
            .route("/info", get(system::info))
            .route("/system/df", get(system::df))
            .route("/events", get(events::events))
            .route("/auth", post(registry::auth))
            .route("/images/json", get(images::list))
            .route("/images/prune", post(images::prune))
            .route("/images/load", post(archive::load))
            .route("/images/create", post(archive::create))
            .route("/images/get", get(archive::save))
            .route("/images/search", any(error::not_yet))
            .route("/images/{*rest}", get(images::get).post(images::post).delete(images::remove))
            .merge(containers::routes())
            .merge(exec::routes())
            .route("/volumes", get(volumes::list))
            .route("/volumes/create", post(volumes::create))
            .route("/volumes/prune", post(volumes::prune))
            .route("/volumes/{*rest}", get(volumes::inspect).delete(volumes::remove))
            .merge(networks::routes())
            .merge(outcrop::routes())
            .route("/build", post(build::build))
            .route("/build/prune", post(build::prune_cache))
            .route("/commit", post(commit::commit))
            .route("/swarm", any(error::no_swarm))
            .route("/nodes", any(error::no_swarm))
            .route("/services", any(error::no_swarm))
            .route("/tasks", any(error::no_swarm))
            .route("/secrets", any(error::no_swarm))
            .route("/configs", any(error::no_swarm))
            .route("/plugins", get(volumes::plugins))
            .fallback(error::no_page)
            .method_not_allowed_fallback(error::no_page)
            .layer(DefaultBodyLimit::max(LARGEST_JSON))
            .with_state(self.clone())
    }

    /// Runs a short call of the engine where blocking does no harm.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Engine) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let engine = self.engine.clone();
        tokio::task::spawn_blocking(move || call(&engine))
            .await
            .map_err(|error| ApiError::panicked(&error))?
            .map_err(ApiError::from)
    }
}

/// JSON with a line end, as Docker's encoder writes it.
fn json(value: &impl serde::Serialize) -> Result<Response, ApiError> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| ApiError::internal(&error))?;
    bytes.push(b'\n');
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(axum::http::header::CONTENT_TYPE, error::JSON);
    Ok(response)
}

/// Splits `rest` of a path into a name, which may have slashes, and the last part.
fn split_name(rest: &str) -> (&str, &str) {
    rest.rsplit_once('/').unwrap_or((rest, ""))
}

#[cfg(test)]
mod tests;
