//! Quotes and variables in the words of a Dockerfile, as BuildKit's `frontend/dockerfile/shell` has them.
//!
//! `$name`, `${name}`, `${name:-else}`, `${name:+then}`, `${name:?why}` (each also without the colon, which then counts an empty
//! value as a value), `${name#pattern}`, `##`, `%`, `%%`, `${name/pattern/text}` and `//`.

use super::pattern::{self, Longest};

/// How deep variables may be nested in each other.
const DEEPEST: usize = 40;
/// Longest result, in bytes: a few variables of variables would fill the memory.
const LONGEST: usize = 1 << 20;

/// What stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Quotes stay.
    pub(crate) raw_quotes: bool,
    /// Escape characters stay.
    pub(crate) raw_escapes: bool,
    /// Variables without a value stay, as they were written.
    pub(crate) keep_unset: bool,
}

/// Where values come from.
pub(crate) type Values<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer {
    escape: char,
    options: Options,
}

impl Lexer {
    pub(crate) fn new(escape: char, options: Options) -> Self {
        Self { escape, options }
    }

    /// The text with quotes taken away and values put in.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub(crate) fn word(self, text: &str, values: Values<'_>) -> Result<String, String> {
        self.run(text, values).map(|(word, _)| word)
    }

    /// The same, split at blanks that are in no quotes, those of values too.
    pub(crate) fn words(self, text: &str, values: Values<'_>) -> Result<Vec<String>, String> {
        self.run(text, values).map(|(_, words)| words)
    }

    fn run(self, text: &str, values: Values<'_>) -> Result<(String, Vec<String>), String> {
        let chars: Vec<char> = text.chars().collect();
        let mut expansion = Expansion { lexer: self, chars: &chars, at: 0, values, depth: 0 };
        let out = expansion.until(None, self.options.raw_escapes)?;
        Ok(out.finish())
    }
}

/// What came out: as one text, and as words.
#[derive(Default)]
struct Out {
    text: String,
    words: Vec<String>,
    word: String,
    in_word: bool,
}

impl Out {
    /// A character that separates words if it is a blank.
    fn bare(&mut self, c: char) {
        if !c.is_whitespace() {
            return self.raw(c);
        }
        self.text.push(c);
        if self.in_word {
            self.words.push(std::mem::take(&mut self.word));
            self.in_word = false;
        }
    }

    fn raw(&mut self, c: char) {
        self.text.push(c);
        self.word.push(c);
        self.in_word = true;
    }

    fn quoted(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
        self.in_word = true;
    }

    fn finish(mut self) -> (String, Vec<String>) {
        if self.in_word {
            self.words.push(self.word);
        }
        (self.text, self.words)
    }
}

struct Expansion<'a> {
    lexer: Lexer,
    chars: &'a [char],
    at: usize,
    values: Values<'a>,
    depth: usize,
}

