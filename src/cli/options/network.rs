//! Networks, ports, names of hosts.

use std::net::IpAddr;

use clap::Args;
use serde_json::{Map, Value};

use super::{Body, invalid, pairs, ports, set};
use crate::cli::Failure;
use crate::report::safe;

/// Options of networks.
#[derive(Args)]
#[command(next_help_heading = "Network")]
pub(super) struct Networking {
    /// Network: default, none, host, container:NAME, or a name
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    network: Vec<String>,
    /// Another name in the network
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    network_alias: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "IP", default_value = "", hide_default_value = true)]
    ip: String,
    /// IPv6 address
    #[arg(long, value_name = "IP", default_value = "", hide_default_value = true)]
    ip6: String,
    /// MAC address
    #[arg(long, value_name = "MAC", default_value = "", hide_default_value = true)]
    mac_address: String,
    /// Link to another container: CONTAINER or CONTAINER:ALIAS
    #[arg(long, value_name = "LINK")]
    link: Vec<String>,
    /// Publish a port on the host: CONTAINER, HOST:CONTAINER or IP:HOST:CONTAINER, /tcp or /udp behind it, ranges too
    #[arg(short, long, value_name = "PORT")]
    publish: Vec<String>,
    /// Publish all exposed ports on any free ones
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// Expose a port or a range
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Add to /etc/hosts: HOST:IP
    #[arg(long, value_name = "HOST")]
    add_host: Vec<String>,
    /// Name server
    #[arg(long, value_name = "IP")]
    dns: Vec<String>,
    /// Domain that names are looked up in
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// Option in /etc/resolv.conf
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
}

impl Networking {
    pub(super) fn apply(&self, body: &mut Body) -> Result<(), Failure> {
        let (mut exposed, mut bindings) = (Map::new(), Map::new());
        ports::publish(&self.publish, &mut exposed, &mut bindings).map_err(Failure::new)?;
        ports::expose(&self.expose, &mut exposed).map_err(Failure::new)?;
        set(&mut body.config, "ExposedPorts", exposed);
        set(&mut body.host, "PortBindings", bindings);
        set(&mut body.host, "PublishAllPorts", self.publish_all);
        set(&mut body.host, "Links", self.link.as_slice());
        let mac = self.mac_address.as_str();
        if !mac.is_empty() && !is_mac(mac) {
            return Err(Failure::new(format!("{mac} is not a valid mac address")));
        }
        set(&mut body.config, "MacAddress", mac);
        self.names(body)?;
        self.endpoints(body)
    }

    fn names(&self, body: &mut Body) -> Result<(), Failure> {
        let read = |flag, texts: &[String], read: fn(&str) -> Result<String, String>| -> Result<Vec<String>, Failure> {
            texts.iter().map(|text| read(text).map_err(|why| invalid(flag, text, why))).collect()
        };
        let servers = read("--dns", &self.dns, name_server)?;
        for server in servers.iter().filter(|server| server.starts_with("127.")) {
            safe::say(&format!("WARNING: Localhost DNS setting (--dns={server}) may fail in containers."));
        }
        set(&mut body.host, "Dns", servers);
        set(&mut body.host, "DnsSearch", read("--dns-search", &self.dns_search, domain)?);
        set(&mut body.host, "DnsOptions", self.dns_option.as_slice());
        set(&mut body.host, "ExtraHosts", read("--add-host", &self.add_host, extra_host)?);
        Ok(())
    }

    fn endpoints(&self, body: &mut Body) -> Result<(), Failure> {
        let networks: Vec<&str> =
            if self.network.is_empty() { vec!["default"] } else { self.network.iter().map(String::as_str).collect() };
        for (position, text) in networks.iter().enumerate() {
            let (name, mut endpoint) = network(text).map_err(|why| invalid("--network", text, why))?;
            if position == 0 {
                set(&mut body.host, "NetworkMode", name.as_str());
                if name == "container:" {
                    return Err(Failure::new("Invalid network mode: invalid container format container:<name|id>"));
                }
                self.of_container(&mut endpoint);
            }
            if body.endpoints.contains_key(&name) {
                return Err(Failure::new(format!("network {name:?} is specified multiple times")));
            }
            // The engine makes the settings of an only network that nothing was said about.
            if networks.len() > 1 || !endpoint.is_empty() {
                body.endpoints.insert(name, endpoint.into());
            }
        }
        Ok(())
    }

    /// What the single options say of the first network.
    fn of_container(&self, endpoint: &mut Map<String, Value>) {
        set(endpoint, "Aliases", self.network_alias.as_slice());
        set(endpoint, "Links", self.link.as_slice());
        let mut addresses = Map::new();
        set(&mut addresses, "IPv4Address", self.ip.as_str());
        set(&mut addresses, "IPv6Address", self.ip6.as_str());
        if let Some(Value::Object(known)) = endpoint.remove("IPAMConfig") {
            addresses.extend(known);
        }
        set(endpoint, "IPAMConfig", addresses);
        set(endpoint, "MacAddress", self.mac_address.as_str());
    }
}

