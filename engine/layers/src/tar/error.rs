//! What can be wrong with a tar.

use std::io;

use super::LONGEST_SPECIAL;

/// Says why a tar could not be read; every position is a byte offset into the uncompressed stream.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream under the tar failed.
    #[error("reading the tar at byte {at}: {source}")]
    Read {
        /// How far it was read.
        at: u64,
        /// The cause.
        source: io::Error,
    },
    /// What listens to the bytes (tar-split) failed.
    #[error("recording the tar's bytes at byte {at}: {source}")]
    Record {
        /// How far it was read.
        at: u64,
        /// The cause.
        source: io::Error,
    },
    /// The stream ends inside something.
    #[error("the tar is cut off: it ends at byte {at}, inside {inside}")]
    Truncated {
        /// Where it ends.
        at: u64,
        /// What is incomplete there.
        inside: String,
    },
    /// A block that is no header.
    #[error("no tar header at byte {at}: its checksum does not match")]
    Checksum {
        /// Where the block begins.
        at: u64,
    },
    /// A single zero block followed by something else.
    #[error("damaged tar: a lone block of zeros before byte {at}")]
    LoneZeros {
        /// Where the block after it begins.
        at: u64,
    },
    /// A header field that is no number, or one that cannot be.
    #[error("damaged tar header at byte {at}: {field} is not a possible number")]
    Number {
        /// Where the header begins.
        at: u64,
        /// Which field.
        field: &'static str,
    },
    /// A PAX extended header that does not follow its grammar.
    #[error("damaged PAX header at byte {at}: {why}")]
    Pax {
        /// Where the extended header begins.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// A long name or PAX header above the limit.
    #[error("{what} at byte {at} claims {bytes} bytes, at most {LONGEST_SPECIAL} are read")]
    Large {
        /// Where the header begins.
        at: u64,
        /// What it is.
        what: &'static str,
        /// The claimed size.
        bytes: u64,
    },
    /// A sparse file whose map does not fit it.
    #[error("sparse file {name}: {why}")]
    Sparse {
        /// The entry, made printable.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A type of entry that layers do not have.
    #[error("entry {name} has the tar type {flag:?}, which is not supported in a layer")]
    Type {
        /// The entry, made printable.
        name: String,
        /// The type's letter.
        flag: char,
    },
    /// A name that leads out of the layer.
    #[error("entry {name} leads out of the layer; refused")]
    Escapes {
        /// The entry, made printable.
        name: String,
    },
    /// A name no file can have.
    #[error("entry {name} has no possible file name (a zero byte in it); refused")]
    Name {
        /// The entry, made printable.
        name: String,
    },
    /// A whiteout of nothing, of `.` or of `..`.
    #[error("entry {name} is a whiteout that names no file; refused")]
    Whiteout {
        /// The entry, made printable.
        name: String,
    },
    /// Character device 0:0, which overlayfs would take for a whiteout.
    #[error("entry {name} is the character device 0:0, which would hide a file of a lower layer; refused")]
    Device {
        /// The entry, made printable.
        name: String,
    },
}

/// A name in an error message: control characters escaped, at most 200 characters.
pub(crate) fn shown(name: &[u8]) -> String {
    let start = &name[..name.len().min(800)];
    let text = String::from_utf8_lossy(start);
    let mut cut: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    if text.chars().nth(200).is_some() || start.len() < name.len() {
        cut.push('…');
    }
    format!("\"{cut}\"")
}
