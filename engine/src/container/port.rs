//! Published ports: which ports of the host lead to which of a container.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use serde_json::{Map, Value, json};

use super::config::Config;
use super::host_config::{HostConfig, PortBinding};
use super::network::Connection;

/// One port of the host that leads to one of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// `tcp` or `udp`.
    pub(crate) protocol: String,
    pub(crate) inside: u16,
    /// An address of the host; empty for all.
    pub(crate) address: String,
    pub(crate) outside: u16,
}

/// Decides on the host's ports: a given one must be free; of a range, or of all, the first free one is taken. None without a
/// network of the container's own.
///
/// # Errors
/// The text for the user, in Docker's words where it has some.
pub(crate) fn choose(
    network: &Connection,
    host: &HostConfig,
    config: &Config,
) -> Result<Option<Vec<Published>>, String> {
    if matches!(network, Connection::Pasta(_)) { published(host, config).map(Some) } else { Ok(None) }
}

fn published(host: &HostConfig, config: &Config) -> Result<Vec<Published>, String> {
    let any = vec![PortBinding::default()];
    let mut wanted: BTreeMap<&String, &Vec<PortBinding>> = host.port_bindings.iter().flatten().collect();
    if host.publish_all_ports {
        for port in config.exposed_ports.iter().flatten().map(|(port, _)| port) {
            wanted.entry(port).or_insert(&any);
        }
    }
    let mut all: Vec<Published> = Vec::new();
    for (port, bindings) in wanted {
        let (inside, protocol) = parse(port);
        if !matches!(protocol, "tcp" | "udp") {
            return Err(format!("port {port} cannot be published: only tcp and udp can"));
        }
        for binding in bindings {
            let outside = outside(binding, protocol, &all)?;
            let address = if is_any(&binding.host_ip) { String::new() } else { binding.host_ip.clone() };
            all.push(Published { protocol: protocol.to_owned(), inside, address, outside });
        }
    }
    Ok(all)
}

/// The ports as `NetworkSettings.Ports` has them; those that are exposed only lead nowhere.
pub(crate) fn settings(published: Option<&[Published]>, config: &Config) -> Value {
    let Some(published) = published else { return Value::Null };
    let mut ports: Map<String, Value> =
        config.exposed_ports.iter().flatten().map(|(port, _)| (port.clone(), Value::Null)).collect();
    for port in published {
        let entry = ports.entry(format!("{}/{}", port.inside, port.protocol)).or_insert(Value::Null);
        if entry.is_null() {
            *entry = json!([]);
        }
        let addresses: &[&str] = if port.address.is_empty() { &["0.0.0.0", "::"] } else { &[&port.address] };
        if let Some(bindings) = entry.as_array_mut() {
            bindings.extend(addresses.iter().map(|ip| json!({ "HostIp": ip, "HostPort": port.outside.to_string() })));
        }
    }
    ports.into()
}

/// The same as lists of containers have them.
pub(crate) fn list(settings: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (port, bindings) in settings.as_object().into_iter().flatten() {
        let (inside, protocol) = parse(port);
        let Some(bindings) = bindings.as_array() else {
            all.push(json!({ "PrivatePort": inside, "Type": protocol }));
            continue;
        };
        for binding in bindings {
            let outside = binding["HostPort"].as_str().and_then(|port| port.parse::<u16>().ok()).unwrap_or(0);
            all.push(
                json!({ "IP": binding["HostIp"], "PrivatePort": inside, "PublicPort": outside, "Type": protocol }),
            );
        }
    }
    all
}

/// `80/tcp`.
pub(super) fn parse(port: &str) -> (u16, &str) {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    (number.parse().unwrap_or(0), protocol)
}

