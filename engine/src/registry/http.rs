//! Requests over HTTP: encrypted, bounded in time and size, redirected only where it is safe.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout};

use super::RegistryError;
use super::address::lead;
use super::body::{Body, Content};

/// How often an answer may lead elsewhere.
const MOST_REDIRECTS: usize = 5;

/// What is waited for, and what is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Until a connection stands.
    pub(crate) connect: Duration,
    /// Until an answer begins.
    pub(crate) head: Duration,
    /// Until a blob that was sent is stored.
    pub(crate) store: Duration,
    /// For a whole document.
    pub(crate) document: Duration,
    /// Without any byte of a blob; also how often its speed is looked at.
    pub(crate) stall: Duration,
    /// Least bytes of a blob in that time.
    pub(crate) least: u64,
    /// How often a blob that breaks off is continued, with little gained between.
    pub(crate) attempts: u32,
    /// Between two attempts.
    pub(crate) pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(8),
            head: Duration::from_secs(15),
            store: Duration::from_mins(10),
            document: Duration::from_secs(20),
            stall: Duration::from_secs(15),
            least: 4 << 10,
            attempts: 4,
            pause: Duration::from_secs(1),
        }
    }
}

/// A client. Connections are kept for the next request to the same host.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    pub(super) limits: Limits,
    /// Whether plain HTTP may be spoken on this machine.
    local: bool,
}

/// One request, to be sent as often as need be.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
}

impl Ask {
    pub(super) fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: HeaderMap::new(), content: Content::Empty }
    }

    /// The host it goes to.
    pub(super) fn host(&self) -> String {
        self.uri.authority().map(ToString::to_string).unwrap_or_default()
    }
}

/// The certificates that this machine trusts, read once.
fn tls() -> Arc<ClientConfig> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let make = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        // The provider has both versions, so this cannot fail; without it the builder has no other way on.
        config.map(|config| Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    };
    Arc::clone(TLS.get_or_init(|| make().unwrap_or_else(|error| unreachable!("ring speaks TLS: {error}"))))
}

impl Http {
    pub(super) fn new(limits: Limits, local: bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits.connect));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*tls()).clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(Duration::from_secs(30)).http1_max_buf_size(512 << 10);
        Self { client: builder.build(connector), limits, local }
    }

    /// Sends a request once; waits for `patience` until the answer begins.
    pub(super) async fn once(&self, ask: &Ask, patience: Duration) -> Result<Response<Incoming>, RegistryError> {
        let host = ask.host();
        let body = ask.content.body().map_err(|source| RegistryError::Local { what: "read what is sent", source })?;
        let mut request = Request::new(body);
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.uri.clone();
        *request.headers_mut() = ask.headers.clone();
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(concat!("outcrop/", env!("CARGO_PKG_VERSION"))));
        if !matches!(ask.method, Method::GET | Method::HEAD) {
            request.headers_mut().insert(CONTENT_LENGTH, ask.content.length().into());
        }
        match timeout(patience, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(explain(host, &error)),
            Err(_) => {
                Err(RegistryError::Host { host, detail: format!("no answer within {} s", patience.as_secs_f32()) })
            }
        }
    }

    /// Sends a request and follows where the answer leads. What proves who we are stays with the first host.
    pub(super) async fn follow(&self, mut ask: Ask) -> Result<Response<Incoming>, RegistryError> {
        let first = ask.host();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.once(&ask, self.limits.head).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
            let uri = lead(&ask.uri, to, self.local).map_err(|why| RegistryError::host(&ask.host(), why))?;
            if uri.authority() != ask.uri.authority() || uri.scheme() != ask.uri.scheme() {
                ask.headers.remove(AUTHORIZATION);
            }
            ask.uri = uri;
        }
        Err(RegistryError::host(&first, format!("leads elsewhere more than {MOST_REDIRECTS} times")))
    }

    /// Reads a document of at most `largest` bytes.
    pub(super) async fn document(
        &self,
        host: &str,
        response: Response<Incoming>,
        largest: usize,
    ) -> Result<Bytes, RegistryError> {
        let cut = |detail: String| RegistryError::Cut { host: host.into(), detail };
        let mut body = response.into_body();
        let read = async {
            let mut all = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| cut(format!("the answer broke off: {}", causes(&error))))?;
                let data = frame.into_data().unwrap_or_default();
                if all.len() + data.len() > largest {
                    return Err(RegistryError::host(host, format!("sends a document of more than {largest} bytes")));
                }
                all.extend_from_slice(&data);
            }
            Ok(Bytes::from(all))
        };
        let late = || RegistryError::host(host, "sends a document too slowly");
        timeout(self.limits.document, read).await.map_err(|_| late())?
    }
}

/// The bytes of a blob, as they come, and not too slowly.
pub(super) struct Flow {
    host: String,
    body: Incoming,
    limits: Limits,
    since: Instant,
    bytes: u64,
}

impl Flow {
    pub(super) fn new(host: String, response: Response<Incoming>, limits: Limits) -> Self {
        Self { host, body: response.into_body(), limits, since: Instant::now(), bytes: 0 }
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let slow = |host: &str, limits: &Limits, bytes: u64| {
            let (least, seconds) = (limits.least, limits.stall.as_secs_f32());
            RegistryError::host(host, format!("too slow: {bytes} bytes in {seconds} s, at least {least} are wanted"))
        };
        loop {
            let left = (self.since + self.limits.stall).saturating_duration_since(Instant::now());
            let frame = match timeout(left, self.body.frame()).await {
                Err(_) if self.bytes < self.limits.least => return Err(slow(&self.host, &self.limits, self.bytes)),
                Err(_) => {
                    (self.since, self.bytes) = (Instant::now(), 0);
                    continue;
                }
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => frame,
            };
            let frame = frame.map_err(|error| RegistryError::Cut {
                host: self.host.clone(),
                detail: format!("the connection broke off: {}", causes(&error)),
            })?;
            if let Ok(data) = frame.into_data() {
                self.bytes += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }
}

fn explain(host: String, error: &hyper_util::client::legacy::Error) -> RegistryError {
    let text = causes(error);
    if error.is_connect() {
        let hint = if text.contains("UnknownIssuer") {
            "; its certificate is signed by nobody whom this machine trusts"
        } else {
            ""
        };
        return RegistryError::Host { host, detail: format!("cannot connect: {text}{hint}") };
    }
    RegistryError::Cut { host, detail: format!("the connection broke off: {text}") }
}

/// The cause of an error: the innermost words.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
