//! Draws the file tree.

use outcrop_layers::view::View;
use ratatui::layout::Rect;

use crate::content::{Content, Reading};
use crate::pen::{Pen, Sign};
use crate::safe_text::wrap;
use crate::screen::files::Tab;
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
        self.files.draw(pen, room, content);
        let foot = self.files_foot(pen.look, content);
        pen.text(inner.x + 1, inner.bottom() - 1, inner.width.saturating_sub(2), &foot, dim);
    }

    fn files_title(&self, look: &crate::pen::Look) -> String {
        if self.current_known().is_none() {
            return String::new();
        }
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
                (false, 0) => "no path matches; esc shows all".into(),
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
                let size = self.list.current().map_or(0, |r| r.size);
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
}
