//! Rules for texts that Docker's answers rest on: Go's quoting, path cleaning and truth values.

use std::fmt::Write;

/// Quotes a text as Go's `%q` does, the form in which Docker repeats what was written.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            other if printable(other) => out.push(other),
            other => {
                let code = u32::from(other);
                let written = match code {
                    ..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
                    ..0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
                written.expect("a String takes every write");
            }
        }
    }
    out.push('"');
    out
}

/// Whether Go prints a character as it is: letters, marks, numbers, punctuation, symbols and the plain space.
fn printable(character: char) -> bool {
    let hidden = matches!(u32::from(character),
        0x00..=0x1f | 0x7f..=0xa0 | 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x8e2 | 0x1680 | 0x180e
        | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x3000 | 0xe000..=0xf8ff | 0xfeff
        | 0xfff9..=0xfffb | 0xfffe..=0xffff | 0x110bd | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..);
    !hidden
}

/// Cleans a path by its text alone, as Go's `path.Clean`: no double or trailing slash, no `.`, and `..` taken away with what is before it.
///
/// An empty path becomes `.`; `..` at the root stays at the root.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Whether a path stays below where it starts, by its text: relative, not empty, never above its start (Go's `filepath.IsLocal`).
pub(super) fn is_local(path: &str) -> bool {
    if path.is_empty() || path.starts_with('/') {
        return false;
    }
    let cleaned = clean(path);
    cleaned != ".." && !cleaned.starts_with("../")
}

/// Reads a truth value with exactly the words Go knows.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// The word of a list that is nearest to a mistyped one, if one is near at all.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer than any word we know plus three: no need to look.
    if word.len() > 40 {
        return None;
    }
    known
        .iter()
        .map(|&candidate| (distance(word, candidate), candidate))
        .filter(|&(far, candidate)| far <= 3 && far < candidate.len())
        .min()
        .map(|(_, word)| word)
}

/// How many letters must be changed, put in or taken out.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in right.chars().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        let table = [
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("é\"\\", "\"é\\\"\\\\\""),
            ("a\n\t\r", "\"a\\n\\t\\r\""),
            ("\u{1b}[31m\u{7f}", "\"\\x1b[31m\\x7f\""),
            ("\u{80}\u{a0}\u{202e}\u{feff}", "\"\\u0080\\u00a0\\u202e\\ufeff\""),
            ("\u{f0000}", "\"\\U000f0000\""),
            ("日本 ", "\"日本 \""),
        ];
        for (text, expected) in table {
            assert_eq!(quote(text), expected);
        }
    }

    #[test]
    fn cleans_as_go_does() {
        let table = [
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("/a/../b", "/b"),
            ("/../..", "/"),
            ("a/..", "."),
            ("../a/./b/..", "../a"),
            ("../..", "../.."),
        ];
        for (path, expected) in table {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn knows_local_paths() {
        for (path, expected) in [
            ("a/b", true),
            ("a/../b", true),
            (".", true),
            ("..", false),
            ("a/../../b", false),
            ("/a", false),
            ("", false),
            ("..a", true),
        ] {
            assert_eq!(is_local(path), expected, "{path}");
        }
    }

    #[test]
    fn finds_the_nearest_word() {
        let known = ["readonly", "target", "source"];
        assert_eq!(nearest("readony", &known), Some("readonly"));
        assert_eq!(nearest("tagret", &known), Some("target"));
        assert_eq!(nearest("bogus", &known), None);
    }
}
