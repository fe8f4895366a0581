//! Sums of a watch, as small as a screen needs them.

use std::collections::HashMap;

use outcrop_layers::watch::{Advice, Adviser, Bytes, Counts, FileTotals, LayerTotals, Totals};

/// Most lines of each list.
const MOST: usize = 40;
/// Most pieces of advice.
const ADVICE: usize = 8;

/// All that is shown beside the feed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) counts: Counts,
    pub(crate) bytes: Bytes,
    /// What came from each layer of each overlay.
    pub(crate) layers: HashMap<(u32, usize), LayerTotals>,
    /// Of what most was copied for least: files, folders, processes.
    pub(crate) tops: [Vec<Top>; 3],
    /// What would spare most, first.
    pub(crate) advice: Vec<Advice>,
}

/// One line of what most was copied for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Top {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

impl Sums {
    pub(crate) fn of(totals: &Totals, adviser: &Adviser) -> Self {
        let file = |((_, path), sums): (&(u32, _), &FileTotals)| Top { name: format!("/{path}"), bytes: sums.bytes };
        let folders = totals.folders();
        let processes = totals.processes.iter().map(|(name, sums)| Top {
            name: name.as_ref().map_or_else(|| "unknown".to_owned(), |name| name.text().into_owned()),
            bytes: sums.bytes,
        });
        let mut advice = adviser.advice();
        advice.truncate(ADVICE);
        Self {
            counts: totals.counts,
            bytes: totals.bytes,
            layers: totals.layers.clone(),
            tops: [totals.top(MOST).into_iter().map(file).collect(), first(folders.iter().map(file)), first(processes)],
            advice,
        }
    }
}

/// The lines that most was copied for nothing of, most first.
fn first(all: impl Iterator<Item = Top>) -> Vec<Top> {
    let cost = |top: &Top| top.bytes.copied.saturating_sub(top.bytes.written);
    let mut all: Vec<Top> = all.filter(|top| cost(top) > 0).collect();
    all.sort_by(|a, b| cost(b).cmp(&cost(a)).then_with(|| a.name.cmp(&b.name)));
    all.truncate(MOST);
    all
}

/// How many bytes were copied for each that changed: `x212`, or a sign for "for nothing".
pub(crate) fn times(bytes: Bytes, unicode: bool) -> String {
    let sign = if unicode { "×" } else { "x" };
    match bytes.amplification() {
        None if bytes.copied > 0 => if unicode { "∞" } else { "for nothing" }.to_owned(),
        None => String::new(),
        Some(times) if times >= 10.0 => format!("{sign}{}", crate::size::count(times.round() as u64)),
        Some(times) => format!("{sign}{times:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_many_times() {
        let of = |copied, written| times(Bytes { copied, written }, false);
        assert_eq!([of(0, 5), of(12_900, 61), of(30, 20), of(9, 0)], ["x0.0", "x211", "x1.5", "for nothing"]);
    }
}
