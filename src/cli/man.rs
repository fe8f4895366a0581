//! `outcrop man`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, description};

/// Write manual pages, one for each command
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop man /usr/local/share/man/man1
  outcrop man . && man ./outcrop.1")]
pub(crate) struct Man {
    /// Where to
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        std::fs::create_dir_all(&self.directory).map_err(|error| Failure::io("make", &self.directory, &error))?;
        clap_mangen::generate_to(description(), &self.directory)
            .map_err(|error| Failure::io("write pages to", &self.directory, &error))?;
        Ok(ExitCode::SUCCESS)
    }
}
