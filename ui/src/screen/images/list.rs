//! The list of images, each with a small column a layer.

use ratatui::layout::Rect;

use crate::model::ImageRow;
use crate::pen::Pen;
use crate::screen::images::{Images, Pane};
use crate::screen::list::Words;
use crate::theme::{Level, Role};

/// Most columns drawn for one image.
const MOST_COLUMNS: usize = 8;

impl Images {
    pub(super) fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let words = Words {
            name: "Images",
            note: "",
            none: &["no images yet", "", "o loads an archive", "p pulls from a", "  registry", "b builds a Dockerfile"],
            hidden: &[],
            focused: self.focus == Pane::List,
        };
        let columns = self.columns(area.width.saturating_sub(2));
        self.list.draw(pen, area, &words, |pen, line, row, selected| self.draw_row(pen, line, row, selected, columns));
    }

    /// How many cells the columns of layers get.
    fn columns(&self, width: u16) -> usize {
        let most = self.known.values().map(|k| k.looks.len()).max().unwrap_or(0);
        most.min(MOST_COLUMNS).min(usize::from(width / 4))
    }

    fn draw_row(&self, pen: &mut Pen<'_>, line: Rect, image: &ImageRow, selected: bool, columns: usize) {
        let dim = pen.look.style(Role::Dim);
        let mut name = pen.look.style(if selected { Role::Strong } else { Role::Text });
        if image.tags.is_empty() {
            name = dim;
        }
        let end = line.right() - columns as u16;
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(Rect { width: end - line.x, ..line }, style);
        }
        self.list.draw_sign(pen, line, image, selected);
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
        self.draw_columns(pen, (end, line.y), image, columns);
    }

    fn draw_columns(&self, pen: &mut Pen<'_>, (x, y): (u16, u16), image: &ImageRow, columns: usize) {
        let Some(known) = self.known.get(&image.id) else { return };
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
