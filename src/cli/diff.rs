//! `outcrop diff`.

use std::process::ExitCode;

use clap::Args;

use super::each::of_container;
use super::{Failure, Session};
use crate::report::safe;
use crate::report::value::Value;

/// Show what a container has changed: A added, C changed, D deleted
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop diff web
  outcrop diff --detail web")]
pub(crate) struct Diff {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let changes = session.connect().await?.get(&format!("{}/changes", of_container(&self.container)?)).await?;
        let Value::List(changes) = changes else { return Ok(ExitCode::SUCCESS) };
        let line = |change: &Value| {
            let kind = match change.number("Kind") {
                Some(1) => 'A',
                Some(2) => 'D',
                _ => 'C',
            };
            format!("{kind} {}\n", safe::word_on_terminal(change.text("Path")))
        };
        safe::print_raw(&changes.iter().map(line).collect::<String>())?;
        Ok(ExitCode::SUCCESS)
    }
}
