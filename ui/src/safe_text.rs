//! Makes any text from outside safe to draw: the one place where foreign bytes become cells.
//!
//! Names of files, images and labels, commands in a history and lines of a file are written by strangers. Drawn as they are,
//! they can move the cursor, recolour the screen, answer questions to the terminal or reverse the reading order. Everything
//! that is drawn passes [`visible`] (the pen calls it, so nothing can go around it), and what it changes stays readable:
//! a byte becomes `\x1b`, a character `\u{202e}`.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Which characters the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Unicode,
    /// Seven bits; everything else is written as an escape.
    Ascii,
}

/// Most combining marks kept on one base character; text that stacks more of them draws over its neighbours.
const MOST_MARKS: usize = 2;

/// Makes `text` printable: no control character, no bidirectional or invisible one, no stack of combining marks.
pub fn visible(text: &str, charset: Charset) -> Cow<'_, str> {
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut marks = 0;
    for c in text.chars() {
        let mark = c.width() == Some(0) && is_combining(c);
        marks = if mark { marks + 1 } else { 0 };
        let first = out.is_empty();
        if c.is_ascii() && !c.is_ascii_control() {
            out.push(c);
        } else if charset == Charset::Ascii || !is_plain(c) && !mark || mark && (marks > MOST_MARKS || first) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Turns bytes that need not be UTF-8 into text; each wrong byte becomes `\xff`. The result still has to pass [`visible`].
pub(crate) fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// Width of text that already passed [`visible`], in cells.
pub(crate) fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Cuts visible text to `cells`; where something is lost the last cell is `mark`.
pub(crate) fn cut<'a>(text: &'a str, cells: u16, mark: &str) -> Cow<'a, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let room = cells.saturating_sub(width(mark));
    let mut used = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let w = c.width().unwrap_or(0) as u16;
        if used + w > room {
            break;
        }
        used += w;
        end = at + c.len_utf8();
    }
    let mut out = text[..end].to_owned();
    if cells >= width(mark) {
        out.push_str(mark);
    }
    Cow::Owned(out)
}

/// Cuts visible text in its beginning, as paths are: the end tells more.
pub(crate) fn cut_left<'a>(text: &'a str, cells: u16, mark: &str) -> Cow<'a, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let room = cells.saturating_sub(width(mark));
    let mut used = 0;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        let w = c.width().unwrap_or(0) as u16;
        if used + w > room {
            break;
        }
        used += w;
        start = at;
    }
    Cow::Owned(format!("{}{}", if cells >= width(mark) { mark } else { "" }, &text[start..]))
}

/// Breaks a sentence into lines of at most `room` cells, between words where that is possible.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let cells = |text: &str| usize::from(width(text));
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if cells(line) + 1 + cells(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ if cells(word) <= room => lines.push(word.to_owned()),
            _ => {
                let mut line = String::new();
                for c in word.chars() {
                    if !line.is_empty() && cells(&line) + c.width().unwrap_or(0) > room {
                        lines.push(std::mem::take(&mut line));
                    }
                    line.push(c);
                }
                lines.push(line);
            }
        }
    }
    lines
}

/// Quotes an argument for a POSIX shell; what needs no quotes gets none. Control characters become `$'…'` escapes.
pub fn shell_quote(argument: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&b);
    if !argument.is_empty() && argument.bytes().all(plain) {
        return Cow::Borrowed(argument);
    }
    if argument.chars().any(|c| !c.is_ascii() && !is_plain(c) || c.is_ascii_control()) {
        let mut out = String::from("$'");
        for c in argument.chars() {
            match c {
                '\'' => out.push_str("\\'"),
                '\\' => out.push_str("\\\\"),
                c if c.is_ascii_control() => {
                    let _ = write!(out, "\\x{:02x}", c as u32);
                }
                c if !c.is_ascii() && !is_plain(c) => {
                    let _ = write!(out, "\\U{:08x}", c as u32);
                }
                c => out.push(c),
            }
        }
        out.push('\'');
        return Cow::Owned(out);
    }
    Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")))
}

