//! Reads the lines of a record.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{BufRead, SplitError};

/// Longest line: Docker's writer before 2021 put all that follows a tar's end into one.
const LONGEST_LINE: u64 = 64 << 20;

/// One line, decoded.
pub(super) enum Line<'a> {
    Segment(&'a [u8]),
    File(File<'a>),
}

/// A member of the tar.
pub(super) struct File<'a> {
    pub(super) name: &'a [u8],
    pub(super) size: u64,
    pub(super) checksum: [u8; 8],
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name_raw: Option<Cow<'a, str>>,
    #[serde(default)]
    size: u64,
    #[serde(borrow, default)]
    payload: Option<Cow<'a, str>>,
    position: u64,
}

/// Goes through a record; all buffers are used again.
pub(super) struct Lines<R> {
    input: R,
    position: u64,
    text: Vec<u8>,
    bytes: Vec<u8>,
    name: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, position: 0, text: Vec::new(), bytes: Vec::new(), name: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, SplitError> {
        let position = self.position;
        let damaged = |why: String| SplitError::Damaged { position, why };
        self.text.clear();
        let mut input = std::io::Read::take(&mut self.input, LONGEST_LINE);
        let read = input.read_until(b'\n', &mut self.text).map_err(SplitError::Read)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LONGEST_LINE {
            return Err(damaged(format!("it is longer than {LONGEST_LINE} bytes")));
        }
        let line: Object<'_> = serde_json::from_slice(&self.text).map_err(|e| damaged(e.to_string()))?;
        if line.position != position {
            return Err(damaged(format!("it says that it is number {}", line.position)));
        }
        self.position += 1;
        self.bytes.clear();
        if let Some(payload) = &line.payload {
            STANDARD.decode_vec(payload.as_bytes(), &mut self.bytes).map_err(|e| damaged(e.to_string()))?;
        }
        match line.kind {
            2 => Ok(Some(Line::Segment(&self.bytes))),
            1 => {
                self.name.clear();
                match (&line.name_raw, &line.name) {
                    (Some(raw), _) if !raw.is_empty() => {
                        STANDARD.decode_vec(raw.as_bytes(), &mut self.name).map_err(|e| damaged(e.to_string()))?;
                    }
                    (_, Some(name)) => self.name.extend_from_slice(name.as_bytes()),
                    _ => {}
                }
                let size = line.size;
                let checksum = match <[u8; 8]>::try_from(&self.bytes[..]) {
                    Ok(checksum) => checksum,
                    Err(_) if size == 0 => [0; 8],
                    Err(_) => return Err(damaged("its checksum has not 8 bytes".into())),
                };
                Ok(Some(Line::File(File { name: &self.name, size, checksum })))
            }
            kind => Err(damaged(format!("its type {kind} is not known"))),
        }
    }
}
