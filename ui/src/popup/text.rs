//! A text that is read and scrolled: help, log, inspect, diff, jobs.

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::keymap::{Keymap, Scope};
use crate::pen::Pen;
use crate::popup::{Outcome, action, centred, open_box};
use crate::theme::Role;

/// One line in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(pub(crate) Vec<(String, Role)>);

impl Line {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self(vec![(text.into(), Role::Text)])
    }

    pub(crate) fn of(text: impl Into<String>, role: Role) -> Self {
        Self(vec![(text.into(), role)])
    }

    pub(crate) fn and(mut self, text: impl Into<String>, role: Role) -> Self {
        self.0.push((text.into(), role));
        self
    }
}

/// A scrolled text.
pub(crate) struct Text {
    title: String,
    lines: Vec<Line>,
    top: usize,
    left: usize,
    /// As wide as the screen rather than as wide as its text.
    wide: bool,
}

impl Text {
    pub(crate) fn new(title: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { title: title.into(), lines, top: 0, left: 0, wide: false }
    }

    /// Whether it is called so.
    pub(crate) fn is_called(&self, title: &str) -> bool {
        self.title == title
    }

    /// Says something else, from the same line on.
    pub(crate) fn replace(&mut self, other: Self) {
        self.lines = other.lines;
    }

    /// With the whole screen.
    pub(crate) fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// Scrolled to its end.
    pub(crate) fn at_end(mut self) -> Self {
        self.top = self.lines.len();
        self
    }

    pub(super) fn area(&self, area: Rect) -> Rect {
        let longest =
            self.lines.iter().take(1000).map(|l| l.0.iter().map(|(t, _)| t.chars().count()).sum()).max().unwrap_or(0);
        let width = if self.wide { area.width } else { (longest as u16).saturating_add(4).clamp(30, 110) };
        let height = if self.wide { area.height } else { (self.lines.len() as u16).saturating_add(2) };
        centred(area, width, height.min(area.height))
    }

    fn room(&self, area: Rect) -> usize {
        usize::from(self.area(area).height.saturating_sub(2))
    }

    pub(crate) fn wheel(&mut self, lines: isize, area: Rect) {
        let last = self.lines.len().saturating_sub(self.room(area));
        self.top = self.top.min(last).saturating_add_signed(lines).min(last);
    }

    pub(crate) fn key(&mut self, key: KeyEvent, keys: &Keymap, area: Rect) -> Outcome {
        let page = self.room(area).saturating_sub(1).max(1) as isize;
        match action(key, keys, Scope::Text) {
            Some(Action::Up) => self.wheel(-1, area),
            Some(Action::Down) => self.wheel(1, area),
            Some(Action::PageUp) => self.wheel(-page, area),
            Some(Action::PageDown | Action::Mark) => self.wheel(page, area),
            Some(Action::Top) => self.top = 0,
            Some(Action::Bottom) => self.wheel(isize::MAX / 2, area),
            Some(Action::Left) => self.left = self.left.saturating_sub(8),
            Some(Action::Right) => self.left = (self.left + 8).min(4096),
            Some(Action::Back | Action::Open | Action::Help | Action::Log | Action::Jobs | Action::Quit) => {
                return Outcome::Closes;
            }
            _ => {}
        }
        Outcome::Stays
    }

    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect) {
        let area = self.area(area);
        let inner = open_box(pen, area, &self.title);
        let room = usize::from(inner.height);
        let top = self.top.min(self.lines.len().saturating_sub(room));
        for (line, y) in self.lines.iter().skip(top).take(room).zip(inner.top()..) {
            let mut skip = self.left;
            let (mut x, end) = (inner.x + 1, inner.right().saturating_sub(1));
            for (text, role) in &line.0 {
                let count = text.chars().count();
                let from = skip.min(count);
                skip -= from;
                let rest: String = text.chars().skip(from).take(usize::from(end.saturating_sub(x)) + 1).collect();
                let style = pen.look.style(*role);
                x += pen.text(x, y, end.saturating_sub(x), &rest, style);
            }
        }
        let end = (top + room).min(self.lines.len());
        pen.position(area, end.saturating_sub(1), self.lines.len(), inner.height);
    }
}
