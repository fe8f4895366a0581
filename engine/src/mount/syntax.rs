//! A mount written as flags, in both syntaxes.

use super::{Kind, MountSpec, tmpfs};

/// Writes a mount as a short flag (`-v`, `--tmpfs`) and as a long one (`--mount`), each ready for a shell.
///
/// The short form is `None` where it cannot say the same: a path with a colon, a subpath, labels, a driver's options, or a
/// bind without the mounts below it. A bind differs in one thing that no flag tells: `-v` creates a missing folder, `--mount` refuses.
pub fn both_syntaxes(spec: &MountSpec) -> (Option<String>, String) {
    (short(spec), format!("--mount {}", shell_quote(&long(spec))))
}

fn short(spec: &MountSpec) -> Option<String> {
    if spec.source.contains(':') || spec.target.contains(':') || !spec.target.starts_with('/') {
        return None;
    }
    match spec.kind {
        Kind::Tmpfs => {
            let options = tmpfs::words(spec.tmpfs_options.as_ref(), spec.read_only);
            let colon = if options.is_empty() { "" } else { ":" };
            Some(format!("--tmpfs {}", shell_quote(&format!("{}{colon}{options}", spec.target))))
        }
        Kind::Bind if spec.source.starts_with('/') => {
            let options = spec.bind_options.clone().unwrap_or_default();
            if options.non_recursive || options.read_only_non_recursive || options.read_only_force_recursive {
                return None;
            }
            Some(flag(spec, &[&options.propagation]))
        }
        Kind::Volume if !spec.source.starts_with(['/', '.', '~']) => {
            let options = spec.volume_options.clone().unwrap_or_default();
            let driver = options.driver_config.unwrap_or_default();
            let plain = options.subpath.is_empty()
                && options.labels.is_empty()
                && driver.options.is_empty()
                && driver.name.is_empty();
            if !plain
                || spec.source.chars().count() == 1
                || (spec.source.is_empty() && (options.no_copy || spec.read_only))
            {
                return None;
            }
            Some(flag(spec, &[if options.no_copy { "nocopy" } else { "" }]))
        }
        _ => None,
    }
}

fn flag(spec: &MountSpec, more: &[&str]) -> String {
    let words: Vec<&str> = std::iter::once(if spec.read_only { "ro" } else { "" })
        .chain(more.iter().copied())
        .filter(|word| !word.is_empty())
        .collect();
    let mut parts: Vec<&str> = vec![&spec.target];
    if !spec.source.is_empty() {
        parts.insert(0, &spec.source);
    }
    let words = words.join(",");
    if !words.is_empty() {
        parts.push(&words);
    }
    format!("-v {}", shell_quote(&parts.join(":")))
}

fn long(spec: &MountSpec) -> String {
    let mut fields = vec![format!("type={}", spec.kind)];
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            fields.push(format!("{key}={value}"));
        }
    };
    add("src", &spec.source);
    add("dst", &spec.target);
    add("consistency", &spec.consistency);
    if let Some(options) = &spec.bind_options {
        add("bind-propagation", &options.propagation);
        add("bind-recursive", if options.non_recursive { "disabled" } else { "" });
        add("bind-recursive", if options.read_only_non_recursive { "writable" } else { "" });
        add("bind-recursive", if options.read_only_force_recursive { "readonly" } else { "" });
    }
    if let Some(options) = &spec.volume_options {
        add("volume-nocopy", if options.no_copy { "true" } else { "" });
        add("volume-subpath", &options.subpath);
        for (key, value) in &options.labels {
            add("volume-label", &format!("{key}={value}"));
        }
        if let Some(driver) = &options.driver_config {
            add("volume-driver", &driver.name);
            for (key, value) in &driver.options {
                add("volume-opt", &format!("{key}={value}"));
            }
        }
    }
    if let Some(options) = &spec.image_options {
        add("image-subpath", &options.subpath);
    }
    if let Some(options) = &spec.tmpfs_options {
        add("tmpfs-size", &if options.size_bytes == 0 { String::new() } else { options.size_bytes.to_string() });
        add("tmpfs-mode", &if options.mode == 0 { String::new() } else { format!("{:o}", options.mode) });
    }
    if spec.read_only {
        fields.push("readonly".to_owned());
    }
    fields.iter().map(|field| csv_field(field)).collect::<Vec<_>>().join(",")
}

