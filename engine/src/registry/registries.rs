//! What is set of registries: mirrors, whose certificates are trusted, who may be spoken to without.

use std::net::IpAddr;
use std::path::PathBuf;

use super::Proxies;
use super::address::is_loopback;

/// How registries are reached, beside what their names say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    /// Registries that are asked before Docker Hub: `https://host[:port]`.
    pub mirrors: Vec<String>,
    /// Registries whose certificates are not looked at, and that may speak plain HTTP: `host[:port]`, or a network `10.0.0.0/8`.
    pub insecure: Vec<String>,
    /// Directories with certificates as Docker's `certs.d`: `<host[:port]>/ca.crt`, `client.cert` with `client.key`.
    pub certificates: Vec<PathBuf>,
    /// What is asked for them, and for files of web servers.
    pub proxies: Proxies,
}

impl Registries {
    /// Whether `host[:port]` is called insecure. No name is looked up.
    pub(super) fn is_insecure(&self, host: &str) -> bool {
        let name = without_port(host);
        let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        self.insecure.iter().any(|entry| match entry.split_once('/') {
            Some((network, bits)) => address.is_some_and(|address| is_within(address, network, bits)),
            None => entry == host || entry == name,
        })
    }

    /// Whether `host[:port]` may be spoken to in plain HTTP; on this machine only if `local`.
    pub(super) fn is_plain(&self, host: &str, local: bool) -> bool {
        (local && is_loopback(host)) || self.is_insecure(host)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// Whether an address begins with the first `bits` of a network's.
pub(super) fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let number = |address| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((one, most), (other, of)) = (number(address), number(network));
    most == of && bits <= most && (one ^ other).checked_shr(128 - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_networks_are_insecure() {
        let insecure = ["r.example:5000", "plain.example", "10.1.0.0/16", "fd00::/8", "1.2.3.4/33", "0.0.0.0/x"];
        let settings = Registries { insecure: insecure.map(str::to_owned).to_vec(), ..Registries::default() };
        for (host, want) in [
            ("r.example:5000", true),
            ("r.example", false),
            ("r.example:5001", false),
            ("plain.example", true),
            ("plain.example:443", true),
            ("not.plain.example", false),
            ("10.1.2.3:5000", true),
            ("10.2.2.3:5000", false),
            ("10.1.2.3.example", false),
            ("[fd00::1]:5000", true),
            ("[fe00::1]:5000", false),
            ("1.2.3.4", false),
            ("127.0.0.1:5000", false),
        ] {
            assert_eq!(settings.is_insecure(host), want, "{host}");
        }
        let all = Registries { insecure: vec!["0.0.0.0/0".into()], ..Registries::default() };
        assert!(all.is_insecure("8.8.8.8") && !all.is_insecure("[::1]") && !all.is_insecure("name"));
        assert!(settings.is_plain("127.0.0.1:5000", true) && !settings.is_plain("127.0.0.1:5000", false));
    }
}
