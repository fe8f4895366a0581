//! The events that are kept to be shown, and which of them are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use outcrop_layers::watch::{Attached, Event, Kind, Node, Update};

use crate::action::Action;
use crate::live::{Batch, Sums};
use crate::screen::containers::live::rate::Rate;
use crate::widget::cursor::Cursor;

/// Most events that are kept; older ones go first. The sums and the recording have all.
pub(in crate::screen::containers) const MOST: usize = 100_000;
/// Most notes that are kept.
const NOTES: usize = 12;

/// One of them, and what a filter looks at.
#[derive(Debug)]
struct Line {
    event: Event,
    text: Box<str>,
}

/// How many files changed their state, as the events told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::screen::containers) struct Moved {
    pub(in crate::screen::containers) from: HashMap<usize, i64>,
    pub(in crate::screen::containers) copied: i64,
    pub(in crate::screen::containers) new: i64,
    pub(in crate::screen::containers) deleted: i64,
    /// Bytes that were copied up.
    pub(in crate::screen::containers) bytes: i64,
}

/// The feed. Events have numbers from 0 on; those before `first` were let go.
#[derive(Debug, Default)]
pub(in crate::screen::containers) struct Feed {
    lines: VecDeque<Line>,
    first: u64,
    pub(super) overlays: HashMap<u32, Attached>,
    pub(in crate::screen::containers) sums: Arc<Sums>,
    pub(super) rate: Rate,
    pub(super) moved: Moved,
    pub(super) notes: Vec<String>,
    pub(super) unrecorded: Option<String>,
    /// Whether the last comparison with what is there agreed.
    pub(super) agrees: Option<bool>,
    /// The words of the filter; those that must not be there with `true`.
    filter: Vec<(bool, String)>,
    /// The numbers of the events that fit, where there is a filter.
    fitting: VecDeque<u64>,
    /// The number after the last event that is seen, while the display is held.
    held: Option<u64>,
    pub(super) cursor: Cursor,
}

