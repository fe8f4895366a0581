//! `outcrop ps`.

mod ports;
mod row;

use std::process::ExitCode;

use clap::Args;

pub(super) use row::labels;

use super::{Failure, Session};
use crate::report::format::Columns;
use crate::report::value::Value;
use crate::report::{filter, safe, units};

/// List containers
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop ps -a
  outcrop ps -q --filter status=exited --filter label=job
  outcrop ps --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}'
  outcrop ps -as --no-trunc")]
pub(crate) struct Ps {
    /// Also those that do not run
    #[arg(short, long)]
    all: bool,
    /// Only containers like this: id=, name=, label=, status=, exited=, ancestor=, before=, since=, volume=, network=, publish=,
    /// expose=, health=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    format: String,
    /// The newest so many, in any state
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    last: i64,
    /// The newest one, in any state
    #[arg(short, long)]
    latest: bool,
    /// Show everything whole
    #[arg(long)]
    no_trunc: bool,
    /// Only IDs
    #[arg(short, long)]
    quiet: bool,
    /// Sizes: of the writable layer, and with the image's
    #[arg(short, long)]
    size: bool,
}

const TABLE: [&str; 7] = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
const TABLE_WITH_SIZE: [&str; 8] = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names", "Size"];
const COLUMNS: Columns = Columns {
    all: &[
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Labels", "LABELS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Mounts", "MOUNTS"),
        ("Names", "NAMES"),
        ("Networks", "NETWORKS"),
        ("Platform", "PLATFORM"),
        ("Ports", "PORTS"),
        ("RunningFor", "CREATED"),
        ("Size", "SIZE"),
        ("State", "STATE"),
        ("Status", "STATUS"),
    ],
    table: &TABLE,
};

impl Ps {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let filters = filter::json(&self.filter).map_err(Failure::usage)?;
        let last = if self.latest { 1 } else { self.last };
        let limit = Some(last.to_string()).filter(|_| last > 0);
        let size = self.size || self.format.contains(".Size");
        let parameters = [
            ("all", filter::flag(self.all)),
            ("limit", limit.as_deref()),
            ("size", filter::flag(size)),
            ("filters", filters.as_deref()),
        ];
        let containers = session.connect().await?.get(&filter::query("/containers/json", &parameters)).await?;
        let Value::List(containers) = containers else {
            return Err(Failure::new("the engine sent no list of containers"));
        };
        let now = units::now();
        let rows = containers.iter().map(|container| row::row(container, !self.no_trunc, now)).collect();
        let text = if self.quiet && (self.format.is_empty() || self.format == "table") {
            COLUMNS.render("{{.ID}}", rows)?
        } else if self.size {
            COLUMNS.render_table(&self.format, &TABLE_WITH_SIZE, rows)?
        } else {
            COLUMNS.render(&self.format, rows)?
        };
        safe::print_raw(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
