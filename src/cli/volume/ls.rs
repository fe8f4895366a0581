//! `outcrop volume ls`.

use std::process::ExitCode;

use clap::Args;

use crate::cli::port::natural;
use crate::cli::ps::labels;
use crate::cli::{Failure, Session};
use crate::report::format::Columns;
use crate::report::value::Value;
use crate::report::{filter, safe, units};

/// List volumes
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume ls
  outcrop volume ls -q --filter dangling=true
  outcrop volume ls --format '{{.Name}} {{.Labels}}'")]
pub(crate) struct Ls {
    /// Only volumes like this: dangling=, driver=, label=, name=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    format: String,
    /// Only names
    #[arg(short, long)]
    quiet: bool,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Availability", "AVAILABILITY"),
        ("Driver", "DRIVER"),
        ("Group", "GROUP"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Name", "VOLUME NAME"),
        ("Scope", "SCOPE"),
        ("Size", "SIZE"),
        ("Status", "STATUS"),
    ],
    table: &["Driver", "Name"],
};

impl Ls {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let filters = filter::json(&self.filter).map_err(Failure::usage)?;
        let path = filter::query("/volumes", &[("filters", filters.as_deref())]);
        let answer = session.connect().await?.get(&path).await?;
        for warning in answer.list("Warnings") {
            safe::say(&format!("WARNING: {warning}"));
        }
        let mut volumes: Vec<&Value> = answer.list("Volumes").iter().collect();
        volumes.sort_by_key(|volume| natural(volume.text("Name")));
        let rows = volumes.into_iter().map(row).collect();
        let quiet = self.quiet && (self.format.is_empty() || self.format == "table");
        safe::print_raw(&COLUMNS.render(if quiet { "{{.Name}}" } else { &self.format }, rows)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(volume: &Value) -> Value {
    let usage = |field: &str, shown: fn(f64) -> String| {
        let number = volume.at(&format!("UsageData.{field}"));
        if *number == Value::Null { "N/A".to_owned() } else { shown(volume.float(&format!("UsageData.{field}"))) }
    };
    let not_here = || Value::from("N/A");
    Value::object([
        ("Availability", not_here()),
        ("Driver", volume.text("Driver").into()),
        ("Group", not_here()),
        ("Labels", labels(volume.map("Labels")).into()),
        ("Links", usage("RefCount", |links| links.to_string()).into()),
        ("Mountpoint", volume.text("Mountpoint").into()),
        ("Name", volume.text("Name").into()),
        ("Scope", volume.text("Scope").into()),
        ("Size", usage("Size", units::human_size).into()),
        ("Status", not_here()),
    ])
}