fn is_any(address: &str) -> bool {
    address.is_empty() || address.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

fn outside(binding: &PortBinding, protocol: &str, taken: &[Published]) -> Result<u16, String> {
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("invalid port specification: {text:?}"));
    let (first, last) = match binding.host_port.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None if binding.host_port.is_empty() => (0, 0),
        None => (number(&binding.host_port)?, number(&binding.host_port)?),
    };
    let meets =
        |other: &Published| other.address == binding.host_ip || other.address.is_empty() || is_any(&binding.host_ip);
    let ours = |port| taken.iter().any(|other| other.protocol == protocol && other.outside == port && meets(other));
    let mut failed = None;
    for port in (first..=last).filter(|port| *port == 0 || !ours(*port)) {
        match bind(&binding.host_ip, port, protocol) {
            Ok(port) => return Ok(port),
            Err(error) => failed = Some(error),
        }
    }
    let address = if binding.host_ip.is_empty() { "0.0.0.0" } else { &binding.host_ip };
    Err(match failed {
        Some(error) if error.kind() != io::ErrorKind::AddrInUse => {
            format!("Bind for {address}:{} failed: {error}", binding.host_port)
        }
        _ => format!("Bind for {address}:{} failed: port is already allocated", binding.host_port),
    })
}

/// Takes a port for a moment, to see that it is free; of port 0 the kernel makes a free one.
fn bind(address: &str, port: u16, protocol: &str) -> io::Result<u16> {
    let addresses: Vec<IpAddr> = if is_any(address) {
        vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
    } else {
        vec![address.parse().map_err(|_| io::Error::other("no address of this host"))?]
    };
    let mut chosen = port;
    for (at, address) in addresses.into_iter().enumerate() {
        let wanted = SocketAddr::new(address, chosen);
        let bound = if protocol == "udp" {
            UdpSocket::bind(wanted).and_then(|socket| socket.local_addr())
        } else {
            TcpListener::bind(wanted).and_then(|socket| socket.local_addr())
        };
        match bound {
            Ok(bound) => chosen = bound.port(),
            // A host without the newer protocol.
            Err(error) if at == 1 && error.kind() != io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(bindings: &[(&str, &str, &str)]) -> HostConfig {
        let mut all: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
        for (port, ip, outside) in bindings {
            let binding = PortBinding { host_ip: (*ip).into(), host_port: (*outside).into() };
            all.entry((*port).into()).or_default().push(binding);
        }
        HostConfig { port_bindings: Some(all), ..HostConfig::default() }
    }

    #[test]
    fn a_port_that_is_taken_is_refused_and_passed_over_in_a_range() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = taken.local_addr().expect("has an address").port();
        let error = published(&host(&[("80/tcp", "127.0.0.1", &port.to_string())]), &Config::default());
        assert_eq!(error, Err(format!("Bind for 127.0.0.1:{port} failed: port is already allocated")));
        if let Some(next) = port.checked_add(20) {
            let range = format!("{port}-{next}");
            let chosen = published(&host(&[("80/tcp", "127.0.0.1", &range)]), &Config::default()).expect("one is free");
            assert!(chosen[0].outside > port && chosen[0].outside <= next, "{chosen:?}");
        }
        // The same number of the other protocol is another port.
        assert!(published(&host(&[("80/udp", "127.0.0.1", &port.to_string())]), &Config::default()).is_ok());
    }

    #[test]
    fn what_is_not_given_is_chosen() {
        let exposed = [("80/tcp".to_owned(), json!({})), ("53/udp".to_owned(), json!({}))];
        let config = Config { exposed_ports: Some(exposed.into()), ..Config::default() };
        let mut any = host(&[("80/tcp", "", "")]);
        let chosen = published(&any, &config).expect("chosen");
        assert!(chosen.len() == 1 && chosen[0].outside > 1023 && chosen[0].address.is_empty(), "{chosen:?}");
        let outside = chosen[0].outside.to_string();
        let settings = settings(Some(&chosen), &config);
        assert_eq!(
            settings,
            json!({ "53/udp": null, "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": outside }, { "HostIp": "::", "HostPort": outside }] })
        );
        assert_eq!(list(&settings).len(), 3);
        any.publish_all_ports = true;
        assert_eq!(published(&any, &config).expect("chosen").len(), 2);
        let twice = [("80/tcp", "", &*outside), ("81/tcp", "127.0.0.1", &outside)];
        assert!(published(&host(&twice), &config).is_err());
        assert!(published(&host(&[("80/sctp", "", "80")]), &config).is_err());
        assert!(published(&host(&[("80/tcp", "", "nonsense")]), &config).is_err());
    }
}
