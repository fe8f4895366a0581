//! `outcrop logs`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use futures_util::StreamExt;
use hyper::Method;

use super::each::of_container;
use super::events::seconds;
use super::streams::Frames;
use super::{Failure, Session};
use crate::connect::{Payload, into_stream};
use crate::report::{filter, safe};

/// Show what a container has written to its output and errors
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop logs -f web
  outcrop logs --tail 20 --since 10m -t web")]
pub(crate) struct Logs {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Attributes that log options chose
    #[arg(long)]
    details: bool,
    /// Go on as more comes
    #[arg(short, long)]
    follow: bool,
    /// Only from then on (10m, 2026-01-31T10:00:00, seconds since 1970)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all", allow_hyphen_values = true)]
    tail: String,
    /// The time before each line
    #[arg(short, long)]
    timestamps: bool,
    /// Only until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Logs {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let now = jiff::Timestamp::now().as_nanosecond();
        let time = |name: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| (text, seconds(text, now)));
            read.map(|(text, time)| {
                time.map_err(|_| {
                    let why = "failed to parse value as time or duration";
                    Failure::new(format!("invalid value for {name:?}: {why}: {text:?}\nWrite 10m, 1h30m, 2026-01-31T10:00:00Z or seconds since 1970."))
                })
            })
            .transpose()
        };
        let (since, until) = (time("since", &self.since)?, time("until", &self.until)?);
        let container = of_container(&self.container)?;
        let connection = session.connect().await?;
        let about = connection.get(&format!("{container}/json")).await?;
        let terminal = about.get("Config").is_some_and(|config| config.is("Tty"));
        let parameters = [
            ("stdout", Some("1")),
            ("stderr", Some("1")),
            ("follow", filter::flag(self.follow)),
            ("details", filter::flag(self.details)),
            ("timestamps", filter::flag(self.timestamps)),
            ("since", since.as_deref()),
            ("until", until.as_deref()),
            ("tail", Some(self.tail.as_str())),
        ];
        let path = filter::query(&format!("{container}/logs"), &parameters);
        let answer = connection.request(Method::GET, &path, Payload::None).await?;
        let mut chunks = std::pin::pin!(into_stream(answer));
        let (mut frames, mut printer) = (Frames::default(), Printer::default());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            let mut print = |stream: u8, bytes: &[u8]| printer.print(stream, bytes);
            if terminal { print(1, &chunk)? } else { frames.feed(&chunk, &mut print)? }
        }
        printer.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints logs. Where a terminal shows them, whole lines at a time, with nothing but colours left of what could command it.
#[derive(Default)]
struct Printer {
    /// The beginnings of lines of both streams.
    pending: [Vec<u8>; 2],
}

/// The longest line that is waited for, in bytes.
const LONGEST: usize = 1 << 20;

impl Printer {
    fn print(&mut self, stream: u8, bytes: &[u8]) -> io::Result<()> {
        if !safe::shown_on_terminal(stream) {
            return write(stream, bytes);
        }
        let pending = &mut self.pending[usize::from(stream) - 1];
        pending.extend_from_slice(bytes);
        let end = match pending.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if pending.len() > LONGEST => pending.len(),
            None => return Ok(()),
        };
        let lines: Vec<u8> = pending.drain(..end).collect();
        write(stream, safe::coloured(&String::from_utf8_lossy(&lines)).as_bytes())
    }

    fn finish(self) -> io::Result<()> {
        for (rest, stream) in self.pending.iter().zip([1, 2]) {
            write(stream, safe::coloured(&String::from_utf8_lossy(rest)).as_bytes())?;
        }
        Ok(())
    }
}

fn write(stream: u8, bytes: &[u8]) -> io::Result<()> {
    fn all(mut out: impl Write, bytes: &[u8]) -> io::Result<()> {
        out.write_all(bytes)?;
        out.flush()
    }
    if stream == 2 { all(io::stderr().lock(), bytes) } else { all(io::stdout().lock(), bytes) }
}
