//! Draws the list of volumes and what is in the selected one.

use ratatui::layout::Rect;

use crate::content::Reading;
use crate::model::VolumeRow;
use crate::pen::{Pen, Sign};
use crate::screen::files::explorer::draw_reading;
use crate::screen::list::Words;
use crate::screen::volumes::{Pane, Volumes};
use crate::size::plural;
use crate::theme::Role;

impl Volumes {
    pub(super) fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let words = Words {
            name: "Volumes",
            note: "",
            none: &["no volumes yet", "", "+ creates one"],
            hidden: &[],
            focused: self.focus == Pane::List,
        };
        self.list.draw(pen, area, &words, |pen, line, row, selected| self.draw_row(pen, line, row, selected));
    }

    fn draw_row(&self, pen: &mut Pen<'_>, line: Rect, row: &VolumeRow, selected: bool) {
        let dim = pen.look.style(Role::Dim);
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        self.list.draw_sign(pen, line, row, selected);
        let alive = row.users.iter().any(|user| user.alive);
        let (sign, role) = match (alive, row.is_used()) {
            (true, _) => (Sign::On, Role::Good),
            (false, true) => (Sign::Off, Role::Good),
            _ => (Sign::Off, Role::Border),
        };
        let style = pen.look.style(role);
        pen.text(line.x + 3, line.y, 1, pen.look.sign(sign), style);
        let size = self.sizes.of(&row.name).map(|bytes| pen.look.size(bytes)).unwrap_or_default();
        let mut right = line.right().saturating_sub(1);
        right = pen.right(right, line.y, 8, &format!("{size:>7}"), dim).saturating_sub(1);
        if line.width >= 34 {
            let users = match row.users.as_slice() {
                [] => "unused".to_owned(),
                [one] => one.name.clone(),
                many => plural(many.len() as u64, "user", "users"),
            };
            let style = if row.is_used() { dim } else { pen.look.style(Role::Border) };
            right = pen.right(right, line.y, line.width / 3, &users, style).saturating_sub(1);
        }
        let name = pen.look.style(match (row.is_anonymous(), selected) {
            (_, true) => Role::Strong,
            (true, false) => Role::Dim,
            (false, false) => Role::Text,
        });
        pen.text(line.x + 5, line.y, right.saturating_sub(line.x + 5), &label(&row.name), name);
    }

    pub(super) fn draw_files(&self, pen: &mut Pen<'_>, area: Rect) {
        if area.width == 0 {
            return;
        }
        let focused = self.focus == Pane::Files;
        let (dim, head) =
            (pen.look.style(Role::Dim), pen.look.style(if focused { Role::Accent } else { Role::Strong }));
        let Some(content) = self.files.content() else {
            let inner = pen.frame(area, &[("Content", head)], focused);
            let offer = if matches!(self.reading, Reading::Failed(_)) { "tries again" } else { "" };
            draw_reading(pen, inner, &self.reading, offer);
            return;
        };
        let about = match &self.files.files.found {
            Some(found) => format!("/{}", found.text),
            None => self.files.files.sort.word().to_owned(),
        };
        let totals = content.tree.totals(content.tree.root(), outcrop_layers::view::View::Whole);
        let foot = match (totals.files, content.problems.first()) {
            (_, Some(problem)) => problem.clone(),
            (0, None) => "it is empty".into(),
            (files, None) => format!("{} in {}", pen.look.size(totals.size), plural(files, "file", "files")),
        };
        let title = [("Content", head), ("  ", dim), (about.as_str(), dim)];
        self.files.draw(pen, area, &title, &foot, focused, &[]);
    }
}

/// A made-up name in short.
pub(super) fn label(name: &str) -> String {
    let anonymous = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    if anonymous { format!("{}..", &name[..12]) } else { name.to_owned() }
}
