//! `outcrop stats`.

mod row;

use std::process::ExitCode;

use clap::Args;
use futures_util::future::join_all;

use super::each::of_container;
use super::{Failure, Session};
use crate::connect::Connection;
use crate::report::format::Columns;
use crate::report::safe;
use crate::report::value::Value;

/// Show what containers use: CPU, memory, network, disk, processes
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop stats
  outcrop stats --no-stream --format '{{.Name}} {{.CPUPerc}}' web")]
pub(crate) struct Stats {
    /// Names or IDs; all that run, if none is given
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Also those that do not run
    #[arg(short, long)]
    all: bool,
    /// Print with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    format: String,
    /// Once, not again and again
    #[arg(long)]
    no_stream: bool,
    /// Show everything whole
    #[arg(long)]
    no_trunc: bool,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("BlockIO", "BLOCK I/O"),
        ("CPUPerc", "CPU %"),
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("MemPerc", "MEM %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("Name", "NAME"),
        ("NetIO", "NET I/O"),
        ("PIDs", "PIDS"),
    ],
    table: &["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
};

impl Stats {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let connection = session.connect().await?;
        loop {
            let once = async {
                let names = self.names(&connection).await?;
                let rows = join_all(names.iter().map(|name| self.row(&connection, name))).await;
                rows.into_iter().collect::<Result<Vec<_>, _>>()
            };
            let rows = tokio::select! {
                rows = once => rows?,
                _ = tokio::signal::ctrl_c() => return Err(Failure::silent(130)),
            };
            let text = COLUMNS.render(&self.format, rows.into_iter().flatten().collect())?;
            if self.no_stream {
                safe::print_raw(&text)?;
                return Ok(ExitCode::SUCCESS);
            }
            // On a terminal the new numbers take the place of the old ones.
            let before = if safe::on_terminal() { "\x1b[H\x1b[2J" } else { "" };
            safe::print_raw(&format!("{before}{text}"))?;
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }

    /// The containers to show.
    async fn names(&self, connection: &Connection) -> Result<Vec<String>, Failure> {
        if !self.containers.is_empty() {
            return Ok(self.containers.clone());
        }
        let all = if self.all { "/containers/json?all=1" } else { "/containers/json" };
        let containers = connection.get(all).await?;
        let Value::List(containers) = containers else { return Ok(Vec::new()) };
        Ok(containers.iter().map(|container| container.text("Id").to_owned()).collect())
    }

    /// One row. A container that was not named and has gone meanwhile has none.
    async fn row(&self, connection: &Connection, name: &str) -> Result<Option<Value>, Failure> {
        let path = format!("{}/stats?stream=false", of_container(name)?);
        match connection.get(&path).await {
            Ok(stats) => Ok(Some(row::row(&stats, name, !self.no_trunc))),
            Err(_) if self.containers.is_empty() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
