//! Draws the list of volumes and what is in the selected one.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::content::Reading;
use crate::pen::{Look, Pen, Sign};
use crate::screen::files::explorer::draw_reading;
use crate::screen::volumes::{Pane, Volumes};
use crate::size::plural;
use crate::theme::Role;

impl Volumes {
    pub(super) fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let focused = self.focus == Pane::List;
        let about = self.list_title(pen.look);
        let inner = pen.frame(area, &[("Volumes", if focused { accent } else { strong }), (&about, dim)], focused);
        if inner.height == 0 {
            return;
        }
        if self.shown.is_empty() {
            self.draw_none(pen, inner);
            return;
        }
        pen.position(area, self.cursor.at, self.shown.len(), inner.height);
        let first = self.cursor.first(self.shown.len(), inner.height);
        let lines = self.shown.iter().enumerate().skip(first).take(usize::from(inner.height));
        for ((at, row), y) in lines.zip(inner.y..) {
            self.draw_row(pen, Rect::new(inner.x, y, inner.width, 1), *row, at == self.cursor.at);
        }
    }

    fn list_title(&self, look: &Look) -> String {
        let mut text = String::new();
        if !self.filter.is_empty() {
            text = format!(" {} of {}", self.shown.len(), self.rows.len());
        }
        if !self.marks.is_empty() {
            let _ = write!(text, "{}{} marked", look.sign(Sign::Separator), self.marks.len());
        }
        text
    }

    fn draw_none(&self, pen: &mut Pen<'_>, inner: Rect) {
        let dim = pen.look.style(Role::Dim);
        let width = inner.width.saturating_sub(3);
        let lines: Vec<String> = match &self.trouble {
            Some(why) => crate::safe_text::wrap(why, usize::from(width).max(12)),
            None if !self.loaded => vec!["asking the engine".into()],
            None if self.rows.is_empty() => vec!["no volumes yet".into(), String::new(), "+ creates one".into()],
            None => vec!["none matches".into(), String::new(), "esc shows all".into()],
        };
        for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
            pen.text(inner.x + 2, y, width, line, dim);
        }
    }

    fn draw_row(&self, pen: &mut Pen<'_>, line: Rect, row: usize, selected: bool) {
        let row = &self.rows[row];
        let (accent, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Dim));
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        let cursor = match (self.marks.contains(&row.name), selected) {
            (true, _) => pen.look.sign(Sign::Marked),
            (false, true) => pen.look.sign(Sign::Cursor),
            _ => " ",
        };
        pen.text(line.x + 1, line.y, 1, cursor, accent);
        let alive = row.users.iter().any(|user| user.alive);
        let (sign, role) = match (alive, row.is_used()) {
            (true, _) => (Sign::On, Role::Good),
            (false, true) => (Sign::Off, Role::Good),
            _ => (Sign::Off, Role::Border),
        };
        let style = pen.look.style(role);
        pen.text(line.x + 3, line.y, 1, pen.look.sign(sign), style);
        let size = self.sizes.of(&row.name).map(|bytes| pen.look.size(bytes)).unwrap_or_default();
        let mut right = line.right().saturating_sub(1);
        right = pen.right(right, line.y, 8, &format!("{size:>7}"), dim).saturating_sub(1);
        if line.width >= 34 {
            let users = match row.users.as_slice() {
                [] => "unused".to_owned(),
                [one] => one.name.clone(),
                many => plural(many.len() as u64, "user", "users"),
            };
            let style = if row.is_used() { dim } else { pen.look.style(Role::Border) };
            right = pen.right(right, line.y, line.width / 3, &users, style).saturating_sub(1);
        }
        let name = pen.look.style(match (row.is_anonymous(), selected) {
            (_, true) => Role::Strong,
            (true, false) => Role::Dim,
            (false, false) => Role::Text,
        });
        pen.text(line.x + 5, line.y, right.saturating_sub(line.x + 5), &label(&row.name), name);
    }

    pub(super) fn draw_files(&self, pen: &mut Pen<'_>, area: Rect) {
        if area.width == 0 {
            return;
        }
        let focused = self.focus == Pane::Files;
        let (dim, head) =
            (pen.look.style(Role::Dim), pen.look.style(if focused { Role::Accent } else { Role::Strong }));
        let Some(content) = self.files.content() else {
            let inner = pen.frame(area, &[("Content", head)], focused);
            let offer = if matches!(self.reading, Reading::Failed(_)) { "tries again" } else { "" };
            draw_reading(pen, inner, &self.reading, offer);
            return;
        };
        let about = match &self.files.files.found {
            Some(found) => format!("/{}", found.text),
            None => self.files.files.sort.word().to_owned(),
        };
        let totals = content.tree.totals(content.tree.root(), outcrop_layers::view::View::Whole);
        let foot = match (totals.files, content.problems.first()) {
            (_, Some(problem)) => problem.clone(),
            (0, None) => "it is empty".into(),
            (files, None) => format!("{} in {}", pen.look.size(totals.size), plural(files, "file", "files")),
        };
        let title = [("Content", head), ("  ", dim), (about.as_str(), dim)];
        self.files.draw(pen, area, &title, &foot, focused, &[]);
    }
}

/// A made-up name in short.
pub(super) fn label(name: &str) -> String {
    let anonymous = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    if anonymous { format!("{}..", &name[..12]) } else { name.to_owned() }
}
