//! Draws the disk: a bar for each kind of thing, a bar for each thing, and what removing the marked ones would free.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::pen::{Look, Pen, Sign};
use crate::screen::disk::panes::Panes;
use crate::screen::disk::{Disk, Pane, Row, kind};
use crate::size::{age, plural};
use crate::theme::Role;

/// What the things are called, one and several.
const KINDS: [(&str, &str); 4] =
    [("image", "images"), ("container", "containers"), ("volume", "volumes"), ("folder", "folders")];

impl Disk {
    pub(super) fn draw_all(&self, pen: &mut Pen<'_>, area: Rect) {
        let panes = Panes::of(self, area);
        if !panes.kinds.is_empty() {
            self.draw_kinds(pen, panes.kinds);
        }
        if !panes.list.is_empty() {
            self.draw_list(pen, panes.list);
        }
        if !panes.map.is_empty() {
            self.draw_map(pen, panes.map);
        }
        let dim = pen.look.style(Role::Dim);
        match (panes.list.is_empty(), panes.map.is_empty()) {
            (true, false) => pen.text(panes.map.x + 2, panes.map.bottom() - 1, 20, " tab shows the list ", dim),
            (false, true) => pen.text(panes.list.x + 2, panes.list.bottom() - 1, 19, " tab shows the map ", dim),
            _ => 0,
        };
        self.draw_freed(pen, panes.freed);
    }

    /// What each kind holds: of the images what several share, and what one has alone.
    fn draw_kinds(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, text) = (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Text));
        let mut when = format!("  measured {}; R measures again", age(self.now, self.measured));
        if let Some((since, _)) = self.first.filter(|(_, first)| *first != self.sums()) {
            let _ = write!(when, "; + and - since {}", age(self.now, since));
        }
        let about = if self.loaded && self.trouble.is_none() { when.as_str() } else { "" };
        let inner = pen.frame(area, &[("Disk", strong), (about, dim)], false);
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
        let count = |at: usize| plural(of(at).count() as u64, KINDS[at].0, KINDS[at].1);
        let [shared, unique, writable, logs, volumes, folders] = self.sums();
        let lines = [
            ("layers shared", shared, "in more than one image".to_owned()),
            ("layers unique", unique, format!("in one of {}", count(0))),
            ("writable layers", writable, count(1)),
            ("logs", logs, String::new()),
            ("volumes", volumes, count(2)),
            ("unreferenced", folders, self.unreferenced()),
        ];
        let most = lines.iter().map(|line| line.1).max().unwrap_or(0);
        // What is said of a line needs room beside how much it has grown.
        let growth = if self.first.is_some_and(|(_, first)| first != self.sums()) { 11 } else { 0 };
        let cells = inner.width.saturating_sub(58 + growth).clamp(10, 80);
        for ((at, (name, bytes, about)), y) in lines.iter().enumerate().zip(inner.top()..inner.bottom()) {
            pen.text(inner.x + 2, y, 16, name, text);
            pen.right(inner.x + 28, y, 10, &pen.look.size(*bytes), strong);
            let bar = pen.look.style(Role::Bar);
            pen.bar(inner.x + 30, y, cells, *bytes, most, bar);
            let x = inner.x + 32 + cells;
            let room = inner.right().saturating_sub(x + 1);
            let grown = self.grown(pen.look, at, *bytes);
            // How it grows is worth more than how many there are.
            let tail = pen.look.width(&grown).min(room);
            let accent = pen.look.style(Role::Accent);
            pen.right(inner.right() - 1, y, tail, &grown, accent);
            pen.text(x, y, room.saturating_sub(tail + u16::from(tail > 0)), about, dim);
        }
    }

    /// How much more or less it is than at the first look: nothing, where that is nothing.
    fn grown(&self, look: &Look, at: usize, bytes: u64) -> String {
        let Some(first) = self.first.map(|(_, first)| first[at]).filter(|first| *first != bytes) else {
            return String::new();
        };
        let sign = if bytes > first { "+" } else { look.sign(Sign::Minus) };
        format!("{sign}{}", look.size(bytes.abs_diff(first)))
    }

    /// What is said of layer folders that nothing refers to.
    fn unreferenced(&self) -> String {
        match self.kept.folders.as_deref() {
            None => "not to be seen here".into(),
            Some(folders) => plural(folders.len() as u64, "layer folder", "layer folders"),
        }
    }

    fn draw_list(&self, pen: &mut Pen<'_>, frame: Rect) {
        let focused = self.focus == Pane::List;
        let head = pen.look.style(if focused { Role::Accent } else { Role::Strong });
        let dim = pen.look.style(Role::Dim);
        let inner = pen.frame(frame, &[("What holds it  ", head), (self.sort.word(), dim)], focused);
        let columns = Columns::of(inner);
        // The heads stand on the border, above what they name.
        pen.right(columns.bytes + 1, frame.y, 6, " size ", dim);
        pen.right(columns.own + 1, frame.y, 7, " frees ", dim);
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
        let columns = Columns::of(line);
        pen.text(line.x + 14, line.y, columns.name, &row.name, if selected { strong } else { text });
        pen.right(columns.bytes, line.y, 9, &pen.look.size(row.bytes), strong);
        let own = if row.can_go { pen.look.size(row.own) } else { String::new() };
        pen.right(columns.own, line.y, 9, &own, dim);
        let mut x = columns.own + 2;
        if columns.bar > 0 {
            // What would go is full, what others have too is thin.
            let (bar, border) = (pen.look.style(Role::Bar), pen.look.style(Role::Border));
            let thin = if pen.look.unicode() { "░" } else { "." };
            let cells = columns.bar;
            let all = (u128::from(row.bytes) * u128::from(cells)).checked_div(u128::from(most)).unwrap_or(0) as u16;
            pen.repeat(x, line.y, all, thin, border);
            pen.bar(x, line.y, cells, row.own, most, bar);
            x += cells + 1;
        }
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
            stays = format!("; {} of their layers stay in other images", pen.look.size(self.freed.stays));
        }
        pen.pieces(x, inner.y, width, &[("removing them frees ", dim), (&freed, accent), (&stays, dim)]);
        if !self.freed.kept.is_empty() {
            let text = format!("cannot go: {}", self.freed.kept.join(", "));
            pen.text(x, inner.y + 1, width, &text, bad);
        }
    }
}

/// Where the columns of the list are: the cells of the name and of the bar, and where the numbers end.
struct Columns {
    name: u16,
    bytes: u16,
    own: u16,
    bar: u16,
}

impl Columns {
    fn of(line: Rect) -> Self {
        let bar = if line.width > 100 { line.width / 5 } else { 0 };
        // Kind, two numbers, the bar, and what is said of it.
        let name = line.width.saturating_sub(14 + 20 + 21 + bar).clamp(14, 40);
        let bytes = line.x + 15 + name + 9;
        Self { name, bytes, own: bytes + 10, bar }
    }
}
