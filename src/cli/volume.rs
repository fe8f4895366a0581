//! Docker's `volume` commands, and outcrop's own.

mod create;
mod ls;
mod rm;

use std::process::ExitCode;

use clap::Subcommand;

use super::inspect::InspectVolume;
use super::prune::Volumes as Prune;
use super::{Failure, Session};

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Volume {
    /// Create a volume
    Create(create::Create),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    /// Show everything about volumes
    Inspect(InspectVolume),
    /// Remove volumes and what is in them
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
    /// Remove volumes that no container uses
    Prune(Prune),
}

impl Volume {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match self {
            Self::Create(it) => it.run(session).await,
            Self::Ls(it) => it.run(session).await,
            Self::Inspect(it) => it.run(session).await,
            Self::Rm(it) => it.run(session).await,
            Self::Prune(it) => it.run(session).await,
        }
    }
}
