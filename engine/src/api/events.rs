//! `/events`: what happened and what happens, one JSON document a line.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::Api;
use super::error::{ApiError, JSON};
use super::query::Params;
use crate::events::{Event, Subscription};
use crate::filters::{Filters, parse_time};

const FILTERS: [&str; 14] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "service",
    "secret",
    "type",
    "volume",
];

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "Type")]
    kind: &'a str,
    #[serde(rename = "Action")]
    action: &'a str,
    #[serde(rename = "Actor")]
    actor: Actor<'a>,
    scope: &'static str,
    time: i64,
    #[serde(rename = "timeNano")]
    time_nano: i64,
}

#[derive(Serialize)]
struct Actor<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Attributes")]
    attributes: &'a BTreeMap<String, String>,
}

fn line(event: &Event) -> Option<Bytes> {
    // The first two are older names of what follows, for images and containers only.
    let old = matches!(event.kind.as_str(), "image" | "container");
    let message = Message {
        status: old.then_some(event.action.as_str()),
        id: old.then_some(event.id.as_str()),
        kind: &event.kind,
        action: &event.action,
        actor: Actor { id: &event.id, attributes: &event.attributes },
        scope: "local",
        time: event.time_nano.div_euclid(1_000_000_000),
        time_nano: event.time_nano,
    };
    let mut bytes = serde_json::to_vec(&message).ok()?;
    bytes.push(b'\n');
    Some(bytes.into())
}

/// Whether `filters` let the event through.
fn wanted(filters: &Filters, event: &Event) -> bool {
    let named = |kind: &str| {
        // An image is that of a container's events, too.
        let (attribute, of_kind) = match kind {
            "image" if event.kind != "image" => ("image", event.attributes.contains_key("image")),
            _ => ("name", event.kind == kind),
        };
        let name = event.attributes.get(attribute).map_or("", String::as_str);
        !filters.has(kind)
            || of_kind
                && filters.get(kind).any(|wanted| {
                    let bare = |text: &str| {
                        text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map(|(n, _)| n.to_owned())
                    };
                    wanted == event.id
                        || wanted == name
                        || bare(name).as_deref() == Some(wanted)
                        || event.id.starts_with(wanted)
                        || (kind == "container" && name.starts_with(wanted))
                })
    };
    // What follows a colon (a command, a state) may be left out of these.
    let long = ["exec_create", "exec_start", "health_status"];
    let action = if filters.get("event").any(|wanted| long.contains(&wanted)) {
        filters.allows_prefix("event", &event.action)
    } else {
        filters.allows("event", &event.action)
    };
    action
        && filters.allows("type", &event.kind)
        && filters.allows("scope", "local")
        && filters.labels_match("label", &event.attributes)
        && ["config", "container", "daemon", "image", "network", "node", "plugin", "service", "secret", "volume"]
            .into_iter()
            .all(named)
}

/// `GET /events`.
pub(super) async fn events(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let filters = params.filters(&FILTERS)?;
    let now = jiff::Timestamp::now().as_nanosecond();
    let time = |name: &str| params.some(name).map(|text| parse_time(&text, now)).transpose().map_err(ApiError::invalid);
    let (since, until) = (time("since")?, time("until")?);
    let nanoseconds = |time: i128| i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX });
    let (since, until) = (since.map(nanoseconds), until.map(nanoseconds));
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        return Err(ApiError::invalid("`since` time cannot be after `until` time"));
    }
    let engine = api.engine.clone();
    let subscription = tokio::task::spawn_blocking(move || engine.events().subscribe(since)).await;
    let subscription =
        subscription.map_err(|error| ApiError::panicked(&error))?.map_err(|error| ApiError::internal(&error))?;
    let (lines, receiver) = mpsc::channel(64);
    let stopped = api.stopped();
    tokio::spawn(follow(subscription, filters, until, stopped, lines));
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, Infallible>)));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(response)
}

async fn follow(
    subscription: Subscription,
    filters: Filters,
    until: Option<i64>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
    lines: mpsc::Sender<Bytes>,
) {
    let Subscription { past, mut live } = subscription;
    let fits = |event: &Event| until.is_none_or(|until| event.time_nano <= until) && wanted(&filters, event);
    for line in past.iter().filter(|event| fits(event)).filter_map(line) {
        if lines.send(line).await.is_err() {
            return;
        }
    }
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    let left = until.map(|until| Duration::from_nanos(until.saturating_sub(now).max(0) as u64));
    let end = async {
        match left {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        let event = tokio::select! {
            biased;
            event = live.recv() => event,
            () = &mut end => return,
            _ = stopped.wait_for(|stop| *stop) => return,
            () = lines.closed() => return,
        };
        match event {
            Ok(event) => {
                if let Some(line) = Some(event).filter(&fits).as_ref().and_then(line)
                    && lines.send(line).await.is_err()
                {
                    return;
                }
            }
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "a reader of events is too slow"),
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_as_docker() {
        let event = Event {
            kind: "image".into(),
            action: "tag".into(),
            id: "sha256:abc".into(),
            attributes: BTreeMap::from([("name".into(), "app:1".into()), ("l".into(), "v".into())]),
            time_nano: 1_500_000_000,
        };
        for (name, value, fits) in [
            ("type", "image", true),
            ("type", "volume", false),
            ("event", "tag", true),
            ("image", "app:1", true),
            ("image", "app", true),
            ("image", "other", false),
            ("container", "app", false),
            ("label", "l=v", true),
            ("label", "x", false),
        ] {
            assert_eq!(wanted(&Filters::default().with(name, value), &event), fits, "{name}={value}");
        }
        let exec = Event {
            kind: "container".into(),
            action: "exec_create: sh -c x".into(),
            id: "abc".into(),
            attributes: BTreeMap::from([("name".into(), "web".into()), ("image".into(), "app:1".into())]),
            time_nano: 1,
        };
        for (name, value, fits) in [
            ("event", "exec_create", true),
            ("event", "exec", false),
            ("image", "app:1", true),
            ("image", "app", true),
            ("image", "web", false),
            ("container", "we", true),
        ] {
            assert_eq!(wanted(&Filters::default().with(name, value), &exec), fits, "{name}={value}");
        }
        let text = String::from_utf8(line(&event).expect("a line").to_vec()).expect("is text");
        let want = r#"{"status":"tag","id":"sha256:abc","Type":"image","Action":"tag","Actor":{"ID":"sha256:abc","Attributes":{"l":"v","name":"app:1"}},"scope":"local","time":1,"timeNano":1500000000}"#;
        assert_eq!(text.trim_end(), want);
    }
}
