//! `-p` and `--expose`: ports and ranges of them.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

/// Reads `-p` values into `ExposedPorts` and `PortBindings`.
pub(super) fn publish(
    texts: &[String],
    exposed: &mut Map<String, Value>,
    bindings: &mut Map<String, Value>,
) -> Result<(), String> {
    for text in texts {
        for (port, binding) in parse(&plain(text)?)? {
            exposed.insert(port.clone(), json!({}));
            let known = bindings.entry(port).or_insert_with(|| json!([]));
            if let Value::Array(known) = known {
                known.push(binding);
            }
        }
    }
    Ok(())
}

/// Reads `--expose` values into `ExposedPorts`.
pub(super) fn expose(texts: &[String], exposed: &mut Map<String, Value>) -> Result<(), String> {
    for text in texts {
        if text.contains(':') {
            return Err(format!("invalid port format for --expose: {text}"));
        }
        let (ports, protocol) = protocol(text);
        let range = range(ports).map_err(|why| format!("invalid range format for --expose: {text}, error: {why}"))?;
        for port in range.0..=range.1 {
            exposed.entry(format!("{port}/{protocol}")).or_insert_with(|| json!({}));
        }
    }
    Ok(())
}

/// `target=80,published=8080,protocol=tcp` in the words of the short form.
fn plain(text: &str) -> Result<String, String> {
    if !text.contains('=') {
        return Ok(text.to_owned());
    }
    let (mut target, mut published, mut protocol) = ("", "", "tcp");
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("target", value)) => target = value,
            Some(("published", value)) => published = value,
            Some(("protocol", value)) => protocol = value,
            Some(_) => {}
            None => return Err(format!("invalid publish opts format (should be name=value but got '{part}')")),
        }
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

/// Splits the protocol off; tcp if none is given.
fn protocol(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((port, "")) => (port, "tcp"),
        Some(both) => both,
        None => (text, "tcp"),
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    if text.is_empty() {
        return Err("empty string specified for ports.".into());
    }
    let number = |text: &str| {
        let why = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            "value out of range"
        } else {
            "invalid syntax"
        };
        text.parse::<u16>().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: {why}"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    if last < first { Err(format!("invalid range specified for port: {text}")) } else { Ok((first, last)) }
}

/// Splits `[ip:][host:]container`; an IPv6 address stands in brackets.
fn split(text: &str) -> (&str, &str, &str) {
    let Some((rest, container)) = text.rsplit_once(':') else { return ("", "", text) };
    match rest.rsplit_once(':') {
        Some((ip, host)) => (ip, host, container),
        None => ("", rest, container),
    }
}

fn parse(text: &str) -> Result<Vec<(String, Value)>, String> {
    let (ip, host, container) = split(text);
    let (ports, given) = protocol(container);
    let protocol = given.to_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("invalid proto: {protocol}"));
    }
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address: {ip}"));
    }
    if ports.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let (first, last) = range(ports).map_err(|_| format!("invalid containerPort: {ports}"))?;
    let hosts =
        if host.is_empty() { None } else { Some(range(host).map_err(|_| format!("invalid hostPort: {host}"))?) };
    if let Some((low, high)) = hosts
        && high - low != last - first
        && first != last
    {
        return Err(format!("invalid ranges specified for container and host Ports: {ports} and {host}"));
    }
    let host_port = |port: u16| match hosts {
        None => String::new(),
        // One port of the container, any of a range of the host.
        Some((low, high)) if first == last && low != high => format!("{low}-{high}"),
        Some((low, _)) => (u32::from(low) + u32::from(port - first)).to_string(),
    };
    let binding = |port: u16| json!({"HostIp": ip, "HostPort": host_port(port)});
    Ok((first..=last).map(|port| (format!("{port}/{protocol}"), binding(port))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(text: &str) -> Result<String, String> {
        let ports = parse(&plain(text)?)?;
        let words = |(port, binding): &(String, Value)| {
            format!(
                "{port}={}:{}",
                binding["HostIp"].as_str().unwrap_or("?"),
                binding["HostPort"].as_str().unwrap_or("?")
            )
        };
        Ok(ports.iter().map(words).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn publishes() {
        for (text, want) in [
            ("80", "80/tcp=:"),
            ("8080:80", "80/tcp=:8080"),
            ("127.0.0.1:8080:80/udp", "80/udp=127.0.0.1:8080"),
            ("127.0.0.1::80", "80/tcp=127.0.0.1:"),
            ("[::1]:8080:80", "80/tcp=::1:8080"),
            ("8000-8001:80-81/TCP", "80/tcp=:8000 81/tcp=:8001"),
            ("8000-8009:80", "80/tcp=:8000-8009"),
            ("80-81", "80/tcp=: 81/tcp=:"),
            ("65534-65535:65534-65535", "65534/tcp=:65534 65535/tcp=:65535"),
            ("target=80,published=8080,mode=host", "80/tcp=:8080"),
        ] {
            assert_eq!(short(text).as_deref(), Ok(want), "{text}");
        }
        for (text, why) in [
            ("80:x", "invalid containerPort: x"),
            ("x:80", "invalid hostPort: x"),
            ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("80:", "no port specified: 80:<empty>"),
            ("80/ncp", "invalid proto: ncp"),
            ("1-3:80-81", "invalid ranges specified for container and host Ports: 80-81 and 1-3"),
            ("81-80", "invalid containerPort: 81-80"),
            ("99999", "invalid containerPort: 99999"),
            ("target=80,x", "invalid publish opts format (should be name=value but got 'x')"),
        ] {
            assert_eq!(short(text), Err(why.into()), "{text}");
        }
    }

    #[test]
    fn exposes() {
        let all = |texts: &[&str]| {
            let mut exposed = Map::new();
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            expose(&texts, &mut exposed).map(|()| exposed.keys().cloned().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(all(&["8080", "8080/udp", "90-92"]).as_deref(), Ok("8080/tcp 8080/udp 90/tcp 91/tcp 92/tcp"));
        for (text, why) in [
            (":", "invalid port format for --expose: :"),
            ("/tcp", "invalid range format for --expose: /tcp, error: empty string specified for ports."),
            (
                "NaN",
                "invalid range format for --expose: NaN, error: strconv.ParseUint: parsing \"NaN\": invalid syntax",
            ),
            (
                "1234567890-8080/tcp",
                "invalid range format for --expose: 1234567890-8080/tcp, error: strconv.ParseUint: parsing \"1234567890\": value out of range",
            ),
        ] {
            assert_eq!(all(&[text]), Err(why.into()));
        }
    }
}
