//! The screens, one file each, and what they have in common.

mod build;
pub(crate) mod containers;
mod differences;
mod disk;
pub(crate) mod files;
pub(crate) mod images;
mod list;
mod log;
mod set;
pub(crate) mod volumes;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::layout::Rect;

use crate::action::Action;
use crate::job::{JobId, Jobs};
use crate::keymap::Scope;
use crate::message::{Data, Request};
use crate::pen::{Look, Pen};
use crate::popup::{Choice, FormPurpose, Popup, Purpose};
use crate::theme::Role;
use crate::work::Task;

pub(crate) use log::Log;
pub(crate) use set::{Place, Screens};

/// One of the screens. Each keeps what it shows; what it does to the rest goes through its [`Context`].
pub(crate) trait Screen {
    /// Which keys count.
    fn scope(&self) -> Scope;

    /// Sums for the top line, the most important first.
    fn totals(&self, look: &Look) -> Vec<String>;

    /// The filter of its list, if it has one.
    #[expect(clippy::unnecessary_literal_bound, reason = "screens that have a filter lend theirs")]
    fn filter_text(&self) -> &str {
        ""
    }

    /// Comes into sight; says whether it asked for all it shows.
    fn open(&mut self, cx: &mut Context<'_>) -> bool;

    /// Goes out of sight.
    fn hide(&mut self) {}

    /// Something of the engine's changed.
    fn changed(&mut self, cx: &mut Context<'_>);

    /// The user wants to see all of it anew.
    fn refresh(&mut self, cx: &mut Context<'_>) {
        self.changed(cx);
    }

    /// Handles an action; says whether it was one of this screen.
    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> bool;

    /// Whether a program in it has the keys.
    fn has_program(&self) -> bool {
        false
    }

    /// A key for the program in it.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Context<'_>) {}

    /// Pasted text for the program in it.
    fn paste(&mut self, _text: &str) {}

    fn mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>);

    /// Takes an answer that is meant for it, and gives back any other.
    fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data>;

    /// A wait is over; it may be another's.
    fn waited(&mut self, token: u64, cx: &mut Context<'_>);

    /// A job was cancelled; it may be another's.
    fn cancelled(&mut self, job: JobId);

    /// Brings its panes in step with what is selected now.
    fn settle(&mut self, cx: &mut Context<'_>);

    /// A text is being typed.
    fn typed(&mut self, purpose: &Purpose, text: &str, cx: &mut Context<'_>);

    /// A text was typed to its end.
    fn entered(&mut self, purpose: Purpose, text: &str, cx: &mut Context<'_>);

    /// A text was left without an end.
    fn left(&mut self, purpose: &Purpose, cx: &mut Context<'_>);

    /// A form was filled in.
    fn filled(&mut self, _purpose: FormPurpose, _texts: &[String], _cx: &mut Context<'_>) {}

    /// A line of a menu was chosen.
    fn chose(&mut self, choice: Choice, cx: &mut Context<'_>);

    /// Draws it; gives where the text cursor is, if it shows one.
    fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)>;
}

/// What a screen may touch while it handles an action.
pub(crate) struct Context<'a> {
    pub(crate) look: &'a Look,
    pub(crate) jobs: &'a mut Jobs,
    pub(crate) requests: &'a mut Vec<Request>,
    pub(crate) popups: &'a mut Vec<Popup>,
    pub(crate) log: &'a mut Log,
    /// The room of the panes.
    pub(crate) area: Rect,
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// Whether the engine takes changes; why not.
    pub(crate) read_only: Option<&'a str>,
    /// Folder that files are saved to.
    pub(crate) save_to: &'a std::path::Path,
    /// Folder for nameless temporary files.
    pub(crate) spool: &'a std::path::Path,
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

    /// Begins a piece of work, unless nothing can be changed.
    pub(crate) fn begin(&mut self, task: Task) {
        if !self.is_read_only() {
            self.requests.push(Request::Begin(task));
        }
    }
}
