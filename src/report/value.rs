//! A JSON value that keeps the order of its keys, so that `inspect` prints what the engine sent.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Any JSON value; objects keep their order.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) enum Value {
    /// `null`, and what a template finds where nothing is.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number or a fraction.
    Number(serde_json::Number),
    /// Text.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object, in the order it was written.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The member `key` of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text at `key`, empty when it is not there.
    pub(crate) fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Self::Text(text)) => text,
            _ => "",
        }
    }

    /// The whole number at `key`.
    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        match self.get(key) {
            Some(Self::Number(number)) => number.as_i64(),
            _ => None,
        }
    }

    /// The array at `key`, empty when it is not there.
    pub(crate) fn list(&self, key: &str) -> &[Self] {
        match self.get(key) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }

    /// The object at `key`, empty when it is not there.
    pub(crate) fn map(&self, key: &str) -> &[(String, Self)] {
        match self.get(key) {
            Some(Self::Map(members)) => members,
            _ => &[],
        }
    }

    /// Whether the member `key` is true.
    pub(crate) fn is(&self, key: &str) -> bool {
        self.get(key) == Some(&Self::Bool(true))
    }

    /// The names of an object's members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let members = match self {
            Self::Map(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(name, _)| name.as_str())
    }

    /// The value that `path` leads to, names with dots between them; null where there is none.
    pub(crate) fn at(&self, path: &str) -> &Self {
        path.split('.').try_fold(self, |value, key| value.get(key)).unwrap_or(&Self::Null)
    }

    /// The number that `path` leads to; zero where there is none.
    pub(crate) fn float(&self, path: &str) -> f64 {
        match self.at(path) {
            Self::Number(number) => number.as_f64().unwrap_or(0.0),
            _ => 0.0,
        }
    }

    /// What Go's templates take for true: not null, false, zero or empty.
    pub(crate) fn truth(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(yes) => *yes,
            Self::Number(number) => number.as_f64() != Some(0.0),
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(members) => !members.is_empty(),
        }
    }

    /// JSON on one line.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// An object of `members`.
    pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Self {
        Self::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

/// As Go's `fmt` prints a value: `[a b]`, `map[k:v]` with sorted keys, `<no value>`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<no value>"),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { " " })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Map(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                f.write_str("map[")?;
                for (i, (name, value)) in sorted.into_iter().enumerate() {
                    write!(f, "{}{name}:{value}", if i == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_prints_as_go() {
        let text = r#"{"z":1,"a":[true,null,"x"],"m":{"k":1.5,"b":"c"}}"#;
        let value: Value = serde_json::from_str(text).expect("is JSON");
        assert_eq!(value.json(), text);
        assert_eq!(value.to_string(), "map[a:[true <no value> x] m:map[b:c k:1.5] z:1]");
        assert_eq!(value.number("z"), Some(1));
    }
}
