//! Where registries are, and which addresses are trusted.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hyper::Uri;

use super::{Registries, RegistryError};

/// The domain of references to Docker Hub.
pub(crate) const HUB: &str = "docker.io";
/// The host that serves Docker Hub.
const HUB_HOST: &str = "registry-1.docker.io";
/// What Docker Hub is called where credentials are kept.
pub(crate) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A place that answers for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `host[:port]`.
    pub(super) host: String,
    /// `https`, `http`, or `None` where both are tried: on this machine, and where the settings allow it.
    pub(super) scheme: Option<&'static str>,
    /// Whether it stands in for the registry that is meant: it gets no credentials.
    pub(super) mirror: bool,
    /// How it may be spoken to.
    pub(super) settings: Arc<Registries>,
}

/// The host of a reference's domain, or of an address as it is kept with credentials.
pub(super) fn host_of(address: &str) -> &str {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    if [HUB, "index.docker.io", "registry.hub.docker.com"].contains(&host) { HUB_HOST } else { host }
}

impl Endpoint {
    /// The registry of a reference's domain, or of an address as it is kept with credentials.
    pub(crate) fn of(address: &str, settings: &Arc<Registries>) -> Self {
        let host = host_of(address);
        let both = is_loopback(host) || settings.is_insecure(host);
        let scheme = if both { None } else { Some("https") };
        Self { host: host.into(), scheme, mirror: false, settings: Arc::clone(settings) }
    }

    /// Reads a mirror: `https://host[:port]`, or `http://` on this machine and where the settings allow it.
    fn mirror(text: &str, settings: &Arc<Registries>) -> Result<Self, RegistryError> {
        let wrong = || {
            RegistryError::Unsupported(format!(
                "mirror {text:?}: write https://host[:port]; http only on this machine or with insecure-registries"
            ))
        };
        let (scheme, host) = text.split_once("://").ok_or_else(wrong)?;
        let host = host.trim_end_matches('/');
        let scheme = match scheme {
            "https" => "https",
            "http" if is_loopback(host) || settings.is_insecure(host) => "http",
            _ => return Err(wrong()),
        };
        if host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return Err(wrong());
        }
        Ok(Self { host: host.into(), scheme: Some(scheme), mirror: true, settings: Arc::clone(settings) })
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// What answers for `domain`: the mirrors first, which stand for Docker Hub alone.
pub(crate) fn endpoints(domain: &str, settings: &Arc<Registries>) -> Result<Vec<Endpoint>, RegistryError> {
    let mut all = Vec::new();
    if domain == HUB {
        for mirror in &settings.mirrors {
            all.push(Endpoint::mirror(mirror, settings)?);
        }
    }
    all.push(Endpoint::of(domain, settings));
    Ok(all)
}

/// Whether `host[:port]` is this machine by its very name: no name is looked up.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            return rest.split(']').next().and_then(|a| a.parse().ok()).is_some_and(|a: Ipv6Addr| a.is_loopback());
        }
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

/// A part of an address with `%20` and the like replaced.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let two = after.get(..2).filter(|two| *byte == b'%' && two.iter().all(u8::is_ascii_hexdigit));
        let coded = two.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        plain.push(coded.unwrap_or(*byte));
        rest = if coded.is_some() { &after[2..] } else { after };
    }
    plain
}

/// Reads an address that an answer leads to: absolute, or below `from`. It must be `https`, or `http` with a host that is `plain`.
pub(super) fn lead(from: &Uri, to: &str, plain: impl Fn(&str) -> bool) -> Result<Uri, String> {
    let uri = if to.starts_with('/') && !to.starts_with("//") {
        let (scheme, host) = (from.scheme_str().unwrap_or("https"), from.authority().map_or("", |a| a.as_str()));
        format!("{scheme}://{host}{to}")
    } else {
        to.to_owned()
    };
    let refused = |why: &str| format!("leads to {:?}, {why}", super::error::shown(to));
    let uri: Uri = uri.parse().map_err(|_| refused("which is no address"))?;
    let Some(authority) = uri.authority() else { return Err(refused("which is no address")) };
    if authority.as_str().contains('@') {
        return Err(refused("which has a password in it"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if plain(authority.as_str()) => Ok(uri),
        _ => Err(refused("which is not https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_machine() {
        for (host, local) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.9.8.7", true),
            ("[::1]:5000", true),
            ("127.0.0.1.evil.com", false),
            ("localhost.evil.com:80", false),
            ("[2001:db8::1]", false),
            ("10.0.0.1", false),
            ("128.0.0.1", false),
        ] {
            assert_eq!(is_loopback(host), local, "{host}");
        }
    }

    #[test]
    fn finds_docker_hub_and_mirrors() {
        let host = host_of;
        assert_eq!(host("docker.io"), "registry-1.docker.io");
        assert_eq!(host(HUB_KEY), "registry-1.docker.io");
        assert_eq!(host("https://quay.io/v2/"), "quay.io");
        let mirrors = ["https://m.example/".to_owned(), "http://127.0.0.1:5000".to_owned()];
        let settings = |mirrors: &[String]| Arc::new(Registries { mirrors: mirrors.to_vec(), ..Registries::default() });
        let all = endpoints("docker.io", &settings(&mirrors)).expect("are mirrors");
        let hosts: Vec<_> = all.iter().map(|endpoint| (endpoint.host.as_str(), endpoint.mirror)).collect();
        assert_eq!(hosts, [("m.example", true), ("127.0.0.1:5000", true), ("registry-1.docker.io", false)]);
        assert_eq!(endpoints("quay.io", &settings(&mirrors)).expect("has none").len(), 1);
        for bad in ["http://m.example", "m.example", "https://", "https://a/b"] {
            assert!(endpoints("docker.io", &settings(&[bad.into()])).is_err(), "{bad}");
        }
    }

    #[test]
    fn leads_only_where_it_is_safe() {
        let from = "https://r.example/v2/a".parse::<Uri>().expect("is one");
        for (to, local, want) in [
            ("/x?y", false, Some("https://r.example/x?y")),
            ("https://cdn.example/b", false, Some("https://cdn.example/b")),
            ("http://cdn.example/b", false, None),
            ("http://cdn.example/b", true, None),
            ("http://127.0.0.1/b", false, None),
            ("http://127.0.0.1/b", true, Some("http://127.0.0.1/b")),
            ("//cdn.example/b", false, None),
            ("file:///etc/passwd", false, None),
            ("https://a:b@cdn.example/", false, None),
            ("nonsense", false, None),
        ] {
            let plain = |host: &str| local && is_loopback(host);
            assert_eq!(lead(&from, to, plain).ok().map(|uri| uri.to_string()).as_deref(), want, "{to}");
        }
    }
}
