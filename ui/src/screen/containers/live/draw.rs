//! The tab: the feed, what is to be said of the selected event, and how all of it is known.

use outcrop_layers::watch::{Attached, Event};
use ratatui::layout::Rect;

use crate::pen::{Look, Pen, Sign};
use crate::safe_text::wrap;
use crate::screen::containers::live::{Feed, words};
use crate::screen::containers::{Containers, Pane};
use crate::size::count;
use crate::theme::Role;

impl Containers {
    /// Lines of the feed in a pane, and below them.
    fn feed_parts(area: Rect) -> (u16, u16) {
        let inner = area.height.saturating_sub(2);
        let foot = match inner {
            0..4 => 0,
            4..8 => 1,
            8..14 => 2,
            _ => 4,
        };
        (inner - foot, foot)
    }

    pub(in crate::screen::containers) fn feed_room(area: Rect) -> u16 {
        Self::feed_parts(area).0
    }

    pub(in crate::screen::containers) fn draw_live(&self, pen: &mut Pen<'_>, area: Rect) {
        let (dim, accent) = (pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let title = self.tab_title(pen.look, area);
        let mut pieces: Vec<_> = title.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        let about = self.live_title(pen.look);
        pieces.push((&about, dim));
        let inner = pen.frame(area, &pieces, self.focus == Pane::Detail);
        let feed = self.feed();
        let (room, foot) = Self::feed_parts(area);
        let len = feed.len();
        if len == 0 {
            self.draw_nothing(pen, inner);
            let known = self.known(pen.look);
            pen.text(area.x + 2, area.bottom() - 1, area.width.saturating_sub(4), &known, dim);
            return;
        }
        let first = feed.cursor.first(len, room);
        for (line, y) in (first..len).take(usize::from(room)).zip(inner.y..) {
            let Some(event) = feed.event(line) else { break };
            let row = Rect::new(inner.x, y, inner.width, 1);
            if line == feed.cursor.at && feed.is_held() {
                let selected = pen.look.style(Role::Selected);
                pen.tint(row, selected);
            }
            self.draw_event(pen, row, feed, event);
        }
        if foot > 0 {
            let below = Rect { y: inner.y + room, height: foot, ..inner };
            Self::draw_foot(pen, below, feed);
        }
        pen.position(area, feed.cursor.at, len, room);
        let more = match feed.waiting() {
            0 => String::new(),
            waiting => format!(" {} more ", count(waiting)),
        };
        let known = self.known(pen.look);
        pen.pieces(area.x + 2, area.bottom() - 1, area.width.saturating_sub(28), &[(&more, accent), (&known, dim)]);
    }

    fn live_title(&self, look: &Look) -> String {
        let dot = look.sign(Sign::Separator);
        let feed = self.feed();
        let word = match &self.recording {
            Some(_) => "recording",
            None if feed.is_held() => "paused",
            None if self.live.is_on() => "following",
            None if !feed.is_empty() => "ended",
            None => return String::new(),
        };
        format!("{dot}{word}")
    }

    /// What is said where there is no event yet.
    fn draw_nothing(&self, pen: &mut Pen<'_>, inner: Rect) {
        let feed = self.feed();
        let alive = self.list.current().is_some_and(|row| row.state.is_alive());
        let mut lines = Vec::new();
        let mut say = |text: &str, role: Role| lines.push((text.to_owned(), role));
        match (&self.recording, &self.live.failed) {
            (Some(recording), _) => match &recording.end {
                Some(end) if feed.is_empty() => say(end, Role::Bad),
                None => say("reading", Role::Dim),
                Some(_) => say("nothing matches; esc shows all", Role::Dim),
            },
            _ if !feed.is_empty() && self.feed_filter.is_empty() => {
                say("what was seen here has been let go; G follows again", Role::Dim);
            }
            _ if !feed.is_empty() => say("nothing matches; esc shows all", Role::Dim),
            (None, Some(why)) => {
                say(&format!("it cannot be watched: {why}"), Role::Bad);
                say("R tries again", Role::Dim);
            }
            (None, None) if self.list.current().is_none() => {
                say("no container is selected; o opens a recording", Role::Dim);
            }
            (None, None) if !alive => {
                say("it does not run: nothing is written", Role::Dim);
                say("r starts it, o opens a recording", Role::Dim);
            }
            (None, None) => match attached(feed) {
                None => say("beginning to watch", Role::Dim),
                Some(_) => say("nothing was written since it is watched", Role::Text),
            },
        }
        for note in &feed.notes {
            say(note, Role::Dim);
        }
        let width = inner.width.saturating_sub(4);
        let wrapped = lines
            .iter()
            .flat_map(|(text, role)| wrap(text, usize::from(width).max(20)).into_iter().map(move |line| (line, *role)));
        for ((line, role), y) in wrapped.zip(inner.y + 1..inner.bottom()) {
            let style = pen.look.style(role);
            pen.text(inner.x + 2, y, width, &line, style);
        }
    }

    fn draw_event(&self, pen: &mut Pen<'_>, row: Rect, feed: &Feed, event: &Event) {
        let [text, dim, strong] = [Role::Text, Role::Dim, Role::Strong].map(|role| pen.look.style(role));
        let (wide, middle) = (row.width >= 120, row.width >= 76);
        let y = row.y;
        let time = words::time(event.time, pen.look, !middle);
        let mut x = row.x + 1;
        x += pen.text(x, y, 12, &time, dim) + 1;
        let (sign, word, role) = words::kind(&event.kind, pen.look);
        let doubt = words::doubt(event, pen.look);
        pen.text(x, y, 1, doubt, strong);
        let style = pen.look.style(role);
        pen.text(x + 1, y, 1, sign, style);
        pen.text(x + 3, y, 8, word, style);
        x += 11;
        // From the right: process, layer, bytes; the path has the rest.
        let mut end = row.right().saturating_sub(1);
        let process = words::process(event);
        let (process_width, layer_width) = match (wide, middle) {
            (true, _) => (20, if row.width >= 150 { 44 } else { 30 }),
            (_, true) => (13, 11),
            _ => (0, 3),
        };
        if process_width > 0 {
            end -= process_width;
            pen.text(end + 1, y, process_width - 1, &process, dim);
        }
        end -= layer_width;
        self.draw_origin(pen, Rect::new(end, y, layer_width, 1), feed, event);
        let bytes = words::bytes(event, pen.look);
        end = end.saturating_sub(1);
        pen.right(end, y, 8, &bytes, strong);
        end = end.saturating_sub(9);
        pen.path(x, y, end.saturating_sub(x), &words::path(event, pen.look), text);
    }

    /// The layer that it came from, in its colour.
    fn draw_origin(&self, pen: &mut Pen<'_>, room: Rect, feed: &Feed, event: &Event) {
        let (text, dim) = (pen.look.style(Role::Text), pen.look.style(Role::Dim));
        let Some(layer) = words::layer(event) else {
            if room.width > 4 {
                pen.text(room.x + 2, room.y, room.width.saturating_sub(2), words::beside(event), dim);
            }
            return;
        };
        // A recording may be of other layers than those of the container that is selected.
        if let Some(look) = self.looks.get(layer).filter(|_| self.recording.is_none()) {
            let band = pen.look.theme.band(*look);
            let texture = look.texture(pen.look.unicode()).to_string();
            pen.text(room.x, room.y, 1, &texture, band);
        }
        if room.width <= 4 {
            pen.text(room.x + 1, room.y, room.width - 1, &(layer + 1).to_string(), text);
            return;
        }
        let words = words::layer_name(feed.overlays.get(&event.overlay), layer);
        let used = pen.text(room.x + 2, room.y, room.width - 2, &words, text);
        let made = feed.overlays.get(&event.overlay).and_then(|overlay| overlay.lowers.get(layer));
        if let Some(made) = made.and_then(|made| made.created_by.as_deref())
            && room.width > 20
        {
            pen.text(room.x + 3 + used, room.y, room.width.saturating_sub(used + 4), made, dim);
        }
    }

    /// The selected event in words while one looks at it, else what would spare most; and how it is known.
    fn draw_foot(pen: &mut Pen<'_>, area: Rect, feed: &Feed) {
        let (text, dim) = (pen.look.style(Role::Text), pen.look.style(Role::Dim));
        let width = usize::from(area.width.saturating_sub(2));
        let look = pen.look;
        let mut lines = Vec::new();
        if let Some((event, overlay)) = feed.selected().filter(|_| feed.is_held()) {
            lines.extend(wrap(&words::sentence(event, overlay, look), width.max(20)).into_iter().map(|l| (l, text)));
        } else {
            for advice in &feed.sums.advice {
                let words = advice.text(&|bytes| look.size(bytes));
                lines.extend(wrap(&words, width.max(20)).into_iter().map(|line| (line, text)));
            }
        }
        // The last lines say what is not promised.
        let limits: Vec<&str> = feed.unrecorded.iter().chain(&feed.notes).map(String::as_str).collect();
        let mut limits = if limits.is_empty() { Vec::new() } else { wrap(&limits.join("; "), width.max(20)) };
        let height = usize::from(area.height);
        limits.truncate(if height > 1 { height / 2 } else { usize::from(lines.is_empty()) });
        lines.truncate(height - limits.len());
        if !limits.is_empty() {
            lines.resize(height - limits.len(), (String::new(), dim));
            lines.extend(limits.into_iter().map(|line| (line, dim)));
        }
        for ((line, style), y) in lines.iter().zip(area.y..area.bottom()) {
            pen.text(area.x + 1, y, area.width.saturating_sub(2), line, *style);
        }
    }

    /// Which events are seen, by which mechanism, and what is missing: on the lower border.
    fn known(&self, look: &Look) -> String {
        let feed = self.feed();
        let mut parts = Vec::new();
        if !self.feed_filter.is_empty() {
            parts.push(format!("/{}", self.feed_filter));
        }
        parts.extend(self.recording.as_ref().map(|recording| recording.name.clone()));
        parts.extend(attached(feed).map(|attached| words::mechanism(attached).to_owned()));
        if feed.gone() > 0 {
            parts.push(format!("{} older let go", count(feed.gone())));
        }
        let counts = feed.sums.counts;
        if counts.overflows > 0 {
            parts.push(format!("reports were lost, {} found by reading again", count(counts.found_by_scan)));
        }
        if feed.agrees == Some(false) {
            parts.push("the sums may lack the last changes".into());
        }
        if parts.is_empty() { String::new() } else { format!(" {} ", parts.join(look.sign(Sign::Separator))) }
    }
}

/// What is watched.
fn attached(feed: &Feed) -> Option<&Attached> {
    feed.overlays.values().max_by_key(|attached| attached.overlay)
}
