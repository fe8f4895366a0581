//! The selected image as rock strata: the base at the bottom, each instruction on top of it.

use ratatui::layout::Rect;

use crate::pen::{Pen, Sign};
use crate::safe_text::{cut, visible};
use crate::screen::images::waste::percent;
use crate::screen::images::{Images, Known, Pane};
use crate::size::{count, plural};
use crate::theme::Role;
use crate::widget::strata::{BAND, draw_band, heights};

impl Images {
    pub(super) fn draw_strata(&self, pen: &mut Pen<'_>, area: Rect) {
        let focused = self.focus == Pane::Strata;
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let name = self.list.current().map_or("no image", |r| r.name()).to_owned();
        let about = self.strata_title(pen.look);
        let room = area.width.saturating_sub(pen.look.width(&about) + 9).max(area.width / 3);
        let name = cut(&visible(&name, pen.look.charset), room, pen.look.sign(Sign::Ellipsis)).into_owned();
        let inner =
            pen.frame(area, &[(&name, if focused { accent } else { strong }), ("  ", dim), (&about, dim)], focused);
        let Some(known) = self.current_known() else {
            if self.list.current().is_some() && inner.height > 1 {
                pen.text(inner.x + 2, inner.y, inner.width.saturating_sub(3), "asking the engine", dim);
            }
            return;
        };
        let heights = self.step_heights(inner.height);
        let first = self.step.first(heights.len(), inner.height);
        let mut y = inner.y;
        for (at, height) in heights.iter().enumerate().skip(first) {
            let height = (*height).min(inner.bottom().saturating_sub(y));
            if height == 0 {
                break;
            }
            self.draw_step(pen, Rect::new(inner.x, y, inner.width, height), known, at);
            y += height;
        }
    }

    /// Lines of every step, newest first.
    pub(super) fn step_heights(&self, room: u16) -> Vec<u16> {
        let Some(known) = self.current_known() else { return Vec::new() };
        let sizes: Vec<_> = known.detail.steps.iter().rev().map(|s| s.layer.map(|_| s.size)).collect();
        heights(&sizes, room)
    }

    /// The step (newest first) at a line of the pane.
    pub(super) fn step_at(&self, line: u16, room: u16) -> Option<usize> {
        let heights = self.step_heights(room);
        let mut rest = line;
        for (at, height) in heights.iter().enumerate().skip(self.step.first(heights.len(), room)) {
            if rest < *height {
                return Some(at);
            }
            rest -= height;
        }
        None
    }

    fn strata_title(&self, look: &crate::pen::Look) -> String {
        let Some(row) = self.list.current() else { return String::new() };
        let Some(known) = self.known.get(&row.id) else { return look.size(row.size) };
        let mut parts = vec![plural(known.detail.layers.len() as u64, "layer", "layers"), look.size(row.size)];
        match &self.files.content {
            Some(content) => {
                parts.push(format!("efficiency {}", percent(content.waste.efficiency())));
                parts.push(format!("{} wasted", look.size(content.waste.wasted)));
            }
            None => parts.push(known.detail.platform.clone()),
        }
        parts.join(look.sign(Sign::Separator))
    }

