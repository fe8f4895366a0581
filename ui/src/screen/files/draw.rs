//! Draws the lines of a file tree.

use outcrop_layers::index::FileType;
use outcrop_layers::tree::NodeId;
use outcrop_layers::view::{Mark, View};
use ratatui::layout::Rect;

use crate::content::Content;
use crate::pen::{Pen, Sign};
use crate::safe_text::from_bytes;
use crate::screen::files::Files;
use crate::screen::files::file::draw_swatch;
use crate::screen::files::rows::Row;
use crate::theme::{Role, Stratum};

/// Width of the column that says which layer a path comes from.
const ORIGIN: u16 = 16;

impl Files {
    /// Draws the lines that are in sight.
    pub(crate) fn draw(&self, pen: &mut Pen<'_>, room: Rect, content: &Content) {
        let first = self.cursor.first(self.len(), room.height);
        let visible = first..self.len().min(first + usize::from(room.height));
        for (at, y) in visible.zip(room.y..) {
            let (line, selected) = (Rect { y, height: 1, ..room }, at == self.cursor.at);
            match &self.found {
                Some(found) => self.draw_found(pen, line, content, found.nodes[at], selected),
                None => self.draw_line(pen, line, content, self.rows[at], selected),
            }
        }
    }

    fn draw_line(&self, pen: &mut Pen<'_>, line: Rect, content: &Content, row: Row, selected: bool) {
        let view = self.view();
        let Some(seen) = content.tree.seen(row.node, view) else { return };
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        let folder = seen.entry.file_type() == FileType::Directory;
        let removed = seen.mark == Mark::Removed;
        let (sign, role) = mark_of(seen.mark);
        let mark = pen.look.style(role);
        pen.text(line.x + 1, line.y, 1, sign, mark);
        let sizes = self.draw_sizes(pen, line, content, row.node, removed);
        let mut x = line.x + 3 + row.depth.min(40) * 2;
        let dim = pen.look.style(Role::Dim);
        let arrow = match (folder, self.is_open(row.node)) {
            (true, true) => pen.look.sign(Sign::Open),
            (true, false) => pen.look.sign(Sign::Closed),
            _ => " ",
        };
        pen.text(x, line.y, 1, arrow, dim);
        x += 2;
        let style = match (removed, selected) {
            (true, _) => dim,
            (false, true) => pen.look.style(Role::Strong),
            _ => pen.look.style(Role::Text),
        };
        let name = Self::row_name(content, row, folder);
        let used = pen.path(x, line.y, sizes.saturating_sub(x + 1), &name, style);
        if let Some(target) = link_text(&seen, pen) {
            pen.text(x + used, line.y, sizes.saturating_sub(x + used + 1), &target, dim);
        }
    }

    /// Sizes and bar at the right; gives where they begin.
    fn draw_sizes(&self, pen: &mut Pen<'_>, line: Rect, content: &Content, node: NodeId, removed: bool) -> u16 {
        let view = self.view();
        let totals = content.tree.totals(node, view);
        let whole = content.tree.totals(content.tree.root(), view).size;
        let room = if self.origins.is_some() { ORIGIN } else { 9 };
        let bar = if line.width >= 50 { room } else { 0 };
        let end = line.right().saturating_sub(bar + 1);
        let style = pen.look.style(Role::Dim);
        let takes = matches!(view, View::Layer(_)) && totals.size == 0 && totals.hidden > 0;
        let text = if removed || takes {
            format!("{}{}", pen.look.sign(Sign::Minus), pen.look.size(totals.hidden))
        } else {
            pen.look.size(totals.size)
        };
        let at = pen.right(end.saturating_sub(1), line.y, 10, &text, style);
        if bar > 0
            && let Some(looks) = &self.origins
        {
            Self::draw_origin(pen, Rect::new(end, line.y, bar, 1), content, node, looks);
        } else if !removed && bar > 0 {
            let style = pen.look.style(Role::Bar);
            pen.bar(end, line.y, bar, totals.size, whole, style);
        }
        at
    }

    /// Names the layer that a container's file was copied up from, or that a removed one is still in.
    fn draw_origin(pen: &mut Pen<'_>, place: Rect, content: &Content, node: NodeId, looks: &[Stratum]) {
        let versions = content.tree.versions(node);
        let Some((last, below)) = versions.split_last() else { return };
        let dim = pen.look.style(Role::Dim);
        let origin =
            below.iter().rev().find(|version| !version.change.is_removal()).map(|version| version.layer as usize);
        let folder = content.tree.entry(last).file_type() == FileType::Directory;
        match origin.filter(|_| !folder) {
            Some(layer) => {
                draw_swatch(pen, place.x, place.y, looks.get(layer).copied());
                let over = if last.change.is_removal() { "over" } else { "from" };
                pen.text(place.x + 2, place.y, place.width - 2, &format!("{over} layer {}", layer + 1), dim);
            }
            None if !folder => {
                pen.text(place.x + 2, place.y, place.width - 2, "new", dim);
            }
            None => {}
        }
    }

    fn row_name(content: &Content, row: Row, folder: bool) -> String {
        let mut parts = vec![from_bytes(content.tree.name(row.node)).into_owned()];
        let mut node = row.node;
        while node != row.top
            && let Some(parent) = content.tree.parent(node)
        {
            parts.push(from_bytes(content.tree.name(parent)).into_owned());
            node = parent;
        }
        parts.reverse();
        let mut name = parts.join("/");
        if folder {
            name.push('/');
        }
        name
    }

    fn draw_found(&self, pen: &mut Pen<'_>, line: Rect, content: &Content, node: NodeId, selected: bool) {
        let Some(seen) = content.tree.seen(node, self.view()) else { return };
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        let (sign, role) = mark_of(seen.mark);
        let mark = pen.look.style(role);
        pen.text(line.x + 1, line.y, 1, sign, mark);
        let sizes = self.draw_sizes(pen, line, content, node, seen.mark == Mark::Removed);
        let path = content.tree.path(node);
        let text = from_bytes(&path);
        let (folder, name) = text.rsplit_once('/').map_or(("", text.as_ref()), |(f, n)| (f, n));
        let (dim, strong) =
            (pen.look.style(Role::Dim), pen.look.style(if selected { Role::Strong } else { Role::Text }));
        let room = sizes.saturating_sub(line.x + 4);
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let head = room.saturating_sub(pen.look.width(name));
        let used = pen.path(line.x + 3, line.y, head, &folder, dim);
        pen.text(line.x + 3 + used, line.y, room.saturating_sub(used), name, strong);
    }
}

/// The sign of a mark and its colour.
pub(crate) fn mark_of(mark: Mark) -> (&'static str, Role) {
    match mark {
        Mark::Same => (" ", Role::Dim),
        Mark::Inside => ("~", Role::Dim),
        Mark::Added => ("+", Role::Good),
        Mark::Changed => ("~", Role::Change),
        Mark::Removed => ("-", Role::Bad),
    }
}

fn link_text(seen: &outcrop_layers::view::Seen<'_>, pen: &Pen<'_>) -> Option<String> {
    let arrow = pen.look.sign(Sign::Arrow);
    match seen.entry.file_type() {
        FileType::Symlink => Some(format!(" {arrow} {}", from_bytes(&seen.entry.target()?))),
        _ => None,
    }
}
