//! `--network`: none, the host's, another container's, or a private one connected through pasta where that is installed.
//!
//! Nothing here makes networks: pasta does, as for Podman.

use std::fmt::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::host_config::HostConfig;

/// A network that is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// `bridge`, `host` or `none`.
    pub name: &'static str,
    /// `bridge`, `host` or `null`.
    pub driver: &'static str,
}

impl Network {
    /// All of them. `bridge` is the default one: a private one connected through pasta, or the host's where that is missing.
    pub const ALL: [Self; 3] = [
        Self { name: "bridge", driver: "bridge" },
        Self { name: "host", driver: "host" },
        Self { name: "none", driver: "null" },
    ];

    /// Its ID: 64 hexadecimal digits, the same in every data root.
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(format!("outcrop network {}", self.name)))
    }
}

/// How a container is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// A loopback interface and nothing else.
    None,
    /// The host's network.
    Host,
    /// That of the container of this name or ID.
    Container(String),
    /// Its own, connected by this program.
    Pasta(PathBuf),
}

/// Why there is no network of its own, where there is no pasta.
pub(crate) const NO_PASTA: &str = "pasta is not installed (package passt)";

/// What is said, once, after the reason.
pub(crate) const HOST_INSTEAD: &str = "the container uses the host's network; --network none gives it none";

impl Connection {
    /// What `--network` asks for; `pasta` is the program, where it is installed and works.
    ///
    /// # Errors
    /// The text for the user.
    pub(crate) fn of(host: &HostConfig, pasta: Option<PathBuf>) -> Result<Self, String> {
        match host.network_mode.as_str() {
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            _ if Self::wants_pasta(host) => Ok(pasta.map_or(Self::Host, Self::Pasta)),
            other => match other.strip_prefix("container:") {
                Some(name) => Ok(Self::Container(name.to_owned())),
                None => Err(format!("network {other} not found")),
            },
        }
    }

    /// Whether it is what pasta connects.
    pub(crate) fn wants_pasta(host: &HostConfig) -> bool {
        matches!(host.network_mode.as_str(), "" | "default" | "bridge" | "private" | "pasta")
    }

    /// Whether it is a namespace of the container's own.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self, Self::None | Self::Pasta(_))
    }

    /// Whether the user did not ask for the host's network and gets it.
    pub(crate) fn is_second_choice(&self, host: &HostConfig) -> bool {
        *self == Self::Host && host.network_mode != "host"
    }
}

/// The content of /etc/hosts.
pub(crate) fn hosts(network: &Connection, host: &HostConfig, name: &str, of_host: &str) -> String {
    const STANDARD: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
        ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    let mut text = if *network == Connection::Host { of_host.to_owned() } else { STANDARD.to_owned() };
    for entry in host.extra_hosts.iter().flatten() {
        if let Some((name, address)) = entry.split_once([':', '=']) {
            let address = if address == "host-gateway" { "127.0.0.1" } else { address.trim_matches(['[', ']']) };
            let _ = writeln!(text, "{address}\t{name}");
        }
    }
    if matches!(network, Connection::Pasta(_)) {
        let _ = writeln!(text, "127.0.1.1\t{name}");
    }
    text
}

/// The content of /etc/resolv.conf: the host's, or what `--dns` and its likes say instead.
pub(crate) fn resolv_conf(network: &Connection, host: &HostConfig, of_host: &str) -> String {
    let given = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let (servers, search, options) = (given(&host.dns), given(&host.dns_search), given(&host.dns_options));
    // A server on the host's loopback interface cannot be reached from another network.
    let unreachable = |line: &str| {
        let address = line.strip_prefix("nameserver").map(str::trim);
        *network != Connection::Host && address.is_some_and(|address| address.starts_with("127.") || address == "::1")
    };
    let mut text = String::new();
    for line in of_host.lines().map(str::trim) {
        let replaced = (!servers.is_empty() && line.starts_with("nameserver"))
            || (!search.is_empty() && (line.starts_with("search") || line.starts_with("domain")))
            || (!options.is_empty() && line.starts_with("options"));
        if !replaced && !unreachable(line) && !line.is_empty() {
            text.push_str(line);
            text.push('\n');
        }
    }
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !search.is_empty() && search != ["."] {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let of = |mode: &str| Connection::of(&HostConfig { network_mode: mode.into(), ..HostConfig::default() }, None);
        assert_eq!(of("none"), Ok(Connection::None));
        assert_eq!(of("default"), Ok(Connection::Host));
        assert_eq!(of("container:x"), Ok(Connection::Container("x".into())));
        assert_eq!(of("nope"), Err("network nope not found".into()));
    }

    #[test]
    fn name_servers() {
        let mut host = HostConfig::default();
        let of_host = "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a b\n";
        assert_eq!(resolv_conf(&Connection::None, &host, of_host), "# x\nnameserver 10.0.0.1\nsearch a b\n");
        assert!(resolv_conf(&Connection::Host, &host, of_host).contains("127.0.0.53"));
        host.dns = Some(vec!["9.9.9.9".into()]);
        host.dns_search = Some(vec![".".into()]);
        assert_eq!(resolv_conf(&Connection::None, &host, of_host), "# x\nnameserver 9.9.9.9\n");
    }
}
