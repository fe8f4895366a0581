//! The list of images, each with a small column a layer.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::pen::{Pen, Sign};
use crate::screen::images::{Images, Pane};
use crate::theme::{Level, Role};

/// Most columns drawn for one image.
const MOST_COLUMNS: usize = 8;

impl Images {
    pub(super) fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim) = (pen.look.style(Role::Strong), pen.look.style(Role::Dim));
        let accent = pen.look.style(Role::Accent);
        let focused = self.focus == Pane::List;
        let about = self.list_title(pen.look);
        let inner = pen.frame(area, &[("Images", if focused { accent } else { strong }), (&about, dim)], focused);
        if inner.height == 0 {
            return;
        }
        if self.shown.is_empty() {
            self.draw_no_images(pen, inner);
            return;
        }
        pen.position(area, self.cursor.at, self.shown.len(), inner.height);
        let columns = self.columns(inner.width);
        let first = self.cursor.first(self.shown.len(), inner.height);
        for ((at, row), y) in self.shown.iter().enumerate().skip(first).take(usize::from(inner.height)).zip(inner.y..) {
            self.draw_row(pen, Rect::new(inner.x, y, inner.width, 1), *row, at == self.cursor.at, columns);
        }
    }

    fn list_title(&self, look: &crate::pen::Look) -> String {
        let mut text = String::new();
        if !self.filter.is_empty() {
            text = format!(" {} of {}", self.shown.len(), self.rows.len());
        }
        if !self.marks.is_empty() {
            let _ = write!(text, "{}{} marked", look.sign(Sign::Separator), self.marks.len());
        }
        text
    }

    fn draw_no_images(&self, pen: &mut Pen<'_>, inner: Rect) {
        let dim = pen.look.style(Role::Dim);
        let lines: &[&str] = if !self.loaded {
            &["asking the engine"]
        } else if self.rows.is_empty() {
            &["no images yet", "", "load an archive", "with o"]
        } else {
            &["none matches", "", "esc shows all"]
        };
        for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
            pen.text(inner.x + 2, y, inner.width.saturating_sub(3), line, dim);
        }
    }

    /// How many cells the columns of layers get.
    fn columns(&self, width: u16) -> usize {
        let most = self.known.values().map(|k| k.looks.len()).max().unwrap_or(0);
        most.min(MOST_COLUMNS).min(usize::from(width / 4))
    }

    fn draw_row(&self, pen: &mut Pen<'_>, line: Rect, row: usize, selected: bool, columns: usize) {
        let image = &self.rows[row];
        let (accent, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Dim));
        let mut name = pen.look.style(if selected { Role::Strong } else { Role::Text });
        if image.tags.is_empty() {
            name = dim;
        }
        let end = line.right() - columns as u16;
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(Rect { width: end - line.x, ..line }, style);
        }
        let sign = match (self.marks.contains(&image.id), selected) {
            (true, _) => pen.look.sign(Sign::Marked),
            (false, true) => pen.look.sign(Sign::Cursor),
            _ => " ",
        };
        pen.text(line.x + 1, line.y, 1, sign, accent);
        let size = pen.look.size(image.size);
        let size_at = pen.right(end.saturating_sub(1), line.y, 8, &size, dim);
        let room = size_at.saturating_sub(line.x + 4);
        let more = if image.tags.len() > 1 { format!(" +{}", image.tags.len() - 1) } else { String::new() };
        let label = if image.tags.is_empty() {
            format!("<none> {}", crate::model::short(&image.id))
        } else {
            image.name().to_owned()
        };
        let label =
            label.strip_suffix(":latest").filter(|_| pen.look.width(&label) > room).unwrap_or(&label).to_owned();
        let used = pen.text(line.x + 3, line.y, room.saturating_sub(more.len() as u16), &label, name);
        pen.text(line.x + 3 + used, line.y, room.saturating_sub(used), &more, dim);
        self.draw_columns(pen, end, line.y, row, columns);
    }

    fn draw_columns(&self, pen: &mut Pen<'_>, x: u16, y: u16, row: usize, columns: usize) {
        let Some(known) = self.known.get(&self.rows[row].id) else { return };
        let more = known.looks.len() > columns;
        for (at, look) in known.looks.iter().take(columns).enumerate() {
            let band = pen.look.theme.band(*look);
            let sign = if more && at + 1 == columns {
                '+'
            } else if pen.look.theme.level() >= Level::Sixteen {
                ' '
            } else {
                look.texture(pen.look.unicode())
            };
            pen.text(x + at as u16, y, 1, sign.encode_utf8(&mut [0; 4]), band);
        }
    }
}
