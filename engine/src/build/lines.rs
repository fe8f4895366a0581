//! A Dockerfile's lines: directives, comments, continuations, here-documents.
//!
//! The rules are BuildKit's (`frontend/dockerfile/parser`): a line that ends with the escape character goes on in the next one;
//! comments and empty lines between the two are passed over; directives stand before everything else.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::heredoc::{self, Heredoc};
use super::json;
use super::problem::{Place, Problem, Source};

/// Longest line, in bytes.
const LONGEST_LINE: usize = 65_535;
/// Largest file, in bytes.
const LARGEST: usize = 8 << 20;

/// One instruction as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// First and last line in the file, from 1.
    pub(crate) lines: RangeInclusive<usize>,
    /// Its text in one line, without comments.
    pub(crate) text: String,
    /// The here-documents that follow it.
    pub(crate) heredocs: Vec<Heredoc>,
}

/// A Dockerfile, read but not understood.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) source: Arc<Source>,
    /// The character that escapes: a backslash, or a backtick by directive.
    pub(crate) escape: char,
    /// What `# syntax=` names.
    pub(crate) syntax: Option<String>,
    pub(crate) all: Vec<Line>,
}

impl Line {
    /// The instruction's word, and what follows it.
    pub(crate) fn split(&self) -> (&str, &str) {
        let text = self.text.trim();
        text.split_once(is_blank).map_or((text, ""), |(word, rest)| (word, rest.trim_start_matches(is_blank)))
    }
}

/// What separates words in a Dockerfile.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0b' | '\x0c' | '\r')
}

impl Lines {
    /// Reads a Dockerfile; `name` is for messages.
    pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let empty = Source { name: name.into(), lines: Vec::new() };
        if bytes.len() > LARGEST {
            return Err(Problem::of_file(&empty, format!("has {} bytes, at most {LARGEST} are read", bytes.len())));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].split(|&b| b == b'\n').count();
            Problem::of_file(&empty, format!("line {line} is not UTF-8 text"))
        })?;
        let lines: Vec<String> = text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect();
        let source = Arc::new(Source { name: name.into(), lines });
        if let Some(other) = other_syntax(text) {
            let message = format!(
                "is not a Dockerfile: it names the frontend {other:?} to read it (syntax), and frontends are not fetched"
            );
            return Err(Problem::of_file(&source, message));
        }
        let mut reader = Reader {
            ends_with_newline: text.ends_with('\n'),
            at: 0,
            escape: '\\',
            syntax: None,
            seen: Vec::new(),
            directives: true,
            source: Arc::clone(&source),
        };
        let mut all = Vec::new();
        while let Some(line) = reader.instruction()? {
            all.push(line);
        }
        if all.is_empty() {
            return Err(Problem::of_file(&source, "has no instructions; the first one is FROM"));
        }
        Ok(Self { source, escape: reader.escape, syntax: reader.syntax, all })
    }

    /// Where `line` is.
    pub(crate) fn place(&self, line: &Line) -> Place {
        Place { source: Arc::clone(&self.source), lines: line.lines.clone() }
    }
}

/// The frontend of a file in another language: `//syntax=NAME` at its beginning, or `syntax` of a JSON object.
fn other_syntax(text: &str) -> Option<String> {
    let text = text.trim_start();
    if text.starts_with('{') {
        let object: serde_json::Value = serde_json::from_str(text).ok()?;
        return object["syntax"].as_str().map(str::to_owned);
    }
    let (key, value) = text.lines().next()?.strip_prefix("//")?.split_once('=')?;
    let name = value.split_whitespace().next()?;
    key.trim().eq_ignore_ascii_case("syntax").then(|| name.to_owned())
}

struct Reader {
    source: Arc<Source>,
    ends_with_newline: bool,
    at: usize,
    escape: char,
    syntax: Option<String>,
    seen: Vec<String>,
    /// Whether directives may still come.
    directives: bool,
}

impl Reader {
    fn problem(&self, lines: &RangeInclusive<usize>, word: &str, message: impl Into<String>) -> Problem {
        Problem::at(&self.source, lines, word, message)
    }

    /// The next physical line.
    fn physical(&mut self) -> Result<Option<String>, Problem> {
        let Some(line) = self.source.lines.get(self.at) else { return Ok(None) };
        self.at += 1;
        if line.len() > LONGEST_LINE {
            let message =
                format!("dockerfile line greater than max allowed size of {LONGEST_LINE}: it has {} bytes", line.len());
            return Err(self.problem(&(self.at..=self.at), "", message));
        }
        Ok(Some(line.clone()))
    }

