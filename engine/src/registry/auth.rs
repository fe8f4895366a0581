//! Who we are, and the tokens that prove it (distribution specification, "Token Authentication").

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::address::{Endpoint, host_of};
use super::body::Content;
use super::error::shown;
use super::http::{Ask, Http, Limits};
use super::repository::{Access, Repository, failure};
use super::{HUB, HUB_KEY, Registries, RegistryError};

/// The largest answer with a token, in bytes.
const LARGEST: usize = 1 << 20;

/// A user's name and password, or the token that stands for them.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
    /// `base64(user:password)`, where the two are not given apart.
    pub auth: String,
    /// The registry they are for; only `POST /auth` needs it.
    #[serde(rename = "serveraddress")]
    pub server_address: String,
    /// A refresh token instead of a password.
    #[serde(rename = "identitytoken")]
    pub identity_token: String,
    /// A bearer token that is used as it is.
    #[serde(rename = "registrytoken")]
    pub registry_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    GeneralPurpose::new(&alphabet, config).decode(text.trim()).ok()
}

impl Credentials {
    /// Reads the header `X-Registry-Auth`: JSON in base 64. An empty one is nobody.
    pub fn from_header(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        serde_json::from_slice::<Self>(&decode(text)?).ok().map(Self::complete)
    }

    /// Reads the header `X-Registry-Config`: JSON in base 64, users by registry.
    pub fn all_from_header(text: &str) -> Option<BTreeMap<String, Self>> {
        if text.is_empty() {
            return Some(BTreeMap::new());
        }
        let all: BTreeMap<String, Self> = serde_json::from_slice(&decode(text)?).ok()?;
        Some(all.into_iter().map(|(registry, user)| (registry, user.complete())).collect())
    }

    /// The user for a reference's domain; nobody where none is known. Registries may be called by their whole address.
    pub fn of(all: &BTreeMap<String, Self>, domain: &str) -> Self {
        let key = if domain == HUB { HUB_KEY } else { domain };
        let same = |name: &str| host_of(name) == host_of(key);
        let found = all.get(key).or_else(|| all.iter().find(|(name, _)| same(name)).map(|(_, user)| user));
        found.cloned().unwrap_or_default()
    }

    /// Takes name and password out of `auth`, where they are not given apart.
    #[must_use]
    pub fn complete(mut self) -> Self {
        if self.username.is_empty()
            && let Some(pair) = decode(&self.auth).and_then(|bytes| String::from_utf8(bytes).ok())
            && let Some((name, password)) = pair.split_once(':')
        {
            (self.username, self.password) = (name.into(), password.trim_end_matches('\0').into());
        }
        self
    }

    /// `Basic …`, if there is a user.
    fn basic(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.username, self.password);
        let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let mut value = HeaderValue::from_str(&text).ok().filter(|_| !self.username.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: String },
}

fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let texts = || headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let bearer = texts().find_map(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| {
            let get = |name: &str| parameter(rest, name).unwrap_or_default();
            Challenge::Bearer { realm: get("realm"), service: get("service") }
        })
    });
    bearer.or_else(|| {
        texts()
            .any(|text| text.len() >= 5 && text.as_bytes()[..5].eq_ignore_ascii_case(b"basic"))
            .then_some(Challenge::Basic)
    })
}

/// A value of `name="value",…`.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().trim_start_matches(',').trim().eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = after;
    }
}

/// Percent-encodes what is not plain in a query.
pub(super) fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Token {
    token: String,
    access_token: String,
}

/// Gets what is to be sent as `Authorization` after a registry answered 401 with `headers`.
pub(super) async fn answer(
    http: &Http,
    endpoint: &Endpoint,
    headers: &HeaderMap,
    credentials: &Credentials,
    scopes: &[String],
) -> Result<HeaderValue, RegistryError> {
    let refused = |detail: &str| RegistryError::Unauthorized { host: endpoint.host.clone(), detail: detail.into() };
    let mut value = match challenge(headers) {
        None => return Err(refused("it does not say what it wants to know")),
        Some(Challenge::Basic) => credentials.basic().ok_or_else(|| refused("authentication required"))?,
        Some(Challenge::Bearer { .. }) if !credentials.registry_token.is_empty() => {
            bearer(&credentials.registry_token)?
        }
        Some(Challenge::Bearer { realm, service }) => {
            bearer(&token(http, endpoint, &realm, &service, credentials, scopes).await?)?
        }
    };
    value.set_sensitive(true);
    Ok(value)
}

fn bearer(token: &str) -> Result<HeaderValue, RegistryError> {
    HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| RegistryError::Unsupported("a token with characters that no header may have".into()))
}

