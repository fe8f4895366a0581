//! A program's terminal: what it draws, and keys as it expects them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use vt100::Screen;

use crate::pen::Pen;

/// Draws the screen of a program; every cell passes the pen as any other text does. Gives where its cursor is.
pub(crate) fn draw(pen: &mut Pen<'_>, area: Rect, screen: &Screen) -> Option<(u16, u16)> {
    let (rows, columns) = screen.size();
    for row in 0..rows.min(area.height) {
        for column in 0..columns.min(area.width) {
            let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else { continue };
            let text = if cell.has_contents() { cell.contents() } else { " " };
            let room = if cell.is_wide() { 2 } else { 1 };
            let style = style(pen, cell);
            pen.cell(area.x + column, area.y + row, room.min(area.width - column), text, style);
        }
    }
    let (row, column) = screen.cursor_position();
    let seen = !screen.hide_cursor() && screen.scrollback() == 0 && row < area.height && column < area.width;
    seen.then_some((area.x + column, area.y + row))
}

fn style(pen: &Pen<'_>, cell: &vt100::Cell) -> Style {
    let mut style = Style::new();
    let colour = |colour: vt100::Color| match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => Some(Color::Indexed(index)),
        vt100::Color::Rgb(r, g, b) => Some(Color::Rgb(r, g, b)),
    };
    style.fg = colour(cell.fgcolor());
    style.bg = colour(cell.bgcolor());
    let modifiers = [
        (cell.bold(), Modifier::BOLD),
        (cell.dim(), Modifier::DIM),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ];
    for (is, modifier) in modifiers {
        if is {
            style = style.add_modifier(modifier);
        }
    }
    pen.look.theme.foreign(style)
}

/// Whether a key leaves the program: ctrl-\ (which a terminal may report as ctrl-4) or F12.
pub(crate) fn leaves(key: KeyEvent) -> bool {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    key.code == KeyCode::F(12) || ctrl && matches!(key.code, KeyCode::Char('\\' | '4'))
}

/// What a key sends, as xterm does; `application` is the mode of the cursor keys.
pub(crate) fn encode(key: KeyEvent, application: bool) -> Vec<u8> {
    let modifiers = key.modifiers;
    let number = 1
        + u8::from(modifiers.contains(KeyModifiers::SHIFT))
        + 2 * u8::from(modifiers.contains(KeyModifiers::ALT))
        + 4 * u8::from(modifiers.contains(KeyModifiers::CONTROL));
    let cursor = |letter: char| match (number, application) {
        (1, false) => format!("\x1b[{letter}"),
        (1, true) => format!("\x1bO{letter}"),
        _ => format!("\x1b[1;{number}{letter}"),
    };
    let tilde = |code: u8| if number == 1 { format!("\x1b[{code}~") } else { format!("\x1b[{code};{number}~") };
    let text = match key.code {
        KeyCode::Char(c) => return character(c, modifiers),
        KeyCode::Enter => "\r".into(),
        KeyCode::Tab => "\t".into(),
        KeyCode::BackTab => "\x1b[Z".into(),
        KeyCode::Backspace => "\x7f".into(),
        KeyCode::Esc => "\x1b".into(),
        KeyCode::Up => cursor('A'),
        KeyCode::Down => cursor('B'),
        KeyCode::Right => cursor('C'),
        KeyCode::Left => cursor('D'),
        KeyCode::Home => cursor('H'),
        KeyCode::End => cursor('F'),
        KeyCode::Insert => tilde(2),
        KeyCode::Delete => tilde(3),
        KeyCode::PageUp => tilde(5),
        KeyCode::PageDown => tilde(6),
        KeyCode::F(n @ 1..=4) => {
            let letter = ['P', 'Q', 'R', 'S'][usize::from(n) - 1];
            if number == 1 { format!("\x1bO{letter}") } else { format!("\x1b[1;{number}{letter}") }
        }
        KeyCode::F(n @ 5..=12) => tilde([15, 17, 18, 19, 20, 21, 23, 24][usize::from(n) - 5]),
        _ => String::new(),
    };
    text.into_bytes()
}

fn character(c: char, modifiers: KeyModifiers) -> Vec<u8> {
    let mut out = Vec::new();
    if modifiers.contains(KeyModifiers::ALT) {
        out.push(0x1b);
    }
    if modifiers.contains(KeyModifiers::CONTROL) {
        let byte = match c.to_ascii_lowercase() {
            c @ 'a'..='z' => c as u8 - b'a' + 1,
            ' ' | '@' | '2' => 0,
            '[' | '3' => 0x1b,
            ']' | '5' => 0x1d,
            '^' | '6' => 0x1e,
            '_' | '/' | '7' => 0x1f,
            '8' => 0x7f,
            c => {
                out.extend(c.encode_utf8(&mut [0; 4]).bytes());
                return out;
            }
        };
        out.push(byte);
    } else {
        out.extend(c.encode_utf8(&mut [0; 4]).bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_xterm_sends_them() {
        let none = KeyModifiers::NONE;
        let table: [(KeyCode, KeyModifiers, bool, &[u8]); 12] = [
            (KeyCode::Char('a'), none, false, b"a"),
            (KeyCode::Char('é'), none, false, "é".as_bytes()),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, false, b"\x03"),
            (KeyCode::Char(' '), KeyModifiers::CONTROL, false, b"\0"),
            (KeyCode::Char('x'), KeyModifiers::ALT, false, b"\x1bx"),
            (KeyCode::Enter, none, false, b"\r"),
            (KeyCode::Backspace, none, false, b"\x7f"),
            (KeyCode::Up, none, false, b"\x1b[A"),
            (KeyCode::Up, none, true, b"\x1bOA"),
            (KeyCode::Right, KeyModifiers::CONTROL, true, b"\x1b[1;5C"),
            (KeyCode::F(5), none, false, b"\x1b[15~"),
            (KeyCode::Delete, KeyModifiers::SHIFT, false, b"\x1b[3;2~"),
        ];
        for (code, modifiers, application, bytes) in table {
            assert_eq!(encode(KeyEvent::new(code, modifiers), application), bytes, "{code:?}");
        }
    }

    #[test]
    fn one_key_leaves() {
        let ctrl = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert!(leaves(ctrl('\\')) && leaves(ctrl('4')) && leaves(KeyEvent::from(KeyCode::F(12))));
        assert!(
            !leaves(ctrl('c')) && !leaves(KeyEvent::from(KeyCode::Char('\\'))) && !leaves(KeyEvent::from(KeyCode::Esc))
        );
    }
}
