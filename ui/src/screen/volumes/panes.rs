//! Where the panes are: one pure function for drawing, keys and the mouse.

use ratatui::layout::{Position, Rect};

use crate::screen::volumes::{Pane, Volumes};

/// How far the borders were moved from where they are by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Splits {
    pub(super) left: i16,
    pub(super) facts: i16,
}

/// A border that can be dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splitter {
    Left,
    Facts,
}

/// The panes; one without room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Panes {
    pub(super) list: Rect,
    pub(super) facts: Rect,
    pub(super) files: Rect,
}

impl Panes {
    pub(super) fn of(screen: &Volumes, area: Rect) -> Self {
        if screen.zoom {
            return match screen.focus {
                Pane::List => Self { list: area, ..Self::default() },
                Pane::Files => Self { files: area, ..Self::default() },
            };
        }
        if area.width < 40 || area.height < 10 {
            return Self::default();
        }
        let width = match area.width {
            0..100 => 28,
            100..150 => 38,
            _ => 56,
        };
        let moved =
            |size: u16, by: i16, least: u16, most: u16| size.saturating_add_signed(by).min(most).max(least.min(most));
        let left = moved(width, screen.splits.left, 16, area.width.saturating_sub(40));
        let facts = moved((area.height / 2).min(14), screen.splits.facts, 4, area.height.saturating_sub(5));
        let gap = u16::from(area.width >= 120);
        let right = Rect::new(area.x + left + gap, area.y, area.width - left - gap, area.height);
        Self {
            list: Rect { width: left, ..area },
            facts: Rect { height: facts, ..right },
            files: Rect { y: right.y + facts, height: right.height - facts, ..right },
        }
    }

    /// The pane at a place of the screen.
    pub(super) fn at(&self, x: u16, y: u16) -> Option<Pane> {
        let place = Position::new(x, y);
        [(Pane::List, self.list), (Pane::Files, self.files)].into_iter().find(|p| p.1.contains(place)).map(|p| p.0)
    }

    /// The border at a place of the screen.
    pub(super) fn splitter(&self, x: u16, y: u16) -> Option<Splitter> {
        if self.facts.width == 0 {
            return None;
        }
        if x >= self.files.x && y + 1 == self.files.y {
            return Some(Splitter::Facts);
        }
        (self.facts.x == x || self.facts.x == x + 1).then_some(Splitter::Left)
    }
}
