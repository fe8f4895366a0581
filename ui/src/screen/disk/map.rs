//! The map: what holds the disk as areas in proportion to bytes. A layer has its colour and texture, as everywhere.

use std::borrow::Cow;

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::action::Action;
use crate::model::Thing;
use crate::pen::{Pen, Sign};
use crate::screen::disk::tiles::{Kind, Tile, rest};
use crate::screen::disk::{Disk, Pane};
use crate::screen::images::percent;
use crate::theme::{Level, Role};
use crate::widget::treemap;

/// Widest edge of a tile in its texture.
const EDGE: u16 = 3;

impl Disk {
    /// The tiles that are seen in this room, and where.
    fn shown_tiles(&self, room: Rect) -> (Vec<Cow<'_, Tile>>, Vec<Rect>) {
        let weights: Vec<u64> = self.tiles.iter().map(|tile| tile.bytes).collect();
        let (large, small) = self.tiles.split_at(treemap::worth_showing(&weights, room));
        let mut tiles: Vec<Cow<'_, Tile>> = large.iter().map(Cow::Borrowed).collect();
        if !small.is_empty() {
            // In its place by size, as the others are.
            let rest = rest(small);
            let at = tiles.partition_point(|tile| tile.bytes >= rest.bytes);
            tiles.insert(at, Cow::Owned(rest));
        }
        let weights: Vec<u64> = tiles.iter().map(|tile| tile.bytes).collect();
        let places = treemap::places(&weights, room);
        (tiles, places)
    }

    /// Moves in the map, and marks there; says whether the action was one of its own.
    pub(super) fn act_map(&mut self, action: Action, room: Rect) -> bool {
        let (tiles, places) = self.shown_tiles(room);
        let last = tiles.len().saturating_sub(1);
        let here = self.tile.min(last);
        let things = tiles.get(here).map(|tile| tile.things.clone()).unwrap_or_default();
        match action {
            Action::Up | Action::Down | Action::Left | Action::Right => {
                self.tile = treemap::next(&places, here, action).unwrap_or(here);
            }
            Action::Top | Action::PageUp => self.tile = 0,
            Action::Bottom | Action::PageDown => self.tile = last,
            Action::Mark if things.is_subset(&self.marks) => self.marks.retain(|thing| !things.contains(thing)),
            Action::Mark => self.marks.extend(things),
            Action::Open => {
                let first = things.first();
                self.cursor.at = self.rows.iter().position(|row| Some(&row.thing) == first).unwrap_or(0);
                self.focus = Pane::List;
            }
            _ => return false,
        }
        true
    }

    /// Selects the tile at a point of the screen.
    pub(super) fn click_map(&mut self, point: Position, room: Rect) {
        let (_, places) = self.shown_tiles(room);
        self.tile = treemap::at(&places, point).unwrap_or(self.tile);
    }

    pub(super) fn draw_map(&self, pen: &mut Pen<'_>, area: Rect) {
        let focused = self.focus == Pane::Map;
        let (dim, head) = (pen.look.style(Role::Dim), if focused { Role::Accent } else { Role::Strong });
        let head = pen.look.style(head);
        let room = area.inner(ratatui::layout::Margin::new(1, 1));
        let (tiles, places) = self.shown_tiles(room);
        let here = self.tile.min(tiles.len().saturating_sub(1));
        let all: u64 = self.tiles.iter().map(|tile| tile.bytes).sum();
        let about = match tiles.get(here) {
            Some(tile) if focused => format!("  {}", tile.name),
            _ => "  areas are bytes, each layer once".into(),
        };
        let inner = pen.frame(area, &[("Map", head), (&about, dim)], focused);
        if tiles.is_empty() && self.loaded {
            pen.text(inner.x + 1, inner.y, inner.width.saturating_sub(2), "nothing holds a byte", dim);
        }
        let current = self.current().map(|row| &row.thing);
        for (at, (tile, place)) in tiles.iter().zip(&places).enumerate() {
            let selected = if focused { at == here } else { current.is_some_and(|thing| tile.things.contains(thing)) };
            self.draw_tile(pen, *place, tile, selected, all);
        }
    }

    /// A tile: its edge in its texture, its name on a line at its top, its bytes below.
    fn draw_tile(&self, pen: &mut Pen<'_>, place: Rect, tile: &Tile, selected: bool, all: u64) {
        if place.is_empty() {
            return;
        }
        let edge = if place.width >= 16 { EDGE } else { place.width.min(1) };
        let (texture, style, wash) = look(pen, tile.kind, selected);
        for y in place.top()..place.bottom() {
            pen.repeat(place.x, y, edge, &texture, style);
        }
        let body = Rect { x: place.x + edge, width: place.width - edge, ..place };
        // A whole area turned round would outshine all else.
        let loud = pen.look.theme.level() < Level::Indexed;
        pen.tint(if loud { Rect { height: 1, ..body } } else { body }, wash);
        let (border, dim) = (pen.look.style(Role::Border), pen.look.style(Role::Dim));
        let line = if pen.look.unicode() { "─" } else { "-" };
        pen.repeat(body.x, body.y, body.width, line, border);
        let name = pen.look.style(if selected { Role::Strong } else { Role::Text });
        let accent = pen.look.style(Role::Accent);
        let sign = match (self.is_going(tile), selected) {
            (true, _) => pen.look.sign(Sign::Marked),
            (false, true) => pen.look.sign(Sign::Cursor),
            (false, false) => "",
        };
        let room = body.width.saturating_sub(1);
        let size = pen.look.size(tile.bytes);
        let short = if place.height == 1 { format!(" {} {size} ", tile.short) } else { format!(" {} ", tile.short) };
        if room >= 4 {
            pen.pieces(body.x, body.y, room, &[(sign, accent), (&short, name)]);
        } else {
            pen.text(body.x, body.y, body.width, sign, accent);
        }
        if place.height > 1 && pen.look.width(&size) < body.width {
            let share = if all > 0 { percent(tile.bytes as f64 / all as f64) } else { String::new() };
            let tail = format!("  {share}");
            let fits = pen.look.width(&size) + pen.look.width(&tail) < body.width;
            pen.pieces(body.x + 1, body.y + 1, room, &[(&size, name), (if fits { &tail } else { "" }, dim)]);
        }
    }

    /// Whether removing the marked things would free it: of a layer, whether every image goes that has it.
    fn is_going(&self, tile: &Tile) -> bool {
        let is_layer = |thing: &Thing| self.freed.going.contains(thing);
        !tile.things.is_empty() && tile.things.iter().all(is_layer)
    }
}

/// A kind's texture, the style of its edge, and what is behind its text.
fn look(pen: &Pen<'_>, kind: Kind, selected: bool) -> (String, Style, Style) {
    let theme = &pen.look.theme;
    let quiet = if selected { pen.look.style(Role::Selected) } else { Style::new() };
    let unicode = pen.look.unicode();
    let of = |unicode_sign: &str, ascii: &str| if unicode { unicode_sign.to_owned() } else { ascii.to_owned() };
    match kind {
        Kind::Layer(look) => (look.texture(unicode).to_string(), theme.band(look), theme.wash(look, selected)),
        Kind::Writable => {
            let behind = if selected { quiet } else { theme.surface() };
            (pen.look.sign(Sign::Wave).to_owned(), pen.look.style(Role::Badge), behind)
        }
        Kind::Volume => (of("▥", "H"), pen.look.style(Role::Change), quiet),
        Kind::Folder => (of("×", "x"), pen.look.style(Role::Bad), quiet),
        Kind::Rest => (of("·", "."), pen.look.style(Role::Dim), quiet),
    }
}
