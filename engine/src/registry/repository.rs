//! One repository of a registry: requests with the right token, and what refusals mean.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Method, Response, StatusCode, Uri};
use serde::Deserialize;

use super::address::Endpoint;
use super::error::shown;
use super::http::{Ask, Http, Limits};
use super::{Credentials, RegistryError, auth};

/// The largest error that is read, in bytes.
const LARGEST_ERROR: usize = 64 << 10;

/// What is to be done with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Only to be known.
    None,
    /// Read.
    Pull,
    /// Read and written.
    Push,
}

/// A repository, reached.
pub(crate) struct Repository {
    pub(super) http: Http,
    endpoint: Endpoint,
    base: String,
    path: String,
    credentials: Credentials,
    scopes: RefCell<Vec<String>>,
    authorization: RefCell<Option<HeaderValue>>,
}

impl Repository {
    /// Finds out how `endpoint` is spoken to. On this machine plain HTTP is tried first; where it may be insecure, HTTPS first, as
    /// dockerd does; elsewhere it is HTTPS, and nothing is sent yet.
    pub(crate) async fn open(
        endpoint: Endpoint,
        path: &str,
        access: Access,
        credentials: &Credentials,
        limits: Limits,
    ) -> Result<Self, RegistryError> {
        let http = Http::new(limits, endpoint.is_local(), &endpoint.settings);
        let scheme = match endpoint.scheme {
            Some(scheme) => scheme,
            None if speaks_plainly(&http, &endpoint).await? => "http",
            None => "https",
        };
        let scopes = match access {
            Access::None => Vec::new(),
            Access::Pull => vec![format!("repository:{path}:pull")],
            Access::Push => vec![format!("repository:{path}:pull,push")],
        };
        Ok(Self {
            http,
            base: format!("{scheme}://{}", endpoint.host),
            path: path.into(),
            credentials: if endpoint.mirror { Credentials::default() } else { credentials.clone() },
            endpoint,
            scopes: RefCell::new(scopes),
            authorization: RefCell::default(),
        })
    }

    /// Host and port, for messages.
    pub(crate) fn host(&self) -> &str {
        &self.endpoint.host
    }

    /// Its name at the registry.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// An address below the repository.
    pub(super) fn uri(&self, rest: &str) -> Result<Uri, RegistryError> {
        let text = format!("{}/v2/{}/{rest}", self.base, self.path);
        text.parse().map_err(|_| RegistryError::Unsupported(format!("no address: {}", shown(&text))))
    }

    /// Asks for a token that may also read another repository of the same registry.
    pub(super) fn also_read(&self, other: &str) {
        let scope = format!("repository:{other}:pull");
        let mut scopes = self.scopes.borrow_mut();
        if !scopes.contains(&scope) {
            scopes.push(scope);
            // A token that was given for less would not do.
            let is_token = |value: &HeaderValue| value.as_bytes().starts_with(b"Bearer ");
            self.authorization.borrow_mut().take_if(|value| is_token(value));
        }
    }

