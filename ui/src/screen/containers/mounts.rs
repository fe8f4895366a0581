//! What is mounted into the selected container: beside the strata in short, in its own tab at length.

use ratatui::layout::Rect;

use crate::model::MountRow;
use crate::pen::{Pen, Sign};
use crate::popup::Line;
use crate::screen::containers::Containers;
use crate::size::plural;
use crate::theme::Role;

/// What becomes of a mount's content when the container is removed: a word, and its colour.
pub(super) fn fate(mount: &MountRow, auto_remove: bool) -> (&'static str, Role) {
    match mount.kind.as_str() {
        "tmpfs" => ("goes", Role::Bad),
        "volume" if mount.is_anonymous() && auto_remove => ("goes", Role::Bad),
        _ => ("stays", Role::Good),
    }
}

/// A made-up name in short.
fn short_name(mount: &MountRow) -> String {
    if mount.is_anonymous() { format!("{}.. without a name", &mount.name[..12]) } else { mount.what().to_owned() }
}

impl Containers {
    /// The mounts of the selected container, as far as they are known.
    fn mounts(&self) -> &[MountRow] {
        match (self.current_detail(), self.list.current()) {
            (Some(detail), _) => &detail.mounts,
            (None, Some(row)) => &row.mounts,
            _ => &[],
        }
    }

    pub(super) fn draw_mounts(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, kind_style) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Change));
        let inner = pen.frame(area, &[("Mounts", strong)], false);
        if inner.height == 0 || self.list.current().is_none() {
            return;
        }
        let mounts = self.mounts();
        if mounts.is_empty() {
            let lines = ["none: all it writes", "goes with it"];
            for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
                pen.text(inner.x + 1, y, inner.width.saturating_sub(2), line, dim);
            }
            return;
        }
        let auto_remove = self.current_detail().is_some_and(|detail| detail.auto_remove);
        let width = inner.width.saturating_sub(2);
        // Air between them where all fit with it.
        let each = if mounts.len() * 3 <= usize::from(inner.height) { 3 } else { 2 };
        let top = u16::from(each == 3 && mounts.len() * 3 < usize::from(inner.height));
        let arrow = pen.look.sign(Sign::Arrow);
        for (at, mount) in mounts.iter().enumerate() {
            let y = inner.y + top + (at * each) as u16;
            if y + 1 >= inner.bottom() && at + 1 < mounts.len() {
                let more = format!("and {}", plural((mounts.len() - at) as u64, "more", "more"));
                pen.text(inner.x + 1, y, width, &more, dim);
                break;
            }
            let (word, role) = fate(mount, auto_remove);
            let fate_style = pen.look.style(role);
            let end = pen.right(inner.right() - 1, y, 6, word, fate_style);
            let used = pen.text(inner.x + 1, y, 8, &format!("{:<7}", mount.kind), kind_style);
            let room = end.saturating_sub(inner.x + 2 + used);
            if mount.is_anonymous() {
                pen.text(inner.x + 1 + used, y, room, &format!("({})", &mount.name[..8]), dim);
            } else {
                pen.path(inner.x + 1 + used, y, room, mount.what(), strong);
            }
            if y + 1 < inner.bottom() {
                let mode = if mount.writable { "" } else { "  ro" };
                let target = format!("  {arrow} {}", mount.target);
                let used = pen.text(inner.x + 1, y + 1, width.saturating_sub(4), &target, dim);
                pen.text(inner.x + 1 + used, y + 1, 4, mode, dim);
            }
        }
    }

    /// The mounts at length.
    pub(super) fn mount_lines(&self) -> Vec<Line> {
        let Some(row) = self.list.current() else { return Vec::new() };
        let auto_remove = self.current_detail().is_some_and(|detail| detail.auto_remove);
        let field = |name: &str, value: &str| Line::of(format!("  {name:<13}"), Role::Dim).and(value, Role::Text);
        let mut lines = Vec::new();
        for mount in self.mounts() {
            let (word, role) = fate(mount, auto_remove);
            let kind = Line::of(format!("{:<7}", mount.kind), Role::Change);
            lines.push(kind.and(short_name(mount), Role::Strong).and(format!("   {word}"), role));
            lines.push(field("in here", &mount.target));
            if !mount.source.is_empty() {
                lines.push(field("on the host", &mount.source));
            }
            lines.push(field("mode", if mount.writable { "read and write" } else { "read only" }));
            if !mount.options.is_empty() {
                lines.push(field("options", &mount.options));
            }
            let others: Vec<&str> = self
                .list
                .rows
                .iter()
                .filter(|other| other.id != row.id && mount.kind == "volume")
                .filter(|other| other.mounts.iter().any(|m| m.kind == "volume" && m.name == mount.name))
                .map(|other| other.name.as_str())
                .collect();
            if !others.is_empty() {
                lines.push(field("also in", &others.join(", ")));
            }
            lines.push(Line::default());
        }
        if lines.is_empty() {
            lines.push(Line::of(
                "nothing is mounted: whatever it writes is in its writable layer, and goes with it",
                Role::Dim,
            ));
        }
        lines
    }
}
