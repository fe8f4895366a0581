//! What strata are drawn with: heights by their bytes, and the band at their left edge.

use ratatui::layout::Rect;

use crate::pen::Pen;
use crate::theme::Stratum;

/// Width of the coloured band at the left.
pub(crate) const BAND: u16 = 5;

/// How many lines each step gets, newest first: one each, and what is left in proportion to the logarithm of the bytes.
pub(crate) fn heights(sizes: &[Option<u64>], room: u16) -> Vec<u16> {
    let mut heights = vec![1; sizes.len()];
    let Some(mut rest) = usize::from(room).checked_sub(sizes.len()).filter(|r| *r > 0) else { return heights };
    let weight = |size: Option<u64>| match size {
        Some(size) if size > 0 => ((size as f64).log10() - 2.5).max(0.4).powf(1.6),
        _ => 0.0,
    };
    let weights: Vec<f64> = sizes.iter().map(|s| weight(*s)).collect();
    // The next line goes to who is shortest for its weight: whole lines, and the same each time.
    while rest > 0 {
        let next = (0..sizes.len()).filter(|i| weights[*i] > 0.0).max_by(|a, b| {
            let want = |i: usize| weights[i] / f64::from(heights[i]);
            want(*a).total_cmp(&want(*b)).then(b.cmp(a))
        });
        let Some(next) = next else { break };
        heights[next] += 1;
        rest -= 1;
    }
    heights
}

/// The coloured, textured, numbered edge of a stratum.
pub(crate) fn draw_band(pen: &mut Pen<'_>, area: Rect, look: Stratum, number: usize) {
    let band = pen.look.theme.band(look);
    let texture = look.texture(pen.look.unicode()).to_string();
    for y in area.top()..area.bottom() {
        pen.repeat(area.x, y, area.width, &texture, band);
    }
    let style = pen.look.theme.number(look);
    let text = format!("{number:^3}");
    pen.text(area.x + 1, area.y + (area.height - 1) / 2, area.width.saturating_sub(2), &text, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_follow_the_logarithm_and_fill_the_room() {
        let sizes = [None, Some(12_000), Some(38_000_000), Some(296_000_000), Some(78_000_000)];
        let heights = heights(&sizes, 15);
        assert_eq!(heights.iter().sum::<u16>(), 15);
        assert_eq!(heights[0], 1);
        assert!(heights[3] >= heights[4] && heights[4] >= heights[2] && heights[2] > heights[1], "{heights:?}");
    }

    #[test]
    fn every_step_keeps_a_line() {
        assert_eq!(heights(&[Some(1); 9], 4), [1; 9]);
        assert_eq!(heights(&[None, None], 9), [1, 1]);
        assert_eq!(heights(&[], 9), [0_u16; 0]);
        assert_eq!(heights(&[Some(u64::MAX)], 9), [9]);
    }
}
