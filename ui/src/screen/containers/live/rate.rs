//! How fast bytes are copied: sums per second, and a line of bars of them.

use std::collections::VecDeque;

/// Seconds that are kept.
const MOST: usize = 240;

/// Bytes of each second in which something was copied, the newest last.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<(u64, u64)>);

impl Rate {
    /// Adds bytes at a time in nanoseconds. Times that go back count in the newest second.
    pub(super) fn add(&mut self, time: u64, bytes: u64) {
        let second = time / 1_000_000_000;
        match self.0.back_mut() {
            Some((last, sum)) if second <= *last => *sum += bytes,
            _ => self.0.push_back((second, bytes)),
        }
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// Bytes in the newest second.
    pub(super) fn now(&self) -> u64 {
        self.0.back().map_or(0, |(_, sum)| *sum)
    }

    /// The last `cells` seconds as bars; empty when nothing was copied yet.
    pub(super) fn bars(&self, cells: usize, unicode: bool) -> String {
        let Some((end, _)) = self.0.back() else { return String::new() };
        let begin = (end + 1).saturating_sub(cells as u64);
        let mut sums = vec![0; cells];
        for (second, sum) in self.0.iter().filter(|(second, _)| *second >= begin) {
            sums[(second - begin) as usize] = *sum;
        }
        let most = sums.iter().copied().max().unwrap_or(0);
        if most == 0 {
            return String::new();
        }
        let signs: &[char] = if unicode {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            &['_', '.', ':', '-', '=', '+', '*', '#']
        };
        // Something is always more than nothing.
        let level = |sum: u64| (u128::from(sum) * 7).div_ceil(u128::from(most)) as usize;
        sums.into_iter().map(|sum| signs[level(sum).min(7)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_follow_the_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.bars(4, true), "");
        for (second, bytes) in [(10, 700), (12, 1), (12, 0), (13, 350), (11, 0)] {
            rate.add(second * 1_000_000_000 + 5, bytes);
        }
        assert_eq!((rate.bars(5, true).as_str(), rate.now()), ("▁█▁▂▅", 350));
        assert_eq!(rate.bars(2, false), ".#");
        for second in 0..10_000 {
            rate.add(second * 1_000_000_000, 1);
        }
        assert_eq!(rate.0.len(), MOST);
    }
}
