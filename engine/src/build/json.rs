//! The exec form: a JSON list of texts.

/// Why a list is none.
pub(crate) const NOT_TEXTS: &str = "When using JSON array syntax, arrays must be comprised of strings only.";

/// The words of `["a", "b"]`; nothing where it is no JSON list, which is then for a shell.
///
/// # Errors
/// [`NOT_TEXTS`] for a list with something else in it.
pub(crate) fn words(text: &str) -> Result<Option<Vec<String>>, &'static str> {
    if !text.trim_start().starts_with('[') {
        return Ok(None);
    }
    // As in Docker, what follows the list counts for nothing.
    match serde_json::Deserializer::from_str(text).into_iter::<Vec<serde_json::Value>>().next() {
        None | Some(Err(_)) => Ok(None),
        Some(Ok(values)) => values
            .into_iter()
            .map(|value| if let serde_json::Value::String(text) = value { Some(text) } else { None })
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or(NOT_TEXTS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_texts_only() {
        let list = |words: &[&str]| Ok(Some(words.iter().map(|&word| word.to_owned()).collect()));
        assert_eq!(words(" [ \"a\",\t\"b c\" ] "), list(&["a", "b c"]));
        assert_eq!(words("[]"), list(&[]));
        assert_eq!(words("[\"a\"] b"), list(&["a"]));
        assert_eq!(words(r#"["\" \\ \u0041"]"#), list(&["\" \\ A"]));
        for shell in ["a b", "['a']", "[\"a\"", "[ -f x ]"] {
            assert_eq!(words(shell), Ok(None), "{shell}");
        }
        for bad in ["[1]", "[\"a\", 2.5]", "[null]", "[[\"a\"]]", "[{\"a\": 1}]", "[true]"] {
            assert_eq!(words(bad), Err(NOT_TEXTS), "{bad}");
        }
    }
}
