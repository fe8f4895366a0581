//! `GET /containers/{id}/logs`.

use std::io::Write;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::super::error::ApiError;
use super::super::hijack::Framing;
use super::super::query::Params;
use super::super::version::Asked;
use super::super::{Api, body};
use crate::container::{LogLine, LogOptions};
use crate::filters::parse_time;

fn options(params: &Params) -> Result<LogOptions, ApiError> {
    let now = jiff::Timestamp::now().as_nanosecond();
    let time = |name: &str| {
        let text = params.some(name).filter(|text| text != "0");
        text.map(|text| parse_time(&text, now)).transpose().map_err(ApiError::invalid)
    };
    let options = LogOptions {
        stdout: params.on("stdout"),
        stderr: params.on("stderr"),
        follow: params.on("follow"),
        since: time("since")?,
        until: time("until")?,
        // As Docker: what is no number asks for all.
        tail: params.text("tail").parse().ok(),
    };
    if !options.stdout && !options.stderr {
        return Err(ApiError::invalid("Bad parameters: you must choose at least one stream"));
    }
    Ok(options)
}

/// `GET /containers/{id}/logs`.
pub(super) async fn logs(
    State(api): State<Api>,
    Extension(Asked(asked)): Extension<Asked>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let options = options(&params)?;
    let (timestamps, details) = (params.on("timestamps"), params.on("details"));
    let record = api.containers(move |containers| containers.log_record(&id)).await?;
    let framing = Framing::of(record.config.tty);
    let containers = api.engine.containers();
    let body = body::stream(&api.work, move |mut out, cancel| {
        let done = containers.logs(&record.id, &options, cancel, &mut |line| {
            let sent = out.write_all(&framing.wrap(line.stream, shown(&line, timestamps, details).as_bytes()));
            sent.and_then(|()| if options.follow { out.flush() } else { Ok(()) }).is_ok()
        });
        match done {
            Ok(()) => drop(out.flush()),
            Err(error) => out.abort(&error),
        }
    });
    Ok(([(CONTENT_TYPE, framing.media_type(asked))], body).into_response())
}

/// A line as it is sent: its time first, with nine digits after the point, and what is noted with it.
fn shown(line: &LogLine, timestamps: bool, details: bool) -> String {
    let time = match line.time.parse::<jiff::Timestamp>() {
        _ if !timestamps => String::new(),
        Ok(time) => format!("{time:.9} "),
        Err(_) => format!("{} ", line.time),
    };
    let noted: Vec<String> =
        line.attributes.iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value))).collect();
    let place = if details { " " } else { "" };
    let noted = if details { noted.join(",") } else { String::new() };
    format!("{time}{noted}{place}{}", line.text)
}

/// A text as in a query of a URL, which is how Docker keeps commas and blanks apart from it.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let digit = |four: u8| char::from(b"0123456789ABCDEF"[usize::from(four)]);
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            _ if plain(byte) => out.push(char::from(byte)),
            _ => out.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    out
}
