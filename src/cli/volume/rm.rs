//! `outcrop volume rm`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;

use crate::cli::each::each;
use crate::cli::{Failure, Session};
use crate::connect::in_path;
use crate::report::{filter, safe};

/// Remove volumes and what is in them; one that a container uses stays
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume rm data
  outcrop volume rm $(outcrop volume ls -q --filter dangling=true)")]
pub(crate) struct Rm {
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
    /// One that is not there is no error
    #[arg(short, long)]
    force: bool,
}

impl Rm {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let connection = &session.connect().await?;
        each(&self.volumes, async |name| {
            let path = filter::query(&format!("/volumes/{}", in_path(name)), &[("force", filter::flag(self.force))]);
            connection.call(Method::DELETE, &path, None).await?;
            safe::print(&format!("{name}\n"))?;
            Ok(())
        })
        .await
    }
}