/// Reads `NAME`, or `name=NAME,alias=…,ip=…,ip6=…,mac-address=…,driver-opt=K=V`.
fn network(text: &str) -> Result<(String, Map<String, Value>), String> {
    let mut endpoint = Map::new();
    if !text.contains('=') {
        return Ok((text.to_owned(), endpoint));
    }
    let (mut name, mut aliases, mut addresses, mut options) = (String::new(), Vec::new(), Map::new(), Vec::new());
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("invalid field {part}"))?;
        match key.trim().to_lowercase().as_str() {
            "name" => value.clone_into(&mut name),
            "alias" => aliases.push(value.to_owned()),
            "ip" => set(&mut addresses, "IPv4Address", value),
            "ip6" => set(&mut addresses, "IPv6Address", value),
            "mac-address" => set(&mut endpoint, "MacAddress", value),
            "driver-opt" => options.push(value.to_owned()),
            _ => return Err(format!("invalid field key {key}")),
        }
    }
    if name.is_empty() {
        return Err("network name/id is not specified".into());
    }
    set(&mut endpoint, "Aliases", aliases);
    set(&mut endpoint, "IPAMConfig", addresses);
    set(&mut endpoint, "DriverOpts", pairs(&options));
    Ok((name, endpoint))
}

fn name_server(text: &str) -> Result<String, String> {
    let text = text.trim();
    text.parse::<IpAddr>()
        .map(|ip| ip.to_string())
        .map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

fn domain(text: &str) -> Result<String, String> {
    let text = text.trim_matches(' ');
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let has_letter = text.contains(|c: char| c.is_ascii_alphabetic());
    if text == "." || has_letter && text.len() < 255 && text.trim_end_matches('.').split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(format!("{text} is not a valid domain"))
}

/// Reads `HOST:IP` or `HOST=IP`; the address may stand in brackets, and may be `host-gateway`.
fn extra_host(text: &str) -> Result<String, String> {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    let (host, ip) = parts
        .filter(|(host, _)| !host.is_empty() && !host.contains(':'))
        .ok_or_else(|| format!("bad format for add-host: {text:?}"))?;
    let inside = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).filter(|ip| !ip.is_empty()).unwrap_or(ip);
    if ip != "host-gateway" && inside.trim().parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: {inside:?}"));
    }
    Ok(format!("{host}:{inside}"))
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<_> = text.split([':', '-']).collect();
    parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{body, field};
    use super::*;

    #[test]
    fn reads_hosts() {
        for (text, want) in [
            ("myhost:192.168.0.1", "myhost:192.168.0.1"),
            ("myhost=192.168.0.1", "myhost:192.168.0.1"),
            ("myhost=[192.168.0.1]", "myhost:192.168.0.1"),
            ("anipv6host:2003:ab34:e::1", "anipv6host:2003:ab34:e::1"),
            ("anipv6host:[2003:ab34:e::1]", "anipv6host:2003:ab34:e::1"),
            ("ipv6local:::1", "ipv6local:::1"),
            ("ipv6local=[::1]", "ipv6local:::1"),
            ("ipv6local=0:0:0:0:0:0:0:1", "ipv6local:0:0:0:0:0:0:0:1"),
            ("host.docker.internal=host-gateway", "host.docker.internal:host-gateway"),
        ] {
            assert_eq!(extra_host(text).as_deref(), Ok(want), "{text}");
        }
        for (text, why) in [
            ("myhost:192.notanipaddress.1", r#"invalid IP address in add-host: "192.notanipaddress.1""#),
            ("thathost-nosemicolon10.0.0.1", r#"bad format for add-host: "thathost-nosemicolon10.0.0.1""#),
            ("anipv6host:::::1", r#"invalid IP address in add-host: "::::1""#),
            ("ipv6addr=[::1", r#"invalid IP address in add-host: "[::1""#),
            ("ipv6addr=::1]", r#"invalid IP address in add-host: "::1]""#),
            ("myhost.invalid:", r#"invalid IP address in add-host: """#),
            (":=::1", r#"bad format for add-host: ":=::1""#),
            ("", r#"bad format for add-host: """#),
        ] {
            assert_eq!(extra_host(text), Err(why.into()), "{text}");
        }
    }

    #[test]
    fn reads_networks() {
        assert_eq!(field(&["--network", "none"], "/HostConfig/NetworkMode"), "none");
        assert_eq!(field(&["--network", "none"], "/NetworkingConfig/EndpointsConfig"), json!({}));
        let line = ["--network", "name=a,alias=x,ip=1.2.3.4", "--network", "b", "--network-alias", "y"];
        let both = json!({"a": {"Aliases": ["y"], "IPAMConfig": {"IPv4Address": "1.2.3.4"}}, "b": {}});
        assert_eq!(field(&line, "/NetworkingConfig/EndpointsConfig"), both);
        assert_eq!(
            body(&["--network", "a", "--network", "a", "--ip", "1.1.1.1"]),
            Err("network \"a\" is specified multiple times".into())
        );
        assert!(body(&["--network", "name=a,x=y"]).unwrap_err().ends_with("invalid field key x"));
        assert_eq!(body(&["--mac-address", "x"]), Err("x is not a valid mac address".into()));
    }

    #[test]
    fn reads_names() {
        let said = body(&["--dns", "x"]).unwrap_err();
        assert_eq!(said, r#"invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x"#);
        assert_eq!(field(&["--dns", " 8.8.8.8"], "/HostConfig/Dns"), json!(["8.8.8.8"]));
        for good in [".", "foo.com", "foo.bar-baz.com.", "1.foo"] {
            assert!(domain(good).is_ok(), "{good}");
        }
        for bad in ["1.1", "-foo.com", "foo..com", "a_b", ""] {
            assert!(domain(bad).is_err(), "{bad}");
        }
    }
}