    /// The next instruction with all that belongs to it.
    fn instruction(&mut self) -> Result<Option<Line>, Problem> {
        loop {
            let Some(line) = self.physical()? else { return Ok(None) };
            let begin = self.at;
            let line = line.trim_start();
            if self.directives {
                self.directive(line)?;
            }
            let line = if line.starts_with('#') { "" } else { line };
            let (mut text, mut goes_on) = self.without_continuation(line);
            if !goes_on && text.is_empty() {
                continue;
            }
            while goes_on {
                let Some(line) = self.physical()? else { break };
                if line.trim_start().starts_with('#') || line.trim().is_empty() {
                    continue;
                }
                let (more, again) = self.without_continuation(&line);
                text.push_str(&more);
                goes_on = again;
            }
            if text.trim().is_empty() {
                continue;
            }
            let mut line = Line { lines: begin..=self.at, text, heredocs: Vec::new() };
            self.heredocs(&mut line)?;
            line.lines = begin..=self.at;
            return Ok(Some(line));
        }
    }

    /// Takes the escape character at the end away, and says whether there was one.
    fn without_continuation(&self, line: &str) -> (String, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        let Some(before) = trimmed.strip_suffix(self.escape) else { return (line.to_owned(), false) };
        if before.ends_with(self.escape) { (line.to_owned(), false) } else { (before.to_owned(), true) }
    }

