//! `outcrop volume clone`.

use std::process::ExitCode;

use clap::Args;

use super::of_volume;
use crate::cli::failure::own;
use crate::cli::{Failure, Session};
use crate::report::{filter, safe};

/// Make a new volume with the content and the labels of another
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume clone data data-before-upgrade")]
pub(crate) struct Clone {
    /// The volume that is copied
    #[arg(value_name = "VOLUME")]
    volume: String,
    /// Name of the new one
    #[arg(value_name = "NEW_VOLUME")]
    new: String,
}

impl Clone {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let path = filter::query(&format!("{}/clone", of_volume(&self.volume)?), &[("to", Some(self.new.as_str()))]);
        let volume = session.connect().await?.post(&path).await.map_err(own)?;
        safe::print(&format!("{}\n", volume.text("Name")))?;
        Ok(ExitCode::SUCCESS)
    }
}
