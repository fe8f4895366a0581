//! What a shim and its clients say to each other on the attach socket: one byte of kind, four of length, content.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// Most bytes of one frame's content.
pub(crate) const LARGEST: usize = 64 << 10;

/// Kinds of frames. The first four go to the shim, the others come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// What the client wants: a [`Hello`] as JSON. Comes first.
    Hello = b'H',
    /// Bytes for the standard input.
    Stdin = b'i',
    /// The standard input ends.
    EndOfStdin = b'e',
    /// Rows and columns, two big-endian 16-bit numbers.
    Resize = b'r',
    /// A signal's number, one byte.
    Signal = b's',
    /// The shim has seen the Hello: nothing that the container writes from now on is missed.
    Ready = b'R',
    /// Bytes of the standard output.
    Stdout = b'1',
    /// Bytes of the standard error.
    Stderr = b'2',
    /// The process runs: its process ID as decimal text.
    Started = b'S',
    /// It could not be started: why.
    Failed = b'F',
    /// It ended: a [`Exit`] as JSON. The container's state on disk is final.
    Exit = b'X',
    /// The container was removed.
    Removed = b'D',
}

/// What a client wants of a shim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// To send the standard input.
    pub(crate) stdin: bool,
    /// To get the standard output.
    pub(crate) stdout: bool,
    /// To get the standard error.
    pub(crate) stderr: bool,
    /// That the process starts now.
    pub(crate) start: bool,
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// Exit code; 128 and the signal where it was killed.
    pub(crate) code: i32,
    /// What is not known about it.
    pub(crate) error: String,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its content.
    pub(crate) content: Vec<u8>,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        use Kind::{EndOfStdin, Exit, Failed, Hello, Ready, Removed, Resize, Signal, Started, Stderr, Stdin, Stdout};
        let all = [Hello, Stdin, EndOfStdin, Resize, Signal, Ready, Stdout, Stderr, Started, Failed, Exit, Removed];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl Frame {
    /// Its content as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    /// Its content as the end of a process.
    pub(crate) fn exit(&self) -> Exit {
        serde_json::from_slice(&self.content).unwrap_or_default()
    }
}

/// A frame as bytes.
pub(crate) fn encode(kind: Kind, content: &[u8]) -> Vec<u8> {
    debug_assert!(content.len() <= LARGEST);
    let mut bytes = Vec::with_capacity(content.len() + 5);
    bytes.push(kind as u8);
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend(content);
    bytes
}

/// Writes a frame.
pub(crate) fn write(to: &mut impl Write, kind: Kind, content: &[u8]) -> io::Result<()> {
    to.write_all(&encode(kind, content))
}

/// Reads a frame; nothing at the end of the stream.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let (kind, length) = header(head)?;
    let mut content = vec![0; length];
    from.read_exact(&mut content)?;
    Ok(Some(Frame { kind, content }))
}

/// Takes the first frame off `buffer` when it is there whole.
pub(crate) fn take(buffer: &mut Vec<u8>) -> io::Result<Option<Frame>> {
    let Some(&head) = buffer.first_chunk::<5>() else { return Ok(None) };
    let (kind, length) = header(head)?;
    if buffer.len() < 5 + length {
        return Ok(None);
    }
    let content = buffer[5..5 + length].to_vec();
    buffer.drain(..5 + length);
    Ok(Some(Frame { kind, content }))
}

fn header(head: [u8; 5]) -> io::Result<(Kind, usize)> {
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    match Kind::of(head[0]) {
        Some(kind) if length <= LARGEST => Ok((kind, length)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not a frame of this protocol")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_cut() {
        let mut all = encode(Kind::Stdout, b"hello");
        all.extend(encode(Kind::EndOfStdin, b""));
        let mut buffer = Vec::new();
        let mut got = Vec::new();
        for byte in all.clone() {
            buffer.push(byte);
            got.extend(take(&mut buffer).expect("a frame or nothing"));
        }
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].kind, &*got[0].content), (Kind::Stdout, &b"hello"[..]));
        let mut reader = &all[..];
        assert_eq!(read(&mut reader).expect("a frame"), Some(got[0].clone()));
    }

    #[test]
    fn nonsense_allocates_nothing() {
        assert!(take(&mut vec![b'1', 255, 255, 255, 255]).is_err());
        assert!(take(&mut vec![b'?', 0, 0, 0, 0]).is_err());
    }
}
