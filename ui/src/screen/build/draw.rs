//! Draws the Dockerfiles of the folder, and how the selected one is built.

use ratatui::layout::Rect;

use crate::pen::{Pen, Sign};
use crate::screen::build::{Build, Pane};
use crate::theme::Role;

impl Build {
    pub(super) fn draw_list(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let focused = self.focus == Pane::List;
        let inner = pen.frame(area, &[("Dockerfiles", if focused { accent } else { strong })], focused);
        let found = self.found.as_deref().unwrap_or_default();
        if found.is_empty() {
            let width = inner.width.saturating_sub(3);
            let words = match (&self.trouble, &self.found) {
                (Some(why), _) => why.as_str(),
                (None, None) => "looking",
                (None, Some(_)) => "no Dockerfile in this folder",
            };
            let mut lines = crate::safe_text::wrap(words, usize::from(width).max(12));
            lines.extend([String::new(), "o chooses another".into()]);
            for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
                pen.text(inner.x + 2, y, width, line, dim);
            }
            return;
        }
        pen.position(area, self.cursor.at, found.len(), inner.height);
        let first = self.cursor.first(found.len(), inner.height);
        for ((at, name), y) in found.iter().enumerate().skip(first).zip(inner.top()..inner.bottom()) {
            let selected = at == self.cursor.at;
            if selected {
                let style = pen.look.style(Role::Selected);
                pen.tint(Rect::new(inner.x, y, inner.width, 1), style);
            }
            let marked = self.other.as_ref() == Some(name);
            let sign = match (marked, selected) {
                (true, _) => pen.look.sign(Sign::Marked),
                (false, true) => pen.look.sign(Sign::Cursor),
                _ => " ",
            };
            pen.text(inner.x + 1, y, 1, sign, accent);
            let style = pen.look.style(if selected { Role::Strong } else { Role::Text });
            let used = pen.text(inner.x + 3, y, inner.width.saturating_sub(4), name, style);
            if marked && !selected {
                let room = inner.width.saturating_sub(used + 5);
                pen.text(inner.x + 4 + used, y, room, "beside it", dim);
            }
        }
    }

    pub(super) fn draw_facts(&self, pen: &mut Pen<'_>, area: Rect) {
        let strong = pen.look.style(Role::Strong);
        let inner = pen.frame(area, &[("How", strong)], false);
        let (dim, text, accent) = (pen.look.style(Role::Dim), pen.look.style(Role::Text), pen.look.style(Role::Accent));
        let width = inner.width.saturating_sub(3);
        let label = 10.min(width / 2);
        let Some(recipe) = self.recipe() else {
            pen.text(inner.x + 2, inner.y, width, "context", dim);
            pen.path(inner.x + 2, inner.y + 1, width, &self.folder, text);
            return;
        };
        let arguments: Vec<String> = recipe.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let facts = [
            ("context", recipe.folder.as_str(), true),
            ("image", if recipe.name.is_empty() { "no name" } else { &recipe.name }, false),
            ("target", recipe.target.as_str(), false),
            ("arguments", &arguments.join(" "), false),
            ("platform", recipe.platform.as_str(), false),
            ("cache", if recipe.no_cache { "not used: every step runs" } else { "used" }, false),
            ("pull", if recipe.pull { "every image that is named" } else { "" }, false),
        ];
        let mut y = inner.y;
        for (name, value, is_path) in facts.iter().filter(|fact| !fact.1.is_empty()) {
            if y >= inner.bottom() {
                return;
            }
            pen.text(inner.x + 2, y, label, name, dim);
            let (x, room) = (inner.x + 2 + label, width.saturating_sub(label));
            if *is_path {
                pen.path(x, y, room, value, text)
            } else {
                pen.text(x, y, room, value, text)
            };
            y += 1;
        }
        y += 1;
        let command = format!("docker {}", crate::launch::words::join(&recipe.command()));
        let lines = crate::safe_text::wrap(&command, usize::from(width).max(12));
        if y < inner.bottom() {
            pen.text(inner.x + 2, y, width, "the same as", dim);
        }
        let more = lines.len() > usize::from(inner.bottom().saturating_sub(y + 1));
        for (line, y) in lines.iter().zip(y + 1..inner.bottom()) {
            let tail = if more && y + 1 == inner.bottom() { pen.look.sign(Sign::Ellipsis) } else { "" };
            let used = pen.text(inner.x + 2, y, width.saturating_sub(tail.len().min(2) as u16), line, accent);
            pen.text(inner.x + 2 + used, y, 2, tail, accent);
        }
    }
}
