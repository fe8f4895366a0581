//! The lines above the panes: connection and totals, the screens.

use crate::app::App;
use crate::pen::{Pen, Sign};
use crate::screen::Place;
use crate::theme::Role;

impl App {
    pub(super) fn draw_frame(&self, pen: &mut Pen<'_>) {
        self.draw_top(pen);
        self.draw_tabs(pen);
        self.draw_bottom(pen);
    }

    fn draw_top(&self, pen: &mut Pen<'_>) {
        let area = self.area;
        let (accent, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Dim));
        let totals = self.totals(pen);
        let room = area.width.saturating_sub(2);
        let at = pen.right(area.right() - 1, area.y, room / 2 + 6, &totals, dim);
        let used = pen.text(area.x + 1, area.y, room, "outcrop", accent);
        let connection = self.connection(pen);
        let mut x = area.x + 1 + used + 2;
        if self.setup.connected && !self.answers {
            let bad = pen.look.style(Role::Bad);
            x += pen.text(x, area.y, at.saturating_sub(x + 2), "does not answer", bad) + 2;
        }
        pen.text(x, area.y, at.saturating_sub(x + 2), &connection, dim);
    }

    fn connection(&self, pen: &Pen<'_>) -> String {
        let connection = &self.setup.connection;
        if !self.setup.connected {
            return "no engine".into();
        }
        let place = if connection.place.is_empty() { &self.server.root } else { &connection.place };
        let mut parts = vec![connection.kind.word(), place, &self.server.driver];
        if connection.rootless || self.server.rootless {
            parts.push("rootless");
        }
        if connection.read_only.is_some() {
            parts.push("read-only");
        }
        parts.retain(|p| !p.is_empty());
        parts.join(pen.look.sign(Sign::Separator))
    }

    fn totals(&self, pen: &Pen<'_>) -> String {
        if !self.setup.connected {
            return String::new();
        }
        let mut parts = self.screens.current().totals(pen.look);
        parts.truncate(if self.area.width >= 90 { 4 } else { 2 });
        parts.join(pen.look.sign(Sign::Separator))
    }

    fn draw_tabs(&self, pen: &mut Pen<'_>) {
        let (badge, dim) = (pen.look.style(Role::Badge), pen.look.style(Role::Dim));
        let mut x = self.area.x + 1;
        for place in Place::ALL {
            let style = if place == self.screens.at { badge } else { dim };
            x += pen.text(x, self.area.y + 1, 20, &format!(" {} ", place.title()), style) + 1;
        }
        let room = self.area.right().saturating_sub(x + 2);
        let mut notes = Vec::new();
        let filter = self.screens.current().filter_text();
        if !filter.is_empty() {
            notes.push(format!("filter: {filter}"));
        }
        if let Some(why) = &self.setup.connection.read_only {
            let long = format!("only reading: {why}");
            let fits = pen.look.width(&long) <= room && notes.is_empty();
            notes.push(if fits { long } else { "only reading".into() });
        }
        let text = notes.join(pen.look.sign(Sign::Separator));
        pen.right(self.area.right() - 1, self.area.y + 1, room, &text, dim);
    }

    pub(super) fn click_tabs(&mut self, column: u16) {
        let mut x = self.area.x + 1;
        for place in Place::ALL {
            let width = place.title().len() as u16 + 2;
            if (x..x + width).contains(&column) {
                self.act(place.action());
            }
            x += width + 1;
        }
    }
}
