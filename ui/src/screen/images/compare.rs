//! Two images side by side: the strata they share joined, below what differs in their files.

use ratatui::layout::Rect;

use crate::action::Action;
use crate::client::differences::Difference;
use crate::content::Reading;
use crate::message::Request;
use crate::pen::Pen;
use crate::popup::{Choice, Menu, Popup, letters};
use crate::screen::Context;
use crate::screen::differences::Differences;
use crate::screen::images::{Images, Known};
use crate::size::plural;
use crate::theme::Role;
use crate::widget::strata::{BAND, draw_band};

impl Images {
    pub(super) fn open_compare(&mut self, cx: &mut Context<'_>) {
        let Some(current) = self.list.selected() else { return };
        let others: Vec<&crate::model::ImageRow> =
            self.list.rows.iter().filter(|r| r.id != current && self.known.contains_key(&r.id)).collect();
        if let Some(marked) = others.iter().find(|r| self.list.is_marked(r)).map(|r| r.id.clone()) {
            return self.compare_with(&marked, cx);
        }
        if others.is_empty() {
            return cx.say("there is no other image to compare with");
        }
        // Those that share the most come first.
        let mut others: Vec<_> = others.into_iter().map(|r| (self.shared(&current, &r.id), r)).collect();
        others.sort_by_key(|(shared, row)| (std::cmp::Reverse(*shared), row.tags.is_empty(), row.name().to_owned()));
        let mut menu = Menu::new("Compare with");
        for ((shared, row), letter) in others.into_iter().zip(letters()) {
            let about = if shared == 0 {
                "shares no layer".into()
            } else {
                format!("shares {}", plural(shared as u64, "layer", "layers"))
            };
            menu = menu.with(letter, row.reference(), about, Choice::Compare(row.id.clone()));
        }
        cx.popups.push(Popup::Menu(menu));
    }

    /// How many layers two images have in common, from the base.
    fn shared(&self, left: &str, right: &str) -> usize {
        let (Some(a), Some(b)) = (self.known.get(left), self.known.get(right)) else { return 0 };
        a.detail.chains.iter().zip(&b.detail.chains).take_while(|(x, y)| x == y).count()
    }

    pub(super) fn compare_with(&mut self, other: &str, cx: &mut Context<'_>) {
        let Some(left) = self.list.selected() else { return };
        let right = other.to_owned();
        self.compare = Some(Differences::between(left, right.clone()));
        if self.kept(&right).is_none() {
            let (job, cancel) = cx.jobs.start("read the other image", true);
            cx.requests.push(Request::Content { job, cancel, image: right, export: false });
        }
        self.ask_differences(cx.requests);
    }

    /// Files of either side were read.
    pub(super) fn compare_content(&mut self, image: &str, reading: &Reading) {
        let Some(compare) = self.compare.as_mut().filter(|c| c.left == image || c.right == image) else { return };
        match reading {
            Reading::NeedsExport(why) => compare.error = Some(format!("the files are not compared: {why}")),
            Reading::Failed(error) => compare.error = Some(error.clone()),
            _ => {}
        }
    }

    /// Asks for the differences as soon as both sides are read.
    pub(super) fn ask_differences(&mut self, requests: &mut Vec<Request>) {
        let Some(compare) = self.compare.as_ref().filter(|c| c.is_pending()) else { return };
        if let (Some(left), Some(right)) = (self.kept(&compare.left), self.kept(&compare.right)) {
            requests.push(Request::Differences { left: left.clone(), right: right.clone() });
        }
    }

    /// Takes an answer; gives it back when it is about others.
    pub(super) fn set_differences(
        &mut self,
        left: String,
        right: String,
        mut list: Vec<Difference>,
    ) -> Option<crate::message::Data> {
        let ours = self.compare.as_mut().is_some_and(|compare| compare.take(&left, &right, &mut list));
        (!ours).then_some(crate::message::Data::Differences { left, right, list })
    }

    pub(super) fn act_compare(&mut self, action: Action, cx: &Context<'_>) -> bool {
        let height = self.compare_height(cx.area).1;
        let Some(compare) = self.compare.as_mut() else { return false };
        if !compare.act(action, height) && matches!(action, Action::Back | Action::Compare | Action::Left) {
            self.compare = None;
        }
        true
    }

    pub(super) fn wheel_compare(&mut self, lines: isize, area: Rect) {
        let height = self.compare_height(area).1;
        if let Some(compare) = self.compare.as_mut() {
            compare.wheel(lines, height);
        }
    }

