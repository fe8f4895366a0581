//! `outcrop kill`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;

use super::each::each_container;
use super::{Failure, Session};

/// Send a signal to containers, SIGKILL unless another is named
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop kill job
  outcrop kill -s HUP web")]
pub(crate) struct Kill {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Signal, by name or number
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
}

impl Kill {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let signal = Some(self.signal.as_deref().unwrap_or("KILL"));
        each_container(session, &self.containers, Method::POST, "/kill", &[("signal", signal)]).await
    }
}
