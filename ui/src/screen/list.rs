//! A list of what an engine has, with a cursor, marks, a filter and an order: images, containers and volumes alike.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::action::Action;
use crate::filter::{Facts, Filter};
use crate::pen::{Look, Pen, Sign};
use crate::screen::Context;
use crate::theme::Role;
use crate::widget::cursor::Cursor;

/// One row of a list.
pub(crate) trait Row {
    /// What it is known by: an ID, or a volume's name.
    fn key(&self) -> &str;
}

/// What a filter looks at in a row.
pub(crate) struct Looked {
    pub(crate) text: String,
    pub(crate) size: u64,
    pub(crate) used: Option<bool>,
}

/// The rows, which of them are seen, and where one is.
pub(crate) struct List<R> {
    pub(crate) rows: Vec<R>,
    /// Whether the engine has answered.
    pub(crate) loaded: bool,
    /// Why there are no rows.
    trouble: Option<String>,
    /// Places of the rows that are seen, in order.
    shown: Vec<usize>,
    cursor: Cursor,
    filter: Filter,
    marks: BTreeSet<String>,
}

impl<R> Default for List<R> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            loaded: false,
            trouble: None,
            shown: Vec::new(),
            cursor: Cursor::default(),
            filter: Filter::default(),
            marks: BTreeSet::new(),
        }
    }
}

impl<R: Row> List<R> {
    /// The selected row.
    pub(crate) fn current(&self) -> Option<&R> {
        self.rows.get(*self.shown.get(self.cursor.at)?)
    }

    /// What the selected row is known by.
    pub(crate) fn selected(&self) -> Option<String> {
        self.current().map(|row| row.key().to_owned())
    }

    /// The marked rows, or the selected one.
    pub(crate) fn chosen(&self) -> Vec<&R> {
        if self.marks.is_empty() {
            return self.current().into_iter().collect();
        }
        self.rows.iter().filter(|row| self.marks.contains(row.key())).collect()
    }

