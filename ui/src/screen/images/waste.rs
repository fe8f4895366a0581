//! Bytes that are stored and not seen: by instruction with what mends it, and by file.

use outcrop_layers::tree::NodeId;
use outcrop_layers::waste::{Cause, Item};
use ratatui::layout::Rect;

use crate::content::Content;
use crate::pen::{Look, Pen, Sign};
use crate::safe_text::{from_bytes, wrap};
use crate::screen::images::Images;
use crate::theme::Role;

impl Images {
    pub(super) fn waste_title(&self, look: &Look) -> String {
        let Some(content) = &self.files.content else { return String::new() };
        let waste = &content.waste;
        format!("{} of {} stored are not seen", look.size(waste.wasted), look.size(waste.total))
    }

    /// The advice in lines, as much as half of the height takes.
    fn advice(look: &Look, content: &Content, inner: Rect) -> Vec<(usize, Vec<String>)> {
        let mut left = usize::from(inner.height / 2);
        let mut out = Vec::new();
        for advice in &content.advice {
            let text = advice.text(&content.tree, &content.layers, &|bytes| look.size(bytes));
            let lines = wrap(&text, usize::from(inner.width.saturating_sub(5)));
            if left < lines.len() {
                break;
            }
            left -= lines.len();
            out.push((advice.layer, lines));
        }
        out
    }

    /// Lines of the list of files.
    pub(super) fn waste_room(&self, look: &Look, inner: Rect) -> u16 {
        let Some(content) = &self.files.content else { return 0 };
        let advice: usize = Self::advice(look, content, inner).iter().map(|(_, lines)| lines.len()).sum();
        inner.height.saturating_sub(advice as u16 + 3)
    }

    pub(super) fn draw_waste(&self, pen: &mut Pen<'_>, inner: Rect, content: &Content) {
        let (dim, text) = (pen.look.style(Role::Dim), pen.look.style(Role::Text));
        let foot = inner.bottom() - 1;
        let dive = &content.waste.dive;
        let figures = format!("dive's figures: {:.1} %, {} wasted", dive.score * 100.0, pen.look.size(dive.wasted));
        pen.text(inner.x + 1, foot, inner.width.saturating_sub(2), &figures, dim);
        let advice = Self::advice(pen.look, content, inner);
        let hidden = content.advice.len() - advice.len();
        if hidden > 0 {
            let accent = pen.look.style(Role::Accent);
            let more = crate::size::plural(hidden as u64, "more advice", "more pieces of advice");
            pen.right(inner.right() - 1, foot, inner.width / 2, &format!("{more}: z"), accent);
        }
        if content.waste.items.is_empty() && content.advice.is_empty() {
            let good = pen.look.style(Role::Good);
            pen.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(4), "nothing is stored in vain", good);
            return;
        }
        let mut y = inner.y;
        for (layer, lines) in advice {
            self.draw_layer_mark(pen, inner.x + 1, y, layer);
            for line in &lines {
                pen.text(inner.x + 3, y, inner.width.saturating_sub(4), line, text);
                y += 1;
            }
        }
        if content.waste.items.is_empty() {
            return;
        }
        let faint = pen.look.style(Role::Border);
        pen.right(inner.x + 12, y + 1, 9, "bytes", faint);
        pen.text(inner.x + 14, y + 1, 20, "file", faint);
        pen.right(inner.right().saturating_sub(1), y + 1, 24, "stored in, wasted by", faint);
        let list = Rect::new(inner.x, y + 2, inner.width, foot.saturating_sub(y + 2));
        let items = &content.waste.items;
        let first = self.waste_cursor.first(items.len(), list.height);
        for ((at, item), y) in items.iter().enumerate().skip(first).take(usize::from(list.height)).zip(list.y..) {
            Self::draw_item(pen, Rect { y, height: 1, ..list }, content, item, at == self.waste_cursor.at);
        }
    }

    pub(super) fn draw_layer_mark(&self, pen: &mut Pen<'_>, x: u16, y: u16, layer: usize) {
        if let Some(look) = self.current_known().and_then(|k| k.looks.get(layer)) {
            let band = pen.look.theme.band(*look);
            let colours = pen.look.theme.level() >= crate::theme::Level::Sixteen;
            let sign = if colours { ' ' } else { look.texture(pen.look.unicode()) };
            pen.text(x, y, 1, sign.encode_utf8(&mut [0; 4]), band);
        }
    }

    fn draw_item(pen: &mut Pen<'_>, line: Rect, content: &Content, item: &Item, selected: bool) {
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
        }
        let (dim, accent) = (pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let name = pen.look.style(if selected { Role::Strong } else { Role::Text });
        if selected {
            pen.text(line.x + 1, line.y, 1, pen.look.sign(Sign::Cursor), accent);
        }
        pen.right(line.x + 12, line.y, 9, &pen.look.size(item.bytes), dim);
        let guess = if item.is_guess() { "?" } else { "" };
        let what =
            format!("{} {} {} {}{guess}", item.layer + 1, pen.look.sign(Sign::Arrow), item.by + 1, short(item.cause));
        let end = pen.right(line.right().saturating_sub(1), line.y, 24, &what, dim);
        let path = content.tree.path(item.node);
        pen.path(line.x + 14, line.y, end.saturating_sub(line.x + 15), &from_bytes(&path), name);
    }

    /// The path of the selected line of the waste view.
    pub(super) fn waste_node(&self) -> Option<NodeId> {
        Some(self.files.content.as_ref()?.waste.items.get(self.waste_cursor.at)?.node)
    }
}

/// A share of 1 as percent; 100 only for all.
pub(crate) fn percent(share: f64) -> String {
    let value = (share * 1000.0).floor() / 10.0;
    if value >= 99.95 { "100 %".into() } else { format!("{value:.0} %") }
}

fn short(cause: Cause) -> &'static str {
    match cause {
        Cause::Overwritten => "overwritten",
        Cause::MetadataCopyUp => "copied up",
        Cause::IdenticalRewrite => "written again",
        Cause::DeletedFile => "deleted",
        Cause::DeletedDirectory => "folder deleted",
        Cause::Opaque => "hidden",
        Cause::TypeChange => "replaced",
    }
}
