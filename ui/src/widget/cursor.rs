//! The selected line of a list, and which part of the list is seen.

use crate::action::Action;

/// Where one is in a list of any length. Drawing only reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) at: usize,
    offset: usize,
}

impl Cursor {
    /// The first visible line, for a list of `len` lines in `height` rows.
    pub(crate) fn first(&self, len: usize, height: u16) -> usize {
        let height = usize::from(height).max(1);
        let at = self.at.min(len.saturating_sub(1));
        self.offset.clamp((at + 1).saturating_sub(height), at).min(len.saturating_sub(height.min(len)))
    }

    /// Moves; says whether the action was one of movement.
    pub(crate) fn act(&mut self, action: Action, len: usize, height: u16) -> bool {
        let page = usize::from(height).saturating_sub(1).max(1);
        self.at = match action {
            Action::Up => self.at.saturating_sub(1),
            Action::Down => self.at + 1,
            Action::PageUp => self.at.saturating_sub(page),
            Action::PageDown => self.at + page,
            Action::Top => 0,
            Action::Bottom => len,
            _ => return false,
        };
        self.clamp(len, height);
        true
    }

    /// Puts the cursor on a line.
    pub(crate) fn set(&mut self, at: usize, len: usize, height: u16) {
        self.at = at;
        self.clamp(len, height);
    }

    /// Keeps the cursor within a list that has changed.
    pub(crate) fn clamp(&mut self, len: usize, height: u16) {
        self.at = self.at.min(len.saturating_sub(1));
        self.offset = self.first(len, height);
    }

    /// Scrolls by the wheel: the cursor goes along only where it must.
    pub(crate) fn wheel(&mut self, lines: isize, len: usize, height: u16) {
        let last = len.saturating_sub(usize::from(height));
        self.offset = self.first(len, height).saturating_add_signed(lines).min(last);
        let end = (self.offset + usize::from(height)).min(len).saturating_sub(1);
        self.at = self.at.clamp(self.offset, end.max(self.offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_in_the_list_and_in_sight() {
        let mut cursor = Cursor::default();
        for action in [Action::Bottom, Action::Up, Action::PageUp, Action::Down, Action::PageDown, Action::Top] {
            for (len, height) in [(0, 0), (0, 5), (1, 5), (100, 7), (100, 0)] {
                cursor.act(action, len, height);
                let first = cursor.first(len, height);
                assert!(cursor.at <= len.saturating_sub(1));
                assert!(first <= cursor.at && cursor.at < first + usize::from(height).max(1));
            }
        }
    }

    #[test]
    fn the_wheel_takes_the_cursor_along() {
        let mut cursor = Cursor::default();
        cursor.wheel(3, 100, 10);
        assert_eq!((cursor.first(100, 10), cursor.at), (3, 3));
        cursor.wheel(-50, 100, 10);
        assert_eq!((cursor.first(100, 10), cursor.at), (0, 3));
    }
}
