//! Containers: a row of the list, and all that is known of one.

use crate::model::Detail;
use crate::theme::Role;

/// What a container does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Running,
    Paused,
    Restarting,
    Created,
    #[default]
    Exited,
    Removing,
    Dead,
}

impl State {
    /// Reads the engine's word; an unknown one is a container that does not run.
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "created" | "configured" | "initialized" => Self::Created,
            "removing" => Self::Removing,
            "dead" => Self::Dead,
            _ => Self::Exited,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Created => "created",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }

    /// Whether it has processes.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Running => Role::Good,
            Self::Paused | Self::Restarting => Role::Accent,
            Self::Dead => Role::Bad,
            _ => Role::Dim,
        }
    }
}

/// A mount of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountRow {
    /// `volume`, `bind`, `tmpfs`.
    pub(crate) kind: String,
    /// The volume's name.
    pub(crate) name: String,
    /// The path on the host.
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) writable: bool,
    /// Options as the engine says them.
    pub(crate) options: String,
}

impl MountRow {
    /// Whether the volume has no name but a number of 64 digits.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.kind == "volume" && is_anonymous(&self.name)
    }

    /// What is mounted, in one word or path.
    pub(crate) fn what(&self) -> &str {
        match self.kind.as_str() {
            "volume" if !self.name.is_empty() => &self.name,
            "tmpfs" => "memory",
            _ => &self.source,
        }
    }
}

/// Whether a volume's name is one the engine made up.
pub(crate) fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A row of the list of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerRow {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The image as it was named when the container was made.
    pub(crate) image: String,
    pub(crate) state: State,
    /// The engine's sentence: `Up 4 minutes`.
    pub(crate) status: String,
    /// `healthy`, `unhealthy`, `starting`; empty without a health check.
    pub(crate) health: String,
    /// Seconds since 1970.
    pub(crate) created: i64,
    pub(crate) ports: String,
    pub(crate) mounts: Vec<MountRow>,
}

impl ContainerRow {
    /// How it is, as short as a list needs: `up 4 min`, `exited 137`.
    pub(crate) fn brief(&self) -> String {
        let status = self.status.split(" (").next().unwrap_or_default().to_lowercase();
        let status = status.replace("about an hour", "1 h").replace("about a minute", "1 min");
        let status = status.replace("less than a second", "0 s");
        let mut words = status.split_whitespace();
        match self.state {
            State::Running if words.next() == Some("up") => {
                let number = words.next().unwrap_or_default();
                let unit = match words.next().unwrap_or_default() {
                    "second" | "seconds" => "s",
                    "minute" | "minutes" => "min",
                    "hour" | "hours" => "h",
                    unit => unit,
                };
                format!("up {number} {unit}").trim_end().to_owned()
            }
            State::Exited => match self.status.split(['(', ')']).nth(1) {
                Some(code) if !code.is_empty() => format!("exited {code}"),
                _ => "exited".into(),
            },
            state => state.word().into(),
        }
    }
}

/// All that is known of one container.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerDetail {
    pub(crate) id: String,
    pub(crate) image_id: String,
    pub(crate) error: String,
    pub(crate) out_of_memory: bool,
    /// Whether it is removed when it ends.
    pub(crate) auto_remove: bool,
    /// Bytes of its writable layer.
    pub(crate) written: Option<u64>,
    pub(crate) mounts: Vec<MountRow>,
    /// Its image, where it is still there.
    pub(crate) base: Option<Detail>,
    /// All that the engine says, indented JSON.
    pub(crate) inspect: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_a_container_is() {
        let table = [
            ("running", "Up 4 minutes", "up 4 min"),
            ("running", "Up About an hour (healthy)", "up 1 h"),
            ("running", "Up Less than a second", "up 0 s"),
            ("running", "Up 3 days", "up 3 days"),
            ("paused", "Up 3 days (Paused)", "paused"),
            ("exited", "Exited (137) 2 hours ago", "exited 137"),
            ("exited", "", "exited"),
            ("created", "Created", "created"),
            ("stopped", "", "exited"),
        ];
        for (state, status, expected) in table {
            let row = ContainerRow { state: State::parse(state), status: status.into(), ..ContainerRow::default() };
            assert_eq!(row.brief(), expected, "{status}");
        }
    }
}
