//! Draws what is known of the selected step, and what it said.

use ratatui::layout::Rect;

use crate::pen::Pen;
use crate::safe_text::wrap;
use crate::screen::build::run::{RunStep, State};
use crate::screen::build::shown::Verdict;
use crate::screen::build::{Build, Pane};
use crate::theme::Role;

impl Build {
    fn run_step(&self) -> Option<&RunStep> {
        self.own_run()?.steps.get(self.step.at)
    }

    /// Lines above what the step said: its instruction, why it runs, its layer.
    fn head(&self, width: u16) -> Vec<(String, Role)> {
        let width = usize::from(width).saturating_sub(6).max(12);
        let Some(step) = self.first(self.step.at) else { return Vec::new() };
        let words = step.instruction.lines().flat_map(|line| wrap(line, width));
        let mut lines: Vec<(String, Role)> = words.map(|line| (line, Role::Strong)).collect();
        let why = match step.verdict {
            Verdict::Reused | Verdict::WillRun if !step.why.is_empty() => format!(": {}", step.why),
            Verdict::NotRun => ": the build ended before it".into(),
            _ => String::new(),
        };
        lines.extend(
            wrap(&format!("{}{why}", step.verdict.word()), width).into_iter().map(|line| (line, step.verdict.role())),
        );
        if let Some(band) = step.band {
            lines.push((format!("layer {}: chain ID {}", band.number, band.chain), Role::Dim));
        }
        if let Some(lost) = self.run_step().map(|step| step.lost).filter(|lost| *lost > 0) {
            lines.push((format!("{} lines before these are not kept", crate::size::count(lost as u64)), Role::Dim));
        }
        lines
    }

    /// Lines below: why it failed.
    fn tail(&self, width: u16) -> Vec<(String, Role)> {
        let Some(State::Failed(why)) = self.own_run().map(|run| &run.state) else { return Vec::new() };
        let is_last = self.own_run().is_some_and(|run| run.steps.len() <= self.step.at + 1);
        let width = usize::from(width).saturating_sub(6).max(12);
        let lines = why.lines().filter(|_| is_last).flat_map(|line| wrap(line, width));
        lines.map(|line| (line, Role::Bad)).collect()
    }

    pub(super) fn output_len(&self, width: u16) -> usize {
        self.head(width).len() + self.run_step().map_or(0, |step| step.lines.len()) + self.tail(width).len()
    }

    /// Whether the end of the output is what one wants to see.
    pub(super) fn follows(&self) -> bool {
        self.first(self.step.at).is_some_and(|step| matches!(step.verdict, Verdict::Running | Verdict::Failed))
    }

    /// The first line that is seen unless it was scrolled.
    pub(super) fn first_output(&self, len: usize, room: usize) -> usize {
        if self.follows() { len.saturating_sub(room) } else { 0 }
    }

    pub(super) fn draw_output(&self, pen: &mut Pen<'_>, area: Rect) {
        let (strong, dim, accent) =
            (pen.look.style(Role::Strong), pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        let focused = self.focus == Pane::Output;
        let step = self.first(self.step.at);
        let title = step.as_ref().map_or("Step".to_owned(), |step| format!("Step {}", step.number));
        let line = step.and_then(|step| step.line).map(|line| format!("line {line}")).unwrap_or_default();
        let style = if focused { accent } else { strong };
        let inner = pen.frame(area, &[(&title, style), ("  ", dim), (&line, dim)], focused);
        let (head, tail) = (self.head(area.width), self.tail(area.width));
        let said = self.run_step();
        let len = self.output_len(area.width);
        let room = usize::from(inner.height);
        let first = self.scroll.unwrap_or_else(|| self.first_output(len, room)).min(len.saturating_sub(room));
        pen.position(area, (first + room).min(len).saturating_sub(1), len, inner.height);
        let (x, width) = (inner.x + 2, inner.width.saturating_sub(3));
        let lines = said.map_or(0, |step| step.lines.len());
        for (at, y) in (first..len).zip(inner.top()..inner.bottom()) {
            let fixed = head.get(at).or_else(|| tail.get(at.checked_sub(head.len() + lines)?));
            if let Some((text, role)) = fixed {
                let style = pen.look.style(*role);
                pen.text(x, y, width, text, style);
            } else if let Some(line) = said.and_then(|step| step.lines.get(at - head.len())) {
                let plain = pen.look.style(Role::Text);
                let (mut begin, mut used) = (0, 0);
                for (end, style) in &line.spans {
                    let piece = line.text.get(begin..*end).unwrap_or_default();
                    let style = plain.patch(pen.look.theme.foreign(*style));
                    used += pen.text(x + used, y, width.saturating_sub(used), piece, style);
                    begin = *end;
                }
                pen.text(x + used, y, width.saturating_sub(used), line.text.get(begin..).unwrap_or_default(), plain);
            }
        }
    }
}
