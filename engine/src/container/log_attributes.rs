//! What is noted with each line of a log: `--log-opt labels=…`, `env=…`, their regular expressions, and `tag=…`.

use std::collections::BTreeMap;

use super::record::Record;

/// What the options of a log driver ask for, of a container.
///
/// # Errors
/// An expression or a tag that is none: the text for the user.
pub(crate) fn attributes(
    options: &BTreeMap<String, String>,
    record: &Record,
) -> Result<BTreeMap<String, String>, String> {
    let labels = record.config.labels.clone().unwrap_or_default();
    let variables: BTreeMap<String, String> = record
        .config
        .env
        .iter()
        .flatten()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut all = BTreeMap::new();
    for (option, from) in [("labels", &labels), ("env", &variables)] {
        let names = options.get(option).into_iter().flat_map(|names| names.split(','));
        all.extend(
            names.filter_map(|name| from.get_key_value(name)).map(|(name, value)| (name.clone(), value.clone())),
        );
        let Some(pattern) = options.get(&format!("{option}-regex")).filter(|pattern| !pattern.is_empty()) else {
            continue;
        };
        let pattern =
            regex::Regex::new(pattern).map_err(|error| format!("invalid {option}-regex {pattern:?}: {error}"))?;
        let fitting = from.iter().filter(|(name, _)| pattern.is_match(name));
        all.extend(fitting.map(|(name, value)| (name.clone(), value.clone())));
    }
    if let Some(tag) = options.get("tag").filter(|tag| !tag.is_empty()) {
        all.insert("tag".into(), tagged(tag, record)?);
    }
    Ok(all)
}

/// A tag with what stands in double braces filled in.
fn tagged(tag: &str, record: &Record) -> Result<String, String> {
    let image = record.image.trim_start_matches("sha256:");
    let known = [
        (".ID", record.id.get(..12).unwrap_or(&record.id)),
        (".FullID", &record.id),
        (".Name", record.plain_name()),
        (".ImageID", image.get(..12).unwrap_or(image)),
        (".ImageFullID", &record.image),
        (".ImageName", &record.config.image),
        (".DaemonName", "docker"),
    ];
    let (mut out, mut rest) = (String::new(), tag);
    while let Some((before, after)) = rest.split_once("{{") {
        let wrong = || {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            format!("the tag {tag:?} cannot be filled in: in double braces stands one of {}", names.join(", "))
        };
        let (name, behind) = after.split_once("}}").ok_or_else(wrong)?;
        let value = known.iter().find(|(known, _)| *known == name.trim()).ok_or_else(wrong)?.1;
        out.extend([before, value]);
        rest = behind;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted() {
        let mut record =
            Record { name: "/web".into(), image: format!("sha256:{}", "ab".repeat(32)), ..Record::new("x") };
        record.config.labels = Some(BTreeMap::from([("a".into(), "1".into()), ("b.c".into(), "2".into())]));
        record.config.env = Some(vec!["FOO=bar=baz".into(), "ALONE".into()]);
        let of = |options: &[(&str, &str)]| {
            let options = options.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
            attributes(&options, &record)
                .map(|all| all.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>())
        };
        assert_eq!(of(&[("max-size", "1k")]), Ok(vec![]));
        assert_eq!(of(&[("labels", "a,none"), ("env", "FOO,ALONE")]), Ok(vec!["FOO=bar=baz".into(), "a=1".into()]));
        assert_eq!(of(&[("labels-regex", "^b")]), Ok(vec!["b.c=2".into()]));
        assert_eq!(of(&[("tag", "x{{.Name}}/{{ .ImageID }}y")]), Ok(vec!["tag=xweb/ababababababy".into()]));
        for bad in [("env-regex", "("), ("tag", "{{.Nope}}"), ("tag", "{{.Name")] {
            assert!(of(&[bad]).is_err(), "{bad:?}");
        }
    }
}
