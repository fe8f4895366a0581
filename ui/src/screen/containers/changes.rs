//! What a container changed: the sums of its writable layer, and the tree of it.

use std::collections::HashMap;

use outcrop_layers::index::FileType;
use outcrop_layers::version::Change;
use ratatui::layout::Rect;

use crate::content::{Content, Reading};
use crate::pen::{Pen, Sign};
use crate::screen::containers::{Containers, Pane};
use crate::screen::files::explorer::draw_reading;
use crate::size::count;
use crate::theme::Role;

/// Sums over a writable layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) known: bool,
    /// Files that a lower layer has and the container wrote to or changed.
    pub(super) copied: u64,
    /// Bytes that were stored anew for them.
    pub(super) copied_bytes: u64,
    /// Those of them whose content is that of the lower layer.
    pub(super) only_metadata: u64,
    pub(super) new: u64,
    pub(super) deleted: u64,
    pub(super) bytes: u64,
    /// How many were copied up from each layer, base first from 0.
    pub(super) from: HashMap<usize, u64>,
}

impl Tally {
    /// Counts what the topmost layer holds: files and what is no folder; folders are named only by what is in them.
    pub(super) fn of(content: &Content) -> Self {
        let tree = &content.tree;
        let Some(top) = tree.layers().checked_sub(1) else { return Self::default() };
        let mut tally = Self { known: true, bytes: tree.layer(top).bytes(), ..Self::default() };
        for node in tree.nodes() {
            let [below @ .., last] = tree.versions(node) else { continue };
            if last.layer as usize != top {
                continue;
            }
            let entry = tree.entry(last);
            let folder = entry.file_type() == FileType::Directory;
            match last.change {
                Change::Whiteout => tally.deleted += 1,
                Change::Added if !folder => tally.new += 1,
                Change::Content | Change::Metadata | Change::Identical | Change::TypeChanged if !folder => {
                    tally.copied += 1;
                    tally.copied_bytes += entry.size();
                    tally.only_metadata += u64::from(matches!(last.change, Change::Metadata | Change::Identical));
                    if let Some(origin) = below.iter().rev().find(|version| !version.change.is_removal()) {
                        *tally.from.entry(origin.layer as usize).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        tally
    }
}

impl Containers {
    pub(super) fn draw_changes(&self, pen: &mut Pen<'_>, area: Rect) {
        let focused = self.focus == Pane::Detail;
        let style = pen.look.style(Role::Dim);
        let title = self.tab_title(pen.look, area);
        let mut pieces: Vec<(&str, ratatui::style::Style)> = title.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        if let Some(against) = &self.against {
            return self.draw_against(pen, area, &pieces, against);
        }
        if self.changes.content().is_none() {
            let inner = pen.frame(area, &pieces, focused);
            let again = if matches!(self.reading, Reading::NeedsExport(_)) {
                "asks the engine for the list of changes"
            } else {
                "tries again"
            };
            draw_reading(pen, inner, &self.reading, again);
            return;
        }
        let about = self.changes.content().and_then(|content| content.problems.first()).cloned();
        let about = about.map(|text| format!("{}{text}", pen.look.sign(Sign::Separator))).unwrap_or_default();
        pieces.push((&about, style));
        let tally = &self.tally;
        let dot = pen.look.sign(Sign::Separator);
        let foot = if tally.copied + tally.new + tally.deleted == 0 {
            "nothing was changed: all that is seen is the image's".to_owned()
        } else {
            format!(
                "~ {} copied up{dot}+ {} new{dot}- {} deleted{dot}against the image",
                count(tally.copied),
                count(tally.new),
                count(tally.deleted)
            )
        };
        self.changes.draw(pen, area, &pieces, &foot, focused, &self.looks);
    }
}
