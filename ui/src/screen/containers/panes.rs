//! Where the panes are: one pure function for drawing, keys and the mouse.

use ratatui::layout::{Position, Rect};

use crate::screen::containers::{Containers, Pane, Tab};

/// How far the borders were moved from where they are by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Splits {
    pub(super) left: i16,
    pub(super) strata: i16,
}

/// A border that can be dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splitter {
    Left,
    Strata,
}

/// The panes; one without room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Panes {
    pub(super) list: Rect,
    pub(super) mounts: Rect,
    /// What most was copied for least, beside the feed.
    pub(super) tops: Rect,
    pub(super) strata: Rect,
    pub(super) detail: Rect,
}

impl Panes {
    pub(super) fn of(screen: &Containers, area: Rect) -> Self {
        if screen.zoom {
            return match screen.focus {
                Pane::List => Self { list: area, ..Self::default() },
                Pane::Detail => Self { detail: area, ..Self::default() },
            };
        }
        if area.width < 40 || area.height < 10 {
            return Self::default();
        }
        let splits = screen.splits;
        let width = match area.width {
            0..100 => 26,
            100..150 => 31,
            _ => 42,
        };
        let left = moved(width, splits.left, 16, area.width.saturating_sub(40));
        let layers = screen.current_detail().and_then(|d| d.base.as_ref()).map_or(3, |base| base.layers.len());
        let wish = (layers as u16 * 2).saturating_add(6).clamp(area.height / 3, (area.height / 2).max(5));
        let strata = moved(wish.max(5), splits.strata, 5, area.height.saturating_sub(6));
        let gap = u16::from(area.width >= 120);
        let right = Rect::new(area.x + left + gap, area.y, area.width - left - gap, area.height);
        let below = Rect::new(area.x, area.y + strata, left, area.height - strata);
        let (mounts, tops) =
            if screen.tab == Tab::Live { beside_feed(below, screen) } else { (below, Rect::default()) };
        Self {
            list: Rect::new(area.x, area.y, left, strata),
            mounts,
            tops,
            strata: Rect { height: strata, ..right },
            detail: Rect { y: right.y + strata, height: area.height - strata, ..right },
        }
    }

    /// The pane at a place of the screen.
    pub(super) fn at(&self, x: u16, y: u16) -> Option<Pane> {
        let place = Position::new(x, y);
        [(Pane::List, self.list), (Pane::Detail, self.detail)].into_iter().find(|p| p.1.contains(place)).map(|p| p.0)
    }

    /// The border at a place of the screen.
    pub(super) fn splitter(&self, x: u16, y: u16) -> Option<Splitter> {
        let on = |edge: u16, at: u16| edge == at || edge == at + 1;
        if self.strata.width == 0 {
            return None;
        }
        if on(self.detail.y, y) && x >= self.strata.x && y < self.detail.y {
            return Some(Splitter::Strata);
        }
        on(self.strata.x, x).then_some(Splitter::Left)
    }
}

/// The mounts, as far as there is room beside what most was copied for.
fn beside_feed(area: Rect, screen: &Containers) -> (Rect, Rect) {
    let wish = screen.current_detail().map_or(1, |detail| detail.mounts.len()) as u16 * 2 + 2;
    let height = wish.clamp(5, (area.height / 2).max(5));
    if area.height < 14 {
        return (Rect::default(), area);
    }
    let tops = Rect { y: area.y + height, height: area.height - height, ..area };
    (Rect { height, ..area }, tops)
}

fn moved(size: u16, by: i16, least: u16, most: u16) -> u16 {
    size.saturating_add_signed(by).min(most).max(least.min(most))
}
