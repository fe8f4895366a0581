//! Steps that change the configuration alone, and `WORKDIR`.

use std::os::fd::AsFd;

use outcrop_layers::entry::{Entry, Kind as FileKind, Time};

use super::builder::{Build, Next};
use super::copy::place;
use super::error::{BuildError, Result};
use super::ignore::clean;
use super::instruction::{CommandLine, Instruction, Kind, Pair};
use super::problem::Place;
use super::state::State;
use super::tree::{self, Writable};
use crate::container::{Config, HealthConfig};
use crate::image::change::ports;
use crate::image::staging::Staging;
use crate::mount::quote;

impl Build<'_> {
    /// Runs a step that lays down no layer.
    pub(crate) fn configure(&mut self, state: &mut State, step: &Instruction) -> Result<()> {
        let comment = self.change(state, step)?;
        let config = state.commented(&["#(nop) ", &comment]);
        if self.probe(state, &config) == Next::Run {
            self.empty(state, &config);
        }
        Ok(())
    }

    /// Changes the configuration; gives what Docker's history says of it.
    fn change(&mut self, state: &mut State, step: &Instruction) -> Result<String> {
        let at = &step.place;
        Ok(match &step.kind {
            Kind::Env(pairs) => self.set_environment(state, pairs, at)?,
            Kind::Label(pairs) => self.set_labels(state, pairs, at)?,
            Kind::Arg(arguments) => self.declare(state, arguments, at)?,
            Kind::Maintainer(author) => {
                state.author.clone_from(author);
                format!("MAINTAINER {author}")
            }
            Kind::User(user) => {
                state.config.user = self.word(state, user, at)?;
                format!("USER {}", state.config.user)
            }
            Kind::StopSignal(signal) => {
                let value = self.word(state, signal, at)?;
                if crate::container::signal_number(&value).is_none() {
                    return Err(at.problem(signal, format!("Invalid signal: {value}")).into());
                }
                state.config.stop_signal.clone_from(&value);
                format!("STOPSIGNAL {value}")
            }
            Kind::Shell(words) => {
                state.config.shell = Some(words.clone());
                format!("SHELL [{}]", words.join(" "))
            }
            Kind::Cmd(command) => Self::set_command(state, command),
            Kind::Entrypoint(command) => Self::set_entry_point(state, command),
            Kind::Expose(words) => self.expose(state, words, at)?,
            Kind::Volume(words) => self.volumes(state, words, at)?,
            Kind::Healthcheck(check) => {
                // As in Docker, what this one leaves open stays as it was.
                let before = Config { healthcheck: state.config.healthcheck.take(), ..Config::default() };
                let mut merged = Config { healthcheck: Some((**check).clone()), ..Config::default() };
                merged.inherit(&before);
                state.config.healthcheck = merged.healthcheck;
                format!("HEALTHCHECK {}", go_health(check))
            }
            Kind::OnBuild(trigger) => {
                state.config.on_build.get_or_insert_default().push(trigger.clone());
                format!("ONBUILD {trigger}")
            }
            Kind::From(_) | Kind::Run(_) | Kind::Copy(_) | Kind::Workdir(_) => {
                return Err(BuildError::Invalid(format!("{}: is no change of a configuration", step.text)));
            }
        })
    }

    /// The pairs with their variables replaced, all of them by the values before the step.
    fn expanded(&self, state: &State, pairs: &[Pair], at: &Place) -> Result<Vec<Pair>> {
        let word = |text: &str| self.word(state, text, at);
        pairs.iter().map(|(key, value)| Ok((word(key)?, word(value)?))).collect()
    }

    fn set_environment(&mut self, state: &mut State, pairs: &[Pair], at: &Place) -> Result<String> {
        let mut comment = "ENV".to_owned();
        for (key, value) in self.expanded(state, pairs, at)? {
            let entry = format!("{key}={value}");
            comment.push(' ');
            comment.push_str(&entry);
            let env = state.config.env.get_or_insert_default();
            match env.iter_mut().find(|old| old.split('=').next() == Some(key.as_str())) {
                Some(old) => *old = entry,
                None => env.push(entry),
            }
        }
        Ok(comment)
    }

    fn set_labels(&mut self, state: &mut State, pairs: &[Pair], at: &Place) -> Result<String> {
        let mut comment = "LABEL".to_owned();
        for (key, value) in self.expanded(state, pairs, at)? {
            comment = format!("{comment} {key}={value}");
            state.config.labels.get_or_insert_default().insert(key, value);
        }
        Ok(comment)
    }

    fn declare(&mut self, state: &State, arguments: &[(String, Option<String>)], at: &Place) -> Result<String> {
        let mut words = vec!["ARG".to_owned()];
        for (name, value) in arguments {
            let value = value.as_deref().map(|value| self.word(state, value, at)).transpose()?;
            words.push(value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")));
            self.arguments.declare(name, value);
        }
        Ok(words.join(" "))
    }

    fn set_command(state: &mut State, command: &CommandLine) -> String {
        let words = command.words(&state.shell());
        state.command_set |= !words.is_empty();
        let comment = format!("CMD {}", go_list(&words));
        state.config.cmd = Some(words);
        comment
    }

    fn set_entry_point(state: &mut State, command: &CommandLine) -> String {
        let words = command.words(&state.shell());
        let comment = format!("ENTRYPOINT {}", go_list(&words));
        // As in Docker, an empty one is none, while an empty command stays one.
        state.config.entrypoint = Some(words).filter(|words| !words.is_empty());
        // A command of the base was meant for its own entry point.
        if !state.command_set {
            state.config.cmd = None;
        }
        comment
    }

    fn expose(&mut self, state: &mut State, words: &[String], at: &Place) -> Result<String> {
        let mut shown = Vec::new();
        for word in words {
            for port in self.words(state, word, at)? {
                let known = ports(&port).map_err(|why| at.problem(word, why))?;
                let exposed = state.config.exposed_ports.get_or_insert_default();
                exposed.extend(known.into_iter().map(|port| (port, serde_json::json!({}))));
                shown.push(port);
            }
        }
        Ok(format!("EXPOSE {}", shown.join(" ")))
    }

    fn volumes(&mut self, state: &mut State, words: &[String], at: &Place) -> Result<String> {
        let mut shown = Vec::new();
        for word in words {
            let path = self.word(state, word, at)?;
            if path.trim().is_empty() {
                return Err(at.problem(word, "VOLUME specified can not be an empty string").into());
            }
            state.config.volumes.get_or_insert_default().insert(path.clone(), serde_json::json!({}));
            shown.push(path);
        }
        Ok(format!("VOLUME [{}]", shown.join(" ")))
    }

    /// `WORKDIR`: also makes the directory where it is missing.
    pub(crate) fn work_directory(&mut self, state: &mut State, path: &str, step: &Instruction) -> Result<()> {
        let path = self.word(state, path, &step.place)?;
        // As in Docker, an absolute path stays as it is written.
        state.config.working_dir = match path.as_str() {
            "" => return Err(step.place.problem("", "WORKDIR: cannot normalize nothing: the path is empty").into()),
            path if path.starts_with('/') => path.to_owned(),
            path => clean(&format!("/{}/{path}", state.config.working_dir)),
        };
        let config = state.commented(&[&format!("#(nop) WORKDIR {}", state.config.working_dir)]);
        if self.probe(state, &config) == Next::Done {
            return Ok(());
        }
        let view = tree::view(self.images, &state.layers)?;
        let wanted = state.config.working_dir.trim_start_matches('/').to_owned();
        let missing = match &view {
            Some(view) => place(view.as_fd(), wanted.as_bytes()),
            None => Ok(super::copy::Placed::nowhere(clean(&wanted).as_bytes())),
        };
        let missing = missing.map_err(|error| {
            let message = format!("Cannot mkdir: {} is not a directory ({error})", state.config.working_dir);
            step.place.problem(&wanted, message)
        })?;
        drop(view);
        if missing.missing.is_empty() {
            self.empty(state, &config);
            return Ok(());
        }
        let mut staging = Staging::begin(self.images, self.ctx())?;
        let writable = Writable::begin(self.images, &state.layers, &mut staging)?;
        let now = jiff::Timestamp::now().as_second();
        let entry = |path: &Vec<u8>| Entry {
            path: path.clone().into(),
            kind: FileKind::Directory { opaque: false },
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Time { seconds: now, nanoseconds: 0 },
            xattrs: Vec::new(),
        };
        self.write(&writable, |tar| missing.missing.iter().try_for_each(|path| tar.entry(&entry(path))))?;
        let Writable { tree, upper } = writable;
        drop(tree);
        self.commit(state, staging, &upper, &config)
    }
}