async fn token(
    http: &Http,
    endpoint: &Endpoint,
    realm: &str,
    service: &str,
    credentials: &Credentials,
    scopes: &[String],
) -> Result<String, RegistryError> {
    // A realm is another host's word: it gets the password only over https, or on this machine.
    let from = format!("https://{}/", endpoint.host).parse().unwrap_or_default();
    let realm = http
        .lead(&from, realm)
        .map_err(|why| RegistryError::host(&endpoint.host, format!("the realm of its tokens {why}")))?;
    let mut query = vec![("service", service.to_owned())];
    query.extend(scopes.iter().map(|scope| ("scope", scope.clone())));
    let encode = |pairs: &[(&str, String)]| {
        pairs.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
    };
    let ask = if credentials.identity_token.is_empty() {
        if !credentials.username.is_empty() {
            query.push(("account", credentials.username.clone()));
        }
        let separator = if realm.query().is_some() { '&' } else { '?' };
        let uri = format!("{realm}{separator}{}", encode(&query)).parse();
        let mut ask =
            Ask::new(Method::GET, uri.map_err(|_| RegistryError::host(&endpoint.host, "the realm is no address"))?);
        if let Some(basic) = credentials.basic() {
            ask.headers.insert(AUTHORIZATION, basic);
        }
        ask
    } else {
        query.push(("grant_type", "refresh_token".into()));
        query.push(("refresh_token", credentials.identity_token.clone()));
        query.push(("client_id", "outcrop".into()));
        let mut ask = Ask::new(Method::POST, realm);
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        ask.content = Content::Bytes(Bytes::from(encode(&query)));
        ask
    };
    let host = ask.host();
    let response = http.once(&ask, http.limits.head).await?;
    let status = response.status();
    let text = http.document(&host, response, LARGEST).await?;
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let detail = if credentials.username.is_empty() && credentials.identity_token.is_empty() {
            "authentication required".into()
        } else {
            format!("incorrect username or password ({})", shown(&failure(&text, status)))
        };
        return Err(RegistryError::Unauthorized { host, detail });
    }
    if !status.is_success() {
        return Err(RegistryError::Host { host, detail: format!("gives no token: {}", failure(&text, status)) });
    }
    let token: Token = serde_json::from_slice(&text).unwrap_or_default();
    let token = if token.token.is_empty() { token.access_token } else { token.token };
    if token.is_empty() { Err(RegistryError::Host { host, detail: "gives no token".into() }) } else { Ok(token) }
}

/// Asks the registry whether it knows the user.
pub(crate) async fn log_in(
    credentials: &Credentials,
    settings: &Arc<Registries>,
    limits: Limits,
) -> Result<(), RegistryError> {
    let address = Some(credentials.server_address.as_str()).filter(|a| !a.is_empty()).unwrap_or(HUB_KEY);
    let endpoint = Endpoint::of(address, settings);
    Repository::open(endpoint, "", Access::None, credentials, limits).await?.ping().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_challenges() {
        let parse = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(text));
            challenge(&headers)
        };
        let bearer =
            |realm: &str, service: &str| Some(Challenge::Bearer { realm: realm.into(), service: service.into() });
        for (text, want) in [
            (r#"Bearer realm="https://a.b/token",service="s,t",scope="x""#, bearer("https://a.b/token", "s,t")),
            (r#"bearer service=s, realm="https://a""#, bearer("https://a", "s")),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("Bearer", None),
            (r#"Bearer realm="cut"#, bearer("", "")),
            ("Negotiate", None),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    #[test]
    fn reads_what_clients_send() {
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE.encode(text);
        let both = Credentials::from_header(&encode(r#"{"username":"me","password":"p:ä?>"}"#)).expect("is JSON");
        assert_eq!((both.username.as_str(), both.password.as_str()), ("me", "p:ä?>"));
        let pair = Credentials::from_header(&encode(r#"{"auth":"bWU6c2VjcmV0"}"#)).expect("is JSON");
        assert_eq!((pair.username.as_str(), pair.password.as_str()), ("me", "secret"));
        assert_eq!(Credentials::from_header(""), Some(Credentials::default()));
        assert_eq!(Credentials::from_header("%%%"), None);
        let all = encode(
            r#"{"https://index.docker.io/v1/":{"username":"hub"},"https://r.example:5000/v1/":{"auth":"bWU6c2VjcmV0"}}"#,
        );
        let all = Credentials::all_from_header(&all).expect("is JSON");
        for (domain, name) in [("docker.io", "hub"), ("r.example:5000", "me"), ("r.example", ""), ("other", "")] {
            assert_eq!(Credentials::of(&all, domain).username, name, "{domain}");
        }
        assert_eq!(Credentials::all_from_header("e30"), Some(BTreeMap::new()));
        assert_eq!(Credentials::all_from_header("W10="), None);
        assert!(!format!("{both:?}").contains("p:"), "a password is in no log");
    }
}
