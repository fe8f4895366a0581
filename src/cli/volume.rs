//! Docker's `volume` commands, and outcrop's own.

mod backup;
mod clone;
mod cp;
mod create;
mod ls;
mod rm;
mod tree;

use std::process::ExitCode;

use clap::Subcommand;

use super::inspect::InspectVolume;
use super::prune::Volumes as Prune;
use super::{Failure, Session};
use crate::connect::in_path;

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
    /// Copy files between a volume and this machine (outcrop's engine)
    Cp(cp::Cp),
    /// Make a new volume with the content of another (outcrop's engine)
    Clone(clone::Clone),
    /// Write a volume's content to an archive (outcrop's engine)
    Backup(backup::Backup),
    /// Make a new volume of an archive (outcrop's engine)
    Restore(backup::Restore),
    /// Show what is in a volume (outcrop's engine)
    Tree(tree::Tree),
}

impl Volume {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match self {
            Self::Create(it) => it.run(session).await,
            Self::Ls(it) => it.run(session).await,
            Self::Inspect(it) => it.run(session).await,
            Self::Rm(it) => it.run(session).await,
            Self::Prune(it) => it.run(session).await,
            Self::Cp(it) => it.run(session).await,
            Self::Clone(it) => it.run(session).await,
            Self::Backup(it) => it.run(session).await,
            Self::Restore(it) => it.run(session).await,
            Self::Tree(it) => it.run(session).await,
        }
    }
}

/// `/outcrop/volumes/NAME`.
fn of_volume(name: &str) -> Result<String, Failure> {
    if name.is_empty() {
        return Err(Failure::new("the name of a volume is missing"));
    }
    Ok(format!("/outcrop/volumes/{}", in_path(name)))
}