impl Expansion<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    /// Up to `stop`, which is passed, or to the end.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<Out, String> {
        let mut out = Out::default();
        while let Some(c) = self.next() {
            if out.text.len() > LONGEST {
                return Err(format!("the value is longer than {LONGEST} bytes"));
            }
            match c {
                c if Some(c) == stop => return Ok(out),
                '\'' => out.quoted(&self.single_quoted()?),
                '"' => out.quoted(&self.double_quoted()?),
                '$' => {
                    for c in self.dollar()?.chars() {
                        out.bare(c);
                    }
                }
                c if c == self.lexer.escape => {
                    if raw_escapes {
                        out.raw(c);
                    }
                    if let Some(c) = self.next() {
                        out.raw(c);
                    }
                }
                c => out.bare(c),
            }
        }
        match stop {
            None => Ok(out),
            Some('}') => Err("syntax error: missing '}'".into()),
            Some(stop) => Err(format!("unexpected end of statement while looking for matching {stop}")),
        }
    }

    fn single_quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('\'') => break,
                Some(c) => text.push(c),
                None => return Err("unexpected end of statement while looking for matching single-quote".into()),
            }
        }
        Ok(if self.lexer.options.raw_quotes { format!("'{text}'") } else { text })
    }

    fn double_quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => break,
                Some('$') => text.push_str(&self.dollar()?),
                Some(c) if c == self.lexer.escape => {
                    if self.lexer.options.raw_escapes {
                        text.push(c);
                    }
                    match self.next() {
                        None => {
                            return Err("unexpected end of statement while looking for matching double-quote".into());
                        }
                        // Anything else keeps its escape character.
                        Some(next) if matches!(next, '"' | '$') || next == self.lexer.escape => text.push(next),
                        Some(next) if self.lexer.options.raw_escapes => text.push(next),
                        Some(next) => text.extend([c, next]),
                    }
                }
                Some(c) => text.push(c),
                None => return Err("unexpected end of statement while looking for matching double-quote".into()),
            }
        }
        Ok(if self.lexer.options.raw_quotes { format!("\"{text}\"") } else { text })
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Result<String, String> {
        if self.peek() == Some('{') {
            self.at += 1;
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(format!("variables are nested in each other more than {DEEPEST} times"));
            }
            let value = self.braces();
            self.depth -= 1;
            return value;
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".into());
        }
        Ok(match (self.values)(&name) {
            Some(value) => value,
            None if self.lexer.options.keep_unset => format!("${name}"),
            None => String::new(),
        })
    }

    fn braces(&mut self) -> Result<String, String> {
        match self.peek() {
            None => return Err("syntax error: missing '}'".into()),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution".into()),
            _ => {}
        }
        let begin = self.at;
        let name = self.name();
        let value = (self.values)(&name);
        match self.next() {
            _ if name.is_empty() => Err("syntax error: bad substitution".into()),
            Some('}') => Ok(match value {
                None if self.lexer.options.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some(':') => match self.next() {
                Some(modifier @ ('-' | '+' | '?')) => self.choice(modifier, &name, value, true, begin),
                other => Err(unsupported(&format!(":{}", other.map(String::from).unwrap_or_default()))),
            },
            Some(modifier @ ('-' | '+' | '?')) => self.choice(modifier, &name, value, false, begin),
            Some(modifier @ ('#' | '%')) => self.trimmed(modifier, value),
            Some('/') => self.replaced(value),
            Some(other) => Err(unsupported(&other.to_string())),
            None => Err("syntax error: missing '}'".into()),
        }
    }

    /// `-`, `+` and `?`; with a colon before it, an empty value counts as none.
    fn choice(
        &mut self,
        modifier: char,
        name: &str,
        value: Option<String>,
        colon: bool,
        begin: usize,
    ) -> Result<String, String> {
        let word = self.until(Some('}'), false)?.text;
        let is_set = value.is_some();
        let counts = value.filter(|value| !(colon && value.is_empty()));
        if self.lexer.options.keep_unset && !is_set {
            return Ok(format!("${{{}", self.chars[begin..self.at].iter().collect::<String>()));
        }
        match (modifier, counts) {
            ('-', counts) => Ok(counts.unwrap_or(word)),
            ('+', counts) => Ok(counts.map(|_| word).unwrap_or_default()),
            (_, Some(value)) => Ok(value),
            (_, None) if word.is_empty() && is_set => Err(format!("{name}: not allowed to be empty")),
            (_, None) if word.is_empty() => Err(format!("{name}: not allowed to be unset")),
            (_, None) => Err(format!("{name}: {word}")),
        }
    }

    /// `#` and `%` take the shortest match of a pattern away, doubled the longest.
    fn trimmed(&mut self, modifier: char, value: Option<String>) -> Result<String, String> {
        let word = self.until(Some('}'), true)?.text;
        let value = value.unwrap_or_default();
        let (longest, word) = word.strip_prefix(modifier).map_or((Longest::No, &*word), |rest| (Longest::Yes, rest));
        Ok(if modifier == '#' {
            pattern::without_prefix(&value, word, longest)
        } else {
            pattern::without_suffix(&value, word, longest)
        })
    }

    fn replaced(&mut self, value: Option<String>) -> Result<String, String> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let pattern = self.until(Some('/'), true)?.text;
        let text = self.until(Some('}'), true)?.text;
        Ok(pattern::replace(&value.unwrap_or_default(), &pattern, &text, all))
    }

    /// A name, a number, or one of the shell's special parameters.
    fn name(&mut self) -> String {
        let begin = self.at;
        match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                while self.peek().is_some_and(|c| c.is_ascii_digit()) {
                    self.at += 1;
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.at += 1,
            _ => {
                while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    self.at += 1;
                }
            }
        }
        self.chars[begin..self.at].iter().collect()
    }
}

