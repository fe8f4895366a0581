//! `outcrop start`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::detach_keys::DetachKeys;
use super::each::of_container;
use super::run::Attached;
use super::{Failure, Session, tty};
use crate::report::safe;

/// Start containers that have been created or have ended
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop start web
  outcrop start -ai shell")]
pub(crate) struct Start {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Show its output, pass signals on, and end as it does
    #[arg(short, long)]
    attach: bool,
    /// Send it standard input
    #[arg(short, long)]
    interactive: bool,
    /// Keys that leave it without ending it
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Pass signals on to it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
}

impl Start {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.attach || self.interactive {
            return self.attached(session).await;
        }
        let connection = session.connect().await?;
        let mut failed = Vec::new();
        for name in &self.containers {
            let path = format!("{}/start", of_container(name)?);
            match connection.post(&path).await {
                Ok(_) => safe::print(&format!("{name}\n"))?,
                Err(error) => {
                    safe::say(Failure::from(error).message());
                    failed.push(name.as_str());
                }
            }
        }
        if failed.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        Err(Failure::new(format!("Error: failed to start containers: {}", failed.join(", "))))
    }

    async fn attached(self, session: &Session) -> Result<ExitCode, Failure> {
        let [name] = self.containers.as_slice() else {
            return Err(Failure::new("you cannot start and attach multiple containers at once"));
        };
        let keys = DetachKeys::parse(&self.detach_keys).map_err(Failure::new)?;
        let connection = Arc::new(session.connect().await?);
        let about = connection.get(&format!("{}/json", of_container(name)?)).await?;
        let config = about.get("Config").cloned().unwrap_or_default();
        let terminal = config.is("Tty");
        let stdin = self.interactive && config.is("OpenStdin");
        tty::check(stdin, terminal)?;
        let attached = Attached {
            stdin,
            stdout: true,
            stderr: true,
            tty: terminal,
            keys,
            keys_text: &self.detach_keys,
            sig_proxy: self.sig_proxy,
            auto_remove: about.get("HostConfig").is_some_and(|host| host.is("AutoRemove")),
        };
        attached.run(&connection, about.text("Id")).await
    }
}
