//! `outcrop events`.

use std::process::ExitCode;

use clap::Args;
use futures_util::StreamExt;

use super::{Failure, Session};
use crate::connect::stream;
use crate::report::template::Template;
use crate::report::value::Value;
use crate::report::{filter, safe};

/// Show what happens, as it happens
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop events
  outcrop events --since 1h --until 0s --filter type=image
  outcrop events --format '{{.Action}} {{.Actor.Attributes.name}}'")]
pub(crate) struct Events {
    /// Only events like this: type=, event=, image=, label=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print with a template, or as JSON: json
    #[arg(long, value_name = "FORMAT", default_value = "")]
    format: String,
    /// Also those since then (10m, 2026-01-31T10:00:00, seconds since 1970)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Events {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let filters = filter::json(&self.filter).map_err(Failure::usage)?;
        let now = jiff::Timestamp::now().as_nanosecond();
        let time = |text: &Option<String>| text.as_deref().map(|text| seconds(text, now)).transpose();
        let (since, until) = (time(&self.since)?, time(&self.until)?);
        let parameters = [("since", since.as_deref()), ("until", until.as_deref()), ("filters", filters.as_deref())];
        let template = match self.format.as_str() {
            "" | "json" => None,
            format => Some(Template::parse(format)?),
        };
        let connection = session.connect().await?;
        let mut chunks = std::pin::pin!(stream(&connection.docker, &filter::query("/events", &parameters)));
        let mut pending = Vec::new();
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                _ = tokio::signal::ctrl_c() => return Err(Failure::silent(130)),
            };
            let Some(chunk) = chunk else { return Ok(ExitCode::SUCCESS) };
            pending.extend_from_slice(&chunk?);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                show(&line, template.as_ref(), self.format == "json")?;
            }
        }
    }
}

/// A moment as the API takes it: seconds since 1970 with nanoseconds.
pub(super) fn seconds(text: &str, now: i128) -> Result<String, Failure> {
    let time = outcrop_engine::filters::parse_time(text, now).map_err(Failure::new)?;
    Ok(format!("{}.{:09}", time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000)))
}

fn show(line: &[u8], template: Option<&Template>, as_json: bool) -> Result<(), Failure> {
    let Ok(event) = serde_json::from_slice::<Value>(line) else { return Ok(()) };
    if as_json {
        safe::print_raw(&String::from_utf8_lossy(line))?;
        return Ok(());
    }
    let text = match template {
        Some(template) => template.fill(&safe::value(fields(event)))?,
        None => described(&event),
    };
    safe::print(&(text + "\n"))?;
    Ok(())
}

/// The event with the names that templates know its fields by.
fn fields(event: Value) -> Value {
    const NAMES: [(&str, &str); 6] = [
        ("status", "Status"),
        ("id", "ID"),
        ("from", "From"),
        ("scope", "Scope"),
        ("time", "Time"),
        ("timeNano", "TimeNano"),
    ];
    let Value::Map(mut members) = event else { return event };
    for (name, _) in &mut members {
        if let Some((_, better)) = NAMES.iter().find(|(known, _)| name == known) {
            *name = (*better).to_owned();
        }
    }
    for (_, name) in NAMES {
        if !members.iter().any(|(known, _)| known == name) {
            members.push((name.to_owned(), Value::from("")));
        }
    }
    Value::Map(members)
}

/// `2026-11-23T18:57:01.186428835Z image tag sha256:… (name=app1:latest)`
fn described(event: &Value) -> String {
    let actor = event.get("Actor").cloned().unwrap_or_default();
    let mut attributes: Vec<_> =
        actor.map("Attributes").iter().map(|(name, value)| format!("{name}={value}")).collect();
    attributes.sort();
    let attributes = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    let time = jiff::Timestamp::from_nanosecond(event.number("timeNano").unwrap_or(0).into())
        .map(|time| {
            jiff::ZonedDateTime::new(time, jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%dT%H:%M:%S.%9f%:z")
                .to_string()
                .replace("+00:00", "Z")
        })
        .unwrap_or_default();
    format!("{time} {} {} {}{attributes}", event.text("Type"), event.text("Action"), actor.text("ID"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_an_event_as_docker() {
        let event = r#"{"Type":"image","Action":"tag","Actor":{"ID":"sha256:ab","Attributes":{"name":"a:1","l":"v"}},"timeNano":1795460221186428835}"#;
        let event: Value = serde_json::from_str(event).expect("is JSON");
        let text = described(&event);
        assert!(text.ends_with(" image tag sha256:ab (l=v, name=a:1)") && text.contains(":01.186428835"), "{text}");
        assert_eq!(seconds("1.5", 0).ok().as_deref(), Some("1.500000000"));
    }
}
