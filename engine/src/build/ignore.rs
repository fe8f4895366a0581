//! `.dockerignore`: what of a folder is no part of the build context (the rules of moby's `patternmatcher`).
//!
//! Patterns count from the folder, the last one that matches wins, `!` takes files in again, and what is said of a directory is
//! said of all below it.

use super::glob::{Glob, PatternError};

/// The patterns of one file.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    /// Whether it takes files in again.
    exclusion: bool,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// `**name`: the end of a path.
    Suffix(String),
    Glob(Glob),
}

/// Says which pattern cannot be used, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} (pattern {number}): {why}")]
pub struct IgnoreError {
    /// The pattern.
    pub pattern: String,
    /// Which one, from 1; comments and empty lines do not count.
    pub number: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The patterns that a `.dockerignore` file has, cleaned.
pub fn read(content: &str) -> Vec<String> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let pattern = |line: &str| {
        let line = line.trim();
        let (not, path) = line.strip_prefix('!').map_or(("", line), |rest| ("!", rest.trim()));
        let path = if path.is_empty() { String::new() } else { clean(path) };
        let path = path.strip_prefix('/').filter(|rest| !rest.is_empty()).map_or(path.clone(), str::to_owned);
        format!("{not}{path}")
    };
    content.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(pattern).collect()
}

impl Ignore {
    /// Reads patterns, one each.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self, IgnoreError> {
        let mut all = Vec::new();
        let texts = patterns.into_iter().map(|text| text.as_ref().trim().to_owned()).filter(|text| !text.is_empty());
        for (number, text) in texts.enumerate() {
            let wrong = |why| IgnoreError { pattern: text.clone(), number: number + 1, why };
            let (exclusion, path) = text.strip_prefix('!').map_or((false, &*text), |rest| (true, rest));
            if path.is_empty() {
                return Err(wrong("an exclamation mark needs a path after it"));
            }
            let path = clean(path);
            let kind = kind(&path).map_err(|PatternError| wrong("syntax error in pattern"))?;
            all.push(Pattern { text: path, exclusion, kind });
        }
        Ok(Self { patterns: all })
    }

    /// Whether there is any pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `path` (from the folder, with `/`) is left out.
    pub fn leaves_out(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let parents: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        let mut out = false;
        for pattern in &self.patterns {
            // One that would change nothing is not looked at.
            if pattern.exclusion == out
                && (pattern.matches(path) || parents.iter().any(|parent| pattern.matches(parent)))
            {
                out = !pattern.exclusion;
            }
        }
        out
    }

    /// Whether something below the directory `path`, which is left out, may be taken in again.
    pub fn may_take_in_below(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.patterns.iter().any(|pattern| pattern.exclusion && format!("{}/", pattern.text).starts_with(&below))
    }

    /// Takes these paths in, whatever was said before.
    pub fn keep(&mut self, paths: &[&str]) -> Result<(), IgnoreError> {
        for path in paths.iter().filter(|path| self.leaves_out(path)).map(|path| format!("!{path}")).collect::<Vec<_>>()
        {
            self.patterns.extend(Self::new([path])?.patterns);
        }
        Ok(())
    }
}

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Suffix(end) => path.ends_with(end.as_str()) || end.strip_prefix('/') == Some(path),
            Kind::Glob(glob) => glob.matches(path),
        }
    }
}

fn kind(path: &str) -> Result<Kind, PatternError> {
    // What Go's matcher would not take is refused, although the two read patterns differently.
    let plain = Glob::plain(path)?;
    if plain.has_backward_range() {
        return Err(PatternError);
    }
    let special = |text: &str| text.contains(['*', '?', '[', ']', '\\']);
    match path.strip_prefix("**") {
        Some(end) if !special(end) => Ok(Kind::Suffix(end.into())),
        _ => Glob::deep(path).map(Kind::Glob),
    }
}

/// Go's `filepath.Clean`: no `.` and `..` parts, no slash twice or at the end.
pub(crate) fn clean(path: &str) -> String {
    let root = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if root => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (root, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_match_wins() {
        for (patterns, path, out) in [
            (&["*.log"][..], "a.log", true),
            (&["*.log"], "b/a.log", false),
            (&["**/*.log"], "b/a.log", true),
            (&["**/*.log"], "a.log", true),
            (&["docs"], "docs/a/b", true),
            (&["docs/"], "docs/a", true),
            (&["docs", "!docs/README.md"], "docs/README.md", false),
            (&["docs", "!docs/README.md"], "docs/a", true),
            (&["!a", "*"], "a", true),
            (&["**", "!util/web", "util/web/foo"], "util/web/foo", true),
            (&["**", "!util/web", "util/web/foo"], "util/web/bar", false),
            (&["**file"], "afile", true),
            (&["**/file"], "afile", false),
            (&["**/dir"], "x/dir/y", true),
            (&["a/**/b"], "a/b", true),
            (&["*"], "a/b", true),
            (&["a*/b"], "a/c/b", false),
            (&["a(b)c"], "a(b)c", true),
            (&["a\\*b"], "a*b", true),
            (&["a\\*b"], "axb", false),
            (&["./a/../b"], "b", true),
            (&["/a"], "a", false),
            (&[], "a", false),
        ] {
            assert_eq!(Ignore::new(patterns).expect("patterns").leaves_out(path), out, "{patterns:?} {path}");
        }
        for bad in ["!", "[", "a[", "[]a]", "[x-]", "\\", "[z-a]/"] {
            assert!(Ignore::new([bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_read_as_docker_reads_them() {
        let file = "\u{feff}one\n/two\n # three\n#four\n\n  a//b/./c/  \n! /d\n!\n..\n/\n";
        assert_eq!(read(file), ["one", "two", "# three", "a/b/c", "!d", "!", "..", "/"]);
    }

    #[test]
    fn what_is_needed_stays() {
        let mut ignore = Ignore::new(["*", "!src"]).expect("patterns");
        assert!(ignore.leaves_out("Dockerfile"));
        ignore.keep(&["Dockerfile", ".dockerignore"]).expect("keeps");
        assert!(!ignore.leaves_out("Dockerfile") && ignore.leaves_out("other"));
        let ignore = Ignore::new(["a", "!a/b/c"]).expect("patterns");
        assert!(ignore.may_take_in_below("a") && ignore.may_take_in_below("a/b") && !ignore.may_take_in_below("a/x"));
    }
}
