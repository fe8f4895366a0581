//! The screen where no engine answers: what was tried, and what can be done.

use ratatui::layout::Rect;

use crate::app::App;
use crate::pen::Pen;
use crate::popup::Line;
use crate::safe_text::{visible, wrap};
use crate::theme::Role;

impl App {
    pub(super) fn draw_no_engine(&self, pen: &mut Pen<'_>, area: Rect) {
        let key = pen.look.style(Role::Accent);
        let inner = pen.frame(area, &[("No engine answers", key)], true);
        let (x, width) = (inner.x + 2, inner.width.saturating_sub(4));
        let room = usize::from(width).saturating_sub(4).max(20);
        let mut lines = vec![Line::of("These were tried:", Role::Strong), Line::default()];
        for tried in &self.setup.tried {
            lines.push(Line::plain(&tried.place).and("   ", Role::Dim).and(&tried.why, Role::Dim));
            let error = visible(&tried.error, pen.look.charset);
            lines.extend(wrap(&error, room).into_iter().map(|part| Line::of(format!("    {part}"), Role::Bad)));
        }
        if self.setup.tried.is_empty() {
            lines.push(Line::of("nothing: no address was given", Role::Dim));
        }
        lines.push(Line::default());
        if self.setup.can_embed {
            lines.push(Line::of("enter", Role::Accent).and(" opens the embedded engine:", Role::Text));
            lines.push(Line::plain("    it needs no daemon and keeps its own data root"));
        }
        let host = Line::of("-H HOST", Role::Accent).and(" or ", Role::Text).and("DOCKER_HOST", Role::Accent);
        lines.push(host.and(" chooses another engine; ", Role::Text).and("q", Role::Accent).and(" leaves", Role::Text));
        for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
            let pieces: Vec<_> = line.0.iter().map(|(text, role)| (text.as_str(), pen.look.style(*role))).collect();
            pen.pieces(x, y, width, &pieces);
        }
    }
}