fn unsupported(modifier: &str) -> String {
    format!("unsupported modifier ({modifier}) in substitution")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(name: &str) -> Option<String> {
        match name {
            "A" => Some("a b".into()),
            "P" => Some("/x/y.tar.gz".into()),
            "E" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn words_come_out_as_docker_has_them() {
        let lexer = Lexer::new('\\', Options::default());
        for (text, expanded) in [
            ("x", "x"),
            ("he'll'o \"$A\" '$A'", "hello a b $A"),
            ("\\$A \"\\$A\" \"\\t\" a\\b\\", "$A $A \\t ab"),
            ("$A.$Ab$", "a b.$"),
            ("$1x $@y ${2:-z}", "x y z"),
            ("${A}${B}", "a b"),
            ("${B:-${C:-d}}e", "de"),
            ("${E-x}${E:-y}${B+z}${A:+w}", "yw"),
            ("${A?no}${E?no}", "a b"),
            ("${P#*/}|${P##*/}|${P%.*}|${P%%.*}", "x/y.tar.gz|y.tar.gz|/x/y.tar|/x/y"),
            ("${P/x/z}|${P//./-}|${P/#/}", "/z/y.tar.gz|/x/y-tar-gz|/x/y.tar.gz"),
            ("${P/tar.gz/}", "/x/y."),
            ("é$A", "éa b"),
            ("${B:-\\${A}z}", "${Az}"),
        ] {
            assert_eq!(lexer.word(text, &values), Ok(expanded.to_owned()), "{text}");
        }
        for bad in [
            "'a",
            "\"a",
            "\"a\\",
            "${A",
            "${}",
            "${:-x}",
            "${.}",
            "${A:=x}",
            "${A=x}",
            "${B?}",
            "${E:?why}",
            "${B:?}",
            "${A:#x}",
            "${A//x}",
            "${A/x}",
            "${{A}",
        ] {
            assert!(lexer.word(bad, &values).is_err(), "{bad}");
        }
        assert_eq!(lexer.word("${B:?is needed}", &values), Err("B: is needed".into()));
        let deep = "${B:-".repeat(5000);
        assert!(lexer.word(&deep, &values).expect_err("deep").contains("nested"));
    }

    #[test]
    fn values_are_split_only_outside_of_quotes() {
        let lexer = Lexer::new('\\', Options::default());
        for (text, words) in [
            ("80 $A", vec!["80", "a", "b"]),
            ("\"$A\" x", vec!["a b", "x"]),
            ("x${A}y", vec!["xa", "by"]),
            ("a\\ b \"\"", vec!["a b", ""]),
            ("", vec![]),
        ] {
            assert_eq!(lexer.words(text, &values).expect(text), words, "{text}");
        }
    }

    #[test]
    fn another_escape_character() {
        let lexer = Lexer::new('`', Options::default());
        assert_eq!(lexer.word("C:\\a`$A", &values), Ok("C:\\a$A".into()));
    }
}
