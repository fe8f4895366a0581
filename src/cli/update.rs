//! `outcrop update`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use serde_json::Map;

use super::each::{each, of_container};
use super::options::{Limits, restart_policy};
use super::{Failure, Session};
use crate::report::safe;

/// Change limits and the restart policy of containers, running or not
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop update --cpus 1.5 -m 512m web
  outcrop update --restart unless-stopped web")]
pub(crate) struct Update {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    #[command(flatten)]
    limits: Limits,
    /// Start it again when it ends: no, always, unless-stopped, on-failure, on-failure:TIMES
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
}

impl Update {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut request = Map::new();
        self.limits.apply(&mut request)?;
        if let Some(text) = &self.restart {
            request.insert("RestartPolicy".into(), restart_policy(text).map_err(Failure::new)?);
        }
        if request.is_empty() {
            return Err(Failure::new("you must provide one or more flags when using this command"));
        }
        let connection = &session.connect().await?;
        let mut warnings = Vec::new();
        let done = each(&self.containers, async |name| {
            let path = format!("{}/update", of_container(name)?);
            let answer = connection.call(Method::POST, &path, Some(request.clone().into())).await?;
            warnings.extend(answer.list("Warnings").iter().map(ToString::to_string));
            safe::print(&format!("{name}\n"))?;
            Ok(())
        })
        .await;
        for warning in warnings {
            safe::say(&warning);
        }
        done
    }
}
