//! Draws the steps: what is or will be done with each, the stratum it laid down, and what two Dockerfiles share.

use ratatui::layout::Rect;

use crate::pen::{Look, Pen, Sign};
use crate::screen::build::panes::lines_each;
use crate::screen::build::run::State;
use crate::screen::build::shown::{Row, Shown, Verdict};
use crate::screen::build::{Build, Pane, Planning};
use crate::size::plural;
use crate::theme::Role;
use crate::widget::strata::{BAND, draw_band};

/// Milliseconds, in as many digits as matter.
pub(super) fn time(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis / 1000 % 60),
    }
}

impl Build {
    pub(super) fn draw_steps(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let focused = self.focus == Pane::Steps;
        let name = self.dockerfile().unwrap_or("Steps").to_owned();
        let about = self.steps_title(pen.look);
        let style = if focused { accent } else { strong };
        let inner = pen.frame(area, &[(&name, style), ("  ", dim), (&about, dim)], focused);
        let rows = self.rows();
        if rows.is_empty() {
            self.draw_no_steps(pen, inner);
            return;
        }
        let each = lines_each(rows.len(), inner.height);
        let room = inner.height / each;
        pen.position(area, self.step.at, rows.len(), room);
        let first = self.step.first(rows.len(), room);
        for ((at, row), line) in rows.iter().enumerate().skip(first).take(usize::from(room)).zip(0..) {
            let line = Rect::new(inner.x, inner.y + line * each, inner.width, each);
            self.draw_row(pen, line, *row, at == self.step.at);
        }
    }

    fn steps_title(&self, look: &Look) -> String {
        let count = |which: usize| {
            let steps = self.plans().get(which).map_or(&[][..], |planned| &planned.plan.steps);
            let reused = steps.iter().filter(|step| step.reused).count();
            (reused, steps.len() - reused)
        };
        if let Some(run) = self.own_run() {
            let took = time(run.millis);
            return match &run.state {
                State::Running => format!("is being built, {}", time(run.millis)),
                State::Built(image) => format!("built {} in {took}", crate::model::short(image)),
                State::Failed(_) => format!("failed after {took}"),
                State::Cancelled => "cancelled: what was done is kept".into(),
            };
        }
        if self.plans().is_empty() {
            return String::new();
        }
        let (reused, runs) = count(0);
        let steps = plural(reused as u64, "step is reused", "steps are reused");
        let mut text = format!("{steps}, {runs} will run");
        if let (Some(other), Some(name)) = (self.plans().get(1), self.beside()) {
            text = format!("{text}{}{} shared with {name}", look.sign(Sign::Separator), other.plan.shared);
        }
        text
    }

    fn draw_no_steps(&self, pen: &mut Pen<'_>, inner: Rect) {
        let width = inner.width.saturating_sub(4);
        let (words, role) = match &self.planning {
            _ if self.own_run().is_some_and(super::run::Run::is_running) => ("the context is being sent", Role::Dim),
            Planning::Failed(why) => (why.as_str(), Role::Bad),
            Planning::Running => ("asking what would be done", Role::Dim),
            _ => ("", Role::Dim),
        };
        let (style, dim) = (pen.look.style(role), pen.look.style(Role::Dim));
        let lines = words.lines().flat_map(|line| crate::safe_text::wrap(line, usize::from(width).max(12)));
        let mut y = inner.y + 1;
        for line in lines.take(usize::from(inner.height.saturating_sub(3))) {
            pen.text(inner.x + 2, y, width, &line, style);
            y += 1;
        }
        if self.dockerfile().is_some() && y + 1 < inner.bottom() && role != Role::Dim {
            pen.text(inner.x + 2, y + 1, width, "b builds it all the same", dim);
        }
    }

