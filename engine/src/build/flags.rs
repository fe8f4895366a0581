//! Flags of an instruction: `--name=value` before everything else.

use super::lines::is_blank;
use super::problem::{Place, Problem, nearest};

/// What an instruction takes.
pub(crate) struct Known {
    /// Flags with one value.
    pub(crate) one: &'static [&'static str],
    /// Flags that may be given several times.
    pub(crate) many: &'static [&'static str],
    /// Flags that are on or off.
    pub(crate) on: &'static [&'static str],
}

/// An instruction without any.
pub(crate) const NONE: Known = Known { one: &[], many: &[], on: &[] };

/// The flags that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(Vec<(String, String)>);

impl Flags {
    /// The value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of `name`.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether `name` is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Takes the flags off the beginning of `text`; gives them and the rest.
    pub(crate) fn take<'a>(text: &'a str, known: &Known, place: &Place) -> Result<(Self, &'a str), Problem> {
        let (words, rest) = split(text);
        let mut flags = Self::default();
        for word in words {
            let (name, value) = word[2..].split_once('=').map_or((&word[2..], None), |(n, v)| (n, Some(v)));
            let wrong = |message: String| Err(place.problem(&format!("--{name}"), message));
            let is_on = known.on.contains(&name);
            if !is_on && !known.one.contains(&name) && !known.many.contains(&name) {
                let all = [known.one, known.many, known.on].concat();
                let meant = nearest(name, all).map(|meant| format!(" (did you mean --{meant}?)")).unwrap_or_default();
                return wrong(format!("unknown flag: --{name}{meant}"));
            }
            if flags.get(name).is_some() && !known.many.contains(&name) {
                return wrong(format!("duplicate flag specified: --{name}"));
            }
            let value = match (is_on, value) {
                (true, None) => "true",
                (true, Some(value)) if ["true", "false"].contains(&value.to_ascii_lowercase().as_str()) => {
                    if value.eq_ignore_ascii_case("true") { "true" } else { "false" }
                }
                (true, Some(value)) => {
                    return wrong(format!("expecting boolean value for flag --{name}, not: {value}"));
                }
                (false, None) => return wrong(format!("missing a value on flag: --{name}")),
                (false, Some(value)) => value,
            };
            flags.0.push((name.to_owned(), value.to_owned()));
        }
        Ok((flags, rest))
    }
}

/// The words that begin with `--`, quotes taken away, and what follows. A bare `--` ends them.
fn split(text: &str) -> (Vec<String>, &str) {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while rest.starts_with("--") {
        let mut word = String::new();
        let mut quote = None;
        let mut end = rest.len();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match quote {
                None if is_blank(c) => {
                    end = at;
                    break;
                }
                None if matches!(c, '"' | '\'') => quote = Some(c),
                Some(open) if open == c => quote = None,
                _ if c == '\\' => word.extend(chars.next().map(|(_, c)| c)),
                _ => word.push(c),
            }
        }
        rest = rest[end..].trim_start_matches(is_blank);
        if word == "--" {
            break;
        }
        words.push(word);
    }
    (words, rest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::build::problem::Source;

    const KNOWN: Known = Known { one: &["from"], many: &["mount"], on: &["link"] };

    fn take(text: &str) -> Result<(Flags, String), String> {
        let source = Source { name: "f".into(), lines: vec![text.into()] };
        let place = Place { source: Arc::new(source), lines: 1..=1 };
        Flags::take(text, &KNOWN, &place).map(|(flags, rest)| (flags, rest.into())).map_err(|e| e.message().into())
    }

    #[test]
    fn flags_come_first() {
        let (flags, rest) = take("--from=a --mount=b --mount='c d' --link x --no").expect("flags");
        assert_eq!(
            (flags.get("from"), flags.all("mount"), flags.on("link")),
            (Some("a"), vec!["b".into(), "c d".into()], true)
        );
        assert_eq!(rest, "x --no");
        assert_eq!(take("--from= -- --x").expect("flags").1, "--x");
        assert!(!take("--link=False").expect("flags").0.on("link"));
        for (bad, why) in [
            ("--form=a", "unknown flag: --form (did you mean --from?)"),
            ("--from", "missing a value on flag: --from"),
            ("--from=a --from=b", "duplicate flag specified: --from"),
            ("--link=maybe", "expecting boolean value for flag --link, not: maybe"),
        ] {
            assert_eq!(take(bad), Err(why.into()));
        }
    }
}
