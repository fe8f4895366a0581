//! A dialog that says exactly what would go, and does it only on `y` or the typed word.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use crate::action::Action;
use crate::keymap::{Keymap, Scope};
use crate::message::Request;
use crate::pen::Pen;
use crate::popup::{Line, Outcome, action, centred, open_box};
use crate::theme::Role;
use crate::widget::edit::Edit;

/// What is asked, and what is then requested.
pub(crate) struct Confirm {
    title: String,
    lines: Vec<Line>,
    requests: Vec<Request>,
    /// What has to be typed before `y` counts: for what cannot come back.
    typed: Option<(String, Edit)>,
    top: usize,
}

impl Confirm {
    pub(crate) fn new(title: impl Into<String>, lines: Vec<Line>, requests: Vec<Request>) -> Self {
        Self { title: title.into(), lines, requests, typed: None, top: 0 }
    }

    /// Asks that `word` be typed instead of `y`.
    pub(crate) fn typing(mut self, word: impl Into<String>) -> Self {
        self.typed = Some((word.into(), Edit::default()));
        self
    }

    pub(crate) fn key(&mut self, key: KeyEvent, keys: &Keymap, area: Rect) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Closes;
        }
        let most = self.lines.len().saturating_sub(usize::from(self.area(area).height.saturating_sub(5)));
        match key.code {
            KeyCode::Down | KeyCode::PageDown => self.top = (self.top + 1).min(most),
            KeyCode::Up | KeyCode::PageUp => self.top = self.top.saturating_sub(1),
            _ => {
                if let Some((word, edit)) = &mut self.typed {
                    if key.code == KeyCode::Enter {
                        let agreed = edit.text() == word.as_str();
                        return if agreed { self.agreed() } else { Outcome::Stays };
                    }
                    edit.key(key);
                } else if action(key, keys, Scope::Confirm) == Some(Action::Confirm) {
                    return self.agreed();
                } else if matches!(key.code, KeyCode::Char('n' | 'q') | KeyCode::Enter) {
                    // Enter is "cancel" here: it never destroys.
                    return Outcome::Closes;
                }
            }
        }
        Outcome::Stays
    }

    fn agreed(&mut self) -> Outcome {
        Outcome::Requests(std::mem::take(&mut self.requests))
    }

    fn area(&self, area: Rect) -> Rect {
        let longest = self.lines.iter().map(|l| l.0.iter().map(|(t, _)| t.chars().count()).sum()).max().unwrap_or(0);
        centred(area, (longest as u16).saturating_add(6).clamp(44, 100), (self.lines.len() as u16).saturating_add(6))
    }

    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect, keys: &Keymap) {
        let inner = open_box(pen, self.area(area), &self.title);
        let room = inner.height.saturating_sub(3);
        for (line, y) in self.lines.iter().skip(self.top).take(usize::from(room)).zip(inner.top() + 1..) {
            let pieces: Vec<_> = line.0.iter().map(|(t, r)| (t.as_str(), pen.look.style(*r))).collect();
            pen.pieces(inner.x + 2, y, inner.width.saturating_sub(4), &pieces);
        }
        if inner.height == 0 {
            return;
        }
        let (key, text, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Text), pen.look.style(Role::Dim));
        let y = inner.bottom() - 1;
        let width = inner.width.saturating_sub(4);
        if let Some((word, edit)) = &self.typed {
            let pieces = [
                ("type ", dim),
                (word.as_str(), key),
                (" and enter: ", dim),
                (edit.text(), text),
                ("   esc", key),
                (" cancel", dim),
            ];
            pen.pieces(inner.x + 2, y, width, &pieces);
        } else {
            let yes = keys.key(Scope::Confirm, Action::Confirm).unwrap_or_default();
            pen.pieces(
                inner.x + 2,
                y,
                width,
                &[(&yes, key), (" yes, do it   ", text), ("esc", key), (" cancel", text)],
            );
        }
    }
}