    fn draw_step(&self, pen: &mut Pen<'_>, area: Rect, known: &Known, at: usize) {
        let step = &known.detail.steps[known.detail.steps.len() - 1 - at];
        let selected = at == self.step.at;
        let look = step.layer.and_then(|l| known.looks.get(l).copied());
        let y = area.y + (area.height - 1) / 2;
        let (dim, mut text) = (pen.look.style(Role::Dim), pen.look.style(Role::Text));
        if selected {
            text = pen.look.style(Role::Strong);
        }
        let body = Rect { x: area.x + BAND, width: area.width.saturating_sub(BAND), ..area };
        if let Some(look) = look {
            draw_band(pen, Rect { width: BAND.min(area.width), ..area }, look, step.layer.unwrap_or(0) + 1);
            let wash = pen.look.theme.wash(look, selected);
            let line = if pen.look.theme.level() < crate::theme::Level::Indexed {
                Rect { y, height: 1, ..body }
            } else {
                body
            };
            pen.tint(line, wash);
        } else if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(body, style);
        }
        if selected {
            let accent = pen.look.style(Role::Accent);
            pen.text(body.x + 1, y, 1, pen.look.sign(Sign::Cursor), accent);
        }
        let size = if step.layer.is_some() { pen.look.size(step.size) } else { String::new() };
        pen.right(body.x + 10, y, 8, &size, if selected { text } else { pen.look.style(Role::Strong) });
        let mut x = body.x + 12;
        if body.width > 62 {
            let room = if body.width > 90 { 22 } else { 16 };
            self.draw_counts(pen, x, y, room, step.layer);
            x += room + 1;
        }
        let end = self.draw_sharers(pen, body, y, known, step.layer);
        let words = self.words(known, step);
        let style = if step.layer.is_none() && !selected { dim } else { text };
        pen.text(x, y, end.saturating_sub(x + 1), &words, style);
    }

    /// The instruction; the base says which image it is.
    fn words(&self, known: &Known, step: &crate::model::Step) -> String {
        if step.layer == Some(0)
            && let Some(base) = known.detail.chains.first().and_then(|c| self.base_name(c))
        {
            return format!("FROM {base}");
        }
        match (step.instruction.is_empty(), step.layer) {
            (true, Some(_)) => "no instruction recorded".into(),
            _ => step.instruction.clone(),
        }
    }

    fn draw_counts(&self, pen: &mut Pen<'_>, x: u16, y: u16, room: u16, layer: Option<usize>) {
        let dim = pen.look.style(Role::Dim);
        let Some(layer) = layer else {
            pen.text(x, y, room, "no files", dim);
            return;
        };
        let Some(content) = self.files.content.as_ref().filter(|c| layer < c.tree.layers()) else { return };
        let (added, changed, removed) = content.counts(layer);
        let parts = [("+", added), ("~", changed), (pen.look.sign(Sign::Minus), removed)];
        let parts: Vec<String> =
            parts.iter().filter(|(_, n)| *n > 0).map(|(s, n)| format!("{s}{}", count(*n))).collect();
        let text = if parts.is_empty() { "no changes".into() } else { parts.join(" ") };
        pen.text(x, y, room, &text, dim);
    }

    /// Names who else has the layer; gives where that begins.
    fn draw_sharers(&self, pen: &mut Pen<'_>, body: Rect, y: u16, known: &Known, layer: Option<usize>) -> u16 {
        let end = body.right().saturating_sub(1);
        let Some((look, chain)) = layer.and_then(|l| Some((known.looks.get(l)?, known.detail.chains.get(l)?))) else {
            return end;
        };
        let others = self.others(chain);
        if others.is_empty() {
            return end;
        }
        let room = body.width / 3;
        let ends = self.base_name(chain).filter(|_| layer != Some(0));
        let mut text = ends
            .map_or_else(|| "=".to_owned(), |base| format!("FROM {} =", base.strip_suffix(":latest").unwrap_or(base)));
        let others: Vec<&str> = others.into_iter().filter(|name| Some(*name) != ends).collect();
        if others.is_empty() {
            text.truncate(text.len() - 2);
        }
        for (at, name) in others.iter().enumerate() {
            let name = name.strip_suffix(":latest").unwrap_or(name);
            let rest = others.len() - at;
            let longer = format!("{text} {name}");
            let tail = if rest > 1 { 4 } else { 0 };
            if pen.look.width(&longer) + tail > room && at > 0 {
                text = format!("{text} +{rest}");
                break;
            }
            text = longer;
        }
        let ink = pen.look.theme.ink(*look);
        pen.right(end, y, room, &text, ink)
    }
}
