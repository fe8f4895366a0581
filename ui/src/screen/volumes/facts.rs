//! What is known of the selected volume: what it is, who mounts it where, who did.

use ratatui::layout::Rect;

use crate::pen::{Look, Pen, Sign};
use crate::popup::Line;
use crate::screen::volumes::{Sizes, Volumes};
use crate::size::age;
use crate::theme::Role;

impl Volumes {
    pub(super) fn draw_facts(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim) = (pen.look.style(Role::Strong), pen.look.style(Role::Dim));
        let name = self.list.current().map_or("no volume", |row| &row.name).to_owned();
        let about = self.list.current().map(|row| row.driver.clone()).unwrap_or_default();
        let inner = pen.frame(area, &[(&name, strong), ("  ", dim), (&about, dim)], false);
        let lines = self.fact_lines(pen.look);
        let top = u16::from(lines.len() < usize::from(inner.height));
        for (line, y) in lines.iter().zip(inner.y + top..inner.bottom()) {
            let pieces: Vec<_> = line.0.iter().map(|(t, r)| (t.as_str(), pen.look.style(*r))).collect();
            pen.pieces(inner.x + 2, y, inner.width.saturating_sub(4), &pieces);
        }
    }

    fn fact_lines(&self, look: &Look) -> Vec<Line> {
        let Some(row) = self.list.current() else { return Vec::new() };
        let field = |name: &str, value: &str| Line::of(format!("{name:<13}"), Role::Dim).and(value, Role::Text);
        let mut lines = vec![self.size_line(look, &row.name)];
        self.user_lines(look, &mut lines);
        let written = match self.written {
            Some(at) => format!("{}, {}", age(self.now, at), look.date(at)),
            None => "not known before its content is read".into(),
        };
        lines.push(field("last written", &written));
        lines.push(field(
            "created",
            &if row.created > 0 {
                format!("{}, {}", age(self.now, row.created), look.date(row.created))
            } else {
                "unknown".into()
            },
        ));
        lines.push(field("folder", &row.mountpoint));
        let pairs = |list: &[(String, String)]| {
            list.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("  ")
        };
        if !row.options.is_empty() {
            lines.push(field("options", &pairs(&row.options)));
        }
        if !row.labels.is_empty() {
            lines.push(field("labels", &pairs(&row.labels)));
        }
        lines
    }

    fn size_line(&self, look: &Look, name: &str) -> Line {
        let line = Line::of(format!("{:<13}", "size"), Role::Dim);
        match (&self.sizes, self.sizes.of(name)) {
            (Sizes::Known(_, at), Some(bytes)) => {
                line.and(look.size(bytes), Role::Strong).and(format!("   measured {}", age(self.now, *at)), Role::Dim)
            }
            (Sizes::Running(_), Some(bytes)) => {
                line.and(look.size(bytes), Role::Strong).and("   being measured", Role::Dim)
            }
            (Sizes::Running(_) | Sizes::Not, None) => line.and("being measured", Role::Dim),
            (Sizes::Failed(why), _) => line.and(why, Role::Bad),
            _ => line.and("the engine does not say", Role::Dim),
        }
    }

    /// Who mounts it, or who did last.
    fn user_lines(&self, look: &Look, lines: &mut Vec<Line>) {
        let Some(row) = self.list.current() else { return };
        let arrow = look.sign(Sign::Arrow);
        for (at, user) in row.users.iter().enumerate().take(4) {
            let head = if at == 0 { "mounted in" } else { "" };
            let (state, role) = if user.alive { ("running", Role::Good) } else { ("not running", Role::Dim) };
            let mode = if user.writable { "" } else { ", read only" };
            lines.push(
                Line::of(format!("{head:<13}"), Role::Dim)
                    .and(format!("{} {arrow} {}", user.name, user.target), Role::Strong)
                    .and(format!("   {state}{mode}"), role),
            );
        }
        if row.users.len() > 4 {
            lines.push(Line::of(format!("{:<13}and {} more", "", row.users.len() - 4), Role::Dim));
        }
        let head = format!("{:<13}", if row.users.is_empty() { "mounted in" } else { "before" });
        match self.pasts.get(&row.name) {
            Some(past) if row.users.iter().all(|user| user.name != past.container) => {
                let image = if past.image.is_empty() { String::new() } else { format!(" (of {})", past.image) };
                let gone = match past.removed {
                    Some(at) => format!("   removed {}", age(self.now, at)),
                    None => "   gone since".into(),
                };
                if row.users.is_empty() {
                    lines.push(Line::of(&head, Role::Dim).and("no container: it has outlived them", Role::Text));
                }
                let head = format!("{:<13}", "last in");
                lines.push(
                    Line::of(head, Role::Dim)
                        .and(format!("{}{image}", past.container), Role::Text)
                        .and(format!("   mounted {}", age(self.now, past.mounted)), Role::Dim)
                        .and(gone, Role::Change),
                );
            }
            _ if row.users.is_empty() => {
                let words = "no container, and the engine tells of none that did";
                lines.push(Line::of(head, Role::Dim).and(words, Role::Dim));
            }
            _ => {}
        }
    }
}
