//! The screen where no engine answers: what was tried, and what can be done.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::App;
use crate::pen::Pen;
use crate::theme::Role;

impl App {
    pub(super) fn draw_no_engine(&self, pen: &mut Pen<'_>, area: Rect) {
        let [strong, text, dim, bad, key] =
            [Role::Strong, Role::Text, Role::Dim, Role::Bad, Role::Accent].map(|r| pen.look.style(r));
        let inner = pen.frame(area, &[("No engine answers", key)], true);
        let (x, width) = (inner.x + 2, inner.width.saturating_sub(4));
        let mut lines: Vec<Vec<(&str, Style)>> = vec![vec![("These were tried:", strong)], vec![]];
        for tried in &self.setup.tried {
            lines.push(vec![(&tried.place, text), ("   ", dim), (&tried.why, dim)]);
            lines.push(vec![("    ", dim), (&tried.error, bad)]);
        }
        if self.setup.tried.is_empty() {
            lines.push(vec![("nothing: no address was given", dim)]);
        }
        lines.push(vec![]);
        if self.setup.can_embed {
            lines.push(vec![
                ("enter", key),
                (" opens the embedded engine: it needs no daemon and keeps its own data root", text),
            ]);
        }
        lines.push(vec![
            ("-H HOST", key),
            (" or ", text),
            ("DOCKER_HOST", key),
            (" chooses another engine; ", text),
            ("q", key),
            (" leaves", text),
        ]);
        for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
            pen.pieces(x, y, width, line);
        }
    }
}
