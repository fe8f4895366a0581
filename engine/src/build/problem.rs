//! What is wrong with a Dockerfile, where, and the word that it is about.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A Dockerfile's text, to quote from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's name, as the user gave it.
    pub name: String,
    /// Its lines, without their ends.
    pub lines: Vec<String>,
}

/// Something wrong with a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    file: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    /// The line's text.
    quoted: String,
    /// Where the word begins, and how long it is, in characters.
    word: Option<(usize, usize)>,
    message: String,
}

/// Longest part of a line that is quoted, in characters.
const QUOTED: usize = 160;

impl Problem {
    /// About the whole file.
    pub(crate) fn of_file(source: &Source, message: impl Into<String>) -> Self {
        Self { file: source.name.clone(), line: 0, quoted: String::new(), word: None, message: message.into() }
    }

    /// About the word `word` in these lines (from 1), or about their first word where it is not found.
    pub(crate) fn at(source: &Source, lines: &RangeInclusive<usize>, word: &str, message: impl Into<String>) -> Self {
        let text = |number: usize| source.lines.get(number - 1).map(String::as_str).unwrap_or_default();
        let search = |whole| lines.clone().find_map(|number| find(text(number), word, whole).map(|at| (number, at)));
        let found = search(true).or_else(|| search(false));
        let first = *lines.start();
        let (line, at) = found.unwrap_or_else(|| {
            let line = text(first);
            let begin = line.len() - line.trim_start().len();
            let length = line[begin..].split_whitespace().next().map_or(0, |word| word.chars().count());
            (first, (line[..begin].chars().count(), length))
        });
        let quoted: String = text(line).chars().take(QUOTED).collect();
        let word = Some(at).filter(|(begin, length)| *length > 0 && *begin < quoted.chars().count());
        Self { file: source.name.clone(), line, quoted, word, message: message.into() }
    }

    /// The line, from 1; 0 for the file as a whole.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Where `word` stands in `line`, in characters; if `whole`, with nothing of a word beside it.
fn find(line: &str, word: &str, whole: bool) -> Option<(usize, usize)> {
    if word.is_empty() {
        return None;
    }
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let apart = |at: usize| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        !(is_word(before) && is_word(word.chars().next()) || is_word(after) && is_word(word.chars().next_back()))
    };
    let at = line.match_indices(word).map(|(at, _)| at).find(|at| !whole || apart(*at))?;
    Some((line[..at].chars().count(), word.chars().count()))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.message);
        }
        let number = self.line.to_string();
        write!(f, "{}:{number}: {}\n  {number} | {}", self.file, self.message, self.quoted)?;
        let Some((begin, length)) = self.word else { return Ok(()) };
        // Tabs stay, so that the mark stands below the word however wide they are.
        let indent: String = self.quoted.chars().take(begin).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let marks = "^".repeat(length.min(QUOTED.saturating_sub(begin)).max(1));
        write!(f, "\n  {} | {indent}{marks}", " ".repeat(number.len()))
    }
}

impl std::error::Error for Problem {}

/// Makes problems of one instruction.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) source: Arc<Source>,
    pub(crate) lines: RangeInclusive<usize>,
}

impl Place {
    /// A problem with `word`.
    pub(crate) fn problem(&self, word: &str, message: impl Into<String>) -> Problem {
        Problem::at(&self.source, &self.lines, word, message)
    }
}

/// The one of `known` that is most like `word`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = known.into_iter().map(|known| (distance(&word, &known.to_lowercase()), known));
    near.min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance <= if known.len() > 4 { 2 } else { 1 })
        .map(|(_, known)| known)
}

/// How many letters must be put in, taken out, exchanged or swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(40).collect(), b.chars().take(40).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                least = least.min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_word() {
        let lines = ["FROM a", "\tRUN xyz \\", "  --foo xy"].map(str::to_owned).to_vec();
        let source = Source { name: "Dockerfile".into(), lines };
        let shown = |word: &str| Problem::at(&source, &(2..=3), word, "no").to_string();
        assert_eq!(shown("xy"), "Dockerfile:3: no\n  3 |   --foo xy\n    |         ^^");
        assert_eq!(shown("nowhere"), "Dockerfile:2: no\n  2 | \tRUN xyz \\\n    | \t^^^");
        assert_eq!(Problem::of_file(&source, "is empty").to_string(), "Dockerfile: is empty");
    }

    #[test]
    fn what_was_meant() {
        let known = ["RUN", "COPY", "ENTRYPOINT", "ENV"];
        for (word, meant) in
            [("RUNN", Some("RUN")), ("cpoy", Some("COPY")), ("ENTRYPIONT", Some("ENTRYPOINT")), ("FOO", None)]
        {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
