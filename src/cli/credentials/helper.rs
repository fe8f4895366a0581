//! Credential helpers: `docker-credential-<name>`, which is told what to do and asked in JSON.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use super::{Failure, Login};

/// The user name that stands for a token.
const TOKEN: &str = "<token>";

/// A helper, found on the path.
pub(super) struct Helper<'a> {
    program: PathBuf,
    name: &'a str,
}

impl<'a> Helper<'a> {
    /// Finds `docker-credential-<name>`.
    pub(super) fn new(name: &'a str, search: &str) -> Result<Self, Failure> {
        let program = format!("docker-credential-{name}");
        if name.contains('/') {
            return Err(Failure::new(format!("{name:?} is no name of a credential helper")));
        }
        let found = std::env::split_paths(search).map(|directory| directory.join(&program)).find(|path| path.is_file());
        let missing = || {
            Failure::new(format!(
                "{program} is not there, but Docker's config.json names it: install it, or take it out"
            ))
        };
        Ok(Self { program: found.ok_or_else(missing)?, name })
    }

    /// Asks for a user; `None` if it knows none.
    pub(super) fn get(&self, key: &str) -> Result<Option<Login>, Failure> {
        let (well, text) = self.call("get", key)?;
        if !well {
            return if text.contains("credentials not found") { Ok(None) } else { Err(self.failed("get", &text)) };
        }
        let found: Value = serde_json::from_str(&text).map_err(|error| self.failed("get", &error.to_string()))?;
        let field = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (user, secret) = (field("Username"), field("Secret"));
        Ok(Some(if user == TOKEN {
            Login { identity_token: secret, ..Login::default() }
        } else {
            Login { username: user, password: secret, identity_token: String::new() }
        }))
    }

    /// The registries that it knows users of.
    pub(super) fn list(&self) -> Result<Vec<String>, Failure> {
        let (well, text) = self.call("list", "")?;
        let known = serde_json::from_str::<Map<String, Value>>(&text).ok().filter(|_| well);
        Ok(known.ok_or_else(|| self.failed("list", &text))?.into_iter().map(|(key, _)| key).collect())
    }

    /// Gives it a user to keep.
    pub(super) fn store(&self, key: &str, login: &Login) -> Result<(), Failure> {
        let (user, secret) = if login.identity_token.is_empty() {
            (login.username.as_str(), &login.password)
        } else {
            (TOKEN, &login.identity_token)
        };
        let input = json!({"ServerURL": key, "Username": user, "Secret": secret}).to_string();
        self.done("store", self.call("store", &input)?)
    }

    /// Lets it forget a user.
    pub(super) fn erase(&self, key: &str) -> Result<(), Failure> {
        self.done("erase", self.call("erase", key)?)
    }

    fn done(&self, what: &str, (well, text): (bool, String)) -> Result<(), Failure> {
        if well { Ok(()) } else { Err(self.failed(what, &text)) }
    }

    fn call(&self, what: &str, input: &str) -> Result<(bool, String), Failure> {
        let failed = |error: std::io::Error| self.failed(what, &error.to_string());
        let mut command = Command::new(&self.program);
        command.arg(what).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read says why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    }

    fn failed(&self, what: &str, why: &str) -> Failure {
        Failure::new(format!("docker-credential-{} {what}: {why}", self.name))
    }
}
