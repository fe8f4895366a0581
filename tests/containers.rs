//! Containers and volumes with the built program alone, and its words beside docker's.

mod copying;
mod ending;
mod kills;
mod network;
mod seed;
mod talking;
mod volumes;
mod words;

use std::process::Output;

use crate::outcrop::{Outcrop, feed};
use crate::rootfs;
use crate::user::User;

/// A data root with the image `base:1`; its containers are removed when it is dropped.
pub(crate) struct Machine {
    pub(crate) outcrop: Outcrop,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with(Outcrop::new())
    }

    /// One whose commands are all run by an ordinary user.
    pub(crate) fn of(user: User) -> Self {
        Self::with(Outcrop::of(user))
    }

    fn with(outcrop: Outcrop) -> Self {
        outcrop.feed(["import", "--change", "CMD [\"sh\"]", "-", "base:1"], &rootfs::busybox());
        Self { outcrop }
    }

    /// Runs a command and gives what it printed, which must be a success.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.outcrop.ok(arguments)
    }

    /// Runs `sh -c SCRIPT` in a new container that goes at once.
    pub(crate) fn sh(&self, options: &[&str], script: &str) -> String {
        let all = [&["run", "--rm", "--network", "none"], options, &["base:1", "sh", "-c", script]].concat();
        self.outcrop.ok(all)
    }

    /// Exit code, standard output and standard error.
    pub(crate) fn ends(&self, arguments: &[&str]) -> (i32, String, String) {
        parts(&self.outcrop.run(arguments))
    }

    /// The same with `input` on standard input.
    pub(crate) fn fed(&self, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
        parts(&feed(self.outcrop.command(arguments), input))
    }

    /// Starts `sh -c SCRIPT` in a container called `name`.
    pub(crate) fn start(&self, name: &str, options: &[&str], script: &str) {
        let all =
            [&["run", "-d", "--network", "none", "--name", name], options, &["base:1", "sh", "-c", script]].concat();
        self.outcrop.ok(all);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let ids = String::from_utf8_lossy(&self.outcrop.run(["ps", "-aq"]).stdout).into_owned();
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            let _ = self.outcrop.run(["rm", "-f", "-v"].iter().chain(&ids));
        }
    }
}

pub(crate) fn parts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
