//! `outcrop rm`.

use std::process::ExitCode;

use bollard::errors::Error as Client;
use clap::Args;
use hyper::Method;

use super::each::{each, of_container};
use super::{Failure, Session};
use crate::report::{filter, safe};

/// Remove containers: their writable layers go, volumes with a name stay
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop rm job
  outcrop rm -f web
  outcrop rm -v $(outcrop ps -aq)")]
pub(crate) struct Rm {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Also when it runs: it is killed
    #[arg(short, long)]
    force: bool,
    /// Remove the link of this name, not a container
    #[arg(short, long)]
    link: bool,
    /// Its anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
}

impl Rm {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let connection = &session.connect().await?;
        let parameters =
            [("v", filter::flag(self.volumes)), ("link", filter::flag(self.link)), ("force", filter::flag(self.force))];
        each(&self.containers, async |name| {
            let path = filter::query(&of_container(name)?, &parameters);
            match connection.call(Method::DELETE, &path, None).await {
                // What is not there need not be removed, says -f.
                Err(error @ Client::DockerResponseServerError { status_code: 404, .. }) if self.force => {
                    safe::say(Failure::from(error).message());
                    return Ok(());
                }
                done => done?,
            };
            safe::print(&format!("{name}\n"))?;
            Ok(())
        })
        .await
    }
}
