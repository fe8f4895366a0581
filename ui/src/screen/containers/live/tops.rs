//! What most was copied for least: files, folders, processes, layers.

use outcrop_layers::watch::Bytes;
use ratatui::layout::Rect;

use crate::live::{Top, times};
use crate::pen::Pen;
use crate::screen::containers::Containers;
use crate::screen::containers::live::{By, words};
use crate::theme::Role;

impl Containers {
    pub(in crate::screen::containers) fn draw_tops(&self, pen: &mut Pen<'_>, area: Rect) {
        if area.height < 4 {
            return;
        }
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let word = match self.by {
            By::File => "by file",
            By::Folder => "by folder",
            By::Process => "by process",
            By::Layer => "by layer",
        };
        let inner = pen.frame(area, &[("Most copied ", strong), (word, dim)], false);
        let layers;
        let tops: &[Top] = match self.by {
            By::File => &self.feed().sums.tops[0],
            By::Folder => &self.feed().sums.tops[1],
            By::Process => &self.feed().sums.tops[2],
            By::Layer => {
                layers = self.top_layers();
                &layers
            }
        };
        let width = inner.width.saturating_sub(2);
        if tops.is_empty() {
            pen.text(inner.x + 1, inner.y + 1, width, "none while watched", dim);
            return;
        }
        // On wide screens a line each, else two.
        let wide = width >= 44;
        let each: u16 = if wide { 1 } else { 2 };
        let top = u16::from(inner.height > 8);
        for (n, line) in tops.iter().take(usize::from(inner.height.saturating_sub(top) / each)).enumerate() {
            let y = inner.y + top + n as u16 * each;
            let factor = if self.by == By::Layer { String::new() } else { times(line.bytes, pen.look.unicode()) };
            let copied = format!("{} copied", pen.look.size(line.bytes.copied));
            // Of a path its end says most, of an instruction its beginning.
            let is_path = matches!(self.by, By::File | By::Folder);
            let name = |x, y, room, pen: &mut Pen<'_>| {
                if is_path {
                    pen.path(x, y, room, &line.name, strong)
                } else {
                    pen.text(x, y, room, &line.name, strong)
                }
            };
            if wide {
                let end = pen.right(inner.right() - 1, y, 12, &format!("{factor:>8}"), accent);
                let end = pen.right(end, y, 16, &copied, dim);
                name(inner.x + 1, y, end.saturating_sub(inner.x + 2), pen);
            } else {
                name(inner.x + 1, y, width, pen);
                pen.pieces(inner.x + 1, y + 1, width, &[("  ", dim), (&copied, dim), ("  ", dim), (&factor, accent)]);
            }
        }
    }

    fn top_layers(&self) -> Vec<Top> {
        let feed = self.feed();
        let mut all: Vec<_> = feed.sums.layers.iter().filter(|(_, sums)| sums.copied > 0).collect();
        all.sort_by(|a, b| b.1.copied.cmp(&a.1.copied).then_with(|| a.0.cmp(b.0)));
        let name = |overlay: &u32, layer: usize| {
            let made = feed.overlays.get(overlay).and_then(|overlay| overlay.lowers.get(layer));
            let made = made.and_then(|made| made.created_by.as_deref()).unwrap_or_default();
            format!("{}  {made}", words::layer_name(feed.overlays.get(overlay), layer))
        };
        let top = |((overlay, layer), sums): (&(u32, usize), &outcrop_layers::watch::LayerTotals)| Top {
            name: name(overlay, *layer),
            bytes: Bytes { copied: sums.copied, written: 0 },
        };
        all.into_iter().map(top).collect()
    }
}
