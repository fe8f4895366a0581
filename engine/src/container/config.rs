//! What a container runs: Docker's `Config` of the API and of `config.v2.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ContainerError;

/// The part of a container's configuration that does not depend on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Host name; by default the first twelve digits of the ID.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// `user[:group]`, names or numbers; empty for root.
    pub user: String,
    /// Whether the creator will attach to the standard input.
    pub attach_stdin: bool,
    /// Whether the creator will attach to the standard output.
    pub attach_stdout: bool,
    /// Whether the creator will attach to the standard error.
    pub attach_stderr: bool,
    /// `port/protocol` to empty objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    /// Whether it gets a pseudo-terminal.
    pub tty: bool,
    /// Whether the standard input stays open without a client.
    pub open_stdin: bool,
    /// Whether the standard input closes when the first client that was attached to it goes.
    pub stdin_once: bool,
    /// `NAME=value`; a name alone removes it from the image's.
    pub env: Option<Vec<String>>,
    /// Command, or the arguments of the entry point.
    #[serde(deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
    /// How health is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// Whether the command is one Windows command line: kept, never used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// The image as the user named it.
    pub image: String,
    /// Paths that get anonymous volumes, to empty objects.
    pub volumes: Option<BTreeMap<String, Value>>,
    /// Directory it starts in; `/` where empty.
    pub working_dir: String,
    /// Entry point.
    #[serde(deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    /// Whether it gets no network: an old way to say network mode `none`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network_disabled: bool,
    /// MAC address: kept, never used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    /// Instructions for builds on top: kept.
    pub on_build: Option<Vec<String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Signal that asks it to stop; SIGTERM by default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds between that signal and SIGKILL; 10 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// The shell of the Dockerfile's shell forms: kept for builds, used for shell-form health checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

/// How health is checked. Durations are nanoseconds; zero means inherited, or the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthConfig {
    /// Empty (inherit), `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Time after which a check counts as failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time after the start in which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between checks in that time.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

impl HealthConfig {
    /// Refuses times and counts that cannot be.
    ///
    /// # Errors
    /// Docker's words.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, value) in [
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
        ] {
            if value != 0 && value < 1_000_000 {
                return Err(format!("{name} in Healthcheck cannot be less than 1ms"));
            }
        }
        if self.retries < 0 {
            return Err("Retries in Healthcheck cannot be negative".into());
        }
        Ok(())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// A command: a list, or one text, which old clients send.
fn words<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        List(Vec<String>),
        One(String),
    }
    Ok(match Option::<Words>::deserialize(from)? {
        None => None,
        Some(Words::List(list)) => Some(list),
        Some(Words::One(text)) => Some(vec![text]),
    })
}

impl Config {
    /// Parses the API's body, in which any member may be null; nothing where it is empty or null itself.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ContainerError> {
        if bytes.trim_ascii().is_empty() || bytes.trim_ascii() == b"null" {
            return Ok(None);
        }
        lenient(bytes).map(Some).map_err(|error| ContainerError::Invalid(format!("invalid JSON: {error}")))
    }

    /// Fills in what the user left open from the image's configuration, as Docker does: the user's variables, labels,
    /// ports and volumes win one by one; a new entry point forgets the image's command.
    pub fn inherit(&mut self, image: &Config) {
        if self.user.is_empty() {
            self.user.clone_from(&image.user);
        }
        if self.working_dir.is_empty() {
            self.working_dir.clone_from(&image.working_dir);
        }
        if self.stop_signal.is_empty() {
            self.stop_signal.clone_from(&image.stop_signal);
        }
        if self.stop_timeout.is_none() {
            self.stop_timeout = image.stop_timeout;
        }
        if self.shell.is_none() {
            self.shell.clone_from(&image.shell);
        }
        merge(&mut self.exposed_ports, image.exposed_ports.as_ref());
        self.volumes = self.volumes.take().filter(|volumes| !volumes.is_empty());
        merge(&mut self.volumes, image.volumes.as_ref());
        merge(&mut self.labels, image.labels.as_ref());
        self.inherit_env(image.env.as_deref().unwrap_or_default());
        if self.entrypoint.as_ref().is_none_or(Vec::is_empty) {
            // `--entrypoint ""` comes as [""], and takes the image's entry point and command away.
            if self.cmd.as_ref().is_none_or(Vec::is_empty) {
                self.cmd.clone_from(&image.cmd);
            }
            if self.entrypoint.is_none() {
                self.entrypoint.clone_from(&image.entrypoint);
            }
        } else if self.entrypoint.as_ref().is_some_and(|words| words.len() == 1 && words[0].is_empty()) {
            self.entrypoint = None;
        }
        self.inherit_health(image.healthcheck.as_ref());
    }

    fn inherit_env(&mut self, image: &[String]) {
        let name = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
        let mut env = self.env.take().unwrap_or_default();
        let own: Vec<String> = env.iter().map(name).collect();
        env.extend(image.iter().filter(|entry| !own.contains(&name(entry))).cloned());
        self.env = Some(env);
    }

    fn inherit_health(&mut self, image: Option<&HealthConfig>) {
        let Some(image) = image else { return };
        let Some(own) = &mut self.healthcheck else {
            self.healthcheck = Some(image.clone());
            return;
        };
        if own.test.is_empty() {
            own.test.clone_from(&image.test);
        }
        for (mine, theirs) in [
            (&mut own.interval, image.interval),
            (&mut own.timeout, image.timeout),
            (&mut own.start_period, image.start_period),
            (&mut own.start_interval, image.start_interval),
            (&mut own.retries, image.retries),
        ] {
            if *mine == 0 {
                *mine = theirs;
            }
        }
    }
}

