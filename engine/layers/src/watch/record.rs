//! Recordings of a watch: JSON, an update a line, after a line that says what it is.

use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};

use super::error::WatchError;
use super::overlay::Update;

/// The version that is written, and the highest that is read.
const VERSION: u32 = 1;
/// What the first line says.
const FORMAT: &str = "outcrop-watch";
/// Longest line that is read, in bytes.
const LONGEST: u64 = 8 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// Writes a recording.
pub struct Recorder<W: Write>(W);

impl<W: Write> Recorder<W> {
    /// Begins one.
    ///
    /// # Errors
    /// Writing fails.
    pub fn new(mut to: W) -> Result<Self, WatchError> {
        write_line(&mut to, &Header { format: FORMAT.into(), version: VERSION })?;
        Ok(Self(to))
    }

    /// Adds an update.
    ///
    /// # Errors
    /// Writing fails.
    pub fn add(&mut self, update: &Update) -> Result<(), WatchError> {
        write_line(&mut self.0, update)
    }

    /// Hands the bytes that wait in memory on.
    ///
    /// # Errors
    /// Writing fails.
    pub fn flush(&mut self) -> Result<(), WatchError> {
        Ok(self.0.flush()?)
    }

    /// What it was written to, for what must follow the last line.
    pub fn into_inner(self) -> W {
        self.0
    }
}

fn write_line(to: &mut impl Write, line: &impl Serialize) -> Result<(), WatchError> {
    let mut line = serde_json::to_vec(line).map_err(std::io::Error::from)?;
    line.push(b'\n');
    Ok(to.write_all(&line)?)
}

/// Reads a recording: yields its updates. A last line that was cut off, as by a kill, is no error.
pub struct Replay<R: BufRead> {
    from: R,
    line: usize,
}

impl<R: BufRead> Replay<R> {
    /// Begins to read one.
    ///
    /// # Errors
    /// It is none, or of a later version.
    pub fn new(from: R) -> Result<Self, WatchError> {
        let mut replay = Self { from, line: 0 };
        let line = replay.read()?.unwrap_or_default();
        let header: Header = serde_json::from_slice(&line).map_err(|error| replay.error(&error))?;
        if header.format != FORMAT {
            return Err(WatchError::Record { line: 1, reason: format!("its format is {:?}", header.format) });
        }
        match header.version {
            1..=VERSION => Ok(replay),
            version => Err(WatchError::Version { version, known: VERSION }),
        }
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, WatchError> {
        let mut line = Vec::new();
        let read = Read::take(&mut self.from, LONGEST).read_until(b'\n', &mut line)?;
        self.line += 1;
        if read as u64 == LONGEST {
            return Err(WatchError::Record { line: self.line, reason: format!("it is longer than {LONGEST} bytes") });
        }
        Ok((read > 0).then_some(line))
    }

    fn error(&self, error: &serde_json::Error) -> WatchError {
        WatchError::Record { line: self.line, reason: error.to_string() }
    }
}

impl<R: BufRead> Iterator for Replay<R> {
    type Item = Result<Update, WatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.read() {
            Ok(line) => line?,
            Err(error) => return Some(Err(error)),
        };
        match serde_json::from_slice(&line) {
            Ok(update) => Some(Ok(update)),
            Err(_) if line.last() != Some(&b'\n') => None,
            Err(error) => Some(Err(self.error(&error))),
        }
    }
}
