//! `--filter key=value`, and queries of the API.

use crate::report::value::Value;

/// Puts `--filter` values into the API's form; `None` when there are none.
pub(crate) fn json(filters: &[String]) -> Result<Option<String>, String> {
    let mut by_name: Vec<(String, Value)> = Vec::new();
    for filter in filters {
        let Some((name, value)) = filter.split_once('=') else {
            return Err(format!(
                "invalid argument {filter:?} for \"-f, --filter\" flag: bad format of filter (expected name=value)"
            ));
        };
        let (name, value) = (name.trim().to_lowercase(), Value::from(value.trim()));
        match by_name.iter_mut().find(|(known, _)| *known == name) {
            Some((_, Value::List(values))) => values.push(value),
            _ => by_name.push((name, Value::List(vec![value]))),
        }
    }
    Ok(Some(Value::Map(by_name)).filter(Value::truth).map(|filters| filters.json()))
}

/// A path with a query; parameters without a value are left out.
pub(crate) fn query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':' | b'/') {
                out.push(byte.into());
            } else {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    out
}

/// `1` for a flag that is set.
pub(crate) fn flag(on: bool) -> Option<&'static str> {
    on.then_some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_by_name() {
        let filters = |list: &[&str]| json(&list.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>());
        assert_eq!(filters(&[]), Ok(None));
        assert_eq!(
            filters(&["label=a=b", "Label=c", "until=1h"]),
            Ok(Some(r#"{"label":["a=b","c"],"until":["1h"]}"#.into()))
        );
        assert!(filters(&["x"]).is_err());
    }

    #[test]
    fn encodes_queries() {
        assert_eq!(
            query("/images/json", &[("all", None), ("filters", Some(r#"{"a":["b c"]}"#))]),
            "/images/json?filters=%7B%22a%22:%5B%22b%20c%22%5D%7D"
        );
    }
}
