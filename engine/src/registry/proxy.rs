//! Proxies, and who is reached through them: the rules that dockerd has (Go's `golang.org/x/net/http/httpproxy`).

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;

use super::address::{decoded, is_loopback};
use super::registries::is_within;

/// The proxies for web servers and registries, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name them; empty for none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain HTTP: `[http[s]://][user:password@]host[:port]`.
    pub http: String,
    /// For HTTPS.
    pub https: String,
    /// Who is reached without one: domains with all below them, addresses, networks, each with `:port` if need be; `*` for all.
    pub no: String,
}

/// One proxy.
pub(super) struct Proxy {
    pub(super) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxies {
    /// The proxy to what is at `uri`, if there is one. This machine is reached without.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub(super) fn of(&self, uri: &Uri) -> Result<Option<Proxy>, String> {
        let is_plain = uri.scheme_str() == Some("http");
        let text = if is_plain { &self.http } else { &self.https };
        let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let host = uri.host().unwrap_or_default();
        if text.is_empty() || is_loopback(host) || self.spares(host, port) {
            return Ok(None);
        }
        let wrong = || format!("the proxy {} is no http://[user:password@]host[:port]", masked(text));
        Proxy::parse(text).ok_or_else(wrong).map(Some)
    }

    /// Whether `NO_PROXY` names a host.
    fn spares(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        self.no.split(',').map(|entry| entry.trim().to_ascii_lowercase()).any(|entry| {
            if let Some((network, bits)) = entry.split_once('/') {
                return address.is_some_and(|address| is_within(address, network, bits));
            }
            // An address of version 6 without brackets has no port.
            let (name, wanted) = match entry.rsplit_once(':') {
                Some((name, wanted)) if !name.contains(':') || name.ends_with(']') => (name, Some(wanted)),
                _ => (&*entry, None),
            };
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let is_port = wanted.is_none_or(|wanted| wanted == port.to_string());
            let is_host = match (name.parse::<IpAddr>(), name.trim_start_matches('*')) {
                (Ok(spared), _) => address == Some(spared),
                (_, "") => name == "*",
                // A domain is itself and all below it; with a dot in front only what is below.
                (_, below) if below.starts_with('.') => host.ends_with(below),
                _ => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
            };
            is_host && (is_port || name == "*")
        })
    }

    /// Each without its password: for HTTP, for HTTPS, and who is spared.
    pub fn shown(&self) -> [String; 3] {
        [masked(&self.http), masked(&self.https), self.no.clone()]
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.shown()).finish()
    }
}

impl Proxy {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let rest = rest.split('/').next()?;
        let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) || host.is_empty() {
            return None;
        }
        let authorization = user.map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let plain = [&decoded(user)[..], b":", &decoded(password)].concat();
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(plain))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let uri = format!("{}://{host}/", scheme.to_ascii_lowercase()).parse().ok()?;
        Some(Self { uri, authorization: authorization.flatten() })
    }
}

/// An address without what proves who asks, as dockerd shows it.
fn masked(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, _)| text.split_at(scheme.len() + 3));
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}xxxxx:xxxxx@{host}"),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(proxies: &Proxies, uri: &str) -> Option<String> {
        proxies.of(&uri.parse().expect("an address")).expect("is right").map(|proxy| proxy.uri.to_string())
    }

    #[test]
    fn each_kind_has_its_own() {
        let proxies =
            Proxies { http: "plain.test:3128".into(), https: "HTTPS://safe.test/x".into(), no: String::new() };
        assert_eq!(of(&proxies, "http://a.test/b").as_deref(), Some("http://plain.test:3128/"));
        assert_eq!(of(&proxies, "https://a.test/b").as_deref(), Some("https://safe.test/"));
        for here in ["http://localhost:5000/", "https://127.0.0.1/", "http://[::1]:5000/"] {
            assert_eq!(of(&proxies, here), None, "{here}");
        }
        assert_eq!(of(&Proxies { https: String::new(), ..proxies }, "https://a.test/"), None);
    }

    #[test]
    fn some_are_reached_without() {
        for (no, spared, not) in [
            ("a.test", &["a.test", "b.a.test", "A.TEST:5000"][..], &["ba.test", "test"][..]),
            (".a.test", &["b.a.test"], &["a.test"]),
            ("*.a.test", &["b.a.test"], &["a.test"]),
            ("x, a.test:5000 ,,", &["a.test:5000", "x"], &["a.test"]),
            ("10.0.0.0/8,1.2.3.4", &["10.1.2.3:5000", "1.2.3.4"], &["11.0.0.1", "10.a.test"]),
            ("1.2.3.4:80", &["1.2.3.4"], &["1.2.3.4:81"]),
            (
                "fd00::/8,[2001:db8::1]:80,2001:db8::2",
                &["[fd00::1]", "[2001:db8::1]", "[2001:db8::2]:9"],
                &["[2001:db8::1]:81"],
            ),
            ("*", &["a.test", "1.2.3.4:5"], &[]),
            ("", &[], &["a.test"]),
        ] {
            let proxies = Proxies { http: "p.test".into(), no: no.into(), ..Proxies::default() };
            for host in spared {
                assert_eq!(of(&proxies, &format!("http://{host}/")), None, "{no}: {host}");
            }
            for host in not {
                assert!(of(&proxies, &format!("http://{host}/")).is_some(), "{no}: {host}");
            }
        }
    }

    #[test]
    fn passwords_are_sent_and_not_shown() {
        let http = "http://me:s%40cret%2F@p.test:1";
        let proxies = Proxies { http: http.into(), https: "socks5://me:secret@p.test".into(), no: "n".into() };
        let proxy = proxies.of(&"http://a.test/".parse().expect("an address")).expect("is right").expect("is there");
        assert_eq!(proxy.authorization.expect("a value"), format!("Basic {}", STANDARD.encode("me:s@cret/")).as_str());
        assert_eq!(proxies.shown(), ["http://xxxxx:xxxxx@p.test:1", "socks5://xxxxx:xxxxx@p.test", "n"]);
        let wrong = proxies.of(&"https://a.test/".parse().expect("an address")).err().expect("is wrong");
        assert!(
            wrong.contains("socks5://xxxxx:xxxxx@p.test") && !format!("{proxies:?}{wrong}").contains("cret"),
            "{wrong}"
        );
    }
}
