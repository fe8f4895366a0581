//! Sums of what was told.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::event::{Event, Evidence, Kind};
use super::overlay::Update;
use super::raw_path::RawPath;

/// Most files that are kept: of more, the half that cost least is let go. Sums over all files have them still.
const MOST_FILES: usize = 200_000;

/// Sums of all updates that were added, live or from a recording: what a screen shows beside the feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many events of each kind.
    pub counts: Counts,
    /// Sums over all files.
    pub bytes: Bytes,
    /// Per file: the overlay's number and the path. At most 200,000: of more, those that most was copied of.
    pub files: HashMap<(u32, RawPath), FileTotals>,
    /// Per process name; `None` gathers those without one.
    pub processes: HashMap<Option<RawPath>, ProcessTotals>,
    /// Per lower layer: the overlay's number and the layer's, from 0 at the base.
    pub layers: HashMap<(u32, usize), LayerTotals>,
}

/// How many events there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub events: u64,
    /// Files that were copied up; content that was copied later counts again.
    pub copy_ups: u64,
    /// Files that were made.
    pub creates: u64,
    /// Writes.
    pub writes: u64,
    /// Changes of mode, owner, times or attributes.
    pub attributes: u64,
    /// Files of lower layers that were removed.
    pub whiteouts: u64,
    /// Files of the upper directory that were removed.
    pub deletes: u64,
    /// Directories that hide lower ones.
    pub opaques: u64,
    /// Renames.
    pub renames: u64,
    /// Further names of files.
    pub links: u64,
    /// Events that a scan found, that is, that the kernel did not report.
    pub found_by_scan: u64,
    /// How often the kernel lost events.
    pub overflows: u64,
}

/// What copying cost and what it was for, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Copied from lower layers.
    pub copied: u64,
    /// Really changed or added, as far as it was measured.
    pub written: u64,
}

impl Bytes {
    /// How many bytes were copied for each that was written; `None` when nothing was written.
    pub fn amplification(self) -> Option<f64> {
        (self.written > 0).then(|| self.copied as f64 / self.written as f64)
    }
}

/// Sums of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTotals {
    /// Bytes.
    pub bytes: Bytes,
    /// How often it was copied up.
    pub copy_ups: u64,
    /// How often it was written.
    pub writes: u64,
    /// How often its attributes were changed.
    pub attributes: u64,
}

/// Sums of the processes of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTotals {
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: Bytes,
}

/// Sums of one lower layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerTotals {
    /// Files that were copied up from it.
    pub copy_ups: u64,
    /// Bytes of them.
    pub copied: u64,
}

impl Totals {
    /// Adds an update.
    pub fn add(&mut self, update: &Update) {
        if let Update::Event(event) = update {
            self.add_event(event);
        }
    }

    fn add_event(&mut self, event: &Event) {
        self.counts.add(event);
        let key = (event.overlay, event.path.clone());
        let (mut copied, mut written) = (0, 0);
        match &event.kind {
            Kind::CopyUp { lower, copied: bytes, .. } => {
                copied = *bytes;
                let file = self.files.entry(key).or_default();
                file.copy_ups += 1;
                file.bytes.copied += copied;
                if let Some(lower) = lower {
                    let layer = self.layers.entry((event.overlay, lower.layer)).or_default();
                    layer.copy_ups += 1;
                    layer.copied += copied;
                }
            }
            Kind::Write { changed, .. } => {
                let file = self.files.entry(key).or_default();
                file.writes += 1;
                written = file.measured(*changed);
            }
            Kind::Compared { changed, .. } => written = self.files.entry(key).or_default().measured(Some(*changed)),
            Kind::Attributes { .. } => self.files.entry(key).or_default().attributes += 1,
            Kind::Rename { from, .. } => self.renamed(event.overlay, from, &event.path),
            _ => {}
        }
        let_go(&mut self.files, MOST_FILES, |file| file.bytes.copied);
        self.bytes.copied += copied;
        self.bytes.written += written;
        let process = event.who.as_ref().and_then(|who| who.name.clone());
        let process = self.processes.entry(process).or_default();
        process.events += 1;
        process.bytes.copied += copied;
        process.bytes.written += written;
    }