    /// Heights of the strata and of the files.
    fn compare_height(&self, area: Rect) -> (u16, u16) {
        let Some(compare) = &self.compare else { return (0, 0) };
        let layers = |id: &str| self.known.get(id).map_or(0, |k| k.detail.chains.len());
        let most = layers(&compare.left).max(layers(&compare.right)).max(1) as u16;
        let half = (area.height / 2).max(6);
        let scale = (half.saturating_sub(2) / most).clamp(1, 3);
        let strata = (most * scale + 2).clamp(5, half).min(area.height);
        (strata, area.height - strata)
    }

    pub(super) fn draw_compare(&self, pen: &mut Pen<'_>, area: Rect, compare: &Differences) {
        let (top, bottom) = self.compare_height(area);
        let strata = Rect { height: top, ..area };
        let files = Rect::new(area.x, area.y + top, area.width, bottom);
        let name = |id: &str| {
            self.list.rows.iter().find(|r| r.id == id).map_or_else(String::new, crate::model::ImageRow::reference)
        };
        let (left, right) = (name(&compare.left), name(&compare.right));
        let (accent, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Dim));
        let shared = self.shared(&compare.left, &compare.right);
        let about = format!("  {} shared", plural(shared as u64, "layer", "layers"));
        let inner = pen.frame(strata, &[(&left, accent), ("  and  ", dim), (&right, accent), (&about, dim)], true);
        if let (Some(a), Some(b)) = (self.known.get(&compare.left), self.known.get(&compare.right)) {
            draw_pair(pen, inner, [a, b], shared, [&left, &right]);
        }
        let (strong, about) = (pen.look.style(Role::Strong), compare.about());
        compare.draw(pen, files, &[("Files", strong), (&about, dim)], [&left, &right], false);
    }
}

/// Draws both stacks, newest first; what is shared lies under both, joined.
fn draw_pair(pen: &mut Pen<'_>, area: Rect, pair: [&Known; 2], shared: usize, names: [&str; 2]) {
    let half = area.width / 2;
    let own = pair.map(|known| known.detail.chains.len() - shared);
    let most = own[0].max(own[1]);
    let scale = (usize::from(area.height) / (most + shared).max(1)).clamp(1, 3) as u16;
    let room = area.height / scale;
    // The shared part keeps at least a third; the rest is cut at the top, where the base is not.
    let joined = (shared as u16).min((room / 3).max(room.saturating_sub(most as u16)));
    let apart = (most as u16).min(room.saturating_sub(joined));
    for (side, known) in pair.into_iter().enumerate() {
        let (x, width) = if side == 0 { (area.x, half) } else { (area.x + half, area.width - half) };
        let shown = own[side].min(usize::from(apart));
        for line in 0..shown {
            let y = area.y + (apart - shown as u16 + line as u16) * scale;
            draw_layer(pen, Rect::new(x, y, width.saturating_sub(1), scale), known, shared + shown - 1 - line);
        }
    }
    let dim = pen.look.style(Role::Dim);
    if shared == 0 {
        let text = format!("{} and {} share no layer", names[0], names[1]);
        pen.text(area.x + 2, area.bottom().saturating_sub(1), area.width.saturating_sub(4), &text, dim);
    }
    for line in 0..joined {
        let y = area.y + (apart + line) * scale;
        draw_layer(pen, Rect::new(area.x, y, area.width, scale), pair[0], usize::from(joined - 1 - line));
        pen.right(area.right().saturating_sub(1), y + (scale - 1) / 2, 10, "= both", dim);
    }
}

fn draw_layer(pen: &mut Pen<'_>, area: Rect, known: &Known, layer: usize) {
    let Some(look) = known.looks.get(layer).copied() else { return };
    let step = known.detail.steps.iter().find(|s| s.layer == Some(layer));
    draw_band(pen, Rect { width: area.width.min(BAND), ..area }, look, layer + 1);
    let wash = pen.look.theme.wash(look, false);
    pen.tint(Rect { x: area.x + BAND, width: area.width.saturating_sub(BAND), ..area }, wash);
    let (strong, text) = (pen.look.style(Role::Strong), pen.look.style(Role::Text));
    let (size, y) = (pen.look.size(known.detail.layer_size(layer)), area.y + (area.height - 1) / 2);
    pen.right(area.x + 15, y, 8, &size, strong);
    let words = step.map_or("", |s| s.instruction.as_str());
    pen.text(area.x + 17, y, area.width.saturating_sub(26), words, text);
}
