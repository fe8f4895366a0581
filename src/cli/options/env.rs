//! Environment variables and labels, and the files that list them.

use std::path::{Path, PathBuf};

use super::invalid;
use crate::cli::Failure;

/// Looks a variable of this program's environment up.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables of files, then those of `-e`: later ones win in the engine. A name alone takes the value that `variable` knows.
pub(crate) fn environment(
    given: &[String],
    files: &[PathBuf],
    variable: Variables<'_>,
) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for file in files {
        all.extend(from_file(file, Some(variable))?);
    }
    for text in given {
        if text.is_empty() || text.starts_with('=') {
            return Err(invalid("-e, --env", text, format!("invalid environment variable: {text}")));
        }
        let passed_on = if text.contains('=') { None } else { variable(text) };
        // Without a value the engine takes it for: remove what the image has.
        all.push(passed_on.map_or_else(|| text.clone(), |value| format!("{text}={value}")));
    }
    Ok(all)
}

/// Reads a file of `NAME=VALUE` lines. Of a name alone the value comes from `variable`, and is left out if that has none; without
/// `variable` the name stays as it is.
pub(super) fn from_file(path: &Path, variable: Option<Variables<'_>>) -> Result<Vec<String>, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        let text = error.to_string();
        let why = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
        Failure::new(format!("open {}: {why}", path.display()))
    })?;
    parse_file(&bytes, variable).map_err(|why| Failure::new(format!("invalid env file ({}): {why}", path.display())))
}

fn parse_file(bytes: &[u8], variable: Option<Variables<'_>>) -> Result<Vec<String>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut found = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line =
            std::str::from_utf8(line).map_err(|_| format!("invalid utf8 bytes at line {}", number + 1))?.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.contains(char::is_whitespace) {
            return Err(format!("variable '{name}' contains whitespaces"));
        }
        if name.is_empty() {
            return Err(format!("no variable name on line '{line}'"));
        }
        match variable {
            _ if line.contains('=') => found.push(line.to_owned()),
            Some(variable) => found.extend(variable(name).map(|value| format!("{name}={value}"))),
            None => found.push(name.to_owned()),
        }
    }
    Ok(found)
}

/// Says what is wrong with a label.
pub(super) fn check_label(label: &str) -> Result<(), String> {
    let key = label.split('=').next().unwrap_or_default().trim_start();
    match key {
        _ if key.is_empty() => Err(format!("invalid label '{label}': empty name")),
        _ if key.contains(char::is_whitespace) => {
            Err(format!("label '{}' contains whitespaces", label.split('=').next().unwrap_or_default()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(name: &str) -> Option<String> {
        (name == "SET").then(|| "here".to_owned())
    }

    #[test]
    fn reads_variables() {
        let given: Vec<String> =
            ["a", "env3=abc!qwe", "env_4=value 4", "X=", "1asd", "  some space before", "SET", "a=b=c"]
                .map(str::to_owned)
                .into();
        let read = environment(&given, &[], &outside).expect("good");
        assert_eq!(read[..6], given[..6]);
        assert_eq!(read[6..], ["SET=here", "a=b=c"]);
        for bad in ["=a", "=", ""] {
            let said = environment(&[bad.to_owned()], &[], &outside).unwrap_err();
            assert!(said.message().ends_with(&format!("invalid environment variable: {bad}")), "{said:?}");
        }
    }

    #[test]
    fn reads_files() {
        let parse = |text: &str| parse_file(text.as_bytes(), Some(&outside));
        let text = "foo=bar\n    baz=quux\n# comment\n\n_foobar=foobaz\r\nwith.dots=working\nand_underscore=working too\nSET\nGONE\n";
        let expected =
            ["foo=bar", "baz=quux", "_foobar=foobaz", "with.dots=working", "and_underscore=working too", "SET=here"];
        assert_eq!(parse(text).expect("good"), expected);
        assert_eq!(parse("\u{feff}FOO=BAR").expect("good"), ["FOO=BAR"]);
        assert_eq!(parse("").expect("good"), [""; 0]);
        assert_eq!(parse("f   =quux"), Err("variable 'f   ' contains whitespaces".into()));
        let line = "=blank variable names are an error case";
        assert_eq!(parse(line), Err(format!("no variable name on line '{line}'")));
        assert_eq!(parse_file(b"a=\xff", None), Err("invalid utf8 bytes at line 1".into()));
        assert_eq!(parse_file(b"SET\nx", None).expect("good"), ["SET", "x"]);
        let missing = from_file(Path::new("/nonexistent"), None).unwrap_err();
        assert_eq!(missing.message(), "open /nonexistent: no such file or directory");
    }

    #[test]
    fn checks_labels() {
        for good in
            ["    label=value", "label=a value", "label=      ", "label", "label=", "a=b=c", "k\"q\"={}", "'a'='b'"]
        {
            assert_eq!(check_label(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "invalid label '': empty name"),
            (" = ", "invalid label ' = ': empty name"),
            ("=label", "invalid label '=label': empty name"),
            ("this is a label", "label 'this is a label' contains whitespaces"),
            ("this is a label=value", "label 'this is a label' contains whitespaces"),
        ] {
            assert_eq!(check_label(bad), Err(why.into()));
        }
    }
}
