//! Filters of the Docker Engine API: `{"label":["a=b"],"dangling":["true"]}`.

use std::collections::{BTreeMap, BTreeSet};

/// Filters by name. Values of one name are alternatives or must all hold, as each name says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// Says what is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No JSON of either form.
    #[error("invalid filters: {0}")]
    Json(String),
    /// Nobody knows this name here.
    #[error("invalid filter '{0}'")]
    Name(String),
    /// The value cannot be.
    #[error("invalid filter '{name}={values:?}'")]
    Value {
        /// Name of the filter.
        name: String,
        /// Its values.
        values: Vec<String>,
    },
    /// The value cannot be, and why.
    #[error("invalid value for '{name}' filter: {why}")]
    Why {
        /// Name of the filter.
        name: String,
        /// Why.
        why: String,
    },
}

impl Filters {
    /// Parses the query parameter `filters`: lists of values, or (before API 1.22) maps of value to true. Empty is no filter.
    pub fn from_json(text: &str) -> Result<Self, FilterError> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Values {
            List(BTreeSet<String>),
            Map(BTreeMap<String, bool>),
        }
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parsed: BTreeMap<String, Values> =
            serde_json::from_str(text).map_err(|error| FilterError::Json(error.to_string()))?;
        let values = |values| match values {
            Values::List(list) => list,
            Values::Map(map) => map.into_keys().collect(),
        };
        Ok(Self(parsed.into_iter().map(|(name, v)| (name, values(v))).collect()))
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.entry(name.into()).or_default().insert(value.into());
    }

    /// The same with one value more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.add(name, value);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this name is filtered by.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| !values.is_empty())
    }

    /// The values of a name.
    pub fn get(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Refuses names that are not in `accepted`.
    pub fn accept(&self, accepted: &[&str]) -> Result<(), FilterError> {
        match self.0.keys().find(|name| !accepted.contains(&name.as_str())) {
            Some(name) => Err(FilterError::Name(name.clone())),
            None => Ok(()),
        }
    }

    /// Reads a yes or no; `default` when it is not there.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, FilterError> {
        let Some(values) = self.0.get(name) else { return Ok(default) };
        let yes = values.contains("1") || values.contains("true");
        let no = values.contains("0") || values.contains("false");
        if yes == no || values.len() > 1 {
            return Err(FilterError::Value { name: name.into(), values: values.iter().cloned().collect() });
        }
        Ok(yes)
    }

    /// Whether all `key` and `key=value` of `name` are among `labels`; true without such a filter.
    pub fn labels_match(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.get(name).all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
            None => labels.contains_key(wanted),
        })
    }

    /// Whether `value` is one of those asked for; true without such a filter.
    pub fn allows(&self, name: &str, value: &str) -> bool {
        !self.has(name) || self.0[name].contains(value)
    }

    /// Whether `value` begins with one of those asked for; true without such a filter.
    pub fn allows_prefix(&self, name: &str, value: &str) -> bool {
        !self.has(name) || self.get(name).any(|wanted| value.starts_with(wanted))
    }
}

/// Whether a name fits a filter's value, which is a regular expression that may match anywhere, as with Docker; one that is none
/// fits nothing but itself.
pub fn fits(pattern: &str, name: &str) -> bool {
    // What takes more than this is no pattern of names.
    const MOST: usize = 1 << 20;
    let pattern_of = |text| regex::RegexBuilder::new(text).size_limit(MOST).build();
    pattern_of(pattern).map_or(pattern == name, |pattern| pattern.is_match(name))
}

/// Reads a point in time as Docker does: a Go duration back from `now` (`1h30m`), seconds since 1970 with a fraction, or
/// RFC 3339 with parts left out (UTC then). Nanoseconds since 1970.
pub fn parse_time(text: &str, now: i128) -> Result<i128, String> {
    if let Some(back) = parse_duration(text) {
        return Ok(now - back);
    }
    if let Some(seconds) = parse_decimal(text) {
        return Ok(seconds);
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(stamp.as_nanosecond());
    }
    // Without a zone, or with a bare date and `Z`, which RFC 3339 does not have.
    for text in [text, text.strip_suffix('Z').unwrap_or(text)] {
        if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
            let stamp = jiff::tz::TimeZone::UTC.to_timestamp(civil).map_err(|error| error.to_string())?;
            return Ok(stamp.as_nanosecond());
        }
    }
    Err(format!("{text:?} is no time: write 10m, 1h30m, 2026-01-31T10:00:00Z or seconds since 1970"))
}

/// Seconds with up to nine decimals, in nanoseconds.
fn parse_decimal(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(i128::from(whole) * 1_000_000_000 + fraction)
}

/// A Go duration in nanoseconds: numbers with units, at least one.
pub fn parse_duration(text: &str) -> Option<i128> {
    let mut rest = text;
    let mut sum = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let unit = match &after[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        sum += number * unit;
        rest = &after[end..];
    }
    (!text.is_empty()).then_some(sum as i128)
}

