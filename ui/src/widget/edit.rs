//! One line of typed text.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

/// Longest text taken, in bytes.
const LONGEST: usize = 4096;

/// A text and where the cursor is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    text: String,
    at: usize,
}

impl Edit {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { at: text.len(), text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub(crate) fn before(&self) -> &str {
        &self.text[..self.at]
    }

    /// Takes a key; says whether it was one of editing.
    pub(crate) fn key(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if ctrl => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            KeyCode::Char('w') if ctrl => {
                let head = self.text[..self.at].trim_end();
                let from = head.rfind([' ', '/', ':']).map_or(0, |i| i + usize::from(i + 1 < head.len()));
                self.text.drain(from..self.at);
                self.at = from;
            }
            KeyCode::Char('a') if ctrl => self.at = 0,
            KeyCode::Char('e') if ctrl => self.at = self.text.len(),
            KeyCode::Char(c) if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Backspace => {
                let from = self.left();
                self.text.drain(from..self.at);
                self.at = from;
            }
            KeyCode::Delete => {
                let to = self.right();
                self.text.drain(self.at..to);
            }
            KeyCode::Left => self.at = self.left(),
            KeyCode::Right => self.at = self.right(),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            _ => return false,
        }
        true
    }

    /// Inserts text; line breaks and control characters of a paste are left out.
    pub(crate) fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() + c.len_utf8() > LONGEST {
                return;
            }
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }

    fn left(&self) -> usize {
        self.text[..self.at].grapheme_indices(true).next_back().map_or(0, |(i, _)| i)
    }

    fn right(&self) -> usize {
        self.text[self.at..].graphemes(true).next().map_or(self.at, |g| self.at + g.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(edit: &mut Edit, code: KeyCode) {
        edit.key(KeyEvent::new(code, KeyModifiers::NONE));
    }

    #[test]
    fn edits_by_grapheme() {
        let mut edit = Edit::new("ae\u{301}b");
        press(&mut edit, KeyCode::Left);
        press(&mut edit, KeyCode::Backspace);
        assert_eq!((edit.text(), edit.before()), ("ab", "a"));
        press(&mut edit, KeyCode::Delete);
        assert_eq!(edit.text(), "a");
        edit.insert("x\ny\u{1b}");
        assert_eq!(edit.text(), "axy");
    }

    #[test]
    fn takes_words_away() {
        let mut edit = Edit::new("/tmp/some file.tar");
        let ctrl_w = KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL);
        edit.key(ctrl_w);
        assert_eq!(edit.text(), "/tmp/some ");
        for _ in 0..5 {
            edit.key(ctrl_w);
        }
        assert_eq!(edit.text(), "");
    }
}