    /// Asks whether the registry is there and knows the user.
    pub(super) async fn ping(&self) -> Result<(), RegistryError> {
        let uri = format!("{}/v2/", self.base).parse();
        let uri = uri.map_err(|_| RegistryError::Unsupported(format!("no address: {}", shown(&self.base))))?;
        let response = self.call(Ask::new(Method::GET, uri), self.http.limits.head).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let detail = "incorrect username or password".into();
                Err(RegistryError::Unauthorized { host: self.host().into(), detail })
            }
            status => Err(RegistryError::host(self.host(), format!("is no registry: answers {status}"))),
        }
    }

    /// Sends a request, with a token once the registry wants one.
    pub(super) async fn call(&self, ask: Ask, patience: Duration) -> Result<Response<Incoming>, RegistryError> {
        let mut asked_again = false;
        loop {
            let mut ask = ask.clone();
            let own = ask.host() == self.endpoint.host;
            if own && let Some(value) = self.authorization.borrow().as_ref() {
                ask.headers.insert(AUTHORIZATION, value.clone());
            }
            let reads = matches!(ask.method, Method::GET | Method::HEAD);
            let response = if reads { self.http.follow(ask).await? } else { self.http.once(&ask, patience).await? };
            if response.status() != StatusCode::UNAUTHORIZED || asked_again || !own {
                return Ok(response);
            }
            asked_again = true;
            let scopes = self.scopes.borrow().clone();
            let headers = response.headers().clone();
            drop(response);
            let value = auth::answer(&self.http, &self.endpoint, &headers, &self.credentials, &scopes).await?;
            self.authorization.replace(Some(value));
        }
    }

    /// Asks again for a while when the connection breaks off, or the registry says that something went wrong with itself.
    pub(super) async fn patiently<T>(
        &self,
        mut request: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut failed = 0;
        loop {
            match request().await {
                Err(error) if error.is_cut() && failed + 1 < self.http.limits.attempts => {
                    failed += 1;
                    tokio::time::sleep(self.http.limits.pause).await;
                }
                done => return done,
            }
        }
    }

    /// Reads a document, or says why there is none. `what` is what it is, for messages.
    pub(super) async fn document(
        &self,
        response: Response<Incoming>,
        what: &str,
        largest: usize,
    ) -> Result<Bytes, RegistryError> {
        if response.status().is_success() {
            return self.http.document(self.host(), response, largest).await;
        }
        Err(self.refusal(response, what).await)
    }

    /// What an answer that is no success means.
    pub(super) async fn refusal(&self, response: Response<Incoming>, what: &str) -> RegistryError {
        let status = response.status();
        let text = match self.http.document(self.host(), response, LARGEST_ERROR).await {
            Ok(text) => text,
            Err(error) if !error.is_cut() => return error,
            Err(_) => Bytes::new(),
        };
        let detail = failure(&text, status);
        match status {
            StatusCode::NOT_FOUND => RegistryError::NotFound(format!("{what} not found: {detail}")),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Denied { what: what.into(), detail },
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                RegistryError::Cut { host: self.host().into(), detail: format!("{what}: {detail}") }
            }
            _ => RegistryError::host(self.host(), format!("{what}: {detail}")),
        }
    }
}

/// Whether a registry speaks plain HTTP. One that wants TLS answers 400, or nothing that is HTTP.
async fn speaks_plainly(http: &Http, endpoint: &Endpoint) -> Result<bool, RegistryError> {
    let ask = |scheme| {
        let uri = format!("{scheme}://{}/v2/", endpoint.host).parse();
        uri.map(|uri| Ask::new(Method::GET, uri))
            .map_err(|_| RegistryError::Unsupported(format!("no registry: {}", shown(&endpoint.host))))
    };
    let mut unreachable = None;
    if !endpoint.is_local() {
        match http.once(&ask("https")?, http.limits.head).await {
            Err(error @ RegistryError::Host { .. }) => unreachable = Some(error),
            Err(error @ RegistryError::Unsupported(_)) => return Err(error),
            _ => return Ok(false),
        }
    }
    match http.once(&ask("http")?, http.limits.head).await {
        Ok(response) => Ok(response.status() != StatusCode::BAD_REQUEST),
        Err(RegistryError::Cut { .. }) => Ok(false),
        Err(error) => Err(unreachable.unwrap_or(error)),
    }
}

/// The words of a registry's error (distribution specification, "Error Codes"), else the status.
pub(super) fn failure(text: &[u8], status: StatusCode) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct One {
        code: String,
        message: String,
    }
    let one = serde_json::from_slice::<Errors>(text).ok().and_then(|found| found.errors.into_iter().next());
    match one {
        Some(One { code, message }) if !code.is_empty() => {
            shown(&format!("{}: {message}", code.to_lowercase().replace('_', " ")))
        }
        Some(One { message, .. }) if !message.is_empty() => shown(&message),
        _ => status.to_string(),
    }
}
