//! `outcrop top`.

use std::process::ExitCode;

use clap::Args;

use super::each::of_container;
use super::{Failure, Session};
use crate::report::value::Value;
use crate::report::{filter, safe, table};

/// Narrowest column and the room after a cell, as docker's.
const WIDTHS: (usize, usize) = (20, 3);

/// List the processes of a container
#[derive(Args)]
#[command(override_usage = "outcrop top CONTAINER [PS OPTIONS]")]
#[command(after_help = "Examples:
  outcrop top web
  outcrop top web -o pid,rss,args")]
pub(crate) struct Top {
    /// Name or ID, and options of ps
    #[arg(required = true, trailing_var_arg = true, value_names = ["CONTAINER", "PS OPTION"])]
    words: Vec<String>,
}

impl Top {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let options = self.words[1..].join(" ");
        let options = Some(options.as_str()).filter(|options| !options.is_empty());
        let path = filter::query(&format!("{}/top", of_container(&self.words[0])?), &[("ps_args", options)]);
        let processes = session.connect().await?.get(&path).await?;
        let line = |cells: &[Value]| {
            let cells: Vec<_> = cells.iter().map(|cell| safe::word(&cell.to_string()).into_owned()).collect();
            cells.join("\t") + "\n"
        };
        let mut text = line(processes.list("Titles"));
        for process in processes.list("Processes") {
            if let Value::List(cells) = process {
                text += &line(cells);
            }
        }
        safe::print(&table::align_with(&text, WIDTHS.0, WIDTHS.1))?;
        Ok(ExitCode::SUCCESS)
    }
}
