//! `HEALTHCHECK`.

use super::Parser;
use crate::build::flags::{self, Flags, Known};
use crate::build::lines::is_blank;
use crate::build::problem::Problem;
use crate::container::HealthConfig;

const KNOWN: Known =
    Known { one: &["interval", "timeout", "start-period", "start-interval", "retries"], ..flags::NONE };

impl Parser<'_> {
    pub(super) fn health(&self) -> Result<HealthConfig, Problem> {
        let (flags, rest) = self.flags(&KNOWN)?;
        let (kind, command) = rest.split_once(is_blank).unwrap_or((rest, ""));
        let command = command.trim_matches(is_blank);
        let test = match kind.to_ascii_uppercase().as_str() {
            "" => return self.needs("requires at least one argument"),
            "NONE" if command.is_empty() => vec!["NONE".to_owned()],
            "NONE" => return self.needs("NONE takes no arguments"),
            "CMD" => match self.exec_form(command)? {
                Some(words) if words.is_empty() => return self.needs("missing command after HEALTHCHECK CMD"),
                Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
                None if command.is_empty() => return self.needs("missing command after HEALTHCHECK CMD"),
                None => vec!["CMD-SHELL".into(), command.into()],
            },
            _ => {
                return Err(self.problem(kind, format!("unknown type {kind:?} in HEALTHCHECK (try CMD)")));
            }
        };
        Ok(HealthConfig {
            test,
            interval: self.duration(&flags, "interval")?,
            timeout: self.duration(&flags, "timeout")?,
            start_period: self.duration(&flags, "start-period")?,
            start_interval: self.duration(&flags, "start-interval")?,
            retries: self.retries(&flags)?,
        })
    }

    /// Nanoseconds; 0 where nothing is said.
    fn duration(&self, flags: &Flags, name: &str) -> Result<i64, Problem> {
        let Some(text) = flags.get(name).filter(|text| !text.is_empty()) else { return Ok(0) };
        let parsed = crate::filters::parse_duration(text).and_then(|n| i64::try_from(n).ok());
        match parsed {
            None => Err(self.problem(text, format!("--{name} must be a duration such as 30s, found {text:?}"))),
            Some(n) if n != 0 && n < 1_000_000 => {
                Err(self.problem(text, format!("Interval {name:?} cannot be less than 1ms")))
            }
            Some(n) => Ok(n),
        }
    }

    fn retries(&self, flags: &Flags) -> Result<i64, Problem> {
        let Some(text) = flags.get("retries").filter(|text| !text.is_empty()) else { return Ok(0) };
        match text.parse::<i64>() {
            Ok(n) if n >= 0 => Ok(n),
            Ok(n) => Err(self.problem(text, format!("--retries cannot be negative ({n})"))),
            Err(_) => Err(self.problem(text, format!("--retries must be a number, found {text:?}"))),
        }
    }
}
