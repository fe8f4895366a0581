//! Printing, with everything that strangers wrote made harmless when a terminal shows it.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use outcrop_ui::{Charset, visible};

use super::value::Value;

static CHARSET: OnceLock<Charset> = OnceLock::new();

/// Tells which characters the terminal has. Called once, at the start.
pub(crate) fn set_charset(charset: Charset) {
    let _ = CHARSET.set(charset);
}

fn charset() -> Charset {
    *CHARSET.get_or_init(|| Charset::Unicode)
}

/// Whether standard output is a terminal.
pub(crate) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}

/// `text` with every line safe to show; line ends stay.
pub(crate) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        for (n, part) in line.split('\t').enumerate() {
            if n > 0 {
                out.push('\t');
            }
            out.push_str(&visible(part, charset()));
        }
        out.push_str(end);
    }
    out
}

/// One cell or word, safe to show.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    visible(text, charset())
}

/// One word, safe to show if a terminal shows standard output.
pub(crate) fn word_on_terminal(text: &str) -> Cow<'_, str> {
    if on_terminal() { word(text) } else { text.into() }
}

/// Whether a terminal shows standard output (1) or standard error (2).
pub(crate) fn shown_on_terminal(stream: u8) -> bool {
    if stream == 2 { io::stderr().is_terminal() } else { on_terminal() }
}

/// `text` with every line safe to show, colours kept: sequences that choose colours and weight, and no other.
pub(crate) fn coloured(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let after = &rest[at + 2..];
        let end = after.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(after.len());
        let length = if after[end..].starts_with('m') && end <= 64 { at + 2 + end + 1 } else { 0 };
        if length == 0 {
            out += &lines(&rest[..at + 2]);
            rest = after;
        } else {
            out += &lines(&rest[..at]);
            out += &rest[at..length];
            rest = &rest[length..];
        }
    }
    out + &lines(rest)
}

/// All texts of `value` safe to show when a terminal shows them, as they are otherwise.
pub(crate) fn value(value: Value) -> Value {
    if on_terminal() { every_text(value) } else { value }
}

fn every_text(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(word(&text).into_owned()),
        Value::List(items) => Value::List(items.into_iter().map(every_text).collect()),
        Value::Map(members) => Value::Map(members.into_iter().map(|(name, value)| (name, every_text(value))).collect()),
        other => other,
    }
}

/// Prints `text` as it is: for text whose foreign parts are safe already, or that no terminal shows.
pub(crate) fn print_raw(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints `text`; every line is made safe when a terminal shows it.
pub(crate) fn print(text: &str) -> io::Result<()> {
    if on_terminal() { print_raw(&lines(text)) } else { print_raw(text) }
}

/// Says something on standard error, one line, made safe if a terminal shows it.
pub(crate) fn say(text: &str) {
    let text = if io::stderr().is_terminal() { lines(text) } else { text.to_owned() };
    // When nobody can be told, that cannot be told either.
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_nothing_else() {
        assert_eq!(coloured("a\x1b[1;31mred\x1b[0m\n"), "a\x1b[1;31mred\x1b[0m\n");
        assert_eq!(coloured("\x1b[2Jx\x1b]0;t\x07\x1b[31"), "\\x1b[2Jx\\x1b]0;t\\x07\\x1b[31");
        assert_eq!(coloured("\x1b[\x1b[31m"), "\\x1b[\x1b[31m");
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(lines("a\x1b[31mb\tc\nd\u{202e}\n"), "a\\x1b[31mb\tc\nd\\u{202e}\n");
    }
}
