//! `outcrop login` and `outcrop logout`.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::credentials::{HUB, Login as Known, Store};
use super::{Failure, Session};
use crate::report::safe;

/// The longest password, in bytes.
const LONGEST: u64 = 64 << 10;

/// Remember a user and password for a registry, once it accepts them
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop login
  outcrop login -u me --password-stdin localhost:5000 < password")]
pub(crate) struct Login {
    /// The registry; Docker Hub unless there is one
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// User; asked for otherwise
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Password or token; everybody on this machine can see it while the command runs
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

impl Login {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let key = key(self.server.as_deref());
        let store = Store::of(session)?;
        if self.password_stdin && self.username.is_none() {
            return Err(Failure::new("Must provide --username with --password-stdin"));
        }
        if self.password.is_some() {
            safe::say("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        }
        let user = match self.username {
            Some(user) => user,
            None => ask("Username: ", false)?,
        };
        let password = match self.password {
            Some(password) => password,
            None if self.password_stdin => from_stdin()?,
            None => ask("Password: ", true)?,
        };
        if user.is_empty() || password.is_empty() {
            return Err(Failure::new("a user and a password are needed"));
        }
        let connection = session.connect().await?;
        let body = serde_json::json!({"username": user, "password": password, "serveraddress": key});
        let answer = connection.call(Method::POST, "/auth", Some(body)).await?;
        let token = answer.text("IdentityToken").to_owned();
        let known = Known { username: user, password, identity_token: token };
        if let Some(file) = store.put(&key, &known)? {
            safe::say(&format!(
                "WARNING! Your password is stored unencrypted in {}. A credential helper (credsStore there) would keep it better.",
                file.display()
            ));
        }
        safe::print(&format!("{}\n", answer.text("Status")))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Forget the user and password for a registry
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop logout localhost:5000")]
pub(crate) struct Logout {
    /// The registry; Docker Hub unless there is one
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Logout {
    pub(crate) fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let key = key(self.server.as_deref());
        if Store::of(session)?.forget(&key)? {
            safe::print(&format!("Removing login credentials for {key}\n"))?;
        } else {
            safe::print(&format!("Not logged in to {key}\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a registry is called where credentials are kept: its host, but an address for Docker Hub.
fn key(server: Option<&str>) -> String {
    let server = server.unwrap_or("docker.io");
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    if ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&host) { HUB.into() } else { host.into() }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("cannot read the password: {error}")))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks at the terminal; what is `secret` is not shown.
fn ask(prompt: &str, secret: bool) -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(
            "Cannot perform an interactive login from a non TTY device: give -u and --password-stdin",
        ));
    }
    let failed = |error: io::Error| Failure::new(format!("cannot ask: {error}"));
    let _ = write!(io::stderr(), "{prompt}");
    let before = tcgetattr(&stdin).map_err(|error| failed(error.into()))?;
    if secret {
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|error| failed(error.into()))?;
    }
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    if secret {
        let _ = tcsetattr(&stdin, OptionalActions::Now, &before);
        let _ = writeln!(io::stderr());
    }
    read.map_err(failed)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_called_as_docker_calls_them() {
        for (server, want) in [
            (None, HUB),
            (Some("docker.io"), HUB),
            (Some(HUB), HUB),
            (Some("https://quay.io/v2/"), "quay.io"),
            (Some("localhost:5000"), "localhost:5000"),
        ] {
            assert_eq!(key(server), want);
        }
    }
}
