//! The shell's patterns in `${name#pattern}`: `*`, `?`, and a backslash before what is to be itself.

/// Whether the longest match is meant, or the shortest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Longest {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    This(char),
}

fn parse(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::This(chars.next().unwrap_or('\\')),
            c => Part::This(c),
        });
    }
    parts
}

/// How many characters at the beginning of `text` the pattern takes.
fn taken(parts: &[Part], text: &[char], longest: Longest) -> Option<usize> {
    // `ends[n]`: whether the parts so far can take n characters.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for part in parts {
        match part {
            Part::Any => {
                let first = ends.iter().position(|&end| end)?;
                ends[first..].fill(true);
            }
            Part::One | Part::This(_) => {
                for n in (0..text.len()).rev() {
                    ends[n + 1] = ends[n] && part_is(*part, text[n]);
                }
                ends[0] = false;
            }
        }
    }
    match longest {
        Longest::Yes => ends.iter().rposition(|&end| end),
        Longest::No => ends.iter().position(|&end| end),
    }
}

fn part_is(part: Part, c: char) -> bool {
    match part {
        Part::This(this) => this == c,
        _ => true,
    }
}

/// The text without what the pattern takes at its beginning.
pub(crate) fn without_prefix(text: &str, pattern: &str, longest: Longest) -> String {
    let chars: Vec<char> = text.chars().collect();
    let n = taken(&parse(pattern), &chars, longest).unwrap_or(0);
    chars[n..].iter().collect()
}

/// The text without what the pattern takes at its end.
pub(crate) fn without_suffix(text: &str, pattern: &str, longest: Longest) -> String {
    let mut chars: Vec<char> = text.chars().rev().collect();
    let mut parts = parse(pattern);
    parts.reverse();
    let n = taken(&parts, &chars, longest).unwrap_or(0);
    chars.drain(..n);
    chars.iter().rev().collect()
}

/// The text with `by` in the place of what the pattern takes, once or wherever it does.
pub(crate) fn replace(text: &str, pattern: &str, by: &str, all: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let parts = parse(pattern);
    let mut out = String::new();
    let mut at = 0;
    while at <= chars.len() {
        let found = taken(&parts, &chars[at..], Longest::Yes);
        if let Some(n) = found {
            out.push_str(by);
            at += n;
        }
        if found.is_some() && !all {
            break;
        }
        // Nothing taken: one character further.
        if found.is_none_or(|n| n == 0) {
            out.extend(chars.get(at));
            at += 1;
        }
    }
    out.extend(chars.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_and_longest() {
        for (text, pattern, first, first_longest, last, last_longest) in [
            ("xxyy", "*x", "xyy", "yy", "xxyy", "xxyy"),
            ("xxyy", "*", "xxyy", "", "xxyy", ""),
            ("a.b.c", "?.", "b.c", "b.c", "a.b.c", "a.b.c"),
            ("a.b.c", ".*", "a.b.c", "a.b.c", "a.b", "a"),
            ("é*", "\\*", "é*", "é*", "é", "é"),
            ("", "*", "", "", "", ""),
        ] {
            let all = [
                without_prefix(text, pattern, Longest::No),
                without_prefix(text, pattern, Longest::Yes),
                without_suffix(text, pattern, Longest::No),
                without_suffix(text, pattern, Longest::Yes),
            ];
            assert_eq!(all, [first, first_longest, last, last_longest], "{text} {pattern}");
        }
    }

    #[test]
    fn replacing() {
        for (text, pattern, by, once, all) in [
            ("a/b/c", "/", "-", "a-b/c", "a-b-c"),
            ("a/b/c", "/?/", "-", "a-c", "a-c"),
            ("aaa", "a", "", "aa", ""),
            ("abc", "x", "y", "abc", "abc"),
            ("xy", "", "w", "wxy", "wxwyw"),
        ] {
            assert_eq!(
                (replace(text, pattern, by, false), replace(text, pattern, by, true)),
                (once.into(), all.into())
            );
        }
    }
}
