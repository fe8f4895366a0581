//! What a watch tells, in the form in which a screen takes it: in batches, with the sums already made.

mod kept;
mod sums;

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use outcrop_layers::watch::{Update, Updates};

pub(crate) use kept::Kept;
pub(crate) use sums::{Sums, Top, times};

/// Shortest time between two batches, and so between two frames.
const BETWEEN: Duration = Duration::from_millis(80);
/// Most updates of a batch.
const MOST: usize = 8192;

/// Some updates, and the sums of all until then.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) updates: Vec<Update>,
    pub(crate) sums: Arc<Sums>,
    /// Why no more of it is recorded, when that is so.
    pub(crate) unrecorded: Option<String>,
    /// Why no more will come.
    pub(crate) end: Option<String>,
}

/// Hands updates on in batches until there are no more. The first of a quiet time is handed on at once; in a burst batches come at
/// most every 80 ms, and less often where making the sums takes longer. While nothing happens it sleeps.
pub(crate) fn relay(updates: &Updates, kept: &Kept, hand_on: &dyn Fn(Batch)) {
    let mut next = Instant::now();
    while let Ok(first) = updates.recv() {
        let mut batch = vec![first];
        while batch.len() < MOST {
            match updates.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(update) => batch.push(update),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let begun = Instant::now();
        hand_on(kept.take(batch));
        next = Instant::now() + BETWEEN.max(begun.elapsed() * 4);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::tests::live::event;

    #[test]
    fn a_burst_becomes_a_few_batches_and_nothing_is_lost() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let kept = Kept::new(folder.path());
        let (sender, receiver) = outcrop_layers::watch::updates();
        for n in 0..20_000 {
            sender.send(event(n, &format!("var/file-{n}"), 10)).expect("is taken");
        }
        drop(sender);
        let batches = RefCell::new(Vec::new());
        relay(&receiver, &kept, &|batch| batches.borrow_mut().push(batch));
        let batches = batches.into_inner();
        assert!(batches.len() <= 20_000 / MOST + 2, "{} batches", batches.len());
        let mut seqs = batches.iter().flat_map(|batch| &batch.updates).filter_map(|update| match update {
            Update::Event(event) => Some(event.seq),
            _ => None,
        });
        assert!((1..=20_000).all(|seq| seqs.next() == Some(seq)), "each once, in order, without gaps");
        let sums = &batches.last().expect("some").sums;
        assert_eq!((sums.counts.copy_ups, sums.bytes.copied), (20_000, 200_000));
    }
}
