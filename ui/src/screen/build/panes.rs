//! Where the panes are: one pure function for drawing, keys and the mouse.

use ratatui::layout::{Position, Rect};

use crate::screen::build::{Build, Pane};

/// How far the borders were moved from where they are by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Splits {
    pub(super) left: i16,
    pub(super) steps: i16,
}

/// The panes; one without room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Panes {
    pub(super) list: Rect,
    pub(super) facts: Rect,
    pub(super) steps: Rect,
    pub(super) output: Rect,
}

impl Panes {
    pub(super) fn of(screen: &Build, area: Rect) -> Self {
        if screen.zoom {
            return match screen.focus {
                Pane::List => Self { list: area, ..Self::default() },
                Pane::Steps => Self { steps: area, ..Self::default() },
                Pane::Output => Self { output: area, ..Self::default() },
            };
        }
        if area.width < 40 || area.height < 10 {
            return Self::default();
        }
        let width = match area.width {
            0..100 => 24,
            100..150 => 34,
            _ => 46,
        };
        let moved =
            |size: u16, by: i16, least: u16, most: u16| size.saturating_add_signed(by).min(most).max(least.min(most));
        let left = moved(width, screen.splits.left, 16, area.width.saturating_sub(40));
        // The steps have what they need, as long as something is left to see what they say.
        let wished = (screen.rows().len() as u16 * 2 + 2).max(9);
        let steps = moved(wished.min(area.height * 3 / 5), screen.splits.steps, 4, area.height.saturating_sub(5));
        let facts = (area.height / 2).min(15);
        let gap = u16::from(area.width >= 120);
        let right = Rect::new(area.x + left + gap, area.y, area.width - left - gap, area.height);
        Self {
            list: Rect { width: left, height: area.height - facts, ..area },
            facts: Rect { width: left, y: area.y + area.height - facts, height: facts, ..area },
            steps: Rect { height: steps, ..right },
            output: Rect { y: right.y + steps, height: right.height - steps, ..right },
        }
    }

    /// The pane at a place of the screen.
    pub(super) fn at(&self, x: u16, y: u16) -> Option<Pane> {
        let place = Position::new(x, y);
        let panes = [(Pane::List, self.list), (Pane::Steps, self.steps), (Pane::Output, self.output)];
        panes.into_iter().find(|pane| pane.1.contains(place)).map(|pane| pane.0)
    }

    /// Lines inside the list, the steps and the output.
    pub(super) fn rooms(&self) -> (u16, u16, u16) {
        let inside = |pane: Rect| pane.height.saturating_sub(2);
        (inside(self.list), inside(self.steps), inside(self.output))
    }
}

/// Lines that each step has.
pub(super) fn lines_each(rows: usize, room: u16) -> u16 {
    if rows * 2 <= usize::from(room) { 2 } else { 1 }
}
