//! `outcrop pause` and `outcrop unpause`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;

use super::each::each_container;
use super::{Failure, Session};

/// Freeze all processes of containers
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop pause web")]
pub(crate) struct Pause {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Let the processes of frozen containers go on
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop unpause web")]
pub(crate) struct Unpause {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Pause {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        each_container(session, &self.containers, Method::POST, "/pause", &[]).await
    }
}

impl Unpause {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        each_container(session, &self.containers, Method::POST, "/unpause", &[]).await
    }
}