impl Feed {
    /// Takes a batch in; returns the layers that files were copied up from.
    pub(super) fn take(&mut self, batch: Batch) -> Vec<usize> {
        let mut copied = Vec::new();
        for update in batch.updates {
            match update {
                Update::Attached(attached) => {
                    for note in &attached.notes {
                        self.note(note.clone());
                    }
                    self.overlays.insert(attached.overlay, attached);
                }
                Update::Event(event) => {
                    copied.extend(self.moved.add(&event));
                    self.push(event);
                }
                Update::Detached { agrees, .. } => self.agrees = agrees,
                Update::Note(note) => self.note(note),
            }
        }
        if batch.end.is_none() {
            self.sums = batch.sums;
        }
        self.unrecorded = batch.unrecorded.or(self.unrecorded.take());
        self.let_go();
        if self.held.is_none() {
            self.go_to_end();
        }
        copied
    }

    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
            let over = self.notes.len().saturating_sub(NOTES);
            self.notes.drain(..over);
        }
    }

    fn push(&mut self, event: Event) {
        if let Kind::CopyUp { copied, .. } = event.kind {
            self.rate.add(event.time, copied);
        } else {
            self.rate.add(event.time, 0);
        }
        let line = Line { text: haystack(&event), event };
        if !self.filter.is_empty() && fits(&self.filter, &line.text) {
            self.fitting.push_back(self.end());
        }
        self.lines.push_back(line);
    }

    fn let_go(&mut self) {
        let over = self.lines.len().saturating_sub(MOST);
        if over == 0 {
            return;
        }
        self.lines.drain(..over);
        self.first += over as u64;
        let gone = self.fitting.partition_point(|number| *number < self.first);
        self.fitting.drain(..gone);
        let gone = if self.filter.is_empty() { over } else { gone };
        self.cursor.at = self.cursor.at.saturating_sub(gone);
    }

    /// The number after the newest event.
    fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// Events that were let go.
    pub(super) fn gone(&self) -> u64 {
        self.first
    }

    /// Whether nothing was told yet.
    pub(super) fn is_empty(&self) -> bool {
        self.end() == 0
    }

    /// How many lines can be seen.
    pub(super) fn len(&self) -> usize {
        let end = self.held.unwrap_or(u64::MAX).clamp(self.first, self.end());
        if self.filter.is_empty() {
            (end - self.first) as usize
        } else {
            self.fitting.partition_point(|number| *number < end)
        }
    }

    /// The event on a line.
    pub(super) fn event(&self, line: usize) -> Option<&Event> {
        let at = if self.filter.is_empty() { line } else { (self.fitting.get(line)? - self.first) as usize };
        self.lines.get(at).map(|line| &line.event)
    }

    /// The selected event, and its overlay.
    pub(super) fn selected(&self) -> Option<(&Event, Option<&Attached>)> {
        let event = self.event(self.cursor.at.min(self.len().checked_sub(1)?))?;
        Some((event, self.overlays.get(&event.overlay)))
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Events that came since the display was held.
    pub(super) fn waiting(&self) -> u64 {
        self.held.map_or(0, |held| self.end().saturating_sub(held.max(self.first)))
    }

    /// Holds the display, or lets it follow again. What comes meanwhile is kept.
    pub(super) fn hold(&mut self, hold: bool) {
        self.held = hold.then_some(self.held.unwrap_or(self.end()));
        if !hold {
            self.go_to_end();
        }
    }

    fn go_to_end(&mut self) {
        self.cursor = Cursor::default();
        self.cursor.at = self.len().saturating_sub(1);
    }

    /// Moves along the lines: going back holds the display, going to the end follows again.
    pub(super) fn act(&mut self, action: Action, room: u16) -> bool {
        match action {
            Action::Hold => self.hold(!self.is_held()),
            Action::Bottom => self.hold(false),
            Action::Up | Action::PageUp | Action::Top => {
                self.hold(true);
                let len = self.len();
                self.cursor.act(action, len, room);
            }
            Action::Down | Action::PageDown => {
                let len = self.len();
                self.cursor.act(action, len, room);
            }
            _ => return false,
        }
        true
    }

    /// Selects a line and holds the display there.
    pub(in crate::screen::containers) fn select(&mut self, line: usize, room: u16) {
        self.hold(true);
        let len = self.len();
        self.cursor.set(line, len, room);
    }

    pub(in crate::screen::containers) fn wheel(&mut self, lines: isize, room: u16) {
        if lines < 0 {
            self.hold(true);
        }
        let len = self.len();
        self.cursor.wheel(lines, len, room);
        if lines > 0 && self.waiting() == 0 && self.cursor.at + 1 >= len {
            self.hold(false);
        }
    }

    /// The first line that is seen.
    pub(in crate::screen::containers) fn first_line(&self, room: u16) -> usize {
        self.cursor.first(self.len(), room)
    }

    /// Shows only events with all these words, and without those after a `!`.
    pub(in crate::screen::containers) fn set_filter(&mut self, text: &str) {
        let words = text.split_whitespace().map(str::to_lowercase);
        let words = words.map(|word| match word.strip_prefix('!') {
            Some(rest) if !rest.is_empty() => (true, rest.to_owned()),
            _ => (false, word),
        });
        let before = std::mem::replace(&mut self.filter, words.collect());
        if before == self.filter {
            return;
        }
        let selected = self.event(self.cursor.at).map(|event| event.seq);
        // A longer filter of the same words fits only what the shorter one did.
        let narrower = !before.is_empty() && before.len() <= self.filter.len() && {
            before.iter().zip(&self.filter).all(|(a, b)| !a.0 && !b.0 && b.1.contains(&a.1))
        };
        if narrower {
            let (lines, filter, first) = (&self.lines, &self.filter, self.first);
            self.fitting.retain(|number| fits(filter, &lines[(number - first) as usize].text));
        } else {
            let lines = self.lines.iter().zip(self.first..);
            self.fitting = lines
                .filter(|(line, _)| !self.filter.is_empty() && fits(&self.filter, &line.text))
                .map(|(_, number)| number)
                .collect();
        }
        if self.held.is_none() {
            return self.go_to_end();
        }
        let len = self.len();
        let seq = |line: usize| self.event(line).map(|event| event.seq);
        let at = selected.map_or(0, |wanted| {
            let (mut low, mut high) = (0, len);
            while low < high {
                let middle = usize::midpoint(low, high);
                if seq(middle) < Some(wanted) { low = middle + 1 } else { high = middle }
            }
            low
        });
        self.cursor.set(at, len, 20);
    }
}

/// What a filter looks at: kind, path, layer, process.
fn haystack(event: &Event) -> Box<str> {
    let more = match &event.kind {
        Kind::CopyUp { lower: Some(lower), .. } => format!("layer {}", lower.layer + 1),
        Kind::Rename { from, .. } => format!("/{from}"),
        _ => String::new(),
    };
    let who = event.who.as_ref().map_or_else(String::new, |who| {
        format!("{} {}", who.name.as_ref().map(|name| name.text()).unwrap_or_default(), who.pid)
    });
    let text = format!("{} /{} {more} {who}", event.kind.word(), event.path);
    text.to_lowercase().into()
}

fn fits(filter: &[(bool, String)], text: &str) -> bool {
    filter.iter().all(|(not, word)| text.contains(word.as_str()) != *not)
}

impl Moved {
    /// Adds an event; returns the layer that a file was copied up from. Folders are named only by what is in them.
    fn add(&mut self, event: &Event) -> Option<usize> {
        let folder = |node: &Node| *node == Node::Directory;
        if let Kind::CopyUp { copied, .. } = event.kind {
            self.bytes = self.bytes.saturating_add(i64::try_from(copied).unwrap_or(i64::MAX));
        }
        match &event.kind {
            Kind::CopyUp { node, lower, .. } if !folder(node) => {
                self.copied += 1;
                let layer = lower.as_ref()?.layer;
                *self.from.entry(layer).or_default() += 1;
                return Some(layer);
            }
            Kind::Create { node, .. } if !folder(node) => self.new += 1,
            Kind::Delete { node } if !folder(node) => self.new -= 1,
            Kind::Whiteout { dropped } => {
                self.deleted += 1;
                self.copied -= i64::from(*dropped);
            }
            _ => {}
        }
        None
    }
}
