//! What a container is doing: `State` of `config.v2.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Go's zero time, which Docker writes for "never".
pub(crate) const NEVER: &str = "0001-01-01T00:00:00Z";

/// What a container is doing, or did last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// Whether its first process lives. Also true while it is paused or waits to be restarted.
    pub running: bool,
    /// Whether it is frozen.
    pub paused: bool,
    /// Whether it waits to be started again by its restart policy.
    pub restarting: bool,
    /// Whether the kernel killed one of its processes for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Whether it is being removed.
    pub removal_in_progress: bool,
    /// Whether its removal failed half-way.
    pub dead: bool,
    /// Its first process as the host sees it; zero when it does not run.
    pub pid: i32,
    /// Exit code of its last run: 128 and the signal where it was killed.
    pub exit_code: i32,
    /// Why its last start failed, or what is not known about its end.
    pub error: String,
    /// When it started last, RFC 3339.
    pub started_at: String,
    /// When it ended last, RFC 3339.
    pub finished_at: String,
    /// Its health, where that is checked.
    pub health: Option<Health>,
    /// Everything else, as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            running: false,
            paused: false,
            restarting: false,
            oom_killed: false,
            removal_in_progress: false,
            dead: false,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            started_at: NEVER.into(),
            finished_at: NEVER.into(),
            health: None,
            other: Map::new(),
        }
    }
}

/// A container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
    /// The last five checks.
    pub log: Vec<HealthResult>,
}

/// One check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthResult {
    /// When it began, RFC 3339.
    pub start: String,
    /// When it ended.
    pub end: String,
    /// Zero for healthy.
    pub exit_code: i32,
    /// The first 4096 bytes of what it wrote.
    pub output: String,
}

impl State {
    /// The API's word for it.
    pub fn status(&self) -> &'static str {
        if self.running {
            if self.paused {
                "paused"
            } else if self.restarting {
                "restarting"
            } else {
                "running"
            }
        } else if self.removal_in_progress {
            "removing"
        } else if self.dead {
            "dead"
        } else if self.started_at == NEVER {
            "created"
        } else {
            "exited"
        }
    }

    /// Docker's sentence for `ps`, as of `now`.
    pub fn sentence(&self, now: jiff::Timestamp) -> String {
        if self.running {
            let up = format!("Up {}", ago(&self.started_at, now));
            if self.paused {
                return format!("{up} (Paused)");
            }
            if self.restarting {
                return format!("Restarting ({}) {} ago", self.exit_code, ago(&self.finished_at, now));
            }
            return match self.health.as_ref().map(|h| h.status.as_str()) {
                Some("starting") => format!("{up} (health: starting)"),
                Some(health @ ("healthy" | "unhealthy")) => format!("{up} ({health})"),
                _ => up,
            };
        }
        if self.removal_in_progress {
            return "Removal In Progress".into();
        }
        if self.dead {
            return "Dead".into();
        }
        if self.started_at == NEVER {
            return "Created".into();
        }
        if self.finished_at == NEVER {
            return String::new();
        }
        format!("Exited ({}) {} ago", self.exit_code, ago(&self.finished_at, now))
    }
}

/// How long ago `time` was, in Docker's words.
pub(crate) fn ago(time: &str, now: jiff::Timestamp) -> String {
    let Ok(time) = time.parse::<jiff::Timestamp>() else { return "a time unknown".into() };
    let seconds = now.as_second() - time.as_second();
    let minutes = seconds / 60;
    // Go rounds hours to the nearest one.
    let hours = (seconds + 1800) / 3600;
    if seconds < 1 {
        "Less than a second".into()
    } else if seconds == 1 {
        "1 second".into()
    } else if seconds < 60 {
        format!("{seconds} seconds")
    } else if minutes == 1 {
        "About a minute".into()
    } else if minutes < 60 {
        format!("{minutes} minutes")
    } else if hours == 1 {
        "About an hour".into()
    } else if hours < 48 {
        format!("{hours} hours")
    } else if hours < 24 * 7 * 2 {
        format!("{} days", hours / 24)
    } else if hours < 24 * 30 * 2 {
        format!("{} weeks", hours / 24 / 7)
    } else if hours < 24 * 365 * 2 {
        format!("{} months", hours / 24 / 30)
    } else {
        format!("{} years", seconds / 3600 / 24 / 365)
    }
}

/// Now, as Docker writes it: RFC 3339 with nanoseconds, UTC.
pub(crate) fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_docker_s() {
        let now: jiff::Timestamp = "2026-01-02T00:00:00Z".parse().expect("a time");
        let mut state = State::default();
        assert_eq!((state.status(), &*state.sentence(now)), ("created", "Created"));
        state.started_at = "2026-01-01T23:59:20Z".into();
        state.running = true;
        assert_eq!((state.status(), &*state.sentence(now)), ("running", "Up 40 seconds"));
        state.paused = true;
        assert_eq!((state.status(), &*state.sentence(now)), ("paused", "Up 40 seconds (Paused)"));
        state.running = false;
        state.exit_code = 137;
        state.finished_at = "2026-01-01T22:50:00Z".into();
        assert_eq!((state.status(), &*state.sentence(now)), ("exited", "Exited (137) About an hour ago"));
    }

    #[test]
    fn times_are_written_as_docker_does() {
        let text = now();
        assert!(text.ends_with('Z') && text.len() == "2026-11-23T19:18:23.482205994Z".len(), "{text}");
    }
}