fn merge<T: Clone>(own: &mut Option<BTreeMap<String, T>>, image: Option<&BTreeMap<String, T>>) {
    if let Some(image) = image.filter(|image| !image.is_empty()) {
        let own = own.get_or_insert_default();
        for (key, value) in image {
            own.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// Parses JSON in which any member may be `null`, as Go writes and accepts it: such members count as absent.
pub(crate) fn lenient<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(bytes)?;
    drop_nulls(&mut value);
    serde_json::from_value(value)
}

/// As [`lenient`], of a parsed value.
pub(crate) fn lenient_value<T: serde::de::DeserializeOwned>(mut value: Value) -> Result<T, serde_json::Error> {
    drop_nulls(&mut value);
    serde_json::from_value(value)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        lenient(json.as_bytes()).expect("a configuration")
    }

    #[test]
    fn entry_points_and_commands_inherit_as_docker() {
        let image = config(r#"{"Entrypoint":["/e"],"Cmd":["c"],"Env":["A=1","B=2"],"Labels":{"x":"1"}}"#);
        for (own, entrypoint, cmd) in [
            (r"{}", Some(vec!["/e"]), Some(vec!["c"])),
            (r#"{"Cmd":["d"]}"#, Some(vec!["/e"]), Some(vec!["d"])),
            (r#"{"Entrypoint":["/f"]}"#, Some(vec!["/f"]), None),
            (r#"{"Entrypoint":"/f","Cmd":["d"]}"#, Some(vec!["/f"]), Some(vec!["d"])),
            (r#"{"Entrypoint":[""],"Cmd":["d"]}"#, None, Some(vec!["d"])),
        ] {
            let mut own = config(own);
            own.inherit(&image);
            let list = |words: Option<Vec<&str>>| words.map(|w| w.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!((own.entrypoint.clone(), own.cmd.clone()), (list(entrypoint), list(cmd)));
            assert_eq!(own.labels.expect("labels")["x"], "1");
        }
        let mut own = config(r#"{"Env":["B=3","C"],"Labels":{"x":"2"}}"#);
        own.inherit(&image);
        assert_eq!(own.env.expect("variables"), ["B=3", "C", "A=1"]);
        assert_eq!(own.labels.expect("labels")["x"], "2");
    }

    #[test]
    fn health_checks_inherit_field_by_field() {
        let image = config(r#"{"Healthcheck":{"Test":["CMD","x"],"Interval":5,"Retries":2}}"#);
        let mut own = config(r#"{"Healthcheck":{"Interval":7}}"#);
        own.inherit(&image);
        let health = own.healthcheck.expect("a health check");
        assert_eq!((health.test.len(), health.interval, health.retries), (2, 7, 2));
    }
}
