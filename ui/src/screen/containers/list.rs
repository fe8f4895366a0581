//! The list of containers.

use ratatui::layout::Rect;

use crate::model::ContainerRow;
use crate::pen::{Pen, Sign};
use crate::screen::containers::{Containers, Pane};
use crate::screen::list::Words;
use crate::theme::Role;

impl Containers {
    pub(super) fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let words = Words {
            name: "Containers",
            note: if self.only_running { " running" } else { "" },
            none: &["no containers yet", "", "+ starts one"],
            hidden: &["none is running", "", "o shows all"],
            focused: self.focus == Pane::List,
        };
        self.list.draw(pen, area, &words, |pen, line, row, selected| self.draw_row(pen, line, row, selected));
    }

    fn draw_row(&self, pen: &mut Pen<'_>, line: Rect, row: &ContainerRow, selected: bool) {
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        self.list.draw_sign(pen, line, row, selected);
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
