//! Words as a shell splits them: quotes and backslashes, nothing else.

/// Splits a line into words; none where a quote has no end.
pub(crate) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Writes words so that [`split`] gives them back.
pub(crate) fn join(words: &[String]) -> String {
    words.iter().map(|word| crate::safe_text::shell_quote(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell() {
        let table: [(&str, Option<&[&str]>); 10] = [
            ("", Some(&[])),
            ("  a  b ", Some(&["a", "b"])),
            ("sh -c 'echo $x; ls'", Some(&["sh", "-c", "echo $x; ls"])),
            ("a\"b c\"d", Some(&["ab cd"])),
            ("''", Some(&[""])),
            (r#""a\"b\n""#, Some(&[r#"a"b\n"#])),
            (r"a\ b", Some(&["a b"])),
            ("'open", None),
            ("\"open", None),
            ("end\\", None),
        ];
        for (line, expected) in table {
            let words = split(line);
            assert_eq!(words.as_deref().map(|w| w.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(), expected);
        }
    }

    #[test]
    fn what_is_joined_splits_again() {
        let words = ["sh", "-c", "it's \"fine\" $HOME\\", ""].map(str::to_owned);
        assert_eq!(split(&join(&words)).as_deref(), Some(&words[..]));
    }
}
