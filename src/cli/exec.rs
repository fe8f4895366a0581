//! `outcrop exec`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use hyper::Method;
use serde_json::json;

use super::detach_keys::DetachKeys;
use super::each::of_container;
use super::options::environment;
use super::streams::{End, Streams};
use super::{Failure, Session, tty};
use crate::report::safe;

/// Run another command in a running container
#[derive(Args)]
#[command(override_usage = "outcrop exec [OPTIONS] CONTAINER COMMAND [ARG...]")]
#[command(after_help = "Examples:
  outcrop exec web ls -l /data
  outcrop exec -it web sh
  tar c . | outcrop exec -i web tar x -C /data

Exit codes: 126 the command cannot be run, 127 it is not there, else the command's own.")]
pub(crate) struct Exec {
    /// Run it in the background
    #[arg(short, long)]
    detach: bool,
    /// Keys that leave it without ending it
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Set an environment variable: NAME=VALUE, or NAME to pass this one's on
    #[arg(short, long, value_name = "ENV")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Send it standard input
    #[arg(short, long)]
    interactive: bool,
    /// Give it all rights
    #[arg(long)]
    privileged: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// User, and group: NAME or UID, :GROUP or :GID
    #[arg(short, long, value_name = "USER", default_value = "", hide_default_value = true)]
    user: String,
    /// Folder in which it starts
    #[arg(short, long, value_name = "DIR", default_value = "", hide_default_value = true)]
    workdir: String,
    /// Name or ID, and the command with its arguments
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["CONTAINER", "COMMAND"])]
    words: Vec<String>,
}

impl Exec {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let variable = |name: &str| session.env.get(name).map(str::to_owned);
        let environment = environment(&self.env, &self.env_file, &variable)?;
        let keys = DetachKeys::parse(&self.detach_keys).map_err(Failure::new)?;
        let talks = !self.detach;
        let container = of_container(&self.words[0])?;
        let connection = Arc::new(session.connect().await?);
        if talks {
            tty::check(self.interactive, self.tty)?;
        }
        let size = if self.tty { tty::size() } else { None };
        let console = size.map(|(rows, columns)| json!([rows, columns]));
        let mut request = json!({
            "User": self.user, "Privileged": self.privileged, "Tty": self.tty, "Env": environment,
            "AttachStdin": talks && self.interactive, "AttachStdout": talks, "AttachStderr": talks,
            "WorkingDir": self.workdir, "Cmd": self.words[1..],
        });
        if !self.detach_keys.is_empty() {
            request["DetachKeys"] = self.detach_keys.as_str().into();
        }
        if let Some(console) = &console {
            request["ConsoleSize"] = console.clone();
        }
        let created = connection.call(Method::POST, &format!("{container}/exec"), Some(request)).await?;
        let id = created.text("Id");
        let begin = format!("/exec/{id}/start");
        let mut how = json!({"Detach": self.detach, "Tty": self.tty});
        if let Some(console) = console {
            how["ConsoleSize"] = console;
        }
        if self.detach {
            connection.call(Method::POST, &begin, Some(how)).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let hijacked = connection.hijack(&begin, Some(how)).await?;
        let streams = Streams { stdin: self.interactive, tty: self.tty, keys, resize: format!("/exec/{id}/resize") };
        if streams.talk(&connection, hijacked).await? == End::Detached {
            safe::say("read escape sequence");
            return Ok(ExitCode::SUCCESS);
        }
        let about = connection.get(&format!("/exec/{id}/json")).await?;
        Ok(ExitCode::from(about.number("ExitCode").unwrap_or(0).rem_euclid(256) as u8))
    }
}
