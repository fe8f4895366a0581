//! The list of containers.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::pen::{Pen, Sign};
use crate::screen::containers::{Containers, Pane};
use crate::theme::Role;

impl Containers {
    pub(super) fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let focused = self.focus == Pane::List;
        let about = self.list_title(pen.look);
        let inner = pen.frame(area, &[("Containers", if focused { accent } else { strong }), (&about, dim)], focused);
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

    fn list_title(&self, look: &crate::pen::Look) -> String {
        let mut text = String::new();
        if !self.filter.is_empty() {
            text = format!(" {} of {}", self.shown.len(), self.rows.len());
        } else if self.only_running {
            text = " running".into();
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
            None if self.rows.is_empty() => vec!["no containers yet".into(), String::new(), "+ starts one".into()],
            None if self.only_running && self.filter.is_empty() => {
                vec!["none is running".into(), String::new(), "o shows all".into()]
            }
            None => vec!["none matches".into(), String::new(), "esc shows all".into()],
        };
        for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
            pen.text(inner.x + 2, y, width, line, dim);
        }
    }

    fn draw_row(&self, pen: &mut Pen<'_>, line: Rect, row: usize, selected: bool) {
        let row = &self.rows[row];
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        let accent = pen.look.style(Role::Accent);
        let marked = self.marks.contains(&row.id);
        let cursor = match (marked, selected) {
            (true, _) => pen.look.sign(Sign::Marked),
            (false, true) => pen.look.sign(Sign::Cursor),
            _ => " ",
        };
        pen.text(line.x + 1, line.y, 1, cursor, accent);
        let sick = row.health == "unhealthy";
        let state = pen.look.style(if sick { Role::Bad } else { row.state.role() });
        let sign = pen.look.sign(if row.state.is_alive() { Sign::On } else { Sign::Off });
        pen.text(line.x + 3, line.y, 1, sign, state);
        let mut right = line.right().saturating_sub(1);
        let brief = if sick { "unhealthy".to_owned() } else { row.brief() };
        right = pen.right(
            right,
            line.y,
            13,
            &brief,
            if row.state.is_alive() && !sick { pen.look.style(Role::Dim) } else { state },
        );
        let name = pen.look.style(if selected { Role::Strong } else { Role::Text });
        let room = right.saturating_sub(line.x + 6);
        // Where there is room for it, the image stands between name and state.
        let used = pen.text(line.x + 5, line.y, room, &row.name, name);
        if room >= used + 10 {
            let dim = pen.look.style(Role::Dim);
            let image = row.image.strip_suffix(":latest").unwrap_or(&row.image);
            pen.text(line.x + 5 + used + 1, line.y, room - used - 2, image, dim);
        }
    }
}
