//! Here-documents: `<<NAME`, `<<-NAME`, `3<<"NAME"`.

use super::expand::{Lexer, Options};

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heredoc {
    /// The line that ends it, and the file name in COPY and ADD.
    pub(crate) name: String,
    /// Its lines.
    pub(crate) content: String,
    /// Whether variables in it are replaced: no part of the name is quoted.
    pub(crate) expand: bool,
    /// Whether tabs at the beginning of lines go (`<<-`).
    pub(crate) chomp: bool,
    /// The file descriptor that is written before it; 0 for none.
    pub(crate) descriptor: u32,
}

impl Heredoc {
    /// The content as it counts: without leading tabs where they go.
    pub(crate) fn text(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }

    /// Whether `word` begins a here-document, and which.
    ///
    /// # Errors
    /// What is wrong with its quotes.
    pub(crate) fn parse(word: &str) -> Result<Option<Self>, String> {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let descriptor = word[..word.len() - rest.len()].parse().unwrap_or(0);
        let Some(rest) = rest.strip_prefix("<<") else { return Ok(None) };
        let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        let rest = rest.trim_start();
        if rest.is_empty() || rest.contains('<') {
            return Ok(None);
        }
        let lexer = |raw| Lexer::new('\\', Options { raw_quotes: raw, raw_escapes: false, keep_unset: true });
        let nothing = |_: &str| None;
        let words = lexer(false).words(rest, &nothing)?;
        let quoted = lexer(true).words(rest, &nothing)?;
        match (&words[..], &quoted[..]) {
            ([name], [quoted]) => {
                Ok(Some(Self { name: name.clone(), content: String::new(), expand: name == quoted, chomp, descriptor }))
            }
            _ => Ok(None),
        }
    }
}

/// The here-documents that a line begins.
///
/// # Errors
/// The word, and what is wrong with it.
pub(crate) fn in_line(text: &str) -> Result<Vec<Heredoc>, (String, String)> {
    let mut found = Vec::new();
    for word in words(text) {
        let parsed = Heredoc::parse(&word).map_err(|why| (word.clone(), why))?;
        found.extend(parsed);
    }
    Ok(found)
}

/// The words of a line with their quotes; blanks after `<<` belong to the word.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                let begins = word.trim_start_matches(|c: char| c.is_ascii_digit()).trim_end();
                if !matches!(begins, "<<" | "<<-") {
                    if !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                    continue;
                }
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        word.push(c);
        if c == '\\' && quote != Some('\'') {
            word.extend(chars.next());
        }
    }
    if !word.trim().is_empty() {
        words.push(word.trim_end().to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (word, name, expand) in [
            ("<<EOF", "EOF", true),
            ("<<-EOF", "EOF", true),
            ("<<'EOF'", "EOF", false),
            ("<<\"a b\"", "a b", false),
            ("<<E\"O\"F", "EOF", false),
            ("<< EOF", "EOF", true),
            ("3<<EOF", "EOF", true),
            ("<<e\\'f", "e'f", true),
            ("<<$X", "$X", true),
        ] {
            let found = Heredoc::parse(word).expect(word).expect(word);
            assert_eq!((found.name.as_str(), found.expand), (name, expand), "{word}");
        }
        for word in ["", "EOF", "<<", "<<-", "<EOF", "<<<EOF", "<<EOF sh", "x<<EOF"] {
            assert_eq!(Heredoc::parse(word), Ok(None), "{word}");
        }
        assert!(Heredoc::parse("<<'EOF").is_err());
        assert_eq!(Heredoc::parse("12<<-X").expect("one").expect("one").descriptor, 12);
    }

    #[test]
    fn lines_begin_several() {
        for (line, names) in [
            ("RUN <<EOF <<EOF2", vec!["EOF", "EOF2"]),
            ("RUN <<  EOF  > foo", vec!["EOF"]),
            ("RUN << -EOF", vec!["-EOF"]),
            ("RUN '<<EOF'", vec![]),
            ("RUN \"<<EOF\"", vec![]),
            ("RUN echo $((1<<2))", vec![]),
            ("COPY <<a.txt <<b.txt /dest/", vec!["a.txt", "b.txt"]),
        ] {
            let found = in_line(line).expect(line);
            assert_eq!(found.iter().map(|heredoc| heredoc.name.as_str()).collect::<Vec<_>>(), names, "{line}");
        }
    }

    #[test]
    fn tabs_go_where_asked() {
        let heredoc = Heredoc::parse("<<-E").expect("one").expect("one");
        assert_eq!(Heredoc { content: "\ta\n\t\tb\n c\n".into(), ..heredoc }.text(), "a\nb\n c\n");
    }
}
