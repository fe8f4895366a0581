//! Draws the file tree.

use outcrop_layers::index::FileType;
use outcrop_layers::tree::NodeId;
use outcrop_layers::view::{Mark, View};
use ratatui::layout::Rect;

use crate::content::{Content, Reading};
use crate::pen::{Pen, Sign};
use crate::safe_text::{from_bytes, wrap};
use crate::screen::images::files::Tab;
use crate::screen::images::rows::Row;
use crate::screen::images::{Images, Pane};
use crate::size::{count, plural};
use crate::theme::Role;

impl Images {
    pub(super) fn draw_files(&self, pen: &mut Pen<'_>, area: Rect) {
        if area.width == 0 {
            return;
        }
        let focused = self.focus == Pane::Files;
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let head = if focused { accent } else { strong };
        let about = self.files_title(pen.look);
        let name = if self.files.tab == Tab::Waste { "Waste" } else { "Files" };
        let inner = pen.frame(area, &[(name, head), ("  ", dim), (&about, dim)], focused);
        if inner.height < 2 {
            return;
        }
        let Some(content) = &self.files.content else {
            self.draw_reading(pen, inner);
            return;
        };
        if self.files.tab == Tab::Waste {
            self.draw_waste(pen, inner, content);
            return;
        }
        let room = Rect { height: inner.height - 1, ..inner };
        pen.position(area, self.files.cursor.at, self.files.len(), room.height);
        let first = self.files.cursor.first(self.files.len(), room.height);
        let visible = first..self.files.len().min(first + usize::from(room.height));
        for (at, y) in visible.zip(room.y..) {
            let (line, selected) = (Rect { y, height: 1, ..room }, at == self.files.cursor.at);
            match &self.files.found {
                Some(found) => self.draw_found(pen, line, content, found.nodes[at], selected),
                None => self.draw_file(pen, line, content, self.files.rows[at], selected),
            }
        }
        let foot = self.files_foot(pen.look, content);
        pen.text(inner.x + 1, inner.bottom() - 1, inner.width.saturating_sub(2), &foot, dim);
    }

    fn files_title(&self, look: &crate::pen::Look) -> String {
        let dot = look.sign(Sign::Separator);
        let layer = self.layer_or_below().map_or(0, |l| l + 1);
        let view = match self.files.tab {
            Tab::Layer if self.layer().is_none() => format!("changes in layer {layer}, below this step"),
            Tab::Layer => format!("changes in layer {layer}"),
            Tab::UpTo => format!("everything up to layer {layer}"),
            Tab::Whole => "the whole image".into(),
            Tab::Waste => return self.waste_title(look),
        };
        let only = if self.files.only_changed && self.files.tab == Tab::UpTo {
            format!("{dot}only changes")
        } else {
            String::new()
        };
        let pending = if self.files.pending { format!("{dot}sorting") } else { String::new() };
        if let Some(found) = &self.files.found {
            return format!("{view}{dot}/{}", found.text);
        }
        format!("{view}{dot}{}{only}{pending}", self.files.sort.word())
    }

    fn files_foot(&self, look: &crate::pen::Look, content: &Content) -> String {
        if let Some(found) = &self.files.found {
            return match (found.pending, found.total) {
                (true, _) => "searching".into(),
                (false, 0) => "no path matches".into(),
                (false, total) if total > found.nodes.len() => {
                    format!("the best {} of {} paths", count(found.nodes.len() as u64), count(total as u64))
                }
                (false, total) => plural(total as u64, "path", "paths"),
            };
        }
        let view = self.files.view();
        let totals = content.tree.totals(content.tree.root(), view);
        if view == View::Whole {
            return plural(totals.files, "file", "files");
        }
        if content.problems.is_empty() && self.files.rows.is_empty() {
            return "this layer changes no files".into();
        }
        let mut parts = vec![format!("{} added", count(totals.added)), format!("{} changed", count(totals.changed))];
        parts.push(format!("{} removed", count(totals.removed)));
        if let Some(problem) = content.problems.first() {
            return problem.clone();
        }
        parts.join(look.sign(Sign::Separator))
    }

    fn draw_reading(&self, pen: &mut Pen<'_>, inner: Rect) {
        let (dim, bad, key, text) = (
            pen.look.style(Role::Dim),
            pen.look.style(Role::Bad),
            pen.look.style(Role::Accent),
            pen.look.style(Role::Text),
        );
        let width = inner.width.saturating_sub(4);
        let (x, y) = (inner.x + 2, inner.y + 1);
        match &self.reading {
            Reading::Not | Reading::Ready(_) => {}
            Reading::Running => {
                pen.text(x, y, width, "reading the layers", dim);
            }
            Reading::NeedsExport(why) => {
                let size = self.current().map_or(0, |r| r.size);
                pen.pieces(
                    x,
                    y,
                    width,
                    &[
                        ("enter", key),
                        (" has the engine export ", text),
                        (&pen.look.size(size), text),
                        (" to look inside", text),
                    ],
                );
                pen.text(x, y + 1, width, why, dim);
            }
            Reading::Failed(error) => {
                pen.pieces(x, y, width, &[("the layers were not read; ", bad), ("enter", key), (" tries again", bad)]);
                for (line, y) in wrap(error, usize::from(width)).iter().zip(y + 1..inner.bottom()) {
                    pen.text(x, y, width, line, text);
                }
            }
        }
    }

    fn draw_file(&self, pen: &mut Pen<'_>, line: Rect, content: &Content, row: Row, selected: bool) {
        let view = self.files.view();
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
        let arrow = match (folder, self.files.is_open(row.node)) {
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
        let name = self.row_name(content, row, folder);
        let used = pen.path(x, line.y, sizes.saturating_sub(x + 1), &name, style);
        if let Some(target) = link_text(&seen, pen) {
            pen.text(x + used, line.y, sizes.saturating_sub(x + used + 1), &target, dim);
        }
    }

    /// Sizes and bar at the right; gives where they begin.
    fn draw_sizes(&self, pen: &mut Pen<'_>, line: Rect, content: &Content, node: NodeId, removed: bool) -> u16 {
        let view = self.files.view();
        let totals = content.tree.totals(node, view);
        let whole = content.tree.totals(content.tree.root(), view).size;
        let bar = if line.width >= 50 { 9 } else { 0 };
        let end = line.right().saturating_sub(bar + 1);
        let style = pen.look.style(Role::Dim);
        let takes = matches!(view, View::Layer(_)) && totals.size == 0 && totals.hidden > 0;
        let text = if removed || takes {
            format!("{}{}", pen.look.sign(Sign::Minus), pen.look.size(totals.hidden))
        } else {
            pen.look.size(totals.size)
        };
        let at = pen.right(end.saturating_sub(1), line.y, 10, &text, style);
        if !removed && bar > 0 {
            let style = pen.look.style(Role::Bar);
            pen.bar(end, line.y, bar, totals.size, whole, style);
        }
        at
    }

    #[expect(clippy::unused_self, reason = "reads as one of the pane's parts")]
    fn row_name(&self, content: &Content, row: Row, folder: bool) -> String {
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
        let Some(seen) = content.tree.seen(node, self.files.view()) else { return };
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
pub(super) fn mark_of(mark: Mark) -> (&'static str, Role) {
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
