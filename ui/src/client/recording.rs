//! Recordings of watches: saved to a file, read from one.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use outcrop_layers::watch::{Replay, WatchError};

use crate::job::JobNews;
use crate::live::{Batch, Kept};

/// Updates that are read before they are shown.
const PART: usize = 8192;

/// Saves what was recorded until now.
pub(super) fn saved(kept: &Kept, to: &Path) -> JobNews {
    match kept.save(to) {
        Ok(saved) => {
            let size = crate::size::Units::Decimal.size(saved.bytes);
            let text = format!("{size} in {}; outcrop watch --replay shows it", to.display());
            JobNews::Done(saved.cut.map_or(text.clone(), |why| format!("{text}. It is not whole: {why}")))
        }
        Err(why) => JobNews::Failed(format!("cannot save: {why}")),
    }
}

/// Reads a recording, a part after the other; nothing of it is recorded again.
pub(super) fn replay(path: &Path, hand_on: &dyn Fn(Batch)) {
    let end = match read(path, hand_on) {
        Ok(()) => "all of it".to_owned(),
        Err(error) => format!("cannot read {}: {error}", path.display()),
    };
    hand_on(Batch { end: Some(end), ..Batch::default() });
}

fn read(path: &Path, hand_on: &dyn Fn(Batch)) -> Result<(), WatchError> {
    let kept = Kept::unrecorded();
    let mut part = Vec::new();
    for update in Replay::new(BufReader::new(File::open(path)?))? {
        // What is whole before a damaged line is shown.
        match update {
            Ok(update) => part.push(update),
            Err(error) => {
                hand_on(kept.take(part));
                return Err(error);
            }
        }
        if part.len() == PART {
            hand_on(kept.take(std::mem::take(&mut part)));
        }
    }
    hand_on(kept.take(part));
    Ok(())
}
