//! `outcrop rmi`.

use std::process::ExitCode;

use bollard::errors::Error as Client;
use bollard::query_parameters::RemoveImageOptionsBuilder;
use clap::Args;

use super::failure::explain;
use super::{Failure, Session};
use crate::connect::in_path;
use crate::report::safe;

/// Remove names of images, and images without one
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop rmi app1
  outcrop rmi -f 4c01d3fe2a17")]
pub(crate) struct Rmi {
    /// Names or IDs
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Also when it has several names, or a stopped container uses it
    #[arg(short, long)]
    force: bool,
    /// Keep images without a name that it was built from
    #[arg(long)]
    no_prune: bool,
}

impl Rmi {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let docker = session.connect().await?.docker;
        let mut errors = Vec::new();
        let mut missing_only = true;
        for image in &self.images {
            let options = RemoveImageOptionsBuilder::default().force(self.force).noprune(self.no_prune).build();
            match docker.remove_image(&in_path(image), Some(options), None).await {
                Ok(removed) => {
                    let mut text = String::new();
                    for item in removed {
                        text += &item.deleted.map(|id| format!("Deleted: {id}\n")).unwrap_or_default();
                        text += &item.untagged.map(|name| format!("Untagged: {name}\n")).unwrap_or_default();
                    }
                    safe::print(&text)?;
                }
                Err(error) => {
                    missing_only &= matches!(error, Client::DockerResponseServerError { status_code: 404, .. });
                    errors.push(explain(&error));
                }
            }
        }
        match errors.is_empty() {
            true => Ok(ExitCode::SUCCESS),
            // What is not there need not be removed, says -f.
            false if self.force && missing_only => {
                safe::say(&errors.join("\n"));
                Ok(ExitCode::SUCCESS)
            }
            false => Err(Failure::new(errors.join("\n"))),
        }
    }
}
