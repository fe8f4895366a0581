//! Chooses a folder or file of this machine.

use crossterm::event::{KeyCode, KeyEvent};

use crate::action::Action;
use crate::launch::Looked;
use crate::popup::launch::editor::folder_of;
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
}
