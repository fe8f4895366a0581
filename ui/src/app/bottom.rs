//! The line below the panes: what the focused pane's keys do, or what there is to say, and the running jobs.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::action::Action;
use crate::app::App;
use crate::app::hints::hints;
use crate::job::Job;
use crate::pen::{Pen, Sign};
use crate::safe_text::{visible, wrap};
use crate::theme::Role;

/// Most lines that a notice takes.
const NOTICE_LINES: usize = 4;

/// What every bottom line ends with, however little room there is: the ways to everything else.
const ALWAYS: [Action; 2] = [Action::Help, Action::Palette];

/// Cells from which on there is room for both.
const BOTH: u16 = 90;

impl App {
    pub(super) fn draw_bottom(&self, pen: &mut Pen<'_>) {
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
        match self.popups.last() {
            _ if self.notice.is_some() => {}
            None => self.draw_hints(pen, Rect::new(x, y, room, 1)),
            // The keys of the panes do nothing now.
            Some(popup) => draw_pairs(pen, Rect::new(x, y, room, 1), popup.hints()),
        }
    }

    /// Draws what there is to say over the bottom line, and over the lines above it as far as it needs them.
    pub(super) fn draw_notice(&self, pen: &mut Pen<'_>) {
        let Some((text, role)) = &self.notice else { return };
        let jobs = self.jobs.running().any(|job| !job.quiet || job.done > 0);
        // The job's line stays to be seen.
        let room = self.area.width.saturating_sub(2);
        let last = if jobs { room / 2 } else { room };
        let style = pen.look.style(*role);
        let parts: Vec<String> =
            text.trim_end().split('\n').map(|part| visible(part, pen.look.charset).into()).collect();
        if let [part] = parts.as_slice()
            && pen.look.width(part) <= last
        {
            pen.text(self.area.x + 1, self.area.bottom() - 1, last, part, style);
            return;
        }
        let mut lines: Vec<String> = parts.iter().flat_map(|part| wrap(part, usize::from(room))).collect();
        if lines.len() > NOTICE_LINES {
            lines.truncate(NOTICE_LINES);
            let more = pen.look.sign(Sign::Ellipsis);
            lines[NOTICE_LINES - 1].push_str(more);
        }
        let height = lines.len() as u16 + u16::from(jobs);
        let top = self.area.bottom().saturating_sub(height);
        pen.clear(Rect::new(self.area.x, top, self.area.width, lines.len() as u16));
        for (line, y) in lines.iter().zip(top..) {
            pen.text(self.area.x + 1, y, room, line, style);
        }
    }

    /// As many keys as there is room for, and the last two always.
    fn draw_hints(&self, pen: &mut Pen<'_>, line: Rect) {
        let scope = self.scope();
        let width = |pen: &Pen<'_>, action: Action, key: &str| pen.look.width(key) + pen.look.width(action.short()) + 3;
        let always = if line.width < BOTH { &ALWAYS[..1] } else { &ALWAYS[..] };
        let read_only = self.setup.connection.read_only.is_some();
        let (last, first): (Vec<_>, Vec<_>) = hints(scope, self.setup.connected, read_only)
            .filter_map(|action| Some((action, self.setup.keys.key(scope, action)?)))
            .partition(|(action, _)| always.contains(action));
        let mut left = (line.width + 2).saturating_sub(last.iter().map(|(a, key)| width(pen, *a, key)).sum());
        let fits = |(action, key): &(Action, String)| {
            let needed = width(pen, *action, key);
            let fits = needed <= left;
            left = left.saturating_sub(needed);
            fits
        };
        let first: Vec<_> = first.into_iter().take_while(fits).collect();
        let pairs: Vec<_> = first.iter().chain(&last).map(|(action, key)| (key.as_str(), action.short())).collect();
        draw_pairs(pen, line, &pairs);
    }
}

/// Draws keys, each with what it does.
fn draw_pairs(pen: &mut Pen<'_>, line: Rect, pairs: &[(&str, &str)]) {
    let (accent, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Dim));
    let mut x = line.x;
    for (at, (key, what)) in pairs.iter().enumerate() {
        let between = if at == 0 { "" } else { "  " };
        let room = line.right().saturating_sub(x);
        x += pen.pieces(x, line.y, room, &[(between, dim), (key, accent), (" ", dim), (what, dim)]);
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
