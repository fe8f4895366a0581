//! `outcrop rename`.

use std::process::ExitCode;

use clap::Args;

use super::each::of_container;
use super::{Failure, Session};
use crate::report::filter;

/// Give a container another name
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop rename sleepy_turing web")]
pub(crate) struct Rename {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Its new name
    #[arg(value_name = "NEW_NAME")]
    name: String,
}

impl Rename {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.container.trim().is_empty() || self.name.trim().is_empty() {
            return Err(Failure::new("Error: Neither old nor new names may be empty"));
        }
        let path = format!("{}/rename", of_container(self.container.trim())?);
        let path = filter::query(&path, &[("name", Some(self.name.trim()))]);
        match session.connect().await?.post(&path).await {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(Failure::new(format!(
                "{}\nError: failed to rename container named {}",
                Failure::from(error).message(),
                self.container.trim()
            ))),
        }
    }
}
