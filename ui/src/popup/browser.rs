//! Chooses a folder or file of this machine.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use crate::action::Action;
use crate::launch::Looked;
use crate::message::{Data, Request};
use crate::pen::{Pen, Sign};
use crate::popup::{Outcome, Purpose, centred, open_box};
use crate::theme::Role;
use crate::widget::cursor::Cursor;

/// What came of a key.
pub(super) enum Step {
    Stays,
    Closes,
    Takes(String),
}

/// The browser.
pub(super) struct Browser {
    path: String,
    pub(super) entries: Vec<(String, bool)>,
    pub(super) cursor: Cursor,
    pub(super) known: bool,
}

impl Browser {
    pub(super) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), entries: Vec::new(), cursor: Cursor::default(), known: false }
    }

    /// The folder that is seen.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What is in the folder is known.
    pub(super) fn take(&mut self, looked: &Looked) {
        if looked.path == self.path && !self.known && looked.seen != crate::launch::check::Seen::Unknown {
            self.entries.clone_from(&looked.entries);
            self.known = true;
        }
    }

    fn go(&mut self, path: &str) {
        *self = Self::new(path);
    }

    fn inside(&self, name: &str) -> String {
        format!("{}/{name}", self.path.trim_end_matches('/'))
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Step {
        let selected = self.entries.get(self.cursor.at).cloned();
        let action = match key.code {
            KeyCode::Esc => return Step::Closes,
            KeyCode::Char('.') => return Step::Takes(self.path.clone()),
            KeyCode::Char(' ') => {
                return selected.map_or(Step::Stays, |(name, _)| Step::Takes(self.inside(&name)));
            }
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => {
                match selected {
                    Some((name, true)) => self.go(&self.inside(&name)),
                    Some((name, false)) if key.code == KeyCode::Enter => return Step::Takes(self.inside(&name)),
                    _ => {}
                }
                return Step::Stays;
            }
            KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => {
                let above = folder_of(self.path.trim_end_matches('/')).to_owned();
                self.go(&above);
                return Step::Stays;
            }
            KeyCode::Up | KeyCode::Char('k') => Action::Up,
            KeyCode::Down | KeyCode::Char('j') => Action::Down,
            KeyCode::PageUp => Action::PageUp,
            KeyCode::PageDown => Action::PageDown,
            KeyCode::Home | KeyCode::Char('g') => Action::Top,
            KeyCode::End | KeyCode::Char('G') => Action::Bottom,
            _ => return Step::Stays,
        };
        self.cursor.act(action, self.entries.len(), 10);
        Step::Stays
    }

    /// Draws it; `local` says whether this machine's folders are those that are wanted.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, area: Rect, local: bool) {
        let frame = centred(area, 84, 22);
        let inner = open_box(pen, frame, self.path());
        let (dim, text, key) = (pen.look.style(Role::Dim), pen.look.style(Role::Text), pen.look.style(Role::Accent));
        let room = inner.height.saturating_sub(2);
        if self.entries.is_empty() {
            let words = match (self.known, local) {
                (true, _) => "nothing is in it, or it cannot be read",
                (false, true) => "reading",
                (false, false) => "the engine's host is another machine: type the path",
            };
            pen.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(3), words, dim);
        }
        pen.position(frame, self.cursor.at, self.entries.len(), room);
        let first = self.cursor.first(self.entries.len(), room);
        for ((at, (name, folder)), y) in
            self.entries.iter().enumerate().skip(first).take(usize::from(room)).zip(inner.y..)
        {
            let selected = at == self.cursor.at;
            if selected {
                let style = pen.look.style(Role::Selected);
                pen.tint(Rect::new(inner.x, y, inner.width, 1), style);
            }
            let sign = if selected { pen.look.sign(Sign::Cursor) } else { " " };
            let tail = if *folder { "/" } else { "" };
            let style = if *folder { text } else { dim };
            pen.pieces(
                inner.x + 1,
                y,
                inner.width.saturating_sub(2),
                &[(sign, key), (" ", dim), (name, style), (tail, dim)],
            );
        }
        let keys = [
            ("enter", key),
            (" goes in  ", dim),
            ("left", key),
            (" up  ", dim),
            ("space", key),
            (" takes it  ", dim),
            (".", key),
            (" takes this folder  ", dim),
            ("esc", key),
            (" back", dim),
        ];
        pen.pieces(inner.x + 2, inner.bottom().saturating_sub(1), inner.width.saturating_sub(4), &keys);
    }
}

/// The folder that a path is in; its entries complete it.
pub(super) fn folder_of(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// The browser by itself, for what `purpose` says; a folder that is chosen ends with a slash.
pub(crate) struct Browse {
    browser: Browser,
    purpose: Purpose,
}

impl Browse {
    /// Begins in a folder; the request asks what is in it.
    pub(crate) fn new(path: &str, purpose: Purpose) -> (Self, Request) {
        (Self { browser: Browser::new(path), purpose }, Request::Look(path.to_owned()))
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        let before = self.browser.path().to_owned();
        match self.browser.key(key) {
            Step::Stays if self.browser.path() != before => {
                Outcome::Asks(vec![Request::Look(self.browser.path().to_owned())])
            }
            Step::Stays => Outcome::Stays,
            Step::Closes => Outcome::Left(self.purpose.clone()),
            Step::Takes(path) => {
                let is_folder = self
                    .browser
                    .entries
                    .iter()
                    .any(|(name, is_folder)| *is_folder && self.browser.inside(name) == path);
                let tail = if is_folder || path == self.browser.path() { "/" } else { "" };
                Outcome::Entered(self.purpose.clone(), format!("{}{tail}", path.trim_end_matches('/')))
            }
        }
    }

    /// Takes an answer that is meant for it, and gives back any other.
    pub(super) fn data(&mut self, data: Data) -> Option<Data> {
        match data {
            Data::Looked(looked) if looked.path == self.browser.path() => self.browser.take(&looked),
            other => return Some(other),
        }
        None
    }

    pub(super) fn draw(&self, pen: &mut Pen<'_>, area: Rect) {
        self.browser.draw(pen, area, true);
    }
}