fn csv_field(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        // A reader takes one carriage return before a line end for a part of that.
        format!("\"{}\"", field.replace('"', "\"\"").replace("\r\n", "\r\r\n"))
    } else {
        field.to_owned()
    }
}

/// Quotes a word for a POSIX shell, where it needs it.
pub fn shell_quote(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | ',' | '=' | '@' | '%' | '+');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TmpfsOptions, parse_bind, parse_long};
    use super::*;

    #[test]
    fn says_the_same_twice() {
        let table = [
            ("type=volume,src=data,dst=/d", Some("-v data:/d"), "type=volume,src=data,dst=/d"),
            ("dst=/d", Some("-v /d"), "type=volume,dst=/d"),
            (
                "src=data,dst=/d,ro,volume-nocopy",
                Some("-v data:/d:ro,nocopy"),
                "type=volume,src=data,dst=/d,volume-nocopy=true,readonly",
            ),
            (
                "type=bind,src=/a b,dst=/d,ro,bind-propagation=rslave",
                Some("-v '/a b:/d:ro,rslave'"),
                "'type=bind,src=/a b,dst=/d,bind-propagation=rslave,readonly'",
            ),
            ("type=bind,src=/a:b,dst=/d", None, "type=bind,src=/a:b,dst=/d"),
            (
                "type=bind,src=/a,dst=/d,bind-recursive=disabled",
                None,
                "type=bind,src=/a,dst=/d,bind-recursive=disabled",
            ),
            ("type=bind,\"src=/a,b\",dst=/it's", Some("-v '/a,b:/it'\\''s'"), "'type=bind,\"src=/a,b\",dst=/it'\\''s'"),
            ("src=data,dst=/d,volume-subpath=x", None, "type=volume,src=data,dst=/d,volume-subpath=x"),
            ("src=v,dst=/d", None, "type=volume,src=v,dst=/d"),
            (
                "type=tmpfs,dst=/d,tmpfs-size=1m,tmpfs-mode=700",
                Some("--tmpfs /d:mode=700,size=1m"),
                "type=tmpfs,dst=/d,tmpfs-size=1048576,tmpfs-mode=700",
            ),
            ("type=tmpfs,dst=/d", Some("--tmpfs /d"), "type=tmpfs,dst=/d"),
            ("type=bind,\"src=/a\r\r\nb\",dst=/d", Some("-v '/a\r\nb:/d'"), "'type=bind,\"src=/a\r\r\nb\",dst=/d'"),
            (
                "src=d2,dst=/d,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=b",
                None,
                "type=volume,src=d2,dst=/d,volume-label=a=b,volume-opt=device=tmpfs,volume-opt=type=tmpfs",
            ),
        ];
        for (text, short, long) in table {
            let spec = parse_long(text).unwrap();
            assert_eq!(both_syntaxes(&spec), (short.map(str::to_owned), format!("--mount {long}")), "{text}");
            // What is written can be read again and means the same.
            let again = parse_long(&super::long(&spec)).unwrap();
            assert_eq!(again, spec, "{text}");
        }
    }

    #[test]
    fn the_short_form_makes_the_same_mount() {
        for text in [
            "type=volume,src=data,dst=/d,ro",
            "type=bind,src=/a,dst=/d,ro,bind-propagation=rslave",
            "type=bind,src=/a,dst=/d",
            "src=data,dst=/d,volume-nocopy",
        ] {
            let spec = parse_long(text).unwrap();
            let short = both_syntaxes(&spec).0.unwrap();
            let point = parse_bind(short.strip_prefix("-v ").unwrap(), "").unwrap();
            let long = super::super::point_of(&spec).unwrap();
            assert_eq!(
                (point.kind, point.source, point.name, point.destination),
                (long.kind, long.source, long.name, long.destination)
            );
            assert_eq!(
                (point.rw, point.propagation, point.copy_up),
                (long.rw, long.propagation, long.copy_up),
                "{text}"
            );
        }
    }

    #[test]
    fn quotes_for_shells() {
        for (word, expected) in [
            ("", "''"),
            ("a/b:c", "a/b:c"),
            ("a b", "'a b'"),
            ("$x", "'$x'"),
            ("it's", "'it'\\''s'"),
            ("~/a", "'~/a'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(shell_quote(word), expected);
        }
        let spec = MountSpec { tmpfs_options: Some(TmpfsOptions::default()), ..MountSpec::new(Kind::Tmpfs, "", "/x") };
        assert_eq!(both_syntaxes(&spec).1, "--mount type=tmpfs,dst=/x");
    }
}
