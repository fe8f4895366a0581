//! `outcrop stop` and `outcrop restart`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;

use super::each::each_container;
use super::{Failure, Session};

/// Stop containers: a signal first, SIGKILL when it is not heeded in time
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop stop web
  outcrop stop -t 1 -s INT web job")]
pub(crate) struct Stop {
    #[command(flatten)]
    how: How,
}

/// Stop containers and start them again
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop restart web
  outcrop restart -t 1 web job")]
pub(crate) struct Restart {
    #[command(flatten)]
    how: How,
}

/// Which containers, and how they are stopped.
#[derive(Args)]
struct How {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Signal to send first
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Seconds until SIGKILL; -1 waits for ever
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
}

impl How {
    async fn all(self, session: &Session, rest: &str) -> Result<ExitCode, Failure> {
        let seconds = self.timeout.map(|seconds| seconds.to_string());
        let parameters = [("signal", self.signal.as_deref()), ("t", seconds.as_deref())];
        each_container(session, &self.containers, Method::POST, rest, &parameters).await
    }
}

impl Stop {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        self.how.all(session, "/stop").await
    }
}

impl Restart {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        self.how.all(session, "/restart").await
    }
}
