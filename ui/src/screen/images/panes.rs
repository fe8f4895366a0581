//! Where the panes are: one pure function for drawing, keys and the mouse.

use ratatui::layout::{Position, Rect};

use crate::screen::images::{Images, Pane};

/// How far the borders were moved from where they are by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Splits {
    pub(crate) left: i16,
    pub(crate) strata: i16,
    pub(crate) file: i16,
}

/// A border that can be dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Splitter {
    Left,
    Strata,
    File,
}

/// The panes; one without room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Panes {
    pub(crate) list: Rect,
    pub(crate) layer: Rect,
    pub(crate) strata: Rect,
    pub(crate) files: Rect,
    pub(crate) file: Rect,
}

impl Panes {
    pub(crate) fn of(images: &Images, area: Rect) -> Self {
        if images.zoom {
            let mut panes = Self::default();
            *panes.pane_mut(images.focus) = area;
            return panes;
        }
        if area.width < 40 || area.height < 10 {
            return Self::default();
        }
        let splits = images.splits;
        let width = match area.width {
            0..100 => 26,
            100..150 => 31,
            _ => 42,
        };
        let left = moved(width, splits.left, 16, area.width.saturating_sub(40));
        let steps = images.current_known().map_or(4, |k| k.detail.steps.len());
        let most = area.height / 2;
        // Strata get two lines a step where there is room, and never more than half of the height.
        let strata = ((steps * 3) as u16).saturating_add(2).clamp((area.height / 3).max(5), most.max(5));
        let strata = moved(strata, splits.strata, 4, area.height.saturating_sub(6));
        let gap = u16::from(area.width >= 120);
        let right = Rect::new(area.x + left + gap, area.y, area.width - left - gap, area.height);
        let column = Rect::new(area.x, area.y, left, area.height);
        let below = Rect::new(right.x, right.y + strata, right.width, area.height - strata);
        let mut panes = Self {
            list: Rect { height: strata, ..column },
            layer: Rect::new(column.x, column.y + strata, left, area.height - strata),
            strata: Rect { height: strata, ..right },
            files: below,
            file: Rect::default(),
        };
        if below.width >= 78 {
            let width = moved(below.width * 2 / 5, splits.file, 24, below.width.saturating_sub(34));
            panes.files.width = below.width - width;
            panes.file = Rect { x: below.x + panes.files.width, width, ..below };
        } else if images.focus == Pane::File {
            panes.file = std::mem::take(&mut panes.files);
        }
        panes
    }

    fn pane_mut(&mut self, pane: Pane) -> &mut Rect {
        match pane {
            Pane::List => &mut self.list,
            Pane::Strata => &mut self.strata,
            Pane::Files => &mut self.files,
            Pane::File => &mut self.file,
        }
    }

    /// The pane at a place of the screen.
    pub(crate) fn at(&self, x: u16, y: u16) -> Option<(Pane, Rect)> {
        [(Pane::List, self.list), (Pane::Strata, self.strata), (Pane::Files, self.files), (Pane::File, self.file)]
            .into_iter()
            .find(|(_, r)| r.contains(Position::new(x, y)))
    }

    /// The border at a place of the screen.
    pub(crate) fn splitter(&self, x: u16, y: u16) -> Option<Splitter> {
        let on = |edge: u16, at: u16| edge == at || edge == at + 1;
        let below = self.files.y.max(self.file.y);
        if below > 0 && on(below, y) && x >= self.strata.x {
            return Some(Splitter::Strata);
        }
        if on(self.strata.x, x) && self.strata.width > 0 {
            return Some(Splitter::Left);
        }
        (self.file.width > 0 && self.files.width > 0 && y > below && on(self.file.x, x)).then_some(Splitter::File)
    }
}

fn moved(size: u16, by: i16, least: u16, most: u16) -> u16 {
    size.saturating_add_signed(by).min(most).max(least.min(most))
}
