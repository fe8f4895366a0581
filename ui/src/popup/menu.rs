//! A short list to choose from, each line with its letter.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};

use crate::action::Action;
use crate::keymap::{Keymap, Scope};
use crate::pen::{Pen, Sign};
use crate::popup::{Outcome, action, centred, open_box};
use crate::theme::Role;

/// What a line of a menu means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Text for the clipboard.
    Copy(String),
    /// What to sort by, by its number.
    Sort(usize),
    /// What to sort files by, by its number.
    SortFiles(usize),
    /// An image or a container to compare with, by its ID.
    Compare(String),
    /// Starts anew what runs.
    Restart,
    /// Files of a container to this machine.
    CopyOut,
    /// Files of this machine into a container.
    CopyIn,
    /// The volumes without a name that nobody uses, or all that nobody uses.
    PruneVolumes { all: bool },
    /// Leaves all as it is.
    Nothing,
}

/// For lines beyond the alphabet: they are gone to.
const NO_LETTER: char = '\0';

/// Letters for lines that have none of their own; those that move are left out.
pub(crate) fn letters() -> impl Iterator<Item = char> {
    "abcdefghilmnoprstuvwxyz".chars().chain(std::iter::repeat(NO_LETTER))
}

/// The menu.
pub(crate) struct Menu {
    title: String,
    items: Vec<(char, String, String, Choice)>,
    at: usize,
}

impl Menu {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), items: Vec::new(), at: 0 }
    }

    /// Offers what a list may be sorted by, each with its letter; the present one is selected.
    pub(crate) fn of_sorts(title: &str, sorts: &[(char, &str)], at: usize) -> Self {
        let menu = Self::new(title);
        let menu = sorts
            .iter()
            .enumerate()
            .fold(menu, |menu, (n, (letter, word))| menu.with(*letter, *word, "", Choice::Sort(n)));
        menu.on(at)
    }

    /// Adds a line: its letter, what it is, and its value.
    pub(crate) fn with(
        mut self,
        letter: char,
        name: impl Into<String>,
        value: impl Into<String>,
        choice: Choice,
    ) -> Self {
        self.items.push((letter, name.into(), value.into(), choice));
        self
    }

    /// With this line selected.
    pub(crate) fn on(mut self, at: usize) -> Self {
        self.at = at.min(self.items.len().saturating_sub(1));
        self
    }

    pub(crate) fn key(&mut self, key: KeyEvent, keys: &Keymap) -> Outcome {
        if let KeyCode::Char(c) = key.code
            && let Some(item) = self.items.iter().find(|i| i.0 == c)
        {
            return Outcome::Chose(item.3.clone());
        }
        match action(key, keys, Scope::Text) {
            Some(Action::Up) => self.wheel(-1),
            Some(Action::Down) => self.wheel(1),
            Some(Action::PageUp) => self.wheel(-10),
            Some(Action::PageDown) => self.wheel(10),
            Some(Action::Open) => {
                return self.items.get(self.at).map_or(Outcome::Closes, |i| Outcome::Chose(i.3.clone()));
            }
            Some(Action::Back | Action::Quit) => return Outcome::Closes,
            _ => {}
        }
        Outcome::Stays
    }

    fn longest(&self, part: impl Fn(&(char, String, String, Choice)) -> &str) -> u16 {
        self.items.iter().map(|item| part(item).chars().count()).max().unwrap_or(0) as u16
    }

    pub(super) fn area(&self, area: Rect) -> Rect {
        let width = self.longest(|item| &item.1).saturating_add(self.longest(|item| &item.2)).saturating_add(12);
        let width = width.max(self.title.chars().count() as u16 + 8).clamp(30, 110);
        centred(area, width, self.items.len() as u16 + 2)
    }

    /// What a click there chooses.
    pub(super) fn line_at(&self, at: Position, area: Rect) -> Option<Outcome> {
        let area = self.area(area);
        let line = at.y.checked_sub(area.y + 1).filter(|_| area.contains(at) && at.y + 1 < area.bottom())?;
        let line = self.first(area.height.saturating_sub(2)) + usize::from(line);
        Some(Outcome::Chose(self.items.get(line)?.3.clone()))
    }

    /// The first line that is seen, with room for so many.
    fn first(&self, room: u16) -> usize {
        (self.at + 1).saturating_sub(usize::from(room))
    }

    pub(super) fn wheel(&mut self, lines: isize) {
        self.at = self.at.saturating_add_signed(lines).min(self.items.len().saturating_sub(1));
    }

    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect) {
        let name = self.longest(|item| &item.1);
        let frame = self.area(area);
        let inner = open_box(pen, frame, &self.title);
        pen.position(frame, self.at, self.items.len(), inner.height);
        let first = self.first(inner.height);
        for ((at, item), y) in self.items.iter().enumerate().skip(first).zip(inner.top()..inner.bottom()) {
            let (key, text, dim) =
                (pen.look.style(Role::Accent), pen.look.style(Role::Text), pen.look.style(Role::Dim));
            let cursor = if at == self.at { pen.look.sign(Sign::Cursor) } else { " " };
            if at == self.at {
                let select = pen.look.style(Role::Selected);
                pen.tint(Rect::new(inner.x, y, inner.width, 1), select);
            }
            let letter = format!("{} ", if item.0 == NO_LETTER { ' ' } else { item.0 });
            let used = pen.pieces(
                inner.x + 1,
                y,
                inner.width - 2,
                &[(cursor, key), (" ", dim), (&letter, key), (&item.1, text)],
            );
            let x = (inner.x + 7 + name).max(inner.x + 3 + used);
            pen.text(x, y, inner.right().saturating_sub(x + 1), &item.2, dim);
        }
    }
}
