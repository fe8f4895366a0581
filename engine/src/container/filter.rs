//! Which containers a list shows: its filters.

use std::path::Path;

use super::error::{ContainerError, Result};
use super::port;
use super::record::{Directory, Record};
use crate::filters::{Filters, fits};

/// Names of filters that lists know.
const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "health",
    "id",
    "is-task",
    "label",
    "name",
    "network",
    "publish",
    "expose",
    "since",
    "status",
    "volume",
    "isolation",
];

/// Refuses filters that are none, and values that no container can have.
pub(super) fn check(filters: &Filters) -> Result<()> {
    filters.accept(FILTERS).map_err(|error| ContainerError::Invalid(error.to_string()))?;
    let states = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
    let healths = ["none", "starting", "healthy", "unhealthy"];
    for (filter, known) in [("status", &states[..]), ("health", &healths[..])] {
        if let Some(value) = filters.get(filter).find(|value| !known.contains(value)) {
            return Err(ContainerError::Invalid(format!("invalid filter '{filter}={value}'")));
        }
    }
    match filters.get("exited").find(|value| value.parse::<i32>().is_err()) {
        Some(value) => Err(ContainerError::Invalid(format!("invalid filter 'exited={value}': it is no number"))),
        None => Ok(()),
    }
}

/// Whether a container fits all filters but those of ports; `before` and `since` are the times they name.
pub(super) fn matches(record: &Record, filters: &Filters, (before, since): &(Option<String>, Option<String>)) -> bool {
    let name = record.plain_name();
    // With the slash before it, as it is kept, or without.
    let named = |wanted: &str| fits(wanted, name) || fits(wanted, &record.name);
    let image = |wanted: &str| {
        let hex = record.image.trim_start_matches("sha256:");
        record.config.image == wanted
            || record.config.image == format!("{wanted}:latest")
            || record.image == wanted
            || (wanted.len() >= 4 && hex.starts_with(wanted))
    };
    let volume = |wanted: &str| {
        record
            .mount_points
            .values()
            .any(|point| point.name == wanted || point.destination == wanted || point.source == wanted)
    };
    let exited = |wanted: &str| {
        wanted.parse() == Ok(record.state.exit_code) && !record.state.running && record.state.status() == "exited"
    };
    let health = record.state.health.as_ref().map_or("none", |health| &health.status);
    let any = |filter: &str, fits: &dyn Fn(&str) -> bool| !filters.has(filter) || filters.get(filter).any(fits);
    let labels = record.config.labels.clone().unwrap_or_default();
    any("id", &|wanted| record.id.starts_with(wanted))
        && any("name", &named)
        && any("status", &|wanted| record.state.status() == wanted)
        && any("exited", &exited)
        && any("ancestor", &image)
        && any("volume", &volume)
        && any("health", &|wanted| health == wanted)
        && any("network", &|wanted| record.network_settings["Networks"].get(wanted).is_some())
        && any("is-task", &|wanted| wanted == "false" || wanted == "0")
        && filters.labels_match("label", &labels)
        && before.as_ref().is_none_or(|time| record.created < *time)
        && since.as_ref().is_none_or(|time| record.created > *time)
}

/// The ports that a list is filtered by: those that containers have, published or exposed.
#[derive(Default)]
pub(super) struct Ports {
    publish: Vec<PortRange>,
    expose: Vec<PortRange>,
}

struct PortRange {
    first: u16,
    last: u16,
    protocol: String,
}

impl Ports {
    /// Those of `publish` and `expose`: `80`, `80/udp`, `80-90/tcp`.
    pub(super) fn of(filters: &Filters) -> Result<Self> {
        let all = |name: &str| {
            let wrong = |value: &str| {
                ContainerError::Invalid(format!("invalid filter '{name}={value}': write 80, 80/udp or 80-90/tcp"))
            };
            filters.get(name).map(|value| PortRange::parse(value).ok_or_else(|| wrong(value))).collect::<Result<_>>()
        };
        Ok(Self { publish: all("publish")?, expose: all("expose")? })
    }

    /// Whether a container has one of each.
    pub(super) fn match_those_of(&self, root: &Path, record: &Record) -> bool {
        let any = |wanted: &[PortRange], port: &str| wanted.iter().any(|range| range.holds(port));
        let exposed = || record.config.exposed_ports.iter().flatten().any(|(port, _)| any(&self.expose, port));
        let published = || {
            let host = Directory::of(root, &record.id).host_config().unwrap_or_default();
            host.port_bindings.iter().flatten().any(|(port, _)| any(&self.publish, port))
        };
        (self.expose.is_empty() || exposed()) && (self.publish.is_empty() || published())
    }
}

impl PortRange {
    fn parse(text: &str) -> Option<Self> {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then(|| Self { first, last, protocol: protocol.to_ascii_lowercase() })
    }

    fn holds(&self, port: &str) -> bool {
        let (number, protocol) = port::parse(port);
        (self.first..=self.last).contains(&number) && protocol == self.protocol
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_by_regular_expressions() {
        let record = Record { name: "/web1".into(), ..Record::new("x") };
        for (pattern, fits) in [
            ("web", true),
            ("^web1$", true),
            ("^/web", true),
            ("w[a-e]b", true),
            ("web(2|3)", false),
            ("^eb", false),
            ("[", false),
        ] {
            let filters = Filters::default().with("name", pattern);
            assert_eq!(matches(&record, &filters, &(None, None)), fits, "{pattern}");
        }
    }

    #[test]
    fn ports_by_number_and_range() {
        let mut record = Record::new("x");
        record.config.exposed_ports = Some(BTreeMap::from([("77/tcp".into(), serde_json::json!({}))]));
        for (wanted, fits) in [("77", true), ("70-80/tcp", true), ("77/udp", false), ("78", false)] {
            let ports = Ports::of(&Filters::default().with("expose", wanted)).expect("ports");
            assert_eq!(ports.match_those_of(Path::new("/nowhere"), &record), fits, "{wanted}");
        }
        for bad in ["x", "9-1", "", "70000"] {
            let read = Ports::of(&Filters::default().with("publish", bad));
            assert!(read.is_err(), "{bad}");
        }
        let ports = Ports::of(&Filters::default().with("publish", "77")).expect("ports");
        assert!(!ports.match_those_of(Path::new("/nowhere"), &record), "exposed only");
    }
}