    /// The sums of a file go with it; those of files in a renamed directory stay where they arose.
    fn renamed(&mut self, overlay: u32, from: &RawPath, to: &RawPath) {
        if let Some(file) = self.files.remove(&(overlay, from.clone())) {
            self.files.insert((overlay, to.clone()), file);
        }
    }

    /// Sums of the folders that files are directly in.
    pub fn folders(&self) -> HashMap<(u32, RawPath), FileTotals> {
        let mut folders: HashMap<_, FileTotals> = HashMap::new();
        for ((overlay, path), file) in &self.files {
            let folder = folders.entry((*overlay, RawPath::from(path.folder()))).or_default();
            folder.bytes.copied += file.bytes.copied;
            folder.bytes.written += file.bytes.written;
            folder.copy_ups += file.copy_ups;
            folder.writes += file.writes;
            folder.attributes += file.attributes;
        }
        folders
    }

    /// The files that most was copied of for nothing, most first.
    pub fn top(&self, most: usize) -> Vec<(&(u32, RawPath), &FileTotals)> {
        let cost = |file: &FileTotals| file.bytes.copied.saturating_sub(file.bytes.written);
        let mut all: Vec<_> = self.files.iter().filter(|(_, file)| cost(file) > 0).collect();
        all.sort_by(|(a, one), (b, other)| cost(other).cmp(&cost(one)).then_with(|| a.cmp(b)));
        all.truncate(most);
        all
    }
}

/// Keeps a map from growing for ever: of more than `most` entries at least half go, those with the lowest `cost` first.
pub(super) fn let_go<K: Eq + Hash, V>(map: &mut HashMap<K, V>, most: usize, cost: impl Fn(&V) -> u64) {
    if map.len() <= most {
        return;
    }
    let mut costs: Vec<u64> = map.values().map(&cost).collect();
    let (_, middle, _) = costs.select_nth_unstable(most / 2);
    let middle = *middle;
    map.retain(|_, value| cost(value) > middle);
}

impl FileTotals {
    /// Takes in how many bytes of the file differ now; returns how many more than before.
    fn measured(&mut self, changed: Option<u64>) -> u64 {
        let more = changed.unwrap_or(0).saturating_sub(self.bytes.written);
        self.bytes.written += more;
        more
    }
}

impl Counts {
    fn add(&mut self, event: &Event) {
        self.events += 1;
        let count = match &event.kind {
            Kind::CopyUp { .. } => &mut self.copy_ups,
            Kind::Create { .. } => &mut self.creates,
            Kind::Write { .. } => &mut self.writes,
            Kind::Attributes { .. } => &mut self.attributes,
            Kind::Whiteout { .. } => &mut self.whiteouts,
            Kind::Delete { .. } => &mut self.deletes,
            Kind::Opaque => &mut self.opaques,
            Kind::Rename { .. } => &mut self.renames,
            Kind::Link { .. } => &mut self.links,
            Kind::Compared { .. } => return,
            Kind::Resynchronised { reason, .. } => {
                self.overflows += u64::from(*reason == super::event::Reason::Overflow);
                return;
            }
        };
        *count += 1;
        self.found_by_scan += u64::from(event.evidence == Evidence::Scan);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_least_is_let_go() {
        let mut map: HashMap<u64, u64> = (0..100).map(|n| (n, n)).collect();
        let_go(&mut map, 100, |cost| *cost);
        assert_eq!(map.len(), 100);
        map.insert(100, 100);
        let_go(&mut map, 100, |cost| *cost);
        assert!(map.len() <= 50 && map.contains_key(&100) && !map.contains_key(&0), "{map:?}");
        let mut same: HashMap<u64, u64> = (0..101).map(|n| (n, 0)).collect();
        let_go(&mut same, 100, |cost| *cost);
        assert_eq!(same.len(), 0);
    }
}
