//! The functions a template may call.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::TemplateError;
use crate::report::value::Value;

const NAMES: [&str; 25] = [
    "json", "join", "split", "title", "upper", "lower", "pad", "truncate", "print", "println", "printf", "len",
    "index", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "slice", "table", "html",
];

/// Whether there is a function `name`.
pub(super) fn known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls `name`. With `titles`, a function that changes its argument gives it back unchanged.
pub(super) fn call(name: &str, arguments: Vec<Value>, titles: bool) -> Result<Value, TemplateError> {
    let wrong = || TemplateError::new(format!("wrong arguments for {name}"));
    if titles && matches!(name, "json" | "join" | "title" | "upper" | "lower" | "truncate" | "split" | "pad") {
        return arguments.into_iter().find(|a| matches!(a, Value::Text(_))).ok_or_else(wrong);
    }
    Ok(match (name, arguments.as_slice()) {
        ("json", [value]) => Value::Text(value.json()),
        ("join", [Value::List(items), Value::Text(by)]) => {
            Value::Text(items.iter().map(ToString::to_string).collect::<Vec<_>>().join(by))
        }
        ("join", [Value::Null, _]) | ("table", [_]) => Value::from(""),
        ("split", [Value::Text(text), Value::Text(by)]) if !by.is_empty() => {
            Value::List(text.split(by.as_str()).map(Value::from).collect())
        }
        ("title", [value]) => {
            let text = value.to_string();
            let mut chars = text.chars();
            Value::Text(chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default())
        }
        ("upper", [value]) => Value::Text(value.to_string().to_uppercase()),
        ("lower", [value]) => Value::Text(value.to_string().to_lowercase()),
        ("html", [value]) => value.clone(),
        ("pad", [Value::Text(text), before, after]) => {
            let spaces = |n: &Value| whole(n).map(|n| " ".repeat(n.min(10_000))).ok_or_else(wrong);
            if text.is_empty() {
                Value::from("")
            } else {
                Value::Text(format!("{}{text}{}", spaces(before)?, spaces(after)?))
            }
        }
        ("truncate", [Value::Text(text), length]) => {
            Value::Text(text.chars().take(whole(length).ok_or_else(wrong)?).collect())
        }
        ("print", values) => Value::Text(values.iter().map(ToString::to_string).collect()),
        ("println", values) => Value::Text(values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") + "\n"),
        ("printf", [Value::Text(format), values @ ..]) => Value::Text(printf(format, values)),
        ("len", [Value::List(items)]) => Value::from(items.len() as i64),
        ("len", [Value::Map(members)]) => Value::from(members.len() as i64),
        ("len", [Value::Text(text)]) => Value::from(text.len() as i64),
        ("len", [Value::Null]) => Value::from(0),
        ("index", [value, keys @ ..]) => index(value, keys)?.clone(),
        ("slice", [Value::Text(text), range @ ..]) => Value::from(part(text, range).ok_or_else(wrong)?),
        ("eq", [first, others @ ..]) if !others.is_empty() => Value::Bool(others.contains(first)),
        ("ne", [a, b]) => Value::Bool(a != b),
        ("lt", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_lt()),
        ("le", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_le()),
        ("gt", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_gt()),
        ("ge", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_ge()),
        ("and", [.., last]) => arguments.iter().find(|a| !a.truth()).unwrap_or(last).clone(),
        ("or", [.., last]) => arguments.iter().find(|a| a.truth()).unwrap_or(last).clone(),
        ("not", [value]) => Value::Bool(!value.truth()),
        _ => return Err(wrong()),
    })
}

fn whole(value: &Value) -> Option<usize> {
    match value {
        Value::Number(number) => number.as_u64().map(|n| n as usize),
        _ => None,
    }
}

fn part<'t>(text: &'t str, range: &[Value]) -> Option<&'t str> {
    match range {
        [] => Some(text),
        [from] => text.get(whole(from)?..),
        [from, to] => text.get(whole(from)?..whole(to)?),
        _ => None,
    }
}

fn index<'v>(value: &'v Value, keys: &[Value]) -> Result<&'v Value, TemplateError> {
    let mut value = value;
    for key in keys {
        value = match (value, key) {
            (Value::List(items), key) => {
                let at = whole(key).ok_or_else(|| TemplateError::new(format!("cannot index a list with {key}")))?;
                items.get(at).ok_or_else(|| TemplateError::new(format!("index out of range: {at}")))?
            }
            // As in Go: what a map does not have is its empty value.
            (Value::Map(_), Value::Text(name)) => value.get(name).unwrap_or(const { &Value::Text(String::new()) }),
            (Value::Null, Value::Text(_)) => const { &Value::Text(String::new()) },
            (other, _) => return Err(TemplateError::new(format!("can't index {other}"))),
        };
    }
    Ok(value)
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The verbs people use: `%s %v %d %q %%`, with a width and `-`.
fn printf(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let spec: String = chars.clone().take_while(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | '+')).collect();
        for _ in spec.chars() {
            chars.next();
        }
        let Some(verb) = chars.next() else { return out + "%!(NOVERB)" };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            let _ = write!(out, "%!{verb}(MISSING)");
            continue;
        };
        let text = if verb == 'q' { value.to_string().escape_debug().to_string() } else { value.to_string() };
        let text = if verb == 'q' { format!("\"{text}\"") } else { text };
        let left = spec.starts_with('-');
        let (width, precision) =
            spec.trim_start_matches(['-', '+']).split_once('.').unwrap_or((spec.trim_start_matches(['-', '+']), ""));
        let text: String = text.chars().take(precision.parse().unwrap_or(usize::MAX)).collect();
        let width = width.parse().unwrap_or(0).min(10_000);
        let _ = if left { write!(out, "{text:<width$}") } else { write!(out, "{text:>width$}") };
    }
    out
}
