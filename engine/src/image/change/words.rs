//! Words of instructions: splitting, quotes, variables, as in Dockerfiles.

use crate::build::{Lexer, Options, split_words};

/// Splits at white space outside quotes; quotes and backslashes stay.
pub(super) fn split(text: &str) -> Vec<String> {
    split_words(text, '\\')
}

/// `key=value …`, or the older `key all the rest`.
pub(super) fn pairs(instruction: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    let words = split(text);
    let Some(first) = words.first() else { return Err("requires at least one argument".into()) };
    if !first.contains('=') {
        let rest = text.trim_start().strip_prefix(first.as_str()).unwrap_or_default().trim_start();
        if rest.is_empty() {
            return Err(format!("{instruction} must have two arguments"));
        }
        return Ok(vec![(first.clone(), rest.into())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some(("", _)) => Err(format!("{instruction} names can not be blank")),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("Syntax error - can't find = in {word:?}. Must be of the form: name=value")),
    };
    words.iter().map(pair).collect()
}

/// Takes quotes away and puts values in the place of variables; of several entries the last one counts, as it does for a shell.
pub(super) fn expand(text: &str, env: &[String]) -> Result<String, String> {
    let value =
        |name: &str| env.iter().rev().find_map(|entry| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
    Lexer::new('\\', Options::default()).word(text, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_variables() {
        let env = ["A=a".to_owned(), "E=".into()];
        for (text, expanded) in [
            ("x", "x"),
            ("$A", "a"),
            ("${A}b", "ab"),
            ("$Ab", ""),
            ("'$A'", "$A"),
            ("\"$A b\"", "a b"),
            ("\\$A", "$A"),
            ("\"\\$A\"", "$A"),
            ("\"a\\b\"", "a\\b"),
            ("${B:-x}", "x"),
            ("${E:-x$A}", "xa"),
            ("${A:+y}", "y"),
            ("${B:+y}", ""),
            ("$", "$"),
            ("a$1", "a"),
            ("é$A", "éa"),
        ] {
            assert_eq!(expand(text, &env), Ok(expanded.into()), "{text}");
        }
        for bad in ["${A", "${", "${C:?x}", "'a", "\"a", "${A:-"] {
            assert!(expand(bad, &env).is_err(), "{bad}");
        }
    }
}
