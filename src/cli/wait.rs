//! `outcrop wait`, and waiting for a container's end.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use hyper::body::Incoming;

use super::each::each;
use super::{Failure, Session};
use crate::connect::{Connection, Payload, in_path, read};
use crate::report::{filter, safe};

/// Wait until containers end, and print their exit codes
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop wait job
  outcrop run -d --name job app1 make && test \"$(outcrop wait job)\" = 0")]
pub(crate) struct Wait {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Wait {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let connection = &session.connect().await?;
        each(&self.containers, async |name| {
            let exit = Exit::of(connection, &in_path(name), "").await?;
            let code = exit.status().await?;
            safe::print(&format!("{code}\n"))?;
            Ok(())
        })
        .await
    }
}

/// The end of a container, to be waited for: asked for before it can come.
pub(super) struct Exit(hyper::Response<Incoming>);

impl Exit {
    /// Asks for it. `condition` is `next-exit`, `removed` or nothing for: not running.
    pub(super) async fn of(connection: &Connection, id: &str, condition: &str) -> Result<Self, Failure> {
        let condition = Some(condition).filter(|condition| !condition.is_empty());
        let path = filter::query(&format!("/containers/{id}/wait"), &[("condition", condition)]);
        Ok(Self(connection.request(Method::POST, &path, Payload::None).await?))
    }

    /// Waits, and gives the exit code.
    pub(super) async fn status(self) -> Result<i64, Failure> {
        let answer = read(self.0).await?;
        let error = answer.get("Error").map(|error| error.text("Message")).unwrap_or_default();
        if !error.is_empty() {
            return Err(Failure::with_code(error, 125));
        }
        answer
            .number("StatusCode")
            .ok_or_else(|| Failure::with_code("the engine did not tell how the container ended", 125))
    }

    /// The same, as a program ends.
    pub(super) async fn code(self) -> Result<u8, Failure> {
        Ok(self.status().await?.rem_euclid(256) as u8)
    }
}
