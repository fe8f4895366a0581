//! The names that volumes may have.

use crate::mount::{MountError, quote};

/// The longest name, in bytes: it is a folder's name.
const LONGEST: usize = 255;

/// Checks a volume's name: two or more letters, digits, `_`, `.` and `-`, the first of them a letter or digit.
///
/// # Errors
/// Docker's words for creating a volume of that name.
pub fn check_name(name: &str) -> Result<(), MountError> {
    let error = |why: String| MountError::new(format!("create {name}: {why}"));
    if name.len() <= 1 {
        let hint = if name.is_empty() {
            "name the volume".to_owned()
        } else {
            format!("take a longer name, like {name}{name} or {name}-data")
        };
        return Err(error("volume name is too short, names should be at least two alphanumeric characters".to_owned())
            .hint(hint));
    }
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if !name.as_bytes()[0].is_ascii_alphanumeric() || !name.bytes().all(inner) {
        let why = format!(
            "{} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path",
            quote(name)
        );
        return Err(error(why).hint(hint(name)));
    }
    if name.len() > LONGEST {
        return Err(error(format!("volume name is too long: {} bytes of at most {LONGEST}", name.len()))
            .hint("take a shorter name"));
    }
    Ok(())
}

fn hint(name: &str) -> String {
    if name == "~" || name.starts_with("~/") {
        return format!("the shell expands ~ only where a word begins: write \"$HOME{}\"", &name[1..]);
    }
    if name.starts_with('/') {
        return "for a folder of the host write type=bind, or -v".to_owned();
    }
    if name.contains('/') && !name.contains("..") {
        return format!("for a folder below this one write ./{name}");
    }
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' });
    let safe = letters.collect::<String>().trim_start_matches(['-', '.', '_']).trim_end_matches('-').to_owned();
    if safe.len() > 1 && safe.len() <= LONGEST {
        format!("a name that works: {safe}")
    } else {
        "letters, digits, _ . and - only, a letter or digit first".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_good_names() {
        for name in ["ab", "A1", "1a", "a.b", "a_b", "a-b", "a..", &"a".repeat(255)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn refuses_bad_ones_in_dockers_words() {
        for name in [
            "_a",
            "-a",
            ".a",
            "..",
            "../x",
            "a b",
            "a/b",
            "a:b",
            "a\n",
            "é",
            "volume$",
            "%2e%2e",
            "/abs",
            "~/x",
            "a\u{1b}[31m",
        ] {
            let error = check_name(name).unwrap_err();
            let expected =
                format!("create {name}: {} includes invalid characters for a local volume name, only", quote(name));
            assert!(error.message.starts_with(&expected), "{}", error.message);
            assert!(error.hint.is_some());
        }
        assert_eq!(
            check_name("v").unwrap_err().message,
            "create v: volume name is too short, names should be at least two alphanumeric characters"
        );
        assert!(check_name("").is_err());
        assert!(check_name(&"a".repeat(256)).unwrap_err().message.contains("too long"));
    }

    #[test]
    fn says_what_to_write() {
        for (name, hint) in [
            ("~/x", "\"$HOME/x\""),
            ("a/b", "./a/b"),
            ("my data", "a name that works: my-data"),
            ("_bad", "a name that works: bad"),
            ("../x", "a letter or digit first"),
        ] {
            let said = check_name(name).unwrap_err().hint.unwrap();
            assert!(said.contains(hint), "{said}");
        }
    }
}
