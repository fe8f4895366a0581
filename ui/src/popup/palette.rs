//! Every command with its key, found by typing.

use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::Utf32Str;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use ratatui::layout::{Position, Rect};

use crate::action::Action;
use crate::keymap::{Keymap, Scope};
use crate::pen::{Pen, Sign};
use crate::popup::{Outcome, centred, open_box};
use crate::theme::Role;
use crate::widget::cursor::Cursor;
use crate::widget::edit::Edit;

/// The command palette.
pub(crate) struct Palette {
    scope: Scope,
    edit: Edit,
    shown: Vec<Action>,
    cursor: Cursor,
}

impl Palette {
    pub(crate) fn new(scope: Scope) -> Self {
        let mut palette = Self { scope, edit: Edit::default(), shown: Vec::new(), cursor: Cursor::default() };
        palette.find();
        palette
    }

    fn find(&mut self) {
        let pattern = Pattern::parse(self.edit.text(), CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = crate::filter::matcher(false);
        let mut buffer = Vec::new();
        let typed = self.edit.text().to_lowercase();
        let words: Vec<&str> = typed.split_whitespace().collect();
        let mut found: Vec<_> = Action::ALL
            .iter()
            .filter(|a| **a != Action::Confirm && **a != Action::Palette)
            .filter_map(|a| {
                // Names are found by letters, descriptions by words: letters are in every sentence.
                let name = pattern.score(Utf32Str::new(&a.name(), &mut buffer), &mut matcher);
                let said = || words.iter().all(|word| a.describe().contains(word)).then_some(0);
                name.map(|score| score + 1).or_else(said).map(|score| (score, *a))
            })
            .collect();
        // Without a text what moves comes last: nobody looks for it here.
        let moves = |action: Action| self.edit.text().is_empty() && action <= Action::PreviousPane;
        found.sort_by_key(|(score, action)| (moves(*action), std::cmp::Reverse(*score), *action));
        self.shown = found.into_iter().map(|(_, a)| a).collect();
        self.cursor = Cursor::default();
    }

    /// What a click there does.
    pub(super) fn line_at(&self, at: Position, area: Rect) -> Option<Outcome> {
        let (frame, height) = (Self::area(area), Self::height(area));
        let line = at.y.checked_sub(frame.y + 3).filter(|line| frame.contains(at) && *line < height)?;
        let at = self.cursor.first(self.shown.len(), height) + usize::from(line);
        Some(Outcome::Does(*self.shown.get(at)?))
    }

    pub(super) fn area(area: Rect) -> Rect {
        centred(area, 84, area.height.saturating_sub(4).clamp(6, 26))
    }

    fn height(area: Rect) -> u16 {
        Self::area(area).height.saturating_sub(4)
    }

    pub(crate) fn wheel(&mut self, lines: isize, area: Rect) {
        self.cursor.wheel(lines, self.shown.len(), Self::height(area));
    }

    pub(crate) fn paste(&mut self, text: &str) -> Outcome {
        self.edit.insert(text);
        self.find();
        Outcome::Stays
    }

    pub(crate) fn key(&mut self, key: KeyEvent, _keys: &Keymap, area: Rect) -> Outcome {
        let (len, height) = (self.shown.len(), Self::height(area));
        let action = match key.code {
            KeyCode::Esc => return Outcome::Closes,
            KeyCode::Enter => {
                return self.shown.get(self.cursor.at).map_or(Outcome::Closes, |a| Outcome::Does(*a));
            }
            KeyCode::Up => Action::Up,
            KeyCode::Down | KeyCode::Tab => Action::Down,
            KeyCode::PageUp => Action::PageUp,
            KeyCode::PageDown => Action::PageDown,
            _ => {
                if self.edit.key(key) {
                    self.find();
                }
                return Outcome::Stays;
            }
        };
        self.cursor.act(action, len, height);
        Outcome::Stays
    }

    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect, keys: &Keymap) -> (u16, u16) {
        let inner = open_box(pen, Self::area(area), "Commands");
        let (key, text, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Text), pen.look.style(Role::Dim));
        let width = inner.width.saturating_sub(2);
        let used = pen.pieces(inner.x + 1, inner.y, width, &[(": ", key), (self.edit.before(), text)]);
        let rest = &self.edit.text()[self.edit.before().len()..];
        pen.text(inner.x + 1 + used, inner.y, width.saturating_sub(used), rest, text);
        let height = inner.height.saturating_sub(2);
        let first = self.cursor.first(self.shown.len(), height);
        for ((at, action), y) in self.shown.iter().enumerate().skip(first).take(usize::from(height)).zip(inner.y + 2..)
        {
            let cursor = if at == self.cursor.at { pen.look.sign(Sign::Cursor) } else { " " };
            if at == self.cursor.at {
                let select = pen.look.style(Role::Selected);
                pen.tint(Rect::new(inner.x, y, inner.width, 1), select);
            }
            let name = format!(" {:<15}", action.name());
            pen.pieces(inner.x + 1, y, width, &[(cursor, key), (&name, text)]);
            let shortcut = keys.key(self.scope, *action).unwrap_or_default();
            let room = width.saturating_sub(18 + 10);
            pen.text(inner.x + 19, y, room, action.describe(), dim);
            pen.right(inner.right() - 1, y, 10, &shortcut, key);
        }
        if let Some(action) = self.shown.get(self.cursor.at) {
            // At its length, on the border: in its line there may be too little room.
            let area = Self::area(area);
            let text = format!(" {} ", action.describe());
            pen.text(area.x + 2, area.bottom().saturating_sub(1), area.width.saturating_sub(4), &text, dim);
        }
        (inner.x + 1 + used, inner.y)
    }
}
