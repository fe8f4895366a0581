//! The options of `create` and `run`, read as docker's command line reads them, and the request that they make.

mod device;
mod env;
mod health;
mod limits;
mod namespaces;
mod network;
mod ports;
mod process;
mod restart;
mod security;
mod storage;
mod ulimit;

use std::path::Path;

use clap::Args;
use outcrop_engine::mount::Place;
use serde_json::{Map, Value, json};

use super::Failure;

pub(crate) use env::environment;
pub(crate) use limits::Limits;
pub(crate) use restart::policy as restart_policy;

/// All options that describe a container.
#[derive(Args)]
pub(crate) struct ContainerOptions {
    #[command(flatten)]
    process: process::Process,
    #[command(flatten)]
    storage: storage::Mounts,
    #[command(flatten)]
    network: network::Networking,
    #[command(flatten)]
    security: security::Rights,
    #[command(flatten)]
    namespaces: namespaces::Namespaces,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    more: limits::More,
    #[command(flatten)]
    health: health::Checks,
    #[command(flatten)]
    restart: restart::Ending,
}

/// What `POST /containers/create` is sent, and what of it decides how the container is attached to.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The container's configuration.
    pub(crate) config: Map<String, Value>,
    /// What concerns the host.
    pub(crate) host: Map<String, Value>,
    /// Settings of networks by name.
    pub(crate) endpoints: Map<String, Value>,
}

impl Body {
    /// The JSON that is sent.
    pub(crate) fn json(&self) -> Value {
        let mut all = self.config.clone();
        all.insert("HostConfig".into(), self.host.clone().into());
        all.insert("NetworkingConfig".into(), json!({"EndpointsConfig": self.endpoints}));
        all.into()
    }

    /// Whether a field of the configuration is true.
    pub(crate) fn is(&self, field: &str) -> bool {
        self.config.get(field) == Some(&Value::Bool(true))
    }
}

/// Sets a field, unless its value says nothing: empty, zero, false.
fn set(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    let value = value.into();
    let nothing = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    };
    if !nothing {
        map.insert(field.to_owned(), value);
    }
}

/// Docker's words for a flag whose value cannot be.
fn invalid(flag: &str, value: &str, why: impl std::fmt::Display) -> Failure {
    let value = outcrop_engine::mount::quote(value);
    Failure::usage(format!("invalid argument {value} for \"{flag}\" flag: {why}"))
}

/// A map of `key=value` texts; one without `=` has an empty value, the last of a key counts.
fn pairs<S: AsRef<str>>(texts: &[S]) -> Map<String, Value> {
    let pair = |text: &S| {
        let (key, value) = text.as_ref().split_once('=').unwrap_or((text.as_ref(), ""));
        (key.to_owned(), value.into())
    };
    texts.iter().map(pair).collect()
}

impl ContainerOptions {
    /// Whether the container goes when it ends.
    pub(crate) fn auto_remove(&self) -> bool {
        self.restart.rm
    }

    /// Whether `-a` was given.
    pub(crate) fn chose_streams(&self) -> bool {
        self.process.chose_streams()
    }

    /// Reads all options; `image` and `command` are what follows them, relative paths count from `cwd`.
    pub(crate) fn body(
        &self,
        image: &str,
        command: &[String],
        cwd: &Path,
        variable: env::Variables<'_>,
    ) -> Result<Body, Failure> {
        let mut body = Body::default();
        set(&mut body.config, "Image", image);
        set(&mut body.config, "Cmd", command);
        self.process.apply(&mut body, variable)?;
        self.storage.apply(&mut body, &Place { cwd, home: None })?;
        self.network.apply(&mut body)?;
        self.security.apply(&mut body)?;
        self.namespaces.apply(&mut body)?;
        self.limits.apply(&mut body.host)?;
        self.more.apply(&mut body)?;
        self.health.apply(&mut body)?;
        self.restart.apply(&mut body)?;
        Ok(body)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    /// A command that has nothing but the options.
    #[derive(Parser)]
    #[command(disable_help_flag = true, args_override_self = true)]
    struct Only {
        #[command(flatten)]
        options: ContainerOptions,
    }

    /// The request that a command line makes, or what is said against it.
    pub(crate) fn body(line: &[&str]) -> Result<Value, String> {
        let only = Only::try_parse_from(["x"].iter().chain(line)).map_err(|error| error.to_string())?;
        let variable = |name: &str| (name == "SET").then(|| "from outside".to_owned());
        let body = only.options.body("app", &[], Path::new("/work"), &variable);
        body.map(|body| body.json()).map_err(|failure| failure.message().to_owned())
    }

    /// Checks one field of the request, a JSON pointer.
    pub(crate) fn field(line: &[&str], pointer: &str) -> Value {
        let body = body(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        body.pointer(pointer).cloned().unwrap_or_default()
    }

    #[test]
    fn says_only_what_was_asked() {
        let expected = json!({
            "Image": "app", "AttachStdout": true, "AttachStderr": true,
            "HostConfig": {"NetworkMode": "default", "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
                "LogConfig": {"Type": "", "Config": {}}},
            "NetworkingConfig": {"EndpointsConfig": {}}
        });
        assert_eq!(body(&[]), Ok(expected));
    }

    #[test]
    fn the_last_of_a_repeated_option_counts_and_lists_grow() {
        let line = ["--user", "a", "--user", "b", "-e", "A=1", "-e", "B=2", "--privileged", "--privileged"];
        assert_eq!(field(&line, "/User"), "b");
        assert_eq!(field(&line, "/Env"), json!(["A=1", "B=2"]));
        assert_eq!(field(&line, "/HostConfig/Privileged"), true);
    }
}
