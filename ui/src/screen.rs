//! The screens, one file each.

pub(crate) mod images;

use ratatui::layout::Rect;

use crate::job::Jobs;
use crate::message::Request;
use crate::pen::Look;
use crate::popup::{Line, Popup};
use crate::theme::Role;

/// What a screen may touch while it handles an action.
pub(crate) struct Context<'a> {
    pub(crate) look: &'a Look,
    pub(crate) jobs: &'a mut Jobs,
    pub(crate) requests: &'a mut Vec<Request>,
    pub(crate) popups: &'a mut Vec<Popup>,
    pub(crate) log: &'a mut Log,
    /// The room of the panes.
    pub(crate) area: Rect,
    /// Whether the engine takes changes; why not.
    pub(crate) read_only: Option<&'a str>,
    /// Folder that files are saved to.
    pub(crate) save_to: &'a std::path::Path,
    /// The short thing to say in the bottom line.
    pub(crate) notice: &'a mut Option<(String, Role)>,
}

impl Context<'_> {
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        *self.notice = Some((text.into(), Role::Text));
    }

    pub(crate) fn refuse(&mut self, text: impl Into<String>) {
        *self.notice = Some((text.into(), Role::Bad));
    }

    /// Says why nothing can be changed, if nothing can.
    pub(crate) fn is_read_only(&mut self) -> bool {
        if let Some(why) = self.read_only {
            *self.notice = Some((format!("only reading: {why}"), Role::Bad));
            return true;
        }
        false
    }
}

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
