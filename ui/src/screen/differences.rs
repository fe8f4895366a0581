//! The list of paths that differ between two file systems, with the size each has.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::action::Action;
use crate::client::differences::Difference;
use crate::pen::{Pen, Sign};
use crate::safe_text::from_bytes;
use crate::size::plural;
use crate::theme::Role;
use crate::widget::cursor::Cursor;

/// Two file systems, by what their trees are called, and what differs between them.
pub(crate) struct Differences {
    pub(crate) left: String,
    pub(crate) right: String,
    list: Option<Vec<Difference>>,
    cursor: Cursor,
    /// Why they cannot be compared.
    pub(crate) error: Option<String>,
}

impl Differences {
    pub(crate) fn between(left: String, right: String) -> Self {
        Self { left, right, list: None, cursor: Cursor::default(), error: None }
    }

    /// Whether nothing has been answered yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.list.is_none()
    }

    /// Takes an answer; says whether it was about these two.
    pub(crate) fn take(&mut self, left: &str, right: &str, list: &mut Vec<Difference>) -> bool {
        let ours = self.left == left && self.right == right;
        if ours {
            self.list = Some(std::mem::take(list));
        }
        ours
    }

    /// Rows of the list in an area of that height.
    fn room(height: u16) -> u16 {
        height.saturating_sub(3)
    }

    /// Moves; says whether the action was one of movement.
    pub(crate) fn act(&mut self, action: Action, height: u16) -> bool {
        let len = self.list.as_ref().map_or(0, Vec::len);
        self.cursor.act(action, len, Self::room(height))
    }

    pub(crate) fn wheel(&mut self, lines: isize, height: u16) {
        let len = self.list.as_ref().map_or(0, Vec::len);
        self.cursor.wheel(lines, len, Self::room(height));
    }

    /// How many paths differ; nothing while it is not known.
    pub(crate) fn about(&self) -> String {
        let Some(list) = &self.list else { return String::new() };
        format!("  {}", plural(list.len() as u64, "path differs", "paths differ"))
    }

    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect, title: &[(&str, Style)], names: [&str; 2], focused: bool) {
        let (strong, dim, text) = (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Text));
        let inner = pen.frame(area, title, focused);
        if inner.height < 2 {
            return;
        }
        let say = match (&self.list, &self.error) {
            (None, Some(error)) => error,
            (None, None) => "reading both",
            (Some(list), _) if list.is_empty() => "the same files in both",
            _ => "",
        };
        pen.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(4), say, dim);
        let Some(list) = self.list.as_ref().filter(|list| !list.is_empty()) else { return };
        let columns = [inner.right().saturating_sub(26), inner.right().saturating_sub(2)];
        for (end, name) in columns.iter().zip(names) {
            pen.right(*end, inner.y, 22, name, dim);
        }
        let room = inner.height - 1;
        let first = self.cursor.first(list.len(), room);
        for ((at, difference), y) in list.iter().enumerate().skip(first).take(usize::from(room)).zip(inner.y + 1..) {
            let selected = at == self.cursor.at;
            if selected {
                let style = pen.look.style(Role::Selected);
                pen.tint(Rect { y, height: 1, ..inner }, style);
            }
            let (sign, role) = match (difference.left, difference.right) {
                (None, _) => ("+", Role::Good),
                (_, None) => ("-", Role::Bad),
                _ => ("~", Role::Change),
            };
            let mark = pen.look.style(role);
            pen.text(inner.x + 1, y, 1, sign, mark);
            let none = pen.look.sign(Sign::Minus);
            for (end, size) in columns.iter().zip([difference.left, difference.right]) {
                let size = size.map_or_else(|| none.to_owned(), |s| pen.look.size(s));
                pen.right(*end, y, 12, &size, dim);
            }
            let style = if selected { strong } else { text };
            pen.path(inner.x + 3, y, columns[0].saturating_sub(inner.x + 16), &from_bytes(&difference.path), style);
        }
        pen.position(area, self.cursor.at, list.len(), room);
    }
}