    /// The rows that are seen, in their order.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &R> {
        self.shown.iter().map(|at| &self.rows[*at])
    }

    pub(crate) fn find(&self, key: &str) -> Option<&R> {
        self.rows.iter().find(|row| row.key() == key)
    }

    pub(crate) fn is_marked(&self, row: &R) -> bool {
        self.marks.contains(row.key())
    }

    /// Takes what the engine says there is; they are not arranged yet. Marks of what is gone go.
    pub(crate) fn set(&mut self, rows: Result<Vec<R>, String>) {
        self.loaded = true;
        (self.rows, self.trouble) = match rows {
            Ok(rows) => (rows, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        self.shown.clear();
        let there: BTreeSet<&str> = self.rows.iter().map(Row::key).collect();
        self.marks.retain(|key| there.contains(key.as_str()));
    }

    /// Filters and sorts; rows that `look` gives nothing for are not seen. Selects that row, and says whether it is seen;
    /// otherwise the cursor stays on its line.
    pub(crate) fn arrange(
        &mut self,
        selected: Option<&str>,
        room: u16,
        look: impl Fn(&R) -> Option<Looked>,
        order: impl Fn(&R, &R) -> Ordering,
    ) -> bool {
        let mut matcher = crate::filter::matcher(false);
        let (rows, filter) = (&self.rows, &self.filter);
        self.shown = (0..rows.len())
            .filter(|at| {
                look(&rows[*at]).is_some_and(|Looked { text, size, used }| {
                    filter.is_empty() || filter.score(&Facts { text: &text, size, used }, &mut matcher).is_some()
                })
            })
            .collect();
        self.shown.sort_by(|a, b| order(&rows[*a], &rows[*b]));
        let at = selected.and_then(|key| self.shown().position(|row| row.key() == key));
        self.cursor.set(at.unwrap_or(self.cursor.at), self.shown.len(), room);
        at.is_some()
    }

    /// Selects the first row that is seen and fits; says whether there is one.
    pub(crate) fn select(&mut self, room: u16, fits: impl Fn(&R) -> bool) -> bool {
        let at = self.shown().position(fits);
        if let Some(at) = at {
            self.cursor.set(at, self.shown.len(), room);
        }
        at.is_some()
    }

    /// Moves and marks; says whether the action was one of a list.
    pub(crate) fn act(&mut self, action: Action, room: u16) -> bool {
        match action {
            Action::Mark => {
                if let Some(key) = self.selected()
                    && !self.marks.remove(&key)
                {
                    self.marks.insert(key);
                }
                self.cursor.act(Action::Down, self.shown.len(), room);
            }
            Action::MarkAll => {
                let all: Vec<String> = self.shown().map(|row| row.key().to_owned()).collect();
                if all.iter().all(|key| self.marks.contains(key)) {
                    self.marks.clear();
                } else {
                    self.marks.extend(all);
                }
            }
            _ => return self.cursor.act(action, self.shown.len(), room),
        }
        true
    }

    /// Takes the marks away; says whether there were some.
    pub(crate) fn unmark(&mut self) -> bool {
        !std::mem::take(&mut self.marks).is_empty()
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes a filter as it is typed; what cannot be understood of it is said. The rows are not arranged yet.
    pub(crate) fn set_filter(&mut self, text: &str, cx: &mut Context<'_>) {
        self.filter = Filter::parse(text);
        if let Some(wrong) = self.filter.wrong() {
            cx.refuse(wrong.to_owned());
        }
    }

    /// Selects what stands on the screen's line `y` of a list drawn in `area`.
    pub(crate) fn click(&mut self, y: u16, area: Rect) {
        let room = room(area);
        let Some(line) = y.checked_sub(area.y + 1).filter(|line| *line < room) else { return };
        let at = self.cursor.first(self.shown.len(), room) + usize::from(line);
        if at < self.shown.len() {
            self.cursor.set(at, self.shown.len(), room);
        }
    }

    pub(crate) fn wheel(&mut self, lines: isize, area: Rect) {
        self.cursor.wheel(lines, self.shown.len(), room(area));
    }

    /// Draws the frame and the rows that are seen: `row` draws each from behind the cursor on, and gets whether it is the
    /// selected one. `note` stands in the title while nothing is filtered; `none` is said when there is nothing to list, and
    /// `hidden` when all of it is hidden.
    pub(crate) fn draw(
        &self,
        pen: &mut Pen<'_>,
        area: Rect,
        words: &Words<'_>,
        row: impl Fn(&mut Pen<'_>, Rect, &R, bool),
    ) {
        let dim = pen.look.style(Role::Dim);
        let head = pen.look.style(if words.focused { Role::Accent } else { Role::Strong });
        let about = self.about(pen.look, words.note);
        let inner = pen.frame(area, &[(words.name, head), (&about, dim)], words.focused);
        if inner.height == 0 {
            return;
        }
        if self.shown.is_empty() {
            return self.draw_none(pen, inner, words);
        }
        pen.position(area, self.cursor.at, self.shown.len(), inner.height);
        let first = self.cursor.first(self.shown.len(), inner.height);
        for ((at, item), y) in self.shown().enumerate().skip(first).take(usize::from(inner.height)).zip(inner.y..) {
            row(pen, Rect::new(inner.x, y, inner.width, 1), item, at == self.cursor.at);
        }
    }

    /// Draws the sign of the cursor or of a mark.
    pub(crate) fn draw_sign(&self, pen: &mut Pen<'_>, line: Rect, row: &R, selected: bool) {
        let sign = match (self.is_marked(row), selected) {
            (true, _) => pen.look.sign(Sign::Marked),
            (false, true) => pen.look.sign(Sign::Cursor),
            _ => " ",
        };
        let accent = pen.look.style(Role::Accent);
        pen.text(line.x + 1, line.y, 1, sign, accent);
    }

    fn about(&self, look: &Look, note: &str) -> String {
        let mut text = note.to_owned();
        if !self.filter.is_empty() {
            text = format!(" {} of {}", self.shown.len(), self.rows.len());
        }
        if !self.marks.is_empty() {
            let _ = write!(text, "{}{} marked", look.sign(Sign::Separator), self.marks.len());
        }
        text
    }

    fn draw_none(&self, pen: &mut Pen<'_>, inner: Rect, words: &Words<'_>) {
        let dim = pen.look.style(Role::Dim);
        let width = inner.width.saturating_sub(3);
        let wrapped = self.trouble.as_ref().map(|why| crate::safe_text::wrap(why, usize::from(width).max(12)));
        let lines: Vec<&str> = match &wrapped {
            Some(lines) => lines.iter().map(String::as_str).collect(),
            None if !self.loaded => vec!["asking the engine"],
            None if self.rows.is_empty() => words.none.to_vec(),
            None if self.filter.is_empty() => words.hidden.to_vec(),
            None => vec!["none matches", "", "esc shows all"],
        };
        for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
            pen.text(inner.x + 2, y, width, line, dim);
        }
    }
}

/// What a list says of itself.
pub(crate) struct Words<'a> {
    pub(crate) name: &'a str,
    pub(crate) note: &'a str,
    pub(crate) none: &'a [&'a str],
    pub(crate) hidden: &'a [&'a str],
    pub(crate) focused: bool,
}

/// Rows that a list drawn in `area` has room for.
pub(crate) fn room(area: Rect) -> u16 {
    area.height.saturating_sub(2)
}
