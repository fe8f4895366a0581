//! Which files each process has opened last: a copy-up of content opens the lower file.

use std::collections::{HashMap, VecDeque};

use crate::sys::handle::Handle;

/// Openings that are remembered of one process.
const EACH: usize = 32;
/// Processes of which some are remembered.
const PROCESSES: usize = 4096;

/// The last openings, with their order.
#[derive(Debug, Default)]
pub(super) struct Opened {
    order: u64,
    by: HashMap<i32, VecDeque<(Handle, u64, u64)>>,
}

/// Whether a file was opened while another was in the work directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Opened,
    NotOpened,
    /// It was opened before, and the kernel may have merged a later opening with that.
    Doubtful,
}

impl Opened {
    /// What comes after all that was opened so far.
    pub(super) fn order(&self) -> u64 {
        self.order
    }

    pub(super) fn add(&mut self, pid: i32, file: &[u8], batch: u64) {
        self.order += 1;
        if self.by.len() >= PROCESSES && !self.by.contains_key(&pid) {
            self.by.clear();
        }
        let opened = self.by.entry(pid).or_default();
        if opened.len() >= EACH {
            opened.pop_front();
        }
        opened.push_back((file.into(), self.order, batch));
    }

    /// Whether `pid` opened `file` after `order`; openings of one batch of reports may have been merged.
    pub(super) fn since(&self, pid: i32, file: &[u8], order: u64, batch: u64) -> Verdict {
        let opened = self.by.get(&pid).into_iter().flatten().rev();
        match opened.into_iter().find(|(handle, ..)| **handle == *file) {
            Some((_, at, _)) if *at > order => Verdict::Opened,
            Some((.., read)) if *read == batch => Verdict::Doubtful,
            _ => Verdict::NotOpened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_before_may_hide_one_after() {
        let mut opened = Opened::default();
        opened.add(7, b"read before", 1);
        opened.add(7, b"read now", 2);
        let order = opened.order();
        opened.add(7, b"copied", 2);
        let since = |file: &[u8]| opened.since(7, file, order, 2);
        assert_eq!(since(b"copied"), Verdict::Opened);
        assert_eq!(since(b"read now"), Verdict::Doubtful);
        assert_eq!(since(b"read before"), Verdict::NotOpened);
        assert_eq!(since(b"other"), Verdict::NotOpened);
        assert_eq!(opened.since(8, b"copied", order, 2), Verdict::NotOpened);
    }
}
