//! The selected container as rock strata: its writable layer is the open surface, the image's layers lie below it.

use ratatui::layout::Rect;

use crate::live::times;
use crate::model::{ContainerDetail, Detail};
use crate::pen::{Look, Pen, Sign};
use crate::screen::containers::Containers;
use crate::size::{count, plural};
use crate::theme::{Level, Role};
use crate::widget::strata::{BAND, draw_band, heights};

impl Containers {
    pub(super) fn draw_strata(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim) = (pen.look.style(Role::Strong), pen.look.style(Role::Dim));
        let name = self.list.current().map_or("no container", |row| &row.name).to_owned();
        let about = self.strata_title(pen.look);
        let inner = pen.frame(area, &[(&name, strong), ("  ", dim), (&about, dim)], false);
        let Some(detail) = self.current_detail() else {
            if self.list.current().is_some() && inner.height > 1 {
                pen.text(inner.x + 2, inner.y, inner.width.saturating_sub(3), "asking the engine", dim);
            }
            return;
        };
        let layers = detail.base.as_ref().map_or(0, |base| base.layers.len());
        let room = inner.height;
        let surface = match room {
            0..5 => 1,
            5..9 => 2,
            _ if usize::from(room) > layers + 8 => 5,
            _ => 3,
        };
        self.draw_surface(pen, Rect { height: surface.min(room), ..inner }, detail);
        let y = inner.y + surface;
        if y >= inner.bottom() {
            return;
        }
        let line = pen.look.sign(Sign::Dash);
        let faint = pen.look.style(Role::Border);
        pen.repeat(inner.x, y, inner.width, line, faint);
        let words = if detail.base.is_some() { " read-only, shared " } else { " its image is gone " };
        pen.text(inner.x + BAND, y, inner.width.saturating_sub(BAND), words, dim);
        if let Some(base) = &detail.base {
            self.draw_layers(pen, Rect { y: y + 1, height: inner.bottom() - y - 1, ..inner }, base);
        }
    }

    fn strata_title(&self, look: &Look) -> String {
        let Some(row) = self.list.current() else { return String::new() };
        let mut parts = self.cost(look);
        parts.push(row.image.clone());
        let health = if row.health.is_empty() { String::new() } else { format!(", {}", row.health) };
        parts.push(format!("{}{health}", row.brief()));
        if let Some(detail) = self.current_detail() {
            if detail.out_of_memory {
                parts.push("killed: out of memory".into());
            }
            if !detail.error.is_empty() {
                parts.push(detail.error.clone());
            }
        }
        if !row.ports.is_empty() {
            parts.push(row.ports.clone());
        }
        parts.join(look.sign(Sign::Separator))
    }

    /// What copying cost since it is watched: how much is there, how much of it was copied, and for what.
    fn cost(&self, look: &Look) -> Vec<String> {
        let bytes = self.live.feed.sums.bytes;
        if bytes.copied == 0 {
            return Vec::new();
        }
        let mut parts = Vec::new();
        if let Some(size) = self.surface_size() {
            parts.push(format!("writable layer {}", look.size(size)));
        }
        let changed = if bytes.written == 0 { "nothing".into() } else { look.size(bytes.written) };
        parts.push(format!("{} copied up to change {changed}", look.size(bytes.copied)));
        parts.push(times(bytes, look.unicode()));
        parts
    }

    /// Bytes of the writable layer. What was read last tells more than what was measured before; the engine's list of changes does
    /// not tell all bytes.
    pub(super) fn surface_size(&self) -> Option<u64> {
        let read = (self.tally.known && self.changes.files.origins.is_some()).then_some(self.tally.bytes);
        let told = self.live.bytes_since();
        let measured = || self.current_detail().and_then(|detail| detail.written);
        read.or_else(measured).map(|bytes| bytes.saturating_add_signed(told))
    }

    fn draw_surface(&self, pen: &mut Pen<'_>, area: Rect, detail: &ContainerDetail) {
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let band = pen.look.style(Role::Badge);
        let wave = pen.look.sign(Sign::Wave);
        for y in area.top()..area.bottom() {
            pen.repeat(area.x, y, BAND.min(area.width), wave, band);
        }
        let body = Rect { x: area.x + BAND, width: area.width.saturating_sub(BAND), ..area };
        if pen.look.theme.level() >= Level::Indexed {
            let wash = pen.look.theme.surface();
            pen.tint(body, wash);
        }
        let (x, width) = (body.x + 2, body.width.saturating_sub(4));
        let tally = &self.tally;
        let since = self.live.all_since();
        // What was read, and what was told after that; where nothing was read, what was told since it is watched.
        let sum = |read: u64, told: i64| count(read.saturating_add_signed(told));
        let [copied, new, deleted] =
            [sum(tally.copied, since[0]), sum(tally.new, since[1]), sum(tally.deleted, since[2])];
        let counts = if tally.known || since != [0; 3] {
            if width < 52 {
                format!("{copied} copied  {new} new  {deleted} gone")
            } else {
                format!("{copied} copied up   {new} new   {deleted} deleted")
            }
        } else {
            String::new()
        };
        let fate = if detail.auto_remove { "gone when it exits (--rm)" } else { "gone when the container is removed" };
        let y = area.y + u16::from(area.height >= 5);
        let size = self.surface_size().map(|bytes| pen.look.size(bytes)).unwrap_or_default();
        let used = pen.pieces(x, y, width, &[("writable  ", strong), (&size, accent), ("  ", dim), (&counts, strong)]);
        if area.height == 1 {
            return;
        }
        if y + 1 < area.bottom() {
            pen.text(x, y + 1, width, fate, dim);
        } else if width > used + 3 {
            pen.right(body.right() - 1, y, width - used - 2, fate, dim);
        }
        let copied = if tally.copied_bytes > 0 {
            let only = match tally.only_metadata {
                0 => String::new(),
                n => format!(", {} of them only for mode, owner or time", count(n)),
            };
            format!(
                "{} copied up to change {}{only}",
                pen.look.size(tally.copied_bytes),
                plural(tally.copied, "file", "files")
            )
        } else {
            String::new()
        };
        let spark = self.live.spark(usize::from(width / 2).min(32), pen.look);
        if let Some((bars, rate)) = spark.filter(|_| y + 2 < area.bottom()) {
            let used = pen.pieces(x, y + 2, width, &[(&bars, accent), ("  ", dim), (&rate, dim), ("   ", dim)]);
            pen.text(x + used, y + 2, width.saturating_sub(used), &copied, dim);
        } else if y + 2 < area.bottom() {
            pen.text(x, y + 2, width, &copied, dim);
        }
    }

    fn draw_layers(&self, pen: &mut Pen<'_>, area: Rect, base: &Detail) {
        let sizes: Vec<Option<u64>> = (0..base.layers.len()).rev().map(|layer| Some(base.layer_size(layer))).collect();
        // Where not all layers fit, those that something was copied up from come first, then the newest.
        let mut seen: Vec<usize> = (0..sizes.len()).collect();
        if sizes.len() > usize::from(area.height) {
            let copied = |at: &usize| self.copied_from(sizes.len() - 1 - at);
            seen.sort_by_key(|at| (copied(at) == 0, *at));
            seen.truncate(usize::from(area.height).saturating_sub(1));
            seen.sort_unstable();
        }
        let shown: Vec<Option<u64>> = seen.iter().map(|at| sizes[*at]).collect();
        let heights = heights(&shown, area.height);
        let mut y = area.y;
        for (at, height) in seen.iter().zip(heights) {
            let height = height.min(area.bottom().saturating_sub(y));
            if height == 0 {
                break;
            }
            self.draw_layer(pen, Rect { y, height, ..area }, base, sizes.len() - 1 - at);
            y += height;
        }
        if seen.len() < sizes.len() && y < area.bottom() {
            let dim = pen.look.style(Role::Dim);
            let more = plural((sizes.len() - seen.len()) as u64, "more layer", "more layers");
            pen.text(area.x + BAND + 2, y, area.width.saturating_sub(BAND + 2), &more, dim);
        }
    }

    /// Files that were copied up from a layer: those that were read, and those told after that.
    fn copied_from(&self, layer: usize) -> u64 {
        let read = self.tally.from.get(&layer).copied().unwrap_or(0);
        read.saturating_add_signed(self.live.since(layer))
    }

    fn draw_layer(&self, pen: &mut Pen<'_>, area: Rect, base: &Detail, layer: usize) {
        let body = Rect { x: area.x + BAND, width: area.width.saturating_sub(BAND), ..area };
        let y = area.y + (area.height - 1) / 2;
        let lit = self.live.is_lit(layer);
        if let Some(look) = self.looks.get(layer) {
            draw_band(pen, Rect { width: BAND.min(area.width), ..area }, *look, layer + 1);
            let wash = pen.look.theme.wash(*look, lit);
            if pen.look.theme.level() >= Level::Indexed {
                pen.tint(body, wash);
            }
        }
        let (strong, text, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Text), pen.look.style(Role::Accent));
        let size = pen.look.size(base.layer_size(layer));
        pen.right(body.x + 10, y, 8, &size, strong);
        let mut end = body.right().saturating_sub(1);
        let copied = self.copied_from(layer);
        if copied > 0 {
            let sign = pen.look.sign(Sign::Up);
            // A layer that is lit says so without colours too.
            let more = if lit { sign } else { "" };
            let note = format!("{more}{sign} {} copied up", plural(copied, "file", "files"));
            let style = if lit { pen.look.style(Role::Badge) } else { accent };
            end = pen.right(end, y, body.width / 2, &note, style).saturating_sub(2);
        }
        let words = base.steps.iter().find(|step| step.layer == Some(layer)).map_or("", |step| &step.instruction);
        let words = if words.is_empty() { "no instruction recorded" } else { words };
        pen.text(body.x + 13, y, end.saturating_sub(body.x + 13), words, text);
    }
}