    fn draw_row(&self, pen: &mut Pen<'_>, area: Rect, row: Row, selected: bool) {
        let first = row.first.and_then(|at| self.first(at));
        let compared = self.plans().len() > 1;
        if !compared || row.is_shared {
            let shared = if compared { self.beside() } else { None };
            if let Some(step) = first {
                draw_step(pen, area, &step, selected, shared);
            }
            return;
        }
        let half = area.width / 2;
        if let Some(step) = first {
            draw_step(pen, Rect { width: half, ..area }, &step, selected, None);
        }
        let right = Rect { x: area.x + half, width: area.width - half, ..area };
        let border = pen.look.style(Role::Border);
        let sign = if pen.look.unicode() { "│" } else { "|" };
        (right.y..right.bottom()).for_each(|y| pen.repeat(right.x, y, 1, sign, border));
        if let Some(step) = row.second.and_then(|at| self.planned(1, at)) {
            draw_step(pen, Rect { x: right.x + 1, width: right.width - 1, ..right }, &step, selected, None);
        }
    }
}

/// Draws one step; `shared` names the Dockerfile that has the same.
fn draw_step(pen: &mut Pen<'_>, area: Rect, step: &Shown<'_>, selected: bool, shared: Option<&str>) {
    let (dim, text, strong) = (pen.look.style(Role::Dim), pen.look.style(Role::Text), pen.look.style(Role::Strong));
    let body = Rect { x: area.x + BAND, width: area.width.saturating_sub(BAND + 1), ..area };
    match step.band {
        Some(band) => {
            draw_band(pen, Rect { width: BAND.min(area.width), ..area }, band.look, band.number);
            let wash = pen.look.theme.wash(band.look, selected);
            let line = Rect {
                width: body.width + 1,
                height: if pen.look.theme.level() < crate::theme::Level::Indexed { 1 } else { body.height },
                ..body
            };
            pen.tint(line, wash);
        }
        None if selected => {
            let style = pen.look.style(Role::Selected);
            pen.tint(Rect { width: body.width + 1, ..body }, style);
        }
        None => {}
    }
    if selected {
        let accent = pen.look.style(Role::Accent);
        pen.text(body.x + 1, body.y, 1, pen.look.sign(Sign::Cursor), accent);
    }
    let role = pen.look.style(step.verdict.role());
    let number = format!("{:>2}", step.number);
    pen.text(body.x + 3, body.y, 3, &number, dim);
    pen.text(body.x + 6, body.y, 9, step.verdict.word(), role);
    let mut end = body.right();
    if let Some(name) = shared {
        let said = format!("= {name}");
        let ink = step.band.map_or(dim, |band| pen.look.theme.ink(band.look));
        end = pen.right(end, body.y, body.width / 3, &said, ink).saturating_sub(1);
    }
    let figures = figures(pen.look, step);
    if !figures.is_empty() && body.width > 44 {
        end = pen.right(end, body.y, 20, &figures, strong).saturating_sub(1);
    }
    let x = body.x + 15;
    let style = if selected { strong } else { text };
    let instruction = step.instruction.replace('\n', " ");
    let used = pen.text(x, body.y, end.saturating_sub(x), &instruction, style);
    let why = if matches!(step.verdict, Verdict::Reused | Verdict::WillRun | Verdict::Running) { step.why } else { "" };
    if area.height > 1 {
        pen.text(x, body.y + 1, body.right().saturating_sub(x), why, dim);
    } else if end.saturating_sub(x + used) > 14 {
        pen.text(x + used + 2, body.y, end.saturating_sub(x + used + 2), why, dim);
    }
}

/// The layer's bytes and the time the step took.
fn figures(look: &Look, step: &Shown<'_>) -> String {
    let size = step.band.map(|band| look.size(band.bytes));
    let took = step.millis.filter(|_| step.verdict != Verdict::Cached).map(time);
    match (size, took) {
        (Some(size), Some(took)) => format!("{size}{}{took}", look.sign(Sign::Separator)),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!([time(7), time(1234), time(61_000)], ["7 ms", "1.2 s", "1 min 1 s"]);
    }
}
