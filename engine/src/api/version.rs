//! The version before a request's path, and the headers that tell ours.

use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::error::ApiError;

/// Minor number of the newest version that is spoken, 1.47 (Docker 27.3).
pub const HIGHEST: u16 = 47;
/// Minor number of the oldest version that is answered, 1.24.
pub const LOWEST: u16 = 24;

/// The minor version number that a client asked for; `None` if it asked for none, and gets the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked(pub(super) Option<u16>);

/// Takes `/v1.NN` off the path and notes it in the request's extensions.
pub(super) fn strip(request: &mut Request) -> Result<(), ApiError> {
    let path = request.uri().path();
    let Some((major, minor, rest)) = split(path) else {
        request.extensions_mut().insert(Asked(None));
        return Ok(());
    };
    let asked = (major, minor);
    if asked > (1, u32::from(HIGHEST)) {
        let text = format!("client version {major}.{minor} is too new. Maximum supported API version is 1.{HIGHEST}");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, text));
    }
    if asked < (1, u32::from(LOWEST)) {
        let text = format!(
            "client version {major}.{minor} is too old. Minimum supported API version is 1.{LOWEST}, please upgrade your client to a newer version"
        );
        return Err(ApiError::new(StatusCode::BAD_REQUEST, text));
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{query}", if rest.is_empty() { "/" } else { rest });
    let target = target.parse::<PathAndQuery>().map_err(|error| ApiError::invalid(error.to_string()))?;
    request.extensions_mut().insert(Asked(Some(minor as u16)));
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

/// `/v1.41/x` is 1, 41, `/x`.
fn split(path: &str) -> Option<(u32, u32, &str)> {
    let rest = path.strip_prefix("/v")?;
    let (version, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (major, minor) = version.split_once('.')?;
    let digits = |text: &str| {
        (!text.is_empty() && text.len() < 8 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse())
    };
    Some((digits(major)?.ok()?, digits(minor)?.ok()?, rest))
}

/// Tells who answers.
pub(super) fn announce(headers: &mut HeaderMap) {
    const SERVER: &str = concat!("Outcrop/", env!("CARGO_PKG_VERSION"), " (linux)");
    headers.insert(HeaderName::from_static("api-version"), HeaderValue::from_static("1.47"));
    headers.insert(HeaderName::from_static("docker-experimental"), HeaderValue::from_static("false"));
    headers.insert(HeaderName::from_static("ostype"), HeaderValue::from_static("linux"));
    headers.insert(axum::http::header::SERVER, HeaderValue::from_static(SERVER));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_versions_off() {
        for (path, want) in [
            ("/v1.41/images/json?all=1", Ok(("/images/json?all=1", Some(41)))),
            ("/images/json", Ok(("/images/json", None))),
            ("/v1.47", Ok(("/", Some(47)))),
            ("/v1.24/_ping", Ok(("/_ping", Some(24)))),
            ("/volumes", Ok(("/volumes", None))),
            ("/v1.99/version", Err(StatusCode::BAD_REQUEST)),
            ("/v1.5/version", Err(StatusCode::BAD_REQUEST)),
            ("/v2.0/version", Err(StatusCode::BAD_REQUEST)),
            ("/v1.x/version", Ok(("/v1.x/version", None))),
        ] {
            let mut request = Request::builder().uri(path).body(axum::body::Body::empty()).expect("is a request");
            let got = strip(&mut request).map_err(|error| error.status());
            let asked = request.extensions().get::<Asked>().copied().unwrap_or_default().0;
            assert_eq!(
                got.map(|()| (request.uri().to_string(), asked)),
                want.map(|(p, v)| (p.to_owned(), v)),
                "{path}"
            );
        }
    }
}
