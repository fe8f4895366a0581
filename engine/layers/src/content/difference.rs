//! What differs between two versions of a file.

use std::io::{self, Read};
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::{beginning, text};

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// Time after which a comparison of lines settles for a longer answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// Bytes shown of two files from their first difference on.
const SHOWN: usize = 256;

/// What differs between two versions of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nothing.
    Same,
    /// Lines.
    Text(Vec<Hunk>),
    /// Bytes: where the first difference is, and what follows it in both, from the start of that line of a hex dump.
    Bytes {
        /// Offset of the first byte that differs, or of the end of the shorter one.
        at: u64,
        /// Offset of the bytes in `old` and `new`: `at` rounded down.
        from: u64,
        /// The old version's.
        old: Vec<u8>,
        /// The new version's.
        new: Vec<u8>,
    },
}

/// Changes close to each other, with lines around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Number of the first line in the old version, 1 is the first.
    pub old: usize,
    /// The same in the new version.
    pub new: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line of a [`Hunk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What became of it.
    pub tag: Tag,
    /// Its text.
    pub text: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// In both.
    Same,
    /// Only in the old version.
    Removed,
    /// Only in the new version.
    Added,
}

/// Compares two versions. Texts of at most `limit` bytes are compared by lines, all else byte by byte as far as they are equal.
///
/// # Errors
/// Those of the readers; [`io::ErrorKind::Interrupted`] on cancelling.
pub fn difference(
    mut old: impl Read,
    mut new: impl Read,
    limit: usize,
    cancel: &dyn Fn() -> bool,
) -> io::Result<Difference> {
    let ((a, a_whole), (b, b_whole)) = (head(&mut old, limit)?, head(&mut new, limit)?);
    if a_whole && b_whole {
        if a == b {
            return Ok(Difference::Same);
        }
        if let (Some(a), Some(b)) = (text(&a, true), text(&b, true)) {
            let hunks = lines(&a, &b);
            if !hunks.is_empty() {
                return Ok(Difference::Text(hunks));
            }
        }
    }
    bytes(a.chain(old), b.chain(new), cancel)
}

/// The first bytes, one more than the limit if there are more.
fn head(reader: &mut impl Read, limit: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    let whole = bytes.len() <= limit;
    Ok((bytes, whole))
}

fn lines(old: &[String], new: &[String]) -> Vec<Hunk> {
    let [old, new] = [old, new].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    let diff = TextDiff::configure().timeout(PATIENCE).diff_slices(&old, &new);
    let hunk = |ops: &Vec<similar::DiffOp>| {
        let first = ops.first()?;
        let changes = ops.iter().flat_map(|op| diff.iter_changes(op));
        let lines = changes.map(|change| {
            let tag = match change.tag() {
                ChangeTag::Equal => Tag::Same,
                ChangeTag::Delete => Tag::Removed,
                ChangeTag::Insert => Tag::Added,
            };
            Line { tag, text: change.value().to_owned() }
        });
        let (old, new) = (first.old_range().start + 1, first.new_range().start + 1);
        Some(Hunk { old, new, lines: lines.collect() })
    };
    diff.grouped_ops(CONTEXT).iter().filter_map(hunk).collect()
}

/// Finds the first difference, holding one block of each at a time.
fn bytes(mut old: impl Read, mut new: impl Read, cancel: &dyn Fn() -> bool) -> io::Result<Difference> {
    const BLOCK: usize = 64 << 10;
    let mut at = 0;
    loop {
        if cancel() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let ((a, _), (b, _)) =
            (beginning((&mut old).take(BLOCK as u64), BLOCK)?, beginning((&mut new).take(BLOCK as u64), BLOCK)?);
        if a == b {
            if a.is_empty() {
                return Ok(Difference::Same);
            }
            at += a.len() as u64;
            continue;
        }
        let same = std::iter::zip(&a, &b).take_while(|(a, b)| a == b).count();
        let from = same - same % super::HEX_COLUMNS;
        let shown = |bytes: &[u8], rest: &mut dyn Read| -> io::Result<Vec<u8>> {
            let mut shown = bytes[from..].to_vec();
            rest.take(SHOWN as u64).read_to_end(&mut shown)?;
            shown.truncate(SHOWN);
            Ok(shown)
        };
        let (old, new) = (shown(&a, &mut old)?, shown(&b, &mut new)?);
        return Ok(Difference::Bytes { at: at + same as u64, from: at + from as u64, old, new });
    }
}
