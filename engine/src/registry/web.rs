//! Files from web servers, over HTTP and HTTPS: no registry is asked, but the same limits on time hold.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, LAST_MODIFIED, LOCATION};
use hyper::{Method, Response, Uri};

use super::address::lead;
use super::http::{Ask, Flow, Http, Limits};
use super::{Proxies, Registries, RegistryError};

/// How often an answer may lead elsewhere, as Docker has it.
const MOST_REDIRECTS: usize = 10;

/// A file on its way.
pub(crate) struct WebFile {
    /// The name that the server gives it.
    pub(crate) name: Option<String>,
    /// When it changed, in seconds since 1970.
    pub(crate) modified: Option<i64>,
    /// Its size in bytes, if the server tells it.
    pub(crate) size: Option<u64>,
    flow: Flow,
}

impl WebFile {
    /// Asks for what is at `url`. From HTTPS nothing leads to plain HTTP unless `unsafe_too`.
    pub(crate) async fn open(
        url: &str,
        unsafe_too: bool,
        limits: Limits,
        proxies: &Proxies,
    ) -> Result<Self, RegistryError> {
        let wrong = |why: &str| RegistryError::Unsupported(format!("it is no valid address: {why}"));
        let mut uri: Uri = url.parse().map_err(|_| wrong("write http://host/path or https://host/path"))?;
        if uri.authority().is_none_or(|host| host.as_str().contains('@') || host.host().is_empty()) {
            return Err(wrong("write http://host/path or https://host/path, without a user"));
        }
        let http =
            Http::new(limits, false, &Arc::new(Registries { proxies: proxies.clone(), ..Registries::default() }));
        for _ in 0..=MOST_REDIRECTS {
            let ask = Ask::new(Method::GET, uri.clone());
            let host = ask.host();
            let response = http.once(&ask, limits.head).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(Self::of(host, response, limits));
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let Some(to) = to.filter(|_| status.is_redirection()) else {
                return Err(RegistryError::host(&host, format!("the server answers with status {status}")));
            };
            let plain = unsafe_too || uri.scheme_str() == Some("http");
            uri = lead(&uri, to, |_| plain).map_err(|why| RegistryError::host(&host, why))?;
        }
        Err(RegistryError::host(url, format!("more than {MOST_REDIRECTS} redirections")))
    }

    fn of(host: String, response: Response<hyper::body::Incoming>, limits: Limits) -> Self {
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let time = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_second());
        Self {
            name: text(CONTENT_DISPOSITION).and_then(file_name),
            modified: text(LAST_MODIFIED).and_then(time),
            size: text(CONTENT_LENGTH).and_then(|size| size.parse().ok()),
            flow: Flow::new(host, response, limits),
        }
    }

    /// The next bytes; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        self.flow.next().await
    }
}

/// `attachment; filename="x"` (RFC 6266).
fn file_name(disposition: &str) -> Option<String> {
    let value = disposition.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("filename").then_some(value)
    })?;
    Some(value.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_name_files() {
        for (text, want) in [
            ("attachment; filename=\"a b.txt\"", Some("a b.txt")),
            ("attachment; FileName=a", Some("a")),
            ("inline", None),
            ("attachment; filename=\"\"", None),
        ] {
            assert_eq!(file_name(text).as_deref(), want, "{text}");
        }
    }
}
