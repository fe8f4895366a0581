//! Where the panes are: one pure function for drawing, keys and the mouse.

use ratatui::layout::{Margin, Rect};

use crate::screen::disk::{Disk, Pane};

/// Lines of the bars at the top, with their frame.
const TOP: u16 = 8;
/// Lines of the sum at the bottom, with their frame.
const BOTTOM: u16 = 4;
/// Columns from which on list and map stand side by side.
const BOTH: u16 = 110;

/// The panes; one without room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Panes {
    pub(super) kinds: Rect,
    pub(super) list: Rect,
    pub(super) map: Rect,
    pub(super) freed: Rect,
}

impl Panes {
    pub(super) fn of(screen: &Disk, area: Rect) -> Self {
        if area.height < TOP + BOTTOM + 3 {
            return Self::default();
        }
        let freed = Rect { y: area.bottom() - BOTTOM, height: BOTTOM, ..area };
        let top = if screen.zoom { 0 } else { TOP };
        let kinds = Rect { height: top, ..area };
        let middle = Rect { y: area.y + top, height: area.height - top - BOTTOM, ..area };
        let alone = screen.zoom || area.width < BOTH;
        let (list, map) = match (alone, screen.focus) {
            (true, Pane::List) => (middle, Rect::default()),
            (true, Pane::Map) => (Rect::default(), middle),
            (false, _) => {
                let width = (area.width * 3 / 5).min(110);
                let gap = u16::from(area.width >= 120);
                let list = Rect { width, ..middle };
                (list, Rect { x: middle.x + width + gap, width: middle.width - width - gap, ..middle })
            }
        };
        Self { kinds, list, map, freed }
    }

    /// The lines of the list.
    pub(super) fn list_room(&self) -> Rect {
        self.list.inner(Margin::new(1, 1))
    }

    /// The room of the map.
    pub(super) fn map_room(&self) -> Rect {
        self.map.inner(Margin::new(1, 1))
    }
}
