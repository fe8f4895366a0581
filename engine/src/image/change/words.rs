//! Words of Dockerfile instructions: splitting, quotes, variables.

/// Splits at white space outside quotes; quotes and backslashes stay.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            // Within single quotes a backslash is a backslash.
            (None | Some('"'), '\\') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
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

/// Takes quotes away and puts values in the place of `$name`, `${name}`, `${name:-else}` and `${name:+then}`.
pub(super) fn expand(text: &str, env: &[String]) -> Result<String, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut expansion = Expansion { chars: &chars, at: 0, env, depth: 0 };
    expansion.run(None)
}

struct Expansion<'a> {
    chars: &'a [char],
    at: usize,
    env: &'a [String],
    depth: usize,
}

impl Expansion<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    /// Up to `end`, or to the end of the text.
    fn run(&mut self, end: Option<char>) -> Result<String, String> {
        let mut out = String::new();
        while let Some(c) = self.next() {
            match c {
                c if Some(c) == end => return Ok(out),
                '\'' => loop {
                    match self.next() {
                        Some('\'') => break,
                        Some(c) => out.push(c),
                        None => {
                            return Err("unexpected end of statement while looking for matching single-quote".into());
                        }
                    }
                },
                '"' => self.double_quoted(&mut out)?,
                '\\' => out.extend(self.next()),
                '$' => out.push_str(&self.variable()?),
                c => out.push(c),
            }
        }
        match end {
            None => Ok(out),
            Some(end) => Err(format!("unexpected end of statement while looking for matching {end}")),
        }
    }

    fn double_quoted(&mut self, out: &mut String) -> Result<(), String> {
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('$') => out.push_str(&self.variable()?),
                Some('\\') => match self.next() {
                    Some(c @ ('"' | '$' | '\\')) => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => out.push('\\'),
                },
                Some(c) => out.push(c),
                None => return Err("unexpected end of statement while looking for matching double-quote".into()),
            }
        }
    }

    fn variable(&mut self) -> Result<String, String> {
        if self.chars.get(self.at) != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".into() } else { self.value(&name).unwrap_or_default() });
        }
        self.at += 1;
        let name = self.name();
        if name.is_empty() {
            return Err("bad substitution".into());
        }
        match self.next() {
            Some('}') => Ok(self.value(&name).unwrap_or_default()),
            Some(':') => {
                let modifier = self.next();
                self.depth += 1;
                if self.depth > 20 {
                    return Err("variables are nested too deeply".into());
                }
                let word = self.run(Some('}'))?;
                self.depth -= 1;
                let value = self.value(&name).filter(|value| !value.is_empty());
                match modifier {
                    Some('-') => Ok(value.unwrap_or(word)),
                    Some('+') => Ok(if value.is_some() { word } else { String::new() }),
                    _ => Err(format!("unsupported modifier in substitution of {name}")),
                }
            }
            _ => Err("syntax error: missing '}'".into()),
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        let part = |c: &char, first: bool| c.is_ascii_alphabetic() || *c == '_' || (!first && c.is_ascii_digit());
        while self.chars.get(self.at).is_some_and(|c| part(c, self.at == start)) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn value(&self, name: &str) -> Option<String> {
        // The last one counts, as it does for a shell.
        self.env.iter().rev().find_map(|entry| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    }
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
            ("a$1", "a$1"),
            ("é$A", "éa"),
        ] {
            assert_eq!(expand(text, &env), Ok(expanded.into()), "{text}");
        }
        for bad in ["${A", "${", "${A:?x}", "'a", "\"a", "${A:-"] {
            assert!(expand(bad, &env).is_err(), "{bad}");
        }
    }
}
