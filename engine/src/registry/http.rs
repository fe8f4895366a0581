//! Requests over HTTP: encrypted, bounded in time and size, redirected only where it is safe.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};

use super::address::lead;
use super::body::{Body, Content};
use super::connect::Connector;
use super::proxy::Proxy;
use super::{Proxies, Registries, RegistryError, tls};

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
    common: HttpsClient,
    /// Clients by host.
    own: RefCell<HashMap<String, HttpsClient>>,
    pub(super) limits: Limits,
    /// Whether plain HTTP may be spoken on this machine.
    local: bool,
    settings: Arc<Registries>,
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

type HttpsClient = Client<HttpsConnector<Connector>, Body>;

impl Http {
    /// A client; on this machine it may speak plain HTTP if `local`.
    pub(super) fn new(limits: Limits, local: bool, settings: &Arc<Registries>) -> Self {
        let common = client(limits, tls::common(), &settings.proxies);
        Self { common, own: RefCell::default(), limits, local, settings: Arc::clone(settings) }
    }

    /// The client for a host: one of its own, if certificates are set for it.
    fn client(&self, host: &str) -> Result<HttpsClient, RegistryError> {
        if let Some(known) = self.own.borrow().get(host) {
            return Ok(known.clone());
        }
        let made = tls::of_host(&self.settings, host)?.map(|tls| client(self.limits, tls, &self.settings.proxies));
        let made = made.unwrap_or_else(|| self.common.clone());
        self.own.borrow_mut().insert(host.to_owned(), made.clone());
        Ok(made)
    }

    /// Reads an address that an answer of a registry leads to.
    pub(super) fn lead(&self, from: &Uri, to: &str) -> Result<Uri, String> {
        lead(from, to, |host| self.settings.is_plain(host, self.local))
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
        // Through a tunnel it is told when that is made, and must not go on to the server.
        let proxy = self.settings.proxies.of(&ask.uri).map_err(RegistryError::Unsupported)?;
        if let Some(Proxy { authorization: Some(who), .. }) = &proxy
            && ask.uri.scheme_str() == Some("http")
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, who.clone());
        }
        match timeout(patience, self.client(&host)?.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.explain(host, proxy.as_ref(), &error)),
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
            let uri = self.lead(&ask.uri, to).map_err(|why| RegistryError::host(&ask.host(), why))?;
            if uri.authority() != ask.uri.authority() || uri.scheme() != ask.uri.scheme() {
                ask.headers.remove(AUTHORIZATION);
            }
            ask.uri = uri;
        }
        Err(RegistryError::host(&first, format!("leads elsewhere more than {MOST_REDIRECTS} times")))
    }

    fn explain(&self, host: String, proxy: Option<&Proxy>, error: &hyper_util::client::legacy::Error) -> RegistryError {
        let way = proxy.map(|proxy| format!("through the proxy {}: ", proxy.uri)).unwrap_or_default();
        let text = format!("{way}{}", causes(error));
        if !error.is_connect() {
            return RegistryError::Cut { host, detail: format!("the connection broke off: {text}") };
        }
        let place = self.settings.certificates.first().map(|place| place.join(&host).join("ca.crt"));
        let place = place.map_or_else(String::new, |place| format!(" in {}, or", place.display()));
        let hint = match text.split_once("invalid peer certificate: ") {
            Some((_, "UnknownIssuer" | "BadSignature")) => {
                format!(
                    "; nobody whom this machine trusts signed it: put its authority's certificate{place} in SSL_CERT_FILE"
                )
            }
            Some(_) => "; ask whoever runs it for a certificate that is right".into(),
            None if text.contains("InvalidContentType") => {
                "; it does not speak TLS: call it insecure if it is to be trusted all the same".into()
            }
            None => String::new(),
        };
        RegistryError::Host { host, detail: format!("cannot connect: {text}{hint}") }
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

fn client(limits: Limits, tls: ClientConfig, proxies: &Proxies) -> HttpsClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(limits.connect));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    let connector = connector.wrap_connector(Connector::new(tcp, proxies));
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(Duration::from_secs(30)).http1_max_buf_size(512 << 10);
    builder.build(connector)
}

/// The cause of an error: the innermost words.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
