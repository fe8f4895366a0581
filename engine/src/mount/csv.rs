//! One line of comma-separated values, with the answers of Go's `encoding/csv`, on which `--mount` rests.

use super::MountError;

const BARE: &str = "bare \" in non-quoted-field";
const STRAY: &str = "extraneous or missing \" in quoted-field";

/// Where reading is, for error texts: lines and columns count from 1, columns in bytes.
struct Cursor<'a> {
    lines: std::str::SplitInclusive<'a, char>,
    rest: &'a str,
    line: usize,
    column: usize,
    first: usize,
}

impl<'a> Cursor<'a> {
    /// Goes to the next line; false at the end of the text.
    fn advance(&mut self) -> bool {
        let Some(line) = self.lines.next() else {
            self.rest = "";
            return false;
        };
        self.rest = line;
        self.line += 1;
        self.column = 1;
        true
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.column += bytes;
        taken
    }

    fn error(&self, column: usize, what: &str) -> MountError {
        let place = if self.first == self.line { String::new() } else { format!("record on line {}; ", self.first) };
        MountError::new(format!("{place}parse error on line {}, column {column}: {what}", self.line))
            .hint("quote whole fields, and write \"\" for a quote inside one: type=bind,\"src=/a,b\",dst=/x")
    }
}

/// Reads the first record of a text: fields between commas, each either plain or wholly in double quotes.
///
/// # Errors
/// Docker's texts: `EOF` when there is no record, or where a quote is out of place.
pub(super) fn record(text: &str) -> Result<Vec<String>, MountError> {
    let mut cursor = Cursor { lines: text.split_inclusive('\n'), rest: "", line: 0, column: 1, first: 0 };
    loop {
        if !cursor.advance() {
            return Err(MountError::new("EOF").hint("write what is mounted and where: type=volume,src=NAME,dst=/path"));
        }
        if !content(cursor.rest).is_empty() {
            break;
        }
    }
    cursor.first = cursor.line;
    let mut fields = Vec::new();
    loop {
        let (field, more) = if cursor.rest.starts_with('"') { quoted(&mut cursor)? } else { plain(&mut cursor)? };
        fields.push(field);
        if !more {
            return Ok(fields);
        }
    }
}

/// A line without its end; a carriage return counts as part of the end.
fn content(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn plain(cursor: &mut Cursor<'_>) -> Result<(String, bool), MountError> {
    let comma = cursor.rest.find(',');
    let field = match comma {
        Some(end) => &cursor.rest[..end],
        None => content(cursor.rest),
    };
    if let Some(at) = field.find('"') {
        return Err(cursor.error(cursor.column + at, BARE));
    }
    let field = field.to_owned();
    if let Some(end) = comma {
        cursor.take(end + 1);
    }
    Ok((field, comma.is_some()))
}

fn quoted(cursor: &mut Cursor<'_>) -> Result<(String, bool), MountError> {
    cursor.take(1);
    let mut field = String::new();
    loop {
        let Some(at) = cursor.rest.find('"') else {
            let whole = content(cursor.rest);
            field.push_str(whole);
            if whole.len() < cursor.rest.len() && cursor.rest.ends_with('\n') {
                field.push('\n');
            }
            cursor.take(whole.len() + usize::from(cursor.rest.ends_with('\n')));
            let column = cursor.column;
            if !cursor.advance() {
                return Err(cursor.error(column, STRAY));
            }
            continue;
        };
        field.push_str(&cursor.take(at + 1)[..at]);
        match cursor.rest.as_bytes().first() {
            Some(b'"') => {
                cursor.take(1);
                field.push('"');
            }
            Some(b',') => {
                cursor.take(1);
                return Ok((field, true));
            }
            _ if content(cursor.rest).is_empty() => return Ok((field, false)),
            _ => return Err(cursor.error(cursor.column - 1, STRAY)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_fields() {
        let table: &[(&str, &[&str])] = &[
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            ("a,,", &["a", "", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("a\r\n", &["a"]),
            ("a\r", &["a"]),
            ("\n\r\na,b\nc,d", &["a", "b"]),
            ("\"a\nb\",c", &["a\nb", "c"]),
            ("\"a\r\nb\"", &["a\nb"]),
            ("\"\"", &[""]),
            (" a", &[" a"]),
        ];
        for (text, expected) in table {
            assert_eq!(record(text).unwrap(), *expected, "{text:?}");
        }
    }

    #[test]
    fn says_where_a_quote_is_wrong() {
        let table = [
            ("", "EOF"),
            ("\n\n", "EOF"),
            ("\r\n", "EOF"),
            ("ab,c\"d", "parse error on line 1, column 5: bare \" in non-quoted-field"),
            ("\nx\"", "parse error on line 2, column 2: bare \" in non-quoted-field"),
            ("\"ab", "parse error on line 1, column 4: extraneous or missing \" in quoted-field"),
            ("\"a\"b", "parse error on line 1, column 3: extraneous or missing \" in quoted-field"),
            (
                "\"a\nb\"c",
                "record on line 1; parse error on line 2, column 2: extraneous or missing \" in quoted-field",
            ),
            ("\"", "parse error on line 1, column 2: extraneous or missing \" in quoted-field"),
        ];
        for (text, expected) in table {
            assert_eq!(record(text).unwrap_err().message, expected, "{text:?}");
        }
    }
}
