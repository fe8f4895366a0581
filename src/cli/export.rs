//! `outcrop export`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::each::of_container;
use super::save::to_file_or_output;
use super::{Failure, Session};
use crate::report::safe;

/// Write a container's whole file system to a tar
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop export -o web.tar web
  outcrop export web | tar t")]
pub(crate) struct Export {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.output.is_none() && safe::on_terminal() {
            return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
        }
        let path = format!("{}/export", of_container(&self.container)?);
        to_file_or_output(&session.connect().await?, &path, self.output.as_deref(), "export container").await
    }
}
