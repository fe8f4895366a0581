//! Two versions of a path: what differs.

use crate::index::{FileType, LayerIndex, NONE, Record};
use crate::version::{Change, Differs, Evidence};

/// Compares a version with the one below it, by metadata alone.
///
/// Files of different size differ. Files of the same size are taken for the same content when the modification time is the same
/// too - a copy-up keeps it, and `chmod`, `chown`, `setfattr` do not change it - and for different content when it is not. Both are
/// guesses, only an empty file is certain.
pub(super) fn compare(below: (&LayerIndex, u32), above: (&LayerIndex, u32)) -> (Change, Differs, Evidence) {
    let [(old, a), (new, b)] =
        [below, above].map(|(index, at)| (index, &index.records()[index.first_name(at) as usize]));
    if a.file_type != b.file_type {
        return (Change::TypeChanged, Differs::default(), Evidence::Certain);
    }
    let mut differs = Differs::default();
    if a.is_implied() || b.is_implied() {
        return (Change::Identical, differs, Evidence::Certain);
    }
    differs.set(Differs::MODE, a.mode != b.mode);
    differs.set(Differs::OWNER, (a.uid, a.gid) != (b.uid, b.gid));
    differs.set(Differs::TIME, (a.seconds, a.nanoseconds) != (b.seconds, b.nanoseconds));
    if a.file_type != FileType::Hardlink {
        differs.set(Differs::XATTR, old.text(a.xattrs) != new.text(b.xattrs));
    }
    let (same, evidence) = match a.file_type {
        FileType::File => same_file(a, b, differs),
        FileType::Symlink => (old.text(a.extra) == new.text(b.extra), Evidence::Certain),
        FileType::CharDevice | FileType::BlockDevice => (a.extra == b.extra, Evidence::Certain),
        // Links to files that their layers do not have.
        FileType::Hardlink => (a.extra.start != NONE, Evidence::Certain),
        _ => (true, Evidence::Certain),
    };
    (if same { stored_again(true, differs) } else { Change::Content }, differs, evidence)
}

fn same_file(a: &Record, b: &Record, differs: Differs) -> (bool, Evidence) {
    match (a.size == b.size, a.size) {
        (false, _) => (false, Evidence::Certain),
        (true, 0) => (true, Evidence::Certain),
        _ => (!differs.contains(Differs::TIME), Evidence::Guess),
    }
}

/// The change of a file that was stored again.
pub(super) fn stored_again(same: bool, differs: Differs) -> Change {
    match (same, differs.is_empty()) {
        (false, _) => Change::Content,
        (true, true) => Change::Identical,
        (true, false) => Change::Metadata,
    }
}
