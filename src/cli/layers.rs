//! A line for each layer that is pulled or pushed: written anew on a terminal, one after the other elsewhere.

use std::io::{self, IsTerminal, Write};

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use hyper::Response;
use hyper::body::Incoming;

use super::{Failure, tty};
use crate::connect::into_stream;
use crate::report::value::Value;
use crate::report::{safe, units};

/// The longest line that is read, in bytes.
const LONGEST: usize = 4 << 20;
/// Width of a bar, in characters.
const BAR: usize = 30;

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// Shows the answer to a pull or a push.
pub(super) struct Layers {
    to: Option<Stream>,
    /// On a terminal the lines that can be written anew, the oldest first: what they are about.
    lines: Vec<String>,
    terminal: bool,
    size: (usize, usize),
}

impl Layers {
    /// Shows everything.
    pub(super) fn new(to: Stream) -> Self {
        let terminal = match to {
            Stream::Out => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        };
        let size = tty::size().map_or((24, 80), |(rows, columns)| (rows.into(), columns.into()));
        Self { to: Some(to), lines: Vec::new(), terminal, size }
    }

    /// Shows nothing.
    pub(super) fn silent() -> Self {
        Self { to: None, lines: Vec::new(), terminal: false, size: (24, 80) }
    }

    /// Reads the answer to its end. `what` it answers is for the word when Ctrl-C ends it.
    pub(super) async fn follow(mut self, what: &str, answer: Response<Incoming>) -> Result<(), Failure> {
        let reading = async {
            let mut stream = std::pin::pin!(into_stream(answer));
            let mut text = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                text.extend_from_slice(&chunk?);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    self.line(&text[..end])?;
                    text.advance(end + 1);
                }
                if text.len() > LONGEST {
                    return Err(Failure::new(format!("the engine sends a line of more than {LONGEST} bytes")));
                }
            }
            self.line(&text)
        };
        tokio::select! {
            done = reading => done,
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::with_code(format!("{what} cancelled; the next one goes on where it ended"), 130))
            }
        }
    }

    fn line(&mut self, json: &[u8]) -> Result<(), Failure> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let line: Value = serde_json::from_slice(json)
            .map_err(|error| Failure::new(format!("the engine sends what is no JSON: {error}")))?;
        let error = line.get("errorDetail").map_or("", |detail| detail.text("message"));
        let error = if error.is_empty() { line.text("error") } else { error };
        if !error.is_empty() {
            return Err(Failure::new(error));
        }
        let detail = line.get("progressDetail");
        let number = |name| detail.and_then(|detail| detail.number(name)).unwrap_or(0).max(0) as u64;
        self.step(line.text("id"), line.text("status"), (number("current"), number("total")))?;
        Ok(())
    }

    /// Shows one step: what it is about, what is done, bytes done and in all.
    pub(super) fn step(&mut self, id: &str, status: &str, (current, total): (u64, u64)) -> io::Result<()> {
        if status.is_empty() {
            return Ok(());
        }
        let bar = bar(current, total);
        let shown = match (self.terminal, bar.is_empty()) {
            // Where nothing can be written anew, only what is new is told.
            (false, false) => return Ok(()),
            (false, true) if id.is_empty() => format!("{status}\n"),
            (false, true) => format!("{id}: {status}\n"),
            (true, _) => self.on_terminal(id, &format!("{status}{bar}")),
        };
        self.write(&shown)
    }

    /// Says that something else was written: the lines so far stay as they are.
    pub(super) fn leave(&mut self) {
        self.lines.clear();
    }

    /// A line, and what brings the cursor there and back.
    fn on_terminal(&mut self, id: &str, text: &str) -> String {
        let (rows, columns) = self.size;
        if id.is_empty() {
            self.lines.clear();
            return format!("{}\n", safe::word(text));
        }
        let line: String = safe::word(&format!("{id}: {text}")).chars().take(columns.saturating_sub(1)).collect();
        let Some(at) = self.lines.iter().position(|known| known == id) else {
            self.lines.push(id.to_owned());
            return format!("{line}\n");
        };
        let up = self.lines.len() - at;
        // What has left the screen cannot be written anew.
        if up < rows { format!("\x1b[{up}A\r\x1b[K{line}\r\x1b[{up}B") } else { String::new() }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let write = |out: &mut dyn Write| out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match self.to {
            Some(Stream::Out) => write(&mut io::stdout().lock()),
            // When nobody can be told, the work goes on.
            Some(Stream::Error) => write(&mut io::stderr().lock()).or(Ok(())),
            None => Ok(()),
        }
    }
}

/// ` [=====>    ]  1.2MB/4.8MB`
fn bar(current: u64, total: u64) -> String {
    let size = |bytes: u64| units::short_size(bytes as f64);
    match (current, total) {
        (0, _) => String::new(),
        (_, 0) => format!("  {}", size(current)),
        _ => {
            let done = (BAR as u64).min(current.saturating_mul(BAR as u64) / total) as usize;
            let head = if done < BAR { ">" } else { "" };
            let (full, empty) = ("=".repeat(done), " ".repeat(BAR - done - head.len()));
            format!(" [{full}{head}{empty}]  {}/{}", size(current), size(total))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_tell_the_share() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(1000, 0), "  1kB");
        assert_eq!(bar(500, 1000), " [===============>              ]  500B/1kB");
        assert_eq!(bar(1000, 1000), " [==============================]  1kB/1kB");
        assert_eq!(bar(u64::MAX, 1).len(), bar(u64::MAX - 1, 1).len());
    }

    #[test]
    fn lines_are_written_anew_and_stay_harmless() {
        let mut layers = Layers { to: None, lines: Vec::new(), terminal: true, size: (5, 30) };
        assert_eq!(layers.on_terminal("a", "Waiting"), "a: Waiting\n");
        assert_eq!(layers.on_terminal("b", "\x1b[2J"), "b: \\x1b[2J\n");
        assert_eq!(layers.on_terminal("a", "Done"), "\x1b[2A\r\x1b[Ka: Done\r\x1b[2B");
        for n in 0..5 {
            layers.on_terminal(&n.to_string(), "x");
        }
        assert_eq!(layers.on_terminal("a", "y"), "", "it has left the screen");
        assert_eq!(layers.on_terminal("", &"z".repeat(40)).len(), 41);
        assert!(layers.line(br#"{"errorDetail":{"message":"no"},"error":"no"}"#).is_err_and(|f| f.message() == "no"));
        assert!(layers.line(b"{").is_err());
    }
}
