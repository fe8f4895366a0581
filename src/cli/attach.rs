//! `outcrop attach`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::detach_keys::DetachKeys;
use super::each::of_container;
use super::run::Attached;
use super::signals::{self, unless_enough};
use super::streams::{End, Streams};
use super::wait::Exit;
use super::{Failure, Session, tty};
use crate::report::safe;
use crate::report::value::Value;

/// Talk to a running container: its input, output and errors become this terminal's
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop attach shell
  outcrop attach --no-stdin web")]
pub(crate) struct Attach {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Keys that leave it without ending it
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Do not send it standard input
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
}

impl Attach {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let keys = DetachKeys::parse(&self.detach_keys).map_err(Failure::new)?;
        let connection = Arc::new(session.connect().await?);
        let about = connection.get(&format!("{}/json", of_container(&self.container)?)).await?;
        check_running(about.get("State").unwrap_or(&Value::Null))?;
        let config = about.get("Config").cloned().unwrap_or_default();
        let terminal = config.is("Tty");
        let stdin = !self.no_stdin && config.is("OpenStdin");
        tty::check(stdin, terminal)?;
        let id = about.text("Id");
        let attached = Attached {
            stdin,
            stdout: true,
            stderr: true,
            tty: terminal,
            keys,
            keys_text: &self.detach_keys,
            sig_proxy: self.sig_proxy,
            auto_remove: false,
        };
        let exit = Exit::of(&connection, id, "").await?;
        let hijacked = connection.hijack(&attached.path(id), None).await?;
        let passing_on = (self.sig_proxy && !terminal).then(|| signals::pass_on(&connection, id));
        let resize = format!("/containers/{id}/resize");
        let streams = Streams { stdin, tty: terminal, keys: attached.keys, resize };
        unless_enough(passing_on.as_ref(), async {
            if streams.talk(&connection, hijacked).await? == End::Detached {
                safe::say("read escape sequence");
                return Ok(ExitCode::SUCCESS);
            }
            exit.code().await.map(ExitCode::from)
        })
        .await
    }
}

fn check_running(state: &Value) -> Result<(), Failure> {
    let why = match () {
        () if !state.is("Running") => "stopped container, start it first",
        () if state.is("Paused") => "paused container, unpause it first",
        () if state.is("Restarting") => "restarting container, wait until it is running",
        () => return Ok(()),
    };
    Err(Failure::new(format!("You cannot attach to a {why}")))
}
