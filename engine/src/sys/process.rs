//! Which process is meant: a number may be given to another one.

use std::fs;

use serde::{Deserialize, Serialize};

/// Which process something is: the start time tells it from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process ID.
    pub pid: i32,
    /// Start in clock ticks since the machine's (field 22 of `/proc/<pid>/stat`).
    pub start: u64,
}

impl ProcessId {
    /// That of a living process.
    pub fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start: start_of(pid)? })
    }

    /// That of this process.
    pub fn own() -> Option<Self> {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Whether that very process lives.
    pub fn lives(self) -> bool {
        start_of(self.pid) == Some(self.start)
    }
}

/// Start time of a process that is no zombie.
fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, also parentheses.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_told_apart() {
        let own = ProcessId::own().expect("this process");
        assert!(own.lives());
        assert!(!ProcessId { start: own.start + 1, ..own }.lives());
        assert_eq!(ProcessId::of(i32::MAX), None);
    }
}
