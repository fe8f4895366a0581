//! The filter of a list: fuzzy words, `!not`, `size:>100MB`, `used:no`.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// What a filter can ask of a thing.
pub(crate) struct Facts<'a> {
    /// All its names, joined by spaces.
    pub(crate) text: &'a str,
    /// Bytes.
    pub(crate) size: u64,
    /// Whether something uses it, where that is known.
    pub(crate) used: Option<bool>,
}

enum Term {
    Fuzzy(Pattern),
    Not(String),
    Larger(u64),
    Smaller(u64),
    Used(bool),
}

/// A parsed filter. Words are joined by "and".
#[derive(Default)]
pub(crate) struct Filter {
    text: String,
    terms: Vec<Term>,
    wrong: Option<String>,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Self {
        let mut filter = Self { text: text.trim().to_owned(), ..Self::default() };
        for word in text.split_whitespace() {
            match term(word) {
                Ok(term) => filter.terms.push(term),
                Err(why) => filter.wrong = Some(why),
            }
        }
        filter
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// What cannot be understood in it.
    pub(crate) fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// How well a thing matches; none if not.
    pub(crate) fn score(&self, facts: &Facts<'_>, matcher: &mut Matcher) -> Option<u32> {
        let mut score = 0;
        let mut buffer = Vec::new();
        for term in &self.terms {
            match term {
                Term::Fuzzy(pattern) => score += pattern.score(Utf32Str::new(facts.text, &mut buffer), matcher)?,
                Term::Not(word) if facts.text.to_lowercase().contains(word) => return None,
                Term::Larger(bytes) if facts.size <= *bytes => return None,
                Term::Smaller(bytes) if facts.size >= *bytes => return None,
                Term::Used(used) if facts.used.is_some_and(|u| u != *used) => return None,
                _ => {}
            }
        }
        Some(score)
    }
}

/// A matcher for names; `for_paths` prefers beginnings of path parts.
pub(crate) fn matcher(for_paths: bool) -> Matcher {
    Matcher::new(if for_paths { Config::DEFAULT.match_paths() } else { Config::DEFAULT })
}

fn term(word: &str) -> Result<Term, String> {
    if let Some(rest) = word.strip_prefix("size:") {
        let smaller = rest.starts_with('<');
        let number = rest.trim_start_matches(['<', '>', '=']);
        let bytes = bytes(number).ok_or_else(|| format!("{word}: write size:>100MB or size:<2kB"))?;
        return Ok(if smaller { Term::Smaller(bytes) } else { Term::Larger(bytes) });
    }
    if let Some(rest) = word.strip_prefix("used:") {
        return match rest {
            "yes" | "y" => Ok(Term::Used(true)),
            "no" | "n" => Ok(Term::Used(false)),
            _ => Err(format!("{word}: write used:yes or used:no")),
        };
    }
    if let Some(rest) = word.strip_prefix('!').filter(|r| !r.is_empty()) {
        return Ok(Term::Not(rest.to_lowercase()));
    }
    Ok(Term::Fuzzy(Pattern::parse(word, CaseMatching::Smart, Normalization::Smart)))
}

/// Parses `100MB`, `2k`, `1.5GiB`, `42`.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].to_ascii_lowercase();
    let step: f64 = if unit.ends_with("ib") { 1024.0 } else { 1000.0 };
    let power = match unit.chars().next() {
        None | Some('b') => 0,
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        _ => return None,
    };
    Some((number * step.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str, text: &str, size: u64, used: bool) -> bool {
        let facts = Facts { text, size, used: Some(used) };
        Filter::parse(filter).score(&facts, &mut matcher(false)).is_some()
    }

    #[test]
    fn words_join() {
        let table = [
            ("", true),
            ("ubu", true),
            ("ub24", true),
            ("xyz", false),
            ("!ubuntu", false),
            ("!debian", true),
            ("ub size:>100MB", false),
            ("size:>10MB", true),
            ("size:<10MB", false),
            ("used:no", false),
            ("used:yes ubuntu", true),
        ];
        for (filter, expected) in table {
            assert_eq!(passes(filter, "ubuntu:24.04", 78_000_000, true), expected, "{filter}");
        }
        assert!(Filter::parse("size:big").wrong().is_some());
        assert_eq!(bytes("1.5GiB"), Some(1_610_612_736));
    }
}
