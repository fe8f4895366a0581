//! Health checks.

use clap::Args;
use outcrop_engine::filters::parse_duration;
use serde_json::{Map, json};

use super::{Body, invalid, set};
use crate::cli::Failure;

/// Options of health checks.
#[derive(Args)]
#[command(next_help_heading = "Health")]
pub(super) struct Checks {
    /// Command that tells whether it is well
    #[arg(long, value_name = "COMMAND", default_value = "", hide_default_value = true)]
    health_cmd: String,
    /// Time between checks: 30s, 1m30s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_interval: Option<String>,
    /// Longest time of one check
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_timeout: Option<String>,
    /// Time after the start in which failures do not count
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_start_period: Option<String>,
    /// Time between checks meanwhile
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_start_interval: Option<String>,
    /// Failures in a row that count
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true, allow_negative_numbers = true)]
    health_retries: i64,
    /// No check, even if the image has one
    #[arg(long)]
    no_healthcheck: bool,
}

impl Checks {
    pub(super) fn apply(&self, body: &mut Body) -> Result<(), Failure> {
        let mut health = Map::new();
        if !self.health_cmd.is_empty() {
            set(&mut health, "Test", json!(["CMD-SHELL", self.health_cmd]));
        }
        for (field, flag, text) in [
            ("Interval", "--health-interval", &self.health_interval),
            ("Timeout", "--health-timeout", &self.health_timeout),
            ("StartPeriod", "--health-start-period", &self.health_start_period),
            ("StartInterval", "--health-start-interval", &self.health_start_interval),
        ] {
            let Some(text) = text else { continue };
            let nanoseconds = duration(text).map_err(|why| invalid(flag, text, why))?;
            if nanoseconds < 0 {
                return Err(Failure::new(format!("{flag} cannot be negative")));
            }
            set(&mut health, field, nanoseconds);
        }
        if self.health_retries < 0 {
            return Err(Failure::new("--health-retries cannot be negative"));
        }
        set(&mut health, "Retries", self.health_retries);
        if self.no_healthcheck {
            if !health.is_empty() {
                return Err(Failure::new("--no-healthcheck conflicts with --health-* options"));
            }
            set(&mut health, "Test", json!(["NONE"]));
        }
        set(&mut body.config, "Healthcheck", health);
        Ok(())
    }
}

/// A Go duration in nanoseconds; `0` needs no unit.
fn duration(text: &str) -> Result<i64, String> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if rest == "0" {
        return Ok(0);
    }
    let nanoseconds = parse_duration(rest).and_then(|nanoseconds| i64::try_from(nanoseconds).ok());
    nanoseconds.map(|nanoseconds| sign * nanoseconds).ok_or_else(|| format!("time: invalid duration {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, field};
    use super::*;

    #[test]
    fn reads_checks() {
        let line =
            ["--health-cmd", "true", "--health-interval", "1m30s", "--health-timeout", "0", "--health-retries", "3"];
        let want = json!({"Test": ["CMD-SHELL", "true"], "Interval": 90_000_000_000_i64, "Retries": 3});
        assert_eq!(field(&line, "/Healthcheck"), want);
        assert_eq!(field(&["--no-healthcheck"], "/Healthcheck"), json!({"Test": ["NONE"]}));
        for (line, why) in [
            (vec!["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts with --health-* options"),
            (vec!["--health-interval", "-1s"], "--health-interval cannot be negative"),
            (vec!["--health-retries", "-1"], "--health-retries cannot be negative"),
            (
                vec!["--health-interval", "1x"],
                r#"invalid argument "1x" for "--health-interval" flag: time: invalid duration "1x""#,
            ),
        ] {
            assert_eq!(body(&line), Err(why.into()));
        }
    }
}
