//! The log of the selected container, followed and searched.

use std::collections::VecDeque;

use ratatui::layout::Rect;

use crate::action::Action;
use crate::job::{Cancel, generation};
use crate::message::Request;
use crate::pen::{Pen, Sign};
use crate::screen::Context;
use crate::screen::containers::{Containers, Pane};
use crate::size::count;
use crate::theme::Role;
use crate::widget::sgr::{Coloured, Reader};

/// Most lines kept; older ones go first.
const MOST: usize = 20_000;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Logs {
    container: Option<String>,
    generation: u64,
    cancel: Cancel,
    reader: Reader,
    lines: VecDeque<Coloured>,
    /// Lines that were let go.
    gone: usize,
    /// The first line seen, unless the end is followed.
    top: usize,
    paused: bool,
    left: usize,
    pub(super) search: String,
    /// The line of the match one is at.
    found: Option<usize>,
    end: Option<String>,
}

impl Logs {
    /// Follows a container's log from its last lines on.
    pub(super) fn follow(&mut self, container: &str, cx: &mut Context<'_>) {
        if self.container.as_deref() == Some(container) && self.end.is_none() {
            return;
        }
        self.stop();
        self.container = Some(container.to_owned());
        self.generation = generation();
        let cancel = self.cancel.clone();
        cx.requests.push(Request::Logs { generation: self.generation, cancel, container: container.to_owned() });
    }

    /// Leaves the log.
    pub(super) fn stop(&mut self) {
        self.cancel.cancel();
        *self = Self::default();
    }

    /// Whether the news are of the log that is followed; takes them then.
    pub(super) fn take(&mut self, number: u64, bytes: &[u8], end: Option<String>) -> bool {
        if number != self.generation {
            return false;
        }
        self.lines.extend(self.reader.read(bytes));
        if end.is_some() {
            self.lines.extend(self.reader.rest());
            self.end = end;
        }
        let over = self.lines.len().saturating_sub(MOST);
        self.lines.drain(..over);
        self.gone += over;
        self.top = self.top.saturating_sub(over);
        self.found = self.found.and_then(|at| at.checked_sub(over));
        true
    }

    fn first(&self, room: usize) -> usize {
        let last = self.lines.len().saturating_sub(room);
        if self.paused { self.top.min(last) } else { last }
    }

    /// Moves in the log; going to the end follows it again.
    pub(super) fn act(&mut self, action: Action, room: u16) -> bool {
        let room = usize::from(room).max(1);
        let (first, last) = (self.first(room), self.lines.len().saturating_sub(room));
        let to = match action {
            Action::Up => first.saturating_sub(1),
            Action::Down => first + 1,
            Action::PageUp => first.saturating_sub(room - 1),
            Action::PageDown => first + room - 1,
            Action::Top => 0,
            Action::Bottom => last,
            Action::Left if self.left > 0 => {
                self.left = self.left.saturating_sub(8);
                return true;
            }
            Action::Right => {
                self.left = (self.left + 8).min(4096);
                return true;
            }
            Action::Hold => {
                self.top = first;
                self.paused = !self.paused;
                return true;
            }
            Action::NextMatch => return self.find(1, room),
            Action::PreviousMatch => return self.find(-1, room),
            _ => return false,
        };
        self.top = to.min(last);
        self.paused = self.top < last;
        true
    }

    pub(super) fn wheel(&mut self, lines: isize, room: u16) {
        let room = usize::from(room);
        let last = self.lines.len().saturating_sub(room);
        self.top = self.first(room).saturating_add_signed(lines).min(last);
        self.paused = self.top < last;
    }

    /// Searches for a text, from the end backwards.
    pub(super) fn look_for(&mut self, text: &str, room: u16) {
        text.clone_into(&mut self.search);
        self.found = None;
        if !text.is_empty() {
            self.find(-1, usize::from(room));
        }
    }

    fn matches(&self, line: &Coloured) -> bool {
        let wanted = self.search.as_bytes();
        line.text.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
    }

    fn find(&mut self, by: isize, room: usize) -> bool {
        if self.search.is_empty() {
            return false;
        }
        let len = self.lines.len() as isize;
        let from = self.found.map_or(if by < 0 { len } else { -1 }, |at| at as isize);
        let found = (1..=len).map(|step| (from + by * step).rem_euclid(len.max(1)) as usize);
        self.found = found.into_iter().find(|at| self.lines.get(*at).is_some_and(|line| self.matches(line)));
        if let Some(at) = self.found {
            self.paused = true;
            self.top = at.saturating_sub(room / 2);
        }
        true
    }
}

impl Containers {
    pub(super) fn draw_logs(&self, pen: &mut Pen<'_>, area: Rect) {
        let (dim, text, selected) =
            (pen.look.style(Role::Dim), pen.look.style(Role::Text), pen.look.style(Role::Selected));
        let title = self.tab_title(pen.look, area);
        let mut pieces: Vec<_> = title.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        let about = self.logs_title(pen.look);
        pieces.push((&about, dim));
        let inner = pen.frame(area, &pieces, self.focus == Pane::Detail);
        let logs = &self.logs;
        let room = usize::from(inner.height);
        let first = logs.first(room);
        if logs.lines.is_empty() {
            let words = if logs.end.is_some() { "it has said nothing" } else { "it has said nothing yet" };
            pen.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(3), words, dim);
        }
        for ((at, line), y) in logs.lines.iter().enumerate().skip(first).take(room).zip(inner.y..) {
            let (mut x, end) = (inner.x + 1, inner.right().saturating_sub(1));
            if logs.found == Some(at) {
                pen.tint(Rect::new(inner.x, y, inner.width, 1), selected);
            }
            let (mut from, mut skip) = (0, logs.left);
            for (to, style) in &line.spans {
                let piece = &line.text[from..*to];
                from = *to;
                let chars = piece.chars().count();
                let hidden = skip.min(chars);
                skip -= hidden;
                let room = end.saturating_sub(x);
                let seen: String = piece.chars().skip(hidden).take(usize::from(room) + 1).collect();
                x += pen.text(x, y, room, &seen, text.patch(pen.look.theme.foreign(*style)));
            }
        }
        pen.position(area, (first + room).min(logs.lines.len()).saturating_sub(1), logs.lines.len(), inner.height);
    }

    fn logs_title(&self, look: &crate::pen::Look) -> String {
        let logs = &self.logs;
        let dot = look.sign(Sign::Separator);
        let mut out = String::new();
        if !logs.search.is_empty() {
            let found = if logs.found.is_some() { "" } else { ": nothing" };
            out = format!("{dot}/{}{found}", logs.search);
        }
        out.push_str(dot);
        out.push_str(match (&logs.end, logs.paused) {
            (Some(why), _) => why,
            (None, true) => "paused",
            (None, false) => "following",
        });
        if logs.gone > 0 {
            out = format!("{out}{dot}{} older lines let go", count(logs.gone as u64));
        }
        out
    }
}