    /// `# key=value` before anything else.
    fn directive(&mut self, line: &str) -> Result<(), Problem> {
        let parsed = line
            .strip_prefix('#')
            .and_then(|rest| rest.split_once('='))
            .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        let is_name = |key: &str| {
            key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let Some((key, value)) = parsed.filter(|(key, value)| is_name(key) && !value.is_empty()) else {
            // A line for the kernel may come before directives.
            self.directives = self.at == 1 && line.starts_with("#!");
            return Ok(());
        };
        if !["syntax", "escape", "check"].contains(&key.as_str()) {
            return Ok(());
        }
        let here = self.at..=self.at;
        if self.seen.contains(&key) {
            return Err(self.problem(&here, &key, format!("only one {key} parser directive can be used")));
        }
        match key.as_str() {
            "escape" => match value.as_str() {
                "\\" => self.escape = '\\',
                "`" => self.escape = '`',
                other => {
                    let message = format!("invalid escape token '{other}' does not match ` or \\");
                    return Err(self.problem(&here, other, message));
                }
            },
            "syntax" => self.syntax = value.split_whitespace().next().map(str::to_owned),
            _ => {}
        }
        self.seen.push(key);
        Ok(())
    }

    /// Reads the here-documents that `line` begins.
    fn heredocs(&mut self, line: &mut Line) -> Result<(), Problem> {
        if !line.text.contains("<<") || !may_have_heredocs(line) {
            return Ok(());
        }
        let begun = heredoc::in_line(&line.text);
        let begun = begun.map_err(|(word, why)| self.problem(&line.lines, &word, why))?;
        for mut heredoc in begun {
            loop {
                let Some(text) = self.physical()? else {
                    let message = format!("unterminated heredoc: no line is {} alone", heredoc.name);
                    return Err(self.problem(&line.lines, &heredoc.name, message));
                };
                let end = if heredoc.chomp { text.trim_start_matches('\t') } else { &text };
                if end == heredoc.name {
                    break;
                }
                heredoc.content.push_str(&text);
                if self.at < self.source.lines.len() || self.ends_with_newline {
                    heredoc.content.push('\n');
                }
            }
            line.heredocs.push(heredoc);
        }
        Ok(())
    }
}

/// Whether the instruction takes here-documents: not in the exec form.
fn may_have_heredocs(line: &Line) -> bool {
    let (mut word, mut rest) = line.split();
    if word.eq_ignore_ascii_case("ONBUILD") {
        (word, rest) = rest.split_once(is_blank).unwrap_or((rest, ""));
    }
    ["ADD", "COPY", "RUN"].iter().any(|known| word.eq_ignore_ascii_case(known))
        && !matches!(json::words(rest), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Vec<String> {
        Lines::read("Dockerfile", file.as_bytes()).expect(file).all.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_joined_and_comments_go() {
        for (file, lines) in [
            ("FROM a\nRUN b\n", vec!["FROM a", "RUN b"]),
            ("\u{feff}FROM a\r\nRUN b \\\r\n  c\r\n", vec!["FROM a", "RUN b   c"]),
            ("  FROM a", vec!["FROM a"]),
            ("FROM a\nRUN b \\\n# comment\n\n   # more\n  c\nCMD d", vec!["FROM a", "RUN b   c", "CMD d"]),
            ("FROM a\nRUN b \\", vec!["FROM a", "RUN b "]),
            ("FROM a\nRUN b \\  \n c", vec!["FROM a", "RUN b  c"]),
            ("FROM a\nRUN b \\\\\nCMD c", vec!["FROM a", "RUN b \\\\", "CMD c"]),
            ("# escape=`\nFROM a\nRUN b `\n c\\\n", vec!["FROM a", "RUN b  c\\"]),
            ("#escape=`\n#escape = \\ no\nFROM a", vec![]),
            ("# comment\n# escape=`\nFROM a\nRUN b \\\n c", vec!["FROM a", "RUN b  c"]),
            ("FROM a\nRUN b # no comment", vec!["FROM a", "RUN b # no comment"]),
        ] {
            if lines.is_empty() {
                assert!(Lines::read("Dockerfile", file.as_bytes()).is_err(), "{file}");
            } else {
                assert_eq!(texts(file), lines, "{file}");
            }
        }
    }

    #[test]
    fn directives_come_first() {
        let read = |file: &str| Lines::read("f", file.as_bytes()).expect(file);
        assert_eq!(
            read("#!/bin/sh\n# SYNTAX = docker/dockerfile:1 // x\nFROM a").syntax.as_deref(),
            Some("docker/dockerfile:1")
        );
        assert_eq!(read("#!/bin/sh\n\n# syntax = a\nFROM a").syntax, None);
        assert_eq!(read("# other=1\n# escape=`\nFROM a").escape, '`');
        assert_eq!(read("FROM a\n# escape=`").escape, '\\');
        assert_eq!(read("# EScape=\\\n# KEY = FOO bar\nFROM a").escape, '\\');
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let long = format!("FROM a\nLABEL b={}", "c".repeat(65_536));
        for (file, said) in [
            ("", "has no instructions"),
            ("# only\n\n  # comments", "has no instructions"),
            ("FROM a\nRUN \u{e9}\n", ""),
            ("//syntax=foo\n//key=value", "it names the frontend \"foo\""),
            ("{\"syntax\": \"foo\", \"bar\": [\"abc\"]}", "it names the frontend \"foo\""),
            ("// no syntax\nFROM a", ""),
            ("# escape=x\nFROM a", "f:1: invalid escape token 'x'"),
            ("# escape=`\n# escape=`\nFROM a", "f:2: only one escape"),
            (
                "FROM a\nRUN <<EOF\nb\n",
                "f:2: unterminated heredoc: no line is EOF alone\n  2 | RUN <<EOF\n    |       ^^^",
            ),
            (&long, "f:2: dockerfile line greater than max allowed size of 65535"),
        ] {
            match Lines::read("f", file.as_bytes()) {
                Ok(_) => assert_eq!(said, "", "{file}"),
                Err(problem) => assert!(!said.is_empty() && problem.to_string().contains(said), "{problem}"),
            }
        }
        assert!(
            Lines::read("f", b"FROM a\nRUN \xff").expect_err("no text").to_string().contains("line 2 is not UTF-8")
        );
    }

    #[test]
    fn heredocs_follow_their_line() {
        let file =
            "FROM a\nRUN <<A <<-\tB x\n a\\\nA\n\tb\n\tB\nCOPY [\"<<C\", \"d\"]\nENV <<D=1\nONBUILD RUN <<E\ne\nE\n";
        let lines = Lines::read("f", file.as_bytes()).expect("a Dockerfile").all;
        let docs =
            |n: usize| lines[n].heredocs.iter().map(|h| (h.name.as_str(), h.content.as_str())).collect::<Vec<_>>();
        assert_eq!(docs(1), [("A", " a\\\n"), ("B", "\tb\n")]);
        assert_eq!(lines[1].lines, 2..=6);
        assert_eq!((docs(2), docs(3)), (vec![], vec![]));
        assert_eq!(docs(4), [("E", "e\n")]);
    }
}
