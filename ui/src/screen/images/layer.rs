//! What the selected layer is called, how large it is, and who else uses it.

use ratatui::layout::Rect;

use crate::pen::{Pen, Sign};
use crate::popup::Line;
use crate::screen::images::Images;
use crate::size::{age, count, plural};
use crate::theme::Role;

impl Images {
    pub(super) fn draw_layer(&self, pen: &mut Pen<'_>, area: Rect) {
        let strong = pen.look.style(Role::Strong);
        let title = match (self.layer(), self.step_index()) {
            (Some(layer), _) => format!("Layer {}", layer + 1),
            (None, Some(_)) => "No layer".into(),
            _ => "Layer".into(),
        };
        let inner = pen.frame(area, &[(&title, strong)], false);
        let lines = self.layer_lines(pen.look);
        // An empty line above only where all fits.
        let top = u16::from(lines.len() < usize::from(inner.height));
        for (line, y) in lines.iter().zip(inner.y + top..inner.bottom()) {
            let pieces: Vec<_> = line.0.iter().map(|(t, r)| (t.as_str(), pen.look.style(*r))).collect();
            pen.pieces(inner.x + 1, y, inner.width.saturating_sub(2), &pieces);
        }
    }

    fn layer_lines(&self, look: &crate::pen::Look) -> Vec<Line> {
        let field = |name: &str, value: String| Line::of(format!("{name:<10}"), Role::Dim).and(value, Role::Text);
        let (Some(known), Some(index)) = (self.current_known(), self.step_index()) else { return Vec::new() };
        let Some(step) = known.detail.steps.get(index) else { return Vec::new() };
        let built = age(self.now, step.created);
        let Some(layer) = step.layer else {
            return vec![
                Line::of("changes the settings", Role::Dim),
                Line::of("only: it has no files", Role::Dim),
                Line::default(),
                field("built", built),
            ];
        };
        let id = |digest: &outcrop_layers::digest::Digest| {
            let hex = digest.hex();
            format!("{}{}{}", &hex[..9], look.sign(Sign::Ellipsis), &hex[62..])
        };
        let mut lines = vec![
            field("diff ID", known.detail.layers.get(layer).map(|d| id(&d.0)).unwrap_or_default()),
            field("chain ID", known.detail.chains.get(layer).map(|c| id(&c.0)).unwrap_or_default()),
            field("size", look.size(step.size)),
            field("built", built),
        ];
        self.content_lines(look, layer, &mut lines);
        let others = known.detail.chains.get(layer).map(|c| self.others(c)).unwrap_or_default();
        lines.push(Line::default());
        if others.is_empty() {
            lines.push(Line::of("no other image has it", Role::Dim));
        }
        for (at, name) in others.iter().take(6).enumerate() {
            lines.push(field(if at == 0 { "also in" } else { "" }, (*name).to_owned()));
        }
        if others.len() > 6 {
            lines.push(field("", format!("and {}", plural(others.len() as u64 - 6, "more", "more"))));
        }
        lines
    }

    /// What only reading the layer tells.
    fn content_lines(&self, look: &crate::pen::Look, layer: usize, lines: &mut Vec<Line>) {
        let field = |name: &str, value: String| Line::of(format!("{name:<10}"), Role::Dim).and(value, Role::Text);
        let Some(content) = self.files.content.as_ref().filter(|c| layer < c.tree.layers()) else { return };
        let index = content.tree.layer(layer);
        if let Some(disk) = index.disk() {
            lines.push(field("on disk", look.size(disk)));
        }
        let (added, changed, removed) = content.counts(layer);
        let minus = look.sign(Sign::Minus);
        lines.push(field("files", format!("+{} ~{} {minus}{}", count(added), count(changed), count(removed))));
        if let Some(cache) = content.layers.get(layer).and_then(|l| l.cache_id.as_deref()) {
            let short: String = cache.chars().take(12).collect();
            lines.push(field("cache ID", format!("{short}{}", look.sign(Sign::Ellipsis))));
        }
        if let Some((wasted, wastes)) = content.waste_by_layer.get(layer) {
            lines.push(field("waste", format!("{} here", look.size(*wasted))));
            if *wastes > 0 {
                lines.push(field("", format!("hides {}", look.size(*wastes))));
            }
        }
    }
}