fn escape(out: &mut String, c: char) {
    let _ = match c {
        '\n' => out.write_str("\\n"),
        '\t' => out.write_str("\\t"),
        '\r' => out.write_str("\\r"),
        c if (c as u32) < 0x100 => write!(out, "\\x{:02x}", c as u32),
        c => write!(out, "\\u{{{:x}}}", c as u32),
    };
}

/// Whether a character has a shape of its own and stays where it is put.
fn is_plain(c: char) -> bool {
    !c.is_control() && c.width().unwrap_or(0) > 0 && !is_hidden(c)
}

/// Characters that have a width in the tables but show nothing, or act on their neighbours.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_combining(c: char) -> bool {
    !c.is_control() && !is_hidden(c) && c.width() == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_would_act_on_the_terminal() {
        let table = [
            ("plain name", "plain name"),
            ("größe-日本", "größe-日本"),
            ("a\u{1b}[31mred", "a\\x1b[31mred"),
            ("two\nlines\t\r", "two\\nlines\\t\\r"),
            ("\u{7f}\u{9b}31m", "\\x7f\\x9b31m"),
            ("evil\u{202e}gpj.exe", "evil\\u{202e}gpj.exe"),
            ("z\u{200b}w\u{feff}\u{2066}", "z\\u{200b}w\\u{feff}\\u{2066}"),
            ("soft\u{ad}hyphen", "soft\\xadhyphen"),
            ("e\u{301}", "e\u{301}"),
            ("\u{301}first", "\\u{301}first"),
            ("z\u{301}\u{301}\u{301}\u{301}", "z\u{301}\u{301}\\u{301}\\u{301}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ];
        for (from, to) in table {
            assert_eq!(visible(from, Charset::Unicode), to, "{from:?}");
        }
        assert_eq!(visible("größe", Charset::Ascii), "gr\\xf6\\u{df}e".replace("\\u{df}", "\\xdf"));
    }

    #[test]
    fn wrong_bytes_stay_visible() {
        assert_eq!(from_bytes(b"caf\xe9 \xf0\x9f"), "caf\\xe9 \\xf0\\x9f");
        assert_eq!(from_bytes("é".as_bytes()), "é");
    }

    #[test]
    fn no_character_at_all_slips_through() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            let shown = visible(&text, Charset::Unicode);
            assert!(!shown.chars().any(|c| c.is_control() || is_hidden(c)), "{c:?}");
            assert!(width(&shown) >= 2, "{c:?}");
            assert!(visible(&text, Charset::Ascii).is_ascii(), "{c:?}");
        }
    }

    #[test]
    fn cuts_by_cells_not_by_bytes() {
        assert_eq!(cut("abcdef", 4, "…"), "abc…");
        assert_eq!(cut("日本語", 4, "…"), "日…");
        assert_eq!(cut("abc", 3, "…"), "abc");
        assert_eq!(cut("abc", 0, "…"), "");
        assert_eq!(cut_left("usr/lib/x", 5, "…"), "…ib/x");
        assert_eq!(cut("abcdef", 1, ".."), "");
    }

    #[test]
    fn wraps_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible x", 5), ["incom", "prehe", "nsibl", "e x"]);
        assert_eq!(wrap("日本語 x", 5), ["日本", "語 x"], "in cells, not in characters");
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn quotes_for_a_shell() {
        let table = [
            ("ubuntu:24.04", "ubuntu:24.04"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("$HOME;rm", "'$HOME;rm'"),
            ("a\nb'", r"$'a\x0ab\''"),
            ("a\u{202e}b", r"$'a\U0000202eb'"),
        ];
        for (from, to) in table {
            assert_eq!(shell_quote(from), to, "{from:?}");
        }
    }
}
