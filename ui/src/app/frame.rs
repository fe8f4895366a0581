//! The lines around the panes: connection and totals, the screens, keys and jobs.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::action::Action;
use crate::app::App;
use crate::app::hints::hints;
use crate::job::Job;
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
        let x = area.x + 1 + used + 2;
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
        let mut notes = Vec::new();
        let filter = self.screens.current().filter_text();
        if !filter.is_empty() {
            notes.push(format!("filter: {filter}"));
        }
        if let Some(why) = &self.setup.connection.read_only {
            notes.push(format!("only reading: {why}"));
        }
        let text = notes.join(pen.look.sign(Sign::Separator));
        let room = self.area.right().saturating_sub(x + 2);
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

    fn draw_bottom(&self, pen: &mut Pen<'_>) {
        let y = self.area.bottom() - 1;
        let mut end = self.area.right() - 1;
        let seen = |job: &&Job| !job.quiet || job.done > 0;
        let running = self.jobs.running().filter(seen).count();
        if let Some(job) = self.jobs.running().rfind(seen) {
            let key = self.setup.keys.key(self.scope(), Action::CancelJob).unwrap_or_default();
            end = draw_job(pen, self.area, y, job, running, &key).saturating_sub(2);
        }
        let x = self.area.x + 1;
        let room = end.saturating_sub(x);
        if let Some((text, role)) = &self.notice {
            let style = pen.look.style(*role);
            pen.text(x, y, room, text, style);
            return;
        }
        let scope = self.scope();
        let (key_style, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Dim));
        let mut used = 0;
        for action in hints(scope, self.setup.connected) {
            let Some(key) = self.setup.keys.key(scope, *action) else { continue };
            let width = pen.look.width(&key) + 1 + pen.look.width(action.short()) + 2;
            if used + width > room + 2 {
                break;
            }
            used += pen.pieces(
                x + used,
                y,
                room - used,
                &[(&key, key_style), (" ", dim), (action.short(), dim), ("  ", dim)],
            );
        }
    }
}

/// Draws a job at the right of the bottom line; gives where it begins.
fn draw_job(pen: &mut Pen<'_>, area: Rect, y: u16, job: &Job, running: usize, key: &str) -> u16 {
    let (accent, dim, faint) = (pen.look.style(Role::Accent), pen.look.style(Role::Dim), pen.look.style(Role::Border));
    let line = pen.look.sign(Sign::Line);
    let mut tail = match job.percent() {
        Some(percent) => format!(" {percent} %"),
        None if job.done > 0 => format!(" {}", pen.look.size(job.done)),
        None => String::new(),
    };
    if job.rate > 0 && job.total > 1000 && area.width >= 100 {
        let _ = write!(tail, " {}/s", pen.look.size(job.rate));
    }
    if running > 1 {
        let _ = write!(tail, " +{}", running - 1);
    }
    let bar = if area.width >= 100 { 12 } else { 6 };
    let room = area.width / 3;
    let key = format!(" {key}");
    let width = pen.look.width(&job.title).min(room) + 1 + bar + pen.look.width(&tail) + pen.look.width(&key);
    let x = area.right().saturating_sub(width + 1);
    let mut at = x + pen.text(x, y, room, &job.title, dim) + 1;
    let done = job.percent().map_or(0, |p| (p * u64::from(bar) / 100) as u16);
    pen.repeat(at, y, bar, line, faint);
    pen.repeat(at, y, done, line, accent);
    at += bar;
    at += pen.text(at, y, 30, &tail, dim);
    pen.text(at, y, 8, &key, accent);
    x
}
