//! The commands that were done.

use crate::popup::Line;
use crate::theme::Role;

/// What was done, each as docker would say it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: Vec<(String, String)>,
    /// `-H` argument of the commands.
    host: Option<String>,
}

/// Most commands remembered.
const REMEMBERED: usize = 500;

impl Log {
    pub(crate) fn set_host(&mut self, host: Option<String>) {
        self.host = host;
    }

    /// A docker command of these arguments, quoted for a shell.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let mut out = String::from("docker");
        let host = self.host.iter().flat_map(|h| ["-H", h.as_str()]);
        for argument in host.chain(arguments.iter().copied()) {
            out.push(' ');
            out.push_str(&crate::safe_text::shell_quote(argument));
        }
        out
    }

    /// Remembers a command.
    pub(crate) fn add(&mut self, arguments: &[&str]) {
        let command = self.command(arguments);
        self.note(command, String::new());
    }

    /// Remembers a command with a word about it.
    pub(crate) fn note(&mut self, command: String, about: String) {
        if self.lines.len() == REMEMBERED {
            self.lines.remove(0);
        }
        self.lines.push((command, about));
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines
            .iter()
            .map(|(command, about)| {
                Line::of("$ ", Role::Dim).and(command, Role::Text).and(format!("   {about}"), Role::Dim)
            })
            .collect()
    }
}
