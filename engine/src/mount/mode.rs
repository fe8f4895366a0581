//! The third part of `-v`: words that say how to mount.

use super::MountError;

/// A mode that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// `ro`.
    pub read_only: bool,
    /// `nocopy`: a new volume stays empty.
    pub no_copy: bool,
    /// `z` (shared by containers) or `Z` (this one's alone): an SELinux label for the content.
    pub relabel: Option<char>,
    /// How mounts made later spread, if it was said.
    pub propagation: Option<String>,
}

/// The words for how mounts spread.
pub(super) const PROPAGATION: &[&str] = &["private", "rprivate", "slave", "rslave", "shared", "rshared"];

impl Mode {
    /// Reads a mode: at most one word of each kind, between commas. The empty mode is the default.
    ///
    /// # Errors
    /// `invalid mode: …`, docker's words.
    pub fn parse(text: &str) -> Result<Self, MountError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut mode = Self::default();
        let mut seen = [false; 5];
        for word in text.split(',') {
            let kind = match word {
                "rw" => 0,
                "ro" => {
                    mode.read_only = true;
                    0
                }
                "z" | "Z" => {
                    mode.relabel = word.chars().next();
                    1
                }
                "nocopy" => {
                    mode.no_copy = true;
                    2
                }
                "consistent" | "cached" | "delegated" => 3,
                word if PROPAGATION.contains(&word) => {
                    mode.propagation = Some(word.to_owned());
                    4
                }
                _ => return Err(invalid(text).hint(hint(word))),
            };
            if std::mem::replace(&mut seen[kind], true) {
                return Err(invalid(text).hint(format!("'{word}' is the second word of its kind: keep one")));
            }
        }
        Ok(mode)
    }
}

pub(super) fn invalid(text: &str) -> MountError {
    MountError::new(format!("invalid mode: {text}"))
}

fn hint(word: &str) -> String {
    match word {
        "" => "take out the comma that has nothing beside it".to_owned(),
        "rwz" | "rwZ" | "roz" | "roZ" => format!("put a comma between: {},{}", &word[..2], &word[2..]),
        "readonly" => "write ro".to_owned(),
        "U" => "U is podman's: change the owner inside the container, or with an init container".to_owned(),
        _ => "known words: ro, rw, z, Z, nocopy, private, rprivate, slave, rslave, shared, rshared".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_word_of_each_kind() {
        assert_eq!(Mode::parse(""), Ok(Mode::default()));
        assert_eq!(Mode::parse("rw,cached"), Ok(Mode::default()));
        let mode = Mode::parse("Z,rslave,ro").unwrap();
        assert_eq!((mode.read_only, mode.relabel, mode.propagation.as_deref()), (true, Some('Z'), Some("rslave")));
        assert!(Mode::parse("nocopy").unwrap().no_copy);
    }

    #[test]
    fn refuses_in_dockers_words() {
        for text in [
            "rwz",
            "sw",
            "ro,rw",
            "ro,ro",
            "ro,rshared,rslave",
            "z,Z",
            "U",
            ",",
            "ro,",
            "RO",
            "copy",
            "cached,delegated",
        ] {
            let error = Mode::parse(text).unwrap_err();
            assert_eq!(error.message, format!("invalid mode: {text}"));
            assert!(error.hint.is_some(), "{text}");
        }
        assert_eq!(Mode::parse("rwz").unwrap_err().hint.as_deref(), Some("put a comma between: rw,z"));
    }
}
