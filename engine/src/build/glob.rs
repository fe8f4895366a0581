//! Patterns of file names: Go's `filepath.Match` for COPY and ADD, and with `**` for `.dockerignore`.

/// A pattern that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `*`: any characters but slashes.
    Star,
    /// `?`: one character, no slash.
    One,
    /// `**` at the end: anything.
    Everything,
    /// `**/`: nothing, or anything that ends with a slash.
    Directories,
    /// `[a-z]`, or with true `[^a-z]`.
    Class(bool, Vec<(char, char)>),
    /// The character itself.
    This(char),
}

/// The pattern is malformed: an open bracket, a range without an end, a backslash at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(crate) struct PatternError;

/// Whether `text` has any character with a meaning in patterns.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    false
}

impl Glob {
    /// As `filepath.Match` reads it: two stars are no more than one.
    pub(crate) fn plain(pattern: &str) -> Result<Self, PatternError> {
        Self::parse(pattern, false)
    }

    /// With `**` for any number of directories.
    pub(crate) fn deep(pattern: &str) -> Result<Self, PatternError> {
        Self::parse(pattern, true)
    }

    fn parse(pattern: &str, deep: bool) -> Result<Self, PatternError> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' if deep && chars.peek() == Some(&'*') => {
                    chars.next();
                    if chars.peek() == Some(&'/') {
                        chars.next();
                    }
                    if chars.peek().is_none() { Part::Everything } else { Part::Directories }
                }
                '*' => Part::Star,
                '?' => Part::One,
                '[' => class(&mut chars)?,
                '\\' => Part::This(chars.next().ok_or(PatternError)?),
                c => Part::This(c),
            });
        }
        Ok(Self(parts))
    }

    /// Whether a class has a range that runs backwards, which never matches.
    pub(crate) fn has_backward_range(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Class(_, ranges) if ranges.iter().any(|(low, high)| low > high)))
    }

    /// Whether the whole of `path` is what the pattern says.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let chars: Vec<char> = path.chars().collect();
        // `ends[n]`: whether the parts so far can take the first n characters.
        let mut ends = vec![false; chars.len() + 1];
        ends[0] = true;
        for part in &self.0 {
            if !step(part, &chars, &mut ends) {
                return false;
            }
        }
        ends[chars.len()]
    }
}

/// Moves all ends over one part; false when none is left.
fn step(part: &Part, chars: &[char], ends: &mut [bool]) -> bool {
    let Some(first) = ends.iter().position(|&end| end) else { return false };
    match part {
        Part::Everything => ends[first..].fill(true),
        Part::Directories => {
            for n in first + 1..ends.len() {
                ends[n] |= chars[n - 1] == '/';
            }
        }
        Part::Star => {
            for n in first + 1..ends.len() {
                ends[n] |= ends[n - 1] && chars[n - 1] != '/';
            }
        }
        Part::One | Part::This(_) | Part::Class(..) => {
            for n in (0..chars.len()).rev() {
                ends[n + 1] = ends[n] && one(part, chars[n]);
            }
            ends[0] = false;
        }
    }
    true
}

fn one(part: &Part, c: char) -> bool {
    match part {
        Part::This(this) => *this == c,
        Part::Class(negated, ranges) => ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *negated,
        _ => c != '/',
    }
}

/// What follows an open bracket.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Part, PatternError> {
    let negated = chars.peek() == Some(&'^');
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        if chars.peek() == Some(&']') && !ranges.is_empty() {
            chars.next();
            return Ok(Part::Class(negated, ranges));
        }
        let low = member(chars)?;
        let high = if chars.peek() == Some(&'-') {
            chars.next();
            member(chars)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, PatternError> {
    match chars.next() {
        None | Some('-' | ']') => Err(PatternError),
        Some('\\') => chars.next().ok_or(PatternError),
        Some(c) => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match() {
        for (pattern, path, matches) in [
            ("a", "a", true),
            ("*.rs", "a.rs", true),
            ("*.rs", "b/a.rs", false),
            ("*/*.rs", "b/a.rs", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[\\]]", "]", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("**", "a/b", false),
            ("", "", true),
            ("é?", "éß", true),
        ] {
            assert_eq!(Glob::plain(pattern).expect(pattern).matches(path), matches, "{pattern} {path}");
        }
        for (pattern, path, matches) in [
            ("**", "a/b", true),
            ("**/c", "c", true),
            ("**/c", "a/b/c", true),
            ("**/c", "a/bc", false),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/x/y/c", true),
            ("a/**", "a/x/y", true),
            ("**/*.o", "x/y.o", true),
            ("**/x*/**", "a/xy/z", true),
        ] {
            assert_eq!(Glob::deep(pattern).expect(pattern).matches(path), matches, "{pattern} {path}");
        }
        for bad in ["[", "[]a]", "[^", "[a", "[-a]", "[a-]", "a\\", "[a-b-c]"] {
            assert_eq!(Glob::plain(bad), Err(PatternError), "{bad}");
        }
        assert!(is_pattern("a*") && is_pattern("\\a[") && !is_pattern("a\\*"));
    }
}
