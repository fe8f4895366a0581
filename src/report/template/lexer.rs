//! Cuts a template into text and the words inside `{{ }}`.

use super::TemplateError;

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// What is printed as it stands.
    Text(String),
    /// The words of one action.
    Action(Vec<Word>),
}

/// A word of an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// `.A.B`, without the first dot and split at the others; empty for `.` alone. Whether white space came before.
    Field(Vec<String>, bool),
    /// `$x.A.B`: the name without `$`, and the fields.
    Variable(String, Vec<String>),
    /// `range`, `if`, or a function's name.
    Name(String),
    /// A string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `|`, `(`, `)`, `,`, `:=` or `=`.
    Sign(&'static str),
}

/// Cuts `text` up.
pub(super) fn cut(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    loop {
        let (plain, action) = rest.split_once("{{").map_or((rest, None), |(plain, action)| (plain, Some(action)));
        let plain = if trim { plain.trim_start() } else { plain };
        let trim_end = action.is_some_and(|a| a.starts_with("- "));
        let plain = if trim_end { plain.trim_end() } else { plain };
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.to_owned()));
        }
        let Some(action) = action else { return Ok(pieces) };
        let action = if trim_end { &action[1..] } else { action };
        let (words, after, trims) = words(action)?;
        (rest, trim) = (after, trims);
        if !words.is_empty() {
            pieces.push(Piece::Action(words));
        }
    }
}

/// The words up to `}}`, what follows it, and whether it trims white space there.
fn words(action: &str) -> Result<(Vec<Word>, &str, bool), TemplateError> {
    let trimmed = action.trim_start();
    if let Some(comment) = trimmed.strip_prefix("/*") {
        let (_, after) = comment.split_once("*/").ok_or_else(|| TemplateError::new("unclosed comment"))?;
        let after = after.trim_start();
        let (after, trims) = after.strip_prefix("-}}").map_or((after.strip_prefix("}}"), false), |a| (Some(a), true));
        return after
            .map(|a| (Vec::new(), a, trims))
            .ok_or_else(|| TemplateError::new("comment ends before closing delimiter"));
    }
    let mut words = Vec::new();
    let mut rest = action;
    loop {
        let space = rest.starts_with(char::is_whitespace);
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("}}") {
            if words.is_empty() {
                return Err(TemplateError::new("missing value for command"));
            }
            return Ok((words, after, false));
        }
        if space && let Some(after) = rest.strip_prefix("-}}") {
            return Ok((words, after, true));
        }
        let (word, after) = word(rest, space || words.is_empty())?;
        words.push(word);
        rest = after;
    }
}

fn word(rest: &str, space: bool) -> Result<(Word, &str), TemplateError> {
    for sign in [":=", "=", "|", "(", ")", ","] {
        if let Some(after) = rest.strip_prefix(sign) {
            return Ok((Word::Sign(sign), after));
        }
    }
    let Some(first) = rest.chars().next() else { return Err(TemplateError::new("unclosed action")) };
    match first {
        '"' => quoted(rest),
        '`' => {
            let (text, after) =
                rest[1..].split_once('`').ok_or_else(|| TemplateError::new("unterminated raw quoted string"))?;
            Ok((Word::Text(text.to_owned()), after))
        }
        '.' => {
            let (fields, after) = fields(rest);
            Ok((Word::Field(fields, space), after))
        }
        '$' => {
            let (name, after) = name(&rest[1..]);
            let (fields, after) = if after.starts_with('.') { fields(after) } else { (Vec::new(), after) };
            Ok((Word::Variable(name.to_owned(), fields), after))
        }
        '-' | '0'..='9' => {
            let end = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |i| i + 1);
            let number = rest[..end]
                .parse()
                .map_err(|_| TemplateError::new(format!("bad number syntax: {:?}", &rest[..end])))?;
            Ok((Word::Number(number), &rest[end..]))
        }
        c if c.is_alphabetic() || c == '_' => {
            let (name, after) = name(rest);
            Ok((Word::Name(name.to_owned()), after))
        }
        c => Err(TemplateError::new(format!("unexpected {c:?} in command"))),
    }
}

fn name(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()))
}

fn fields(mut rest: &str) -> (Vec<String>, &str) {
    let mut fields = Vec::new();
    while let Some(after) = rest.strip_prefix('.') {
        let (field, after) = name(after);
        if !field.is_empty() {
            fields.push(field.to_owned());
        }
        rest = after;
        if field.is_empty() {
            break;
        }
    }
    (fields, rest)
}

fn quoted(rest: &str) -> Result<(Word, &str), TemplateError> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Word::Text(text), &rest[at + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c @ ('"' | '\\' | '\'')) => text.push(c),
                _ => return Err(TemplateError::new("invalid escape in quoted string")),
            },
            c => text.push(c),
        }
    }
    Err(TemplateError::new("unterminated quoted string"))
}
