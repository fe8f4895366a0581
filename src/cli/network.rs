//! Docker's `network` commands, as far as they look at networks.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::images::id;
use super::inspect::InspectNetwork;
use super::ps::labels;
use super::{Failure, Session};
use crate::report::format::Columns;
use crate::report::value::Value;
use crate::report::{filter, safe};

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Network {
    /// List networks
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show everything about networks
    Inspect(InspectNetwork),
}

/// List networks
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop network ls
  outcrop network ls --filter driver=host -q")]
pub(crate) struct Ls {
    /// Only networks like this: driver=, id=, label=, name=, scope=, type=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    format: String,
    /// Show whole IDs
    #[arg(long)]
    no_trunc: bool,
    /// Only IDs
    #[arg(short, long)]
    quiet: bool,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("CreatedAt", "CREATED AT"),
        ("Driver", "DRIVER"),
        ("ID", "NETWORK ID"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("Name", "NAME"),
        ("Scope", "SCOPE"),
    ],
    table: &["ID", "Name", "Driver", "Scope"],
};

impl Network {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match self {
            Self::Ls(it) => it.run(session).await,
            Self::Inspect(it) => it.run(session).await,
        }
    }
}

impl Ls {
    async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let filters = filter::json(&self.filter).map_err(Failure::usage)?;
        let path = filter::query("/networks", &[("filters", filters.as_deref())]);
        let networks = session.connect().await?.get(&path).await?;
        let Value::List(mut networks) = networks else {
            return Err(Failure::new("the engine sent no list of networks"));
        };
        networks.sort_by(|a, b| a.text("Name").cmp(b.text("Name")));
        let rows = networks.iter().map(|network| row(network, !self.no_trunc)).collect();
        let quiet = self.quiet && (self.format.is_empty() || self.format == "table");
        safe::print_raw(&COLUMNS.render(if quiet { "{{.ID}}" } else { &self.format }, rows)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(network: &Value, short: bool) -> Value {
    let flag = |field: &str| Value::from(network.is(field).to_string());
    Value::object([
        ("CreatedAt", created_at(network.text("Created")).into()),
        ("Driver", network.text("Driver").into()),
        ("ID", id(network.text("Id"), short).into()),
        ("IPv4", flag("EnableIPv4")),
        ("IPv6", flag("EnableIPv6")),
        ("Internal", flag("Internal")),
        ("Labels", labels(network.map("Labels")).into()),
        ("Name", network.text("Name").into()),
        ("Scope", network.text("Scope").into()),
    ])
}

/// A moment as Go prints it, without zeros at the end of its fraction.
fn created_at(text: &str) -> String {
    let Ok(time) = text.parse::<jiff::Timestamp>() else { return text.to_owned() };
    let zoned = jiff::ZonedDateTime::new(time, jiff::tz::TimeZone::system());
    let fraction = format!("{:09}", time.subsec_nanosecond());
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{}{dot}{fraction} {}", zoned.strftime("%Y-%m-%d %H:%M:%S"), zoned.strftime("%z %Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_times_as_go() {
        assert!(created_at("2026-11-28T09:21:07.5623569Z").contains(":07.5623569 +"));
        assert!(created_at("2026-11-28T09:21:07Z").contains(":07 +"));
        assert_eq!(created_at("never"), "never");
    }
}
