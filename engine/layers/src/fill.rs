//! Reading as much as there is room for.

use std::io::{self, ErrorKind, Read};

/// Reads until `buffer` is full or `reader` has ended: bytes read.
///
/// # Errors
/// What reading fails with, but for interruptions.
pub(crate) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
