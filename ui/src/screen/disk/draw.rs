//! Draws the disk: a bar for each kind of thing, a bar for each thing, and what removing the marked ones would free.

use ratatui::layout::Rect;

use crate::model::Thing;
use crate::pen::{Pen, Sign};
use crate::screen::disk::{Disk, Row, kind};
use crate::size::plural;
use crate::theme::Role;

/// Lines of the bars at the top, with their frame.
const TOP: u16 = 8;
/// Lines of the sum at the bottom, with their frame.
const BOTTOM: u16 = 4;

/// What the things are called, one and several.
const KINDS: [(&str, &str); 4] =
    [("image", "images"), ("container", "containers"), ("volume", "volumes"), ("folder", "folders")];

/// The lines of the list.
pub(super) fn list(area: Rect) -> Rect {
    let height = area.height.saturating_sub(TOP + BOTTOM + 2);
    Rect::new(area.x + 1, area.y + TOP + 1, area.width.saturating_sub(2), height)
}

impl Disk {
    pub(super) fn draw_all(&self, pen: &mut Pen<'_>, area: Rect) {
        if area.height < TOP + BOTTOM + 3 {
            return;
        }
        self.draw_kinds(pen, Rect { height: TOP, ..area });
        self.draw_list(pen, area);
        self.draw_freed(pen, Rect { y: area.bottom() - BOTTOM, height: BOTTOM, ..area });
    }

    /// What each kind holds: of the images what several share, and what one has alone.
    fn draw_kinds(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, text) = (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Text));
        let inner = pen.frame(area, &[("Disk", strong)], false);
        if let (true, Some(why)) = (self.rows.is_empty(), &self.trouble) {
            let bad = pen.look.style(Role::Bad);
            pen.text(inner.x + 2, inner.y, inner.width.saturating_sub(3), why, bad);
            return;
        }
        if !self.loaded {
            pen.text(inner.x + 2, inner.y, inner.width.saturating_sub(3), "measuring", dim);
            return;
        }
        let of = |at: usize| self.rows.iter().filter(move |row| kind(&row.thing) == at);
        let sum = |at: usize| of(at).map(|row| row.bytes).sum::<u64>();
        let (layers, shared) = self.kept.layers();
        let logs: u64 = self.kept.containers.iter().map(|container| container.log).sum();
        let count = |at: usize| plural(of(at).count() as u64, KINDS[at].0, KINDS[at].1);
        let lines = [
            ("layers shared", shared, "in more than one image".to_owned()),
            ("layers unique", layers - shared, format!("in one of {}", count(0))),
            ("writable layers", sum(1) - logs, count(1)),
            ("logs", logs, String::new()),
            ("volumes", sum(2), count(2)),
            ("unreferenced", sum(3), self.unreferenced()),
        ];
        let most = lines.iter().map(|line| line.1).max().unwrap_or(0);
        let cells = inner.width.saturating_sub(58).clamp(10, 80);
        for ((name, bytes, about), y) in lines.iter().zip(inner.top()..inner.bottom()) {
            pen.text(inner.x + 2, y, 16, name, text);
            pen.right(inner.x + 28, y, 10, &pen.look.size(*bytes), strong);
            let bar = pen.look.style(Role::Bar);
            pen.bar(inner.x + 30, y, cells, *bytes, most, bar);
            let x = inner.x + 32 + cells;
            pen.text(x, y, inner.right().saturating_sub(x + 1), about, dim);
        }
    }

    /// What is said of layer folders that nothing refers to.
    fn unreferenced(&self) -> String {
        match self.kept.folders.as_deref() {
            None => "not to be seen here".into(),
            Some(folders) => plural(folders.len() as u64, "layer folder", "layer folders"),
        }
    }

    fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let (dim, accent) = (pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let frame = Rect { y: area.y + TOP, height: area.height - TOP - BOTTOM, ..area };
        let title = "what holds it";
        pen.frame(frame, &[(title, accent), ("  size, and of it what goes with it", dim)], true);
        let inner = list(area);
        pen.position(frame, self.cursor.at, self.rows.len(), inner.height);
        let most = self.rows.iter().map(|row| row.bytes).max().unwrap_or(0);
        let first = self.cursor.first(self.rows.len(), inner.height);
        for ((at, row), y) in self.rows.iter().enumerate().skip(first).zip(inner.top()..inner.bottom()) {
            self.draw_row(pen, Rect { y, height: 1, ..inner }, row, at == self.cursor.at, most);
        }
    }

    fn draw_row(&self, pen: &mut Pen<'_>, line: Rect, row: &Row, selected: bool, most: u64) {
        let (dim, text, strong, accent) = (
            pen.look.style(Role::Dim),
            pen.look.style(Role::Text),
            pen.look.style(Role::Strong),
            pen.look.style(Role::Accent),
        );
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        let sign = match (self.marks.contains(&row.thing), selected) {
            (true, _) => Some(Sign::Marked),
            (false, true) => Some(Sign::Cursor),
            _ => None,
        };
        pen.text(line.x + 1, line.y, 1, sign.map_or(" ", |sign| pen.look.sign(sign)), accent);
        pen.text(line.x + 3, line.y, 10, KINDS[kind(&row.thing)].0, dim);
        let wide = line.width > 100;
        let name = if wide { line.width / 4 } else { 24 };
        pen.text(line.x + 14, line.y, name, &row.name, if selected { strong } else { text });
        let x = line.x + 15 + name;
        pen.right(x + 9, line.y, 9, &pen.look.size(row.bytes), strong);
        let is_image = matches!(row.thing, Thing::Image(_));
        let own = if is_image { pen.look.size(row.own) } else { String::new() };
        pen.right(x + 19, line.y, 9, &own, dim);
        let cells = if wide { line.width / 4 } else { 0 };
        if cells > 0 {
            // What would go is full, what others have too is thin.
            let (bar, border) = (pen.look.style(Role::Bar), pen.look.style(Role::Border));
            let thin = if pen.look.unicode() { "░" } else { "." };
            let all = (u128::from(row.bytes) * u128::from(cells)).checked_div(u128::from(most)).unwrap_or(0) as u16;
            pen.repeat(x + 21, line.y, all, thin, border);
            pen.bar(x + 21, line.y, cells, row.own, most, bar);
        }
        let x = x + 21 + cells + u16::from(cells > 0);
        pen.text(x, line.y, line.right().saturating_sub(x + 1), &row.about, dim);
    }

    /// Says exactly what removing the marked things would free.
    fn draw_freed(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, accent, bad) = (
            pen.look.style(Role::Strong),
            pen.look.style(Role::Dim),
            pen.look.style(Role::Accent),
            pen.look.style(Role::Bad),
        );
        let count = plural(self.marks.len() as u64, "thing marked", "things marked");
        let inner = pen.frame(area, &[(&count, strong)], false);
        let (x, width) = (inner.x + 2, inner.width.saturating_sub(3));
        if self.marks.is_empty() {
            pen.text(x, inner.y, width, "space marks; P marks what nothing refers to", dim);
            return;
        }
        let freed = pen.look.size(self.freed.bytes);
        let mut stays = String::new();
        if self.freed.stays > 0 {
            stays = format!("; {} of their layers stay, since other images have them", pen.look.size(self.freed.stays));
        }
        pen.pieces(x, inner.y, width, &[("removing them frees ", dim), (&freed, accent), (&stays, dim)]);
        if !self.freed.kept.is_empty() {
            let text = format!("cannot go: {}", self.freed.kept.join(", "));
            pen.text(x, inner.y + 1, width, &text, bad);
        }
    }
}