/// Go's `path.Match`: `*` and `?` do not match `/`, `[a-z]` and `[^a]` are classes, `\` takes the next as it is.
/// A pattern that is not well formed matches nothing.
pub fn path_match(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Two positions to return to instead of recursion: the last star and where it began to match.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
            continue;
        }
        if n == name.len() && p == pattern.len() {
            return true;
        }
        if n < name.len() && p < pattern.len() {
            match match_one(&pattern[p..], name[n]) {
                One::Yes(used) => {
                    p += used;
                    n += 1;
                    continue;
                }
                One::No => {}
                One::Malformed => return false,
            }
        }
        match star {
            Some((star_at, from)) if from < name.len() && name[from] != '/' => {
                star = Some((star_at, from + 1));
                p = star_at + 1;
                n = from + 1;
            }
            _ => return false,
        }
    }
}

enum One {
    Yes(usize),
    No,
    Malformed,
}

fn match_one(pattern: &[char], c: char) -> One {
    match pattern[0] {
        '?' if c == '/' => One::No,
        '?' => One::Yes(1),
        '[' => match_class(pattern, c),
        '\\' => match pattern.get(1) {
            None => One::Malformed,
            Some(plain) if *plain == c => One::Yes(2),
            Some(_) => One::No,
        },
        plain if plain == c => One::Yes(1),
        _ => One::No,
    }
}

fn match_class(pattern: &[char], c: char) -> One {
    let negated = pattern.get(1) == Some(&'^');
    let mut at = 1 + usize::from(negated);
    let (mut found, mut first) = (false, true);
    let next = |at: &mut usize| -> Option<char> {
        if pattern.get(*at) == Some(&'\\') {
            *at += 1;
        }
        let c = pattern.get(*at).copied()?;
        *at += 1;
        Some(c)
    };
    loop {
        match pattern.get(at) {
            None => return One::Malformed,
            Some(']') if !first => break,
            Some(_) => {}
        }
        first = false;
        let Some(low) = next(&mut at) else { return One::Malformed };
        let mut high = low;
        if pattern.get(at) == Some(&'-') {
            at += 1;
            match next(&mut at) {
                Some(end) => high = end,
                None => return One::Malformed,
            }
        }
        found |= low <= c && c <= high;
    }
    // Go lets a class match a slash only in patterns that no reference has; here it never does.
    if found != negated && c != '/' { One::Yes(at + 1) } else { One::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let list = Filters::from_json(r#"{"label":["a","b=c"]}"#).expect("list");
        let map = Filters::from_json(r#"{"label":{"a":true,"b=c":true}}"#).expect("map");
        assert_eq!(list, map);
        assert_eq!(list.get("label").collect::<Vec<_>>(), ["a", "b=c"]);
        for bad in ["x", "['a']", r#"{"a":"b"}"#, "[1]"] {
            assert!(Filters::from_json(bad).is_err(), "{bad}");
        }
        assert!(Filters::from_json("").expect("none").is_empty());
    }

    #[test]
    fn flags_are_one_clear_word() {
        let flag = |value: &str| Filters::default().with("dangling", value).flag("dangling", true);
        assert_eq!((flag("true"), flag("1"), flag("false"), flag("0")), (Ok(true), Ok(true), Ok(false), Ok(false)));
        assert!(flag("potato").is_err());
        assert_eq!(Filters::default().flag("dangling", true), Ok(true));
        assert!(Filters::default().with("d", "true").with("d", "0").flag("d", true).is_err());
    }

    #[test]
    fn labels_must_all_hold() {
        let labels = BTreeMap::from([("a".into(), "1".into()), ("b".into(), String::new())]);
        for (wanted, fits) in [("a", true), ("a=1", true), ("a=2", false), ("c", false), ("b=", true)] {
            assert_eq!(Filters::default().with("label", wanted).labels_match("label", &labels), fits, "{wanted}");
        }
        assert!(Filters::default().labels_match("label", &labels));
    }

    #[test]
    fn times_are_read_as_docker_writes_them() {
        let now = 1_000_000_000_000_000_000;
        for (text, nanoseconds) in [
            ("10m", now - 600_000_000_000),
            ("1h30m", now - 5_400_000_000_000),
            ("1.5s", now - 1_500_000_000),
            ("1136073600", 1_136_073_600_000_000_000),
            ("1136073600.000000001", 1_136_073_600_000_000_001),
            ("2006-01-01T00:00:00Z", 1_136_073_600_000_000_000),
            ("2006-01-01T01:00:00+01:00", 1_136_073_600_000_000_000),
            ("2006-01-01T00:00:00", 1_136_073_600_000_000_000),
            ("2006-01-01", 1_136_073_600_000_000_000),
        ] {
            assert_eq!(parse_time(text, now), Ok(nanoseconds), "{text}");
        }
        for bad in ["", "yesterday", "10", "1x", "h"].iter().filter(|t| **t != "10") {
            assert!(parse_time(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, name, fits) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a?b", "a/b", false),
            ("[", "a", false),
            ("a[", "ab", false),
            ("*x", "xxx", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(path_match(pattern, name), fits, "{pattern} {name}");
        }
    }
}
