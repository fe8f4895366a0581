//! The process of a container: environment, user, streams, labels.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::env::{Variables, check_label, environment, from_file};
use super::{Body, invalid, pairs, set};
use crate::cli::Failure;

/// Options of the process.
#[derive(Args)]
#[command(next_help_heading = "Process")]
pub(super) struct Process {
    /// Attach to stdin, stdout or stderr
    #[arg(short, long, value_name = "STREAM")]
    attach: Vec<String>,
    /// Keep stdin open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set an environment variable: NAME=VALUE, or NAME to pass this one's on
    #[arg(short, long, value_name = "ENV")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Folder in which it starts
    #[arg(short, long, value_name = "DIR", default_value = "", hide_default_value = true)]
    workdir: String,
    /// User, and group: NAME or UID, :GROUP or :GID
    #[arg(short, long, value_name = "USER", default_value = "", hide_default_value = true)]
    user: String,
    /// Further groups
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Program that is run instead of the image's
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Host name
    #[arg(short = 'h', long, value_name = "NAME", default_value = "", hide_default_value = true)]
    hostname: String,
    /// Domain name
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    domainname: String,
    /// Set a label: KEY or KEY=VALUE
    #[arg(short, long, value_name = "LABEL")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Hand an annotation to the runtime: KEY=VALUE
    #[arg(long, value_name = "ANNOTATION")]
    annotation: Vec<String>,
    /// Run an init that passes signals on and reaps processes
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    init: Option<bool>,
    /// Signal that asks it to stop
    #[arg(long, value_name = "SIGNAL", default_value = "", hide_default_value = true)]
    stop_signal: String,
    /// Seconds between that signal and SIGKILL
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    stop_timeout: Option<i64>,
}

impl Process {
    pub(super) fn chose_streams(&self) -> bool {
        !self.attach.is_empty()
    }

    pub(super) fn apply(&self, body: &mut Body, variable: Variables<'_>) -> Result<(), Failure> {
        self.streams(body)?;
        let config = &mut body.config;
        set(config, "Tty", self.tty);
        set(config, "OpenStdin", self.interactive);
        set(config, "Env", environment(&self.env, &self.env_file, variable)?);
        set(config, "WorkingDir", self.workdir.as_str());
        set(config, "User", self.user.as_str());
        set(config, "Hostname", self.hostname.as_str());
        set(config, "Domainname", self.domainname.as_str());
        set(config, "StopSignal", self.stop_signal.as_str());
        if let Some(seconds) = self.stop_timeout {
            config.insert("StopTimeout".into(), seconds.into());
        }
        if let Some(program) = &self.entrypoint {
            config.insert("Entrypoint".into(), json!([program]));
        }
        let mut labels = Vec::new();
        for file in &self.label_file {
            labels.extend(from_file(file, None)?);
        }
        for label in &self.label {
            check_label(label).map_err(|why| invalid("-l, --label", label, why))?;
            labels.push(label.clone());
        }
        set(config, "Labels", pairs(&labels));
        set(&mut body.host, "GroupAdd", self.group_add.as_slice());
        set(&mut body.host, "Annotations", pairs(&self.annotation));
        if let Some(init) = self.init {
            // Also a no, as an engine may have one by default.
            body.host.insert("Init".into(), init.into());
        }
        Ok(())
    }

    fn streams(&self, body: &mut Body) -> Result<(), Failure> {
        let mut chosen = Vec::new();
        for name in &self.attach {
            match name.to_lowercase().as_str() {
                "stdin" => chosen.push("AttachStdin"),
                "stdout" => chosen.push("AttachStdout"),
                "stderr" => chosen.push("AttachStderr"),
                _ => return Err(invalid("-a, --attach", name, "valid streams are STDIN, STDOUT and STDERR")),
            }
        }
        if chosen.is_empty() {
            chosen.extend(["AttachStdout", "AttachStderr"]);
        }
        if self.interactive {
            chosen.push("AttachStdin");
        }
        for field in chosen {
            body.config.insert(field.into(), Value::Bool(true));
        }
        set(&mut body.config, "StdinOnce", self.interactive);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, field};
    use super::*;

    #[test]
    fn chooses_streams() {
        let streams = |line: &[&str]| {
            ["/AttachStdin", "/AttachStdout", "/AttachStderr", "/OpenStdin", "/StdinOnce", "/Tty"]
                .map(|pointer| field(line, pointer) == true)
        };
        assert_eq!(streams(&[]), [false, true, true, false, false, false]);
        assert_eq!(streams(&["-it"]), [true, true, true, true, true, true]);
        assert_eq!(streams(&["-a", "STDERR"]), [false, false, true, false, false, false]);
        assert_eq!(streams(&["-i", "-a", "stdout"]), [true, true, false, true, true, false]);
        let said = body(&["-a", "foo"]).unwrap_err();
        assert_eq!(
            said,
            r#"invalid argument "foo" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR"#
        );
    }

    #[test]
    fn reads_the_rest() {
        let line = ["--entrypoint", "", "-h", "box", "-l", "a=b=c", "-l", "d", "--stop-timeout", "0", "--init"];
        assert_eq!(field(&line, "/Entrypoint"), json!([""]));
        assert_eq!(field(&line, "/Hostname"), "box");
        assert_eq!(field(&line, "/Labels"), json!({"a": "b=c", "d": ""}));
        assert_eq!(field(&line, "/StopTimeout"), 0);
        assert_eq!(field(&line, "/HostConfig/Init"), true);
        assert_eq!(field(&["--init=false"], "/HostConfig/Init"), false);
        assert!(body(&["-l", " =x"]).unwrap_err().ends_with("invalid label ' =x': empty name"));
    }
}
