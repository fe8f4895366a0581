//! `outcrop port`.

use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;

use super::each::of_container;
use super::{Failure, Session};
use crate::report::safe;
use crate::report::value::Value;

/// Show which ports of the host lead to a container
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop port web
  outcrop port web 80/tcp")]
pub(crate) struct Port {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Only what leads to this one of its ports
    #[arg(value_name = "PRIVATE_PORT[/PROTO]")]
    port: Option<String>,
}

impl Port {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let about = session.connect().await?.get(&format!("{}/json", of_container(&self.container)?)).await?;
        let ports = about.get("NetworkSettings").map(|network| network.map("Ports")).unwrap_or_default();
        let mut lines = Vec::new();
        for (port, bindings) in ports {
            let Value::List(bindings) = bindings else { continue };
            let asked =
                |asked: &String| *port == if asked.contains('/') { asked.clone() } else { format!("{asked}/tcp") };
            match &self.port {
                Some(text) if !asked(text) => {}
                Some(_) => lines.extend(bindings.iter().map(address)),
                None => lines.extend(bindings.iter().map(|binding| format!("{port} -> {}", address(binding)))),
            }
        }
        if let (Some(port), true) = (&self.port, lines.is_empty()) {
            return Err(Failure::new(format!("Error: No public port '{port}' published for {}", self.container)));
        }
        lines.sort_by_key(|line| natural(line));
        if !lines.is_empty() {
            safe::print(&(lines.join("\n") + "\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `0.0.0.0:8080`, `[::]:8080`.
fn address(binding: &Value) -> String {
    let (ip, port) = (binding.text("HostIp"), binding.text("HostPort"));
    if ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

/// A key that sorts numbers in a text by their value.
pub(super) fn natural(text: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (plain, number) = rest.split_at(digits);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        key.push((plain.to_owned(), number[..end].parse().unwrap_or(if end == 0 { 0 } else { u64::MAX })));
        rest = &number[end..];
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_numbers_by_value() {
        let mut lines = ["80/tcp -> 0.0.0.0:9", "8/tcp -> [::]:80", "80/tcp -> 0.0.0.0:10", "a"];
        lines.sort_by_key(|line| natural(line));
        assert_eq!(lines, ["8/tcp -> [::]:80", "80/tcp -> 0.0.0.0:9", "80/tcp -> 0.0.0.0:10", "a"]);
        let binding = |ip: &str| address(&Value::object([("HostIp", ip.into()), ("HostPort", "1".into())]));
        assert_eq!([binding("::"), binding("127.0.0.1")], ["[::]:1", "127.0.0.1:1"]);
    }
}
