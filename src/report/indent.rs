//! Puts JSON on several lines, changing nothing but white space, as `docker inspect` does.

/// Indents `json` by four spaces a level, the whole of it by `level` more. Numbers and strings stay as they were sent.
pub(crate) fn indent(json: &str, level: usize) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut level = level;
    let mut chars = json.chars().filter_outside_strings().peekable();
    while let Some((c, in_string)) = chars.next() {
        if in_string {
            out.push(c);
            continue;
        }
        match c {
            '{' | '[' => {
                out.push(c);
                if chars.peek().is_some_and(|(next, quoted)| !quoted && matches!(next, '}' | ']')) {
                    continue;
                }
                level += 1;
                line(&mut out, level);
            }
            '}' | ']' => {
                if !out.ends_with(['{', '[']) {
                    level = level.saturating_sub(1);
                    line(&mut out, level);
                }
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, level);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    out
}

fn line(out: &mut String, level: usize) {
    out.push('\n');
    for _ in 0..level {
        out.push_str("    ");
    }
}

/// Tells for each character whether it belongs to a string, and drops white space that does not.
trait OutsideStrings: Iterator<Item = char> + Sized {
    fn filter_outside_strings(self) -> impl Iterator<Item = (char, bool)> {
        let mut quoted = false;
        let mut escaped = false;
        self.filter_map(move |c| {
            let was = quoted;
            if escaped {
                escaped = false;
            } else if c == '"' {
                quoted = !quoted;
            } else if quoted && c == '\\' {
                escaped = true;
            }
            let inside = was || quoted;
            (inside || !c.is_ascii_whitespace()).then_some((c, inside))
        })
    }
}

impl<I: Iterator<Item = char>> OutsideStrings for I {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indents_as_docker() {
        let text = r#"{"a":[1,{"b":"x, {y}: \"z\""}],"e":[],"o":{},"n":null}"#;
        let want = "{\n    \"a\": [\n        1,\n        {\n            \"b\": \"x, {y}: \\\"z\\\"\"\n        }\n    ],\n    \"e\": [],\n    \"o\": {},\n    \"n\": null\n}";
        assert_eq!(indent(text, 0), want);
        assert_eq!(indent(want, 0), want);
        assert_eq!(indent("[\"{\"]", 0), "[\n    \"{\"\n]");
        assert_eq!(indent("[\"[\", []]", 0), "[\n    \"[\",\n    []\n]");
    }
}
