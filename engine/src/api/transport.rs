//! The API inside the process: one pipe in memory for each request, no socket.

use std::convert::Infallible;
use std::io;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tower::Service;

/// Room in the pipe, in bytes.
const PIPE: usize = 512 << 10;

/// Sends `request` to `service` and returns the answer, whose body arrives as it is made.
///
/// Dropping the answer, or this future, closes the pipe: to the service the client has gone. Upgrades work.
pub async fn send<S, B>(service: S, request: Request<B>) -> io::Result<Response<Incoming>>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let (near, far) = tokio::io::duplex(PIPE);
    let service = TowerToHyperService::new(tower::util::MapRequest::new(service, |request: Request<Incoming>| {
        request.map(axum::body::Body::new)
    }));
    let server =
        hyper::server::conn::http1::Builder::new().max_buf_size(PIPE).serve_connection(TokioIo::new(far), service);
    tokio::spawn(server.with_upgrades());
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(PIPE)
        .handshake(TokioIo::new(near))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(io::Error::other)
}