/// A list as Go's `%q` writes it.
fn go_list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "))
}

/// A health check as Docker's history has it: Go's `%q` of the structure.
fn go_health(check: &HealthConfig) -> String {
    let duration = |n: i64| quote(&go_duration(n));
    let mut parts =
        vec![go_list(&check.test), duration(check.interval), duration(check.timeout), duration(check.start_period)];
    if check.start_interval != 0 {
        parts.push(duration(check.start_interval));
    }
    let retries = u32::try_from(check.retries).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let quoted = match retries {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => format!("'{}'", quote(&other.to_string()).trim_matches('"')),
    };
    parts.push(quoted);
    format!("&{{{}}}", parts.join(" "))
}

/// Nanoseconds as Go's `time.Duration` writes them.
fn go_duration(nanoseconds: i64) -> String {
    let decimal = |unit: i64, name: &str| {
        let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
        let digits = format!("{rest:0width$}", width = unit.ilog10() as usize);
        let digits = digits.trim_end_matches('0');
        let point = if rest == 0 { "" } else { "." };
        format!("{whole}{point}{}{name}", if rest == 0 { "" } else { digits })
    };
    match nanoseconds {
        0 => "0s".into(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (nanoseconds / 60_000_000_000, nanoseconds % 60_000_000_000);
            let digits = format!("{:09}", rest % 1_000_000_000);
            let digits = digits.trim_end_matches('0');
            let point = if digits.is_empty() { "" } else { "." };
            let seconds = format!("{}{point}{digits}s", rest / 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_it() {
        for (n, text) in [
            (0, "0s"),
            (1_500_000, "1.5ms"),
            (3_000_000_000, "3s"),
            (1_500_000_000, "1.5s"),
            (300_000_000_000, "5m0s"),
            (3_661_000_000_000, "1h1m1s"),
        ] {
            assert_eq!(go_duration(n), text);
        }
        let check = HealthConfig {
            test: vec!["CMD-SHELL".into(), "a \"b\"".into()],
            interval: 300_000_000_000,
            timeout: 3_000_000_000,
            retries: 3,
            ..HealthConfig::default()
        };
        assert_eq!(go_health(&check), r#"&{["CMD-SHELL" "a \"b\""] "5m0s" "3s" "0s" '\x03'}"#);
    }
}
