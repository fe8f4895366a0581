//! The `-v` grammar, the command line's half: a target alone, or a source, a target and a mode between colons.

use super::{MountError, Place, clean};

/// What docker's command line makes of a `-v` value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Short {
    /// A target alone: an anonymous volume there (a key of `Config.Volumes` in the API).
    Anonymous(String),
    /// Sent as it was written (an element of `HostConfig.Binds`), with a folder of the host as its source.
    Bind(String),
    /// Sent as it was written (an element of `HostConfig.Binds`), with a volume's name as its source.
    Volume(String),
}

impl Short {
    /// Makes a source that starts with a dot absolute, as docker's command line does. `~` is not expanded: shells do that, when it
    /// begins a word.
    #[must_use]
    pub fn absolute(self, place: &Place<'_>) -> Self {
        match self {
            Self::Bind(spec) => match spec.split_once(':') {
                Some((source, rest)) if source.starts_with('.') => {
                    Self::Bind(format!("{}:{rest}", absolute(source, place)))
                }
                _ => Self::Bind(spec),
            },
            other => other,
        }
    }
}

/// Joins a relative path to the working directory, by its text alone.
pub(super) fn absolute(path: &str, place: &Place<'_>) -> String {
    clean(&format!("{}/{path}", place.cwd.to_string_lossy()))
}

/// Reads the value of `-v` as docker's command line does, quirks included: texts of one or two letters are targets, and a single
/// letter before a colon is taken for a drive of Windows, so that `v:/x` is a target of that odd name. Modes pass unread: the engine
/// looks at them.
///
/// # Errors
/// What docker says.
pub fn parse_short(text: &str) -> Result<Short, MountError> {
    match text.len() {
        0 => return Err(MountError::new("invalid empty volume spec").hint("write NAME:/path or /folder:/path")),
        1 | 2 => return Ok(Short::Anonymous(text.to_owned())),
        _ => {}
    }
    let invalid = |why: &str| MountError::new(format!("invalid spec: {text}: {why}"));
    let sections = sections(text);
    if sections.iter().any(|section| section.is_empty()) {
        // The order of the two complaints is docker's: it reads from the left.
        let before = sections.iter().position(|section| section.is_empty()).unwrap_or_default();
        if before < 3 {
            return Err(invalid("empty section between colons")
                .hint("write SOURCE:TARGET or SOURCE:TARGET:MODE, each part filled"));
        }
    }
    if sections.len() > 3 {
        return Err(invalid("too many colons").hint("a path with a colon needs --mount: type=bind,src=PATH,dst=TARGET"));
    }
    Ok(match sections.as_slice() {
        [_] => Short::Anonymous(text.to_owned()),
        [source, ..] if is_path(source) => Short::Bind(text.to_owned()),
        _ => Short::Volume(text.to_owned()),
    })
}

/// Splits at colons, but not at one behind a lone letter: that is a drive.
fn sections(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(':') {
        let section = &text[start..at];
        let mut letters = section.chars();
        let drive = letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none();
        if !drive {
            found.push(section);
            start = at + 1;
        }
    }
    found.push(&text[start..]);
    found
}

/// Whether a source looks like a path of the host to docker's command line.
fn is_path(source: &str) -> bool {
    let mut letters = source.chars();
    match letters.next() {
        Some('.' | '/' | '~') => true,
        Some('\\') => source.starts_with("\\\\"),
        Some(first) => first.is_alphabetic() && letters.next() == Some(':'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn anonymous(text: &str) -> Short {
        Short::Anonymous(text.to_owned())
    }

    #[test]
    fn tells_volumes_from_paths() {
        for target in ["/path", "/a", "a", ":", "::", "a:", "ab", ".", "v:/x", "é:/x", "rel/x", "./a"] {
            assert_eq!(parse_short(target), Ok(anonymous(target)), "{target}");
        }
        for bind in [
            "/h:/t",
            "/h:/t:ro",
            "~/h:/t",
            "~:/t",
            "./h:/t",
            "..:/t",
            "\\\\h:/t",
            "C:\\h:/t",
            "/h:v:/t",
            "/h:/t:ro,,rw",
        ] {
            assert_eq!(parse_short(bind), Ok(Short::Bind(bind.to_owned())), "{bind}");
        }
        for volume in ["vv:/t", "1:/t", "name:/t:bogus", "a/b:/t", " /h:/t", "vv:t", "v:/x:ro:z"] {
            let expected = if volume.starts_with("v:") {
                Short::Bind(volume.to_owned())
            } else {
                Short::Volume(volume.to_owned())
            };
            assert_eq!(parse_short(volume), Ok(expected), "{volume}");
        }
    }

    #[test]
    fn refuses_in_dockers_words() {
        let table = [
            ("", "invalid empty volume spec"),
            ("/h:/t:ro:x", "invalid spec: /h:/t:ro:x: too many colons"),
            (":/t", "invalid spec: :/t: empty section between colons"),
            ("/h::ro", "invalid spec: /h::ro: empty section between colons"),
            ("/h:/t:", "invalid spec: /h:/t:: empty section between colons"),
            ("vv:/t:ro:", "invalid spec: vv:/t:ro:: too many colons"),
            ("vv:", "invalid spec: vv:: empty section between colons"),
        ];
        for (text, expected) in table {
            let error = parse_short(text).unwrap_err();
            assert_eq!(error.message, expected);
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn makes_dotted_sources_absolute() {
        let place = Place { cwd: Path::new("/home/dir"), home: None };
        let table = [
            ("./a:/t:ro", "/home/dir/a:/t:ro"),
            ("..:/t", "/home:/t"),
            (".hidden:/t", "/home/dir/.hidden:/t"),
            ("./a//b/../c/:/t", "/home/dir/a/c:/t"),
            ("~/a:/t", "~/a:/t"),
            ("/a/../b:/t", "/a/../b:/t"),
        ];
        for (text, expected) in table {
            assert_eq!(parse_short(text).unwrap().absolute(&place), Short::Bind(expected.to_owned()));
        }
    }
}
