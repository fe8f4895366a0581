//! A few fields to fill in, each checked as it is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use crate::pen::Pen;
use crate::popup::{Outcome, centred, open_box};
use crate::theme::Role;
use crate::widget::edit::Edit;

/// Says what is wrong with a text, if anything is.
pub(crate) type Check = fn(&str) -> Option<String>;

/// What the fields are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormPurpose {
    NewVolume,
    Build,
}

struct Field {
    label: &'static str,
    hint: &'static str,
    edit: Edit,
    check: Check,
}

/// The form.
pub(crate) struct Form {
    title: String,
    about: &'static str,
    fields: Vec<Field>,
    at: usize,
    purpose: FormPurpose,
}

impl Form {
    pub(crate) fn new(title: impl Into<String>, about: &'static str, purpose: FormPurpose) -> Self {
        Self { title: title.into(), about, fields: Vec::new(), at: 0, purpose }
    }

    /// One more field.
    pub(crate) fn with(mut self, label: &'static str, hint: &'static str, text: &str, check: Check) -> Self {
        self.fields.push(Field { label, hint, edit: Edit::new(text), check });
        self
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Outcome {
        let last = self.fields.len().saturating_sub(1);
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Outcome::Closes,
            KeyCode::Enter if self.at == last || ctrl => return self.fill(),
            KeyCode::Char('s') if ctrl => return self.fill(),
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => self.at = if self.at == last { 0 } else { self.at + 1 },
            KeyCode::BackTab | KeyCode::Up => self.at = self.at.checked_sub(1).unwrap_or(last),
            _ => {
                if let Some(field) = self.fields.get_mut(self.at) {
                    field.edit.key(key);
                }
            }
        }
        Outcome::Stays
    }

    /// Goes on with what stands in it, or to the field that is wrong.
    fn fill(&mut self) -> Outcome {
        let wrong = self.fields.iter().position(|field| (field.check)(field.edit.text()).is_some());
        let Some(wrong) = wrong else {
            let texts = self.fields.iter().map(|field| field.edit.text().trim().to_owned()).collect();
            return Outcome::Filled(self.purpose, texts);
        };
        self.at = wrong;
        Outcome::Stays
    }

    pub(crate) fn paste(&mut self, text: &str) -> Outcome {
        if let Some(field) = self.fields.get_mut(self.at) {
            field.edit.insert(text);
        }
        Outcome::Stays
    }

    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> (u16, u16) {
        let height = self.fields.len() as u16 * 2 + 5;
        let inner = open_box(pen, centred(area, 78, height), &self.title);
        let (dim, key, bad) = (pen.look.style(Role::Dim), pen.look.style(Role::Accent), pen.look.style(Role::Bad));
        let width = inner.width.saturating_sub(4);
        pen.text(inner.x + 2, inner.y, width, self.about, dim);
        let mut cursor = (inner.x, inner.y);
        for (at, field) in self.fields.iter().enumerate() {
            let y = inner.y + 2 + at as u16 * 2;
            if y + 1 >= inner.bottom() {
                break;
            }
            let style = if at == self.at { key } else { dim };
            pen.text(inner.x + 2, y, 10, field.label, style);
            let line = Rect::new(inner.x + 12, y, width.saturating_sub(10), 1);
            let end = draw_edit(pen, line, &field.edit, at == self.at);
            if at == self.at {
                cursor = (end, y);
            }
            match (field.check)(field.edit.text()) {
                Some(wrong) if !field.edit.text().is_empty() => pen.text(line.x, y + 1, line.width, &wrong, bad),
                _ => pen.text(line.x, y + 1, line.width, field.hint, dim),
            };
        }
        let pieces =
            [("enter", key), (" next   ", dim), ("ctrl-s", key), (" go on   ", dim), ("esc", key), (" cancel", dim)];
        pen.pieces(inner.x + 2, inner.bottom().saturating_sub(1), width, &pieces);
        cursor
    }
}

/// Draws a field's text so that its cursor is seen; gives the cursor's column.
pub(crate) fn draw_edit(pen: &mut Pen<'_>, line: Rect, edit: &Edit, focused: bool) -> u16 {
    let text = pen.look.style(Role::Text);
    let select = pen.look.style(Role::Selected);
    if focused {
        pen.tint(line, select);
    }
    let before = crate::safe_text::visible(edit.before(), pen.look.charset).into_owned();
    let before = if crate::safe_text::width(&before) >= line.width {
        crate::safe_text::cut_left(&before, line.width.saturating_sub(1), "").into_owned()
    } else {
        before
    };
    let used = pen.text(line.x, line.y, line.width, &before, text);
    let after = &edit.text()[edit.before().len()..];
    pen.text(line.x + used, line.y, line.width.saturating_sub(used), after, text);
    line.x + used
}
