//! Areas in proportion to bytes: a room is cut in two, and each part again, until everything has its own.

use ratatui::layout::{Position, Rect};

use crate::action::Action;

/// Fewest cells that a part can be told from its neighbours with.
const LEAST: u64 = 6;

/// Where each weight is, largest weight first; whole cells, so areas are as exact as those. A weight without room has an empty
/// place.
pub(crate) fn places(weights: &[u64], room: Rect) -> Vec<Rect> {
    let mut out = Vec::with_capacity(weights.len());
    cut(weights, room, &mut out);
    out
}

/// How many of some weights, largest first, are large enough for a place of their own; the others are better shown as one.
pub(crate) fn worth_showing(weights: &[u64], room: Rect) -> usize {
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let cells = u128::from(room.width) * u128::from(room.height);
    let large = |weight: &&u64| u128::from(**weight) * cells >= all * u128::from(LEAST) && **weight > 0;
    let large = weights.iter().take_while(large).count();
    // One small thing is no smaller than the sum of one.
    if large + 1 == weights.len() && weights[large] > 0 { large + 1 } else { large }
}

fn cut(weights: &[u64], room: Rect, out: &mut Vec<Rect>) {
    if weights.len() < 2 {
        out.extend(weights.iter().map(|_| room));
        return;
    }
    let sum = |weights: &[u64]| weights.iter().map(|weight| u128::from(*weight)).sum::<u128>();
    let all = sum(weights);
    // The first part takes from the largest on as long as that brings it nearer to one half.
    let mut at = 1;
    while at + 1 < weights.len() && sum(&weights[..at]) * 2 + u128::from(weights[at]) <= all {
        at += 1;
    }
    let (first, rest) = weights.split_at(at);
    // A cell is twice as high as it is wide.
    let wide = room.width >= room.height.saturating_mul(2);
    let side = if wide { room.width } else { room.height };
    let part = (u128::from(side) * sum(first) * 2 + all).checked_div(all * 2).unwrap_or(0) as u16;
    let part = if side < 2 { side } else { part.clamp(1, side - 1) };
    let (one, two) = if wide {
        (Rect { width: part, ..room }, Rect { x: room.x + part, width: room.width - part, ..room })
    } else {
        (Rect { height: part, ..room }, Rect { y: room.y + part, height: room.height - part, ..room })
    };
    cut(first, one, out);
    cut(rest, two, out);
}

/// The place next to the one at `from` in a direction; none where that is the border, or where the action is no direction.
pub(crate) fn next(places: &[Rect], from: usize, action: Action) -> Option<usize> {
    let here = places.get(from)?;
    let distance = |there: &Rect| -> Option<u16> {
        let gap = match action {
            Action::Right => there.x.checked_sub(here.right())?,
            Action::Left => here.x.checked_sub(there.right())?,
            Action::Down => there.y.checked_sub(here.bottom())?.saturating_mul(2),
            Action::Up => here.y.checked_sub(there.bottom())?.saturating_mul(2),
            _ => return None,
        };
        // Sideways, from the middle: nothing as long as one looks at it straight.
        let away = |at: u16, from: u16, to: u16| from.saturating_sub(at).max(at.saturating_sub(to.saturating_sub(1)));
        let aside = if matches!(action, Action::Right | Action::Left) {
            away(here.y + here.height / 2, there.y, there.bottom()).saturating_mul(2)
        } else {
            away(here.x + here.width / 2, there.x, there.right())
        };
        Some(gap.saturating_add(aside.saturating_mul(3)))
    };
    let others = places.iter().enumerate().filter(|(at, place)| *at != from && !place.is_empty());
    others.filter_map(|(at, place)| Some((distance(place)?, at))).min().map(|(_, at)| at)
}

/// The place at a point of the screen.
pub(crate) fn at(places: &[Rect], point: Position) -> Option<usize> {
    places.iter().position(|place| place.contains(point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_in_proportion_and_fill_the_room() {
        let room = Rect::new(3, 2, 60, 20);
        let weights = [600, 300, 150, 90, 40, 20];
        let places = places(&weights, room);
        let cells = |place: &Rect| u32::from(place.width) * u32::from(place.height);
        assert_eq!(places.iter().map(cells).sum::<u32>(), 1200, "nothing is left over: {places:?}");
        for (place, weight) in places.iter().zip(weights) {
            assert!(cells(place).abs_diff(weight as u32) <= weight as u32 / 5 + 12, "{weight}: {place:?}");
            assert_eq!(place.intersection(room), *place);
        }
        for (at, place) in places.iter().enumerate() {
            assert!(places[at + 1..].iter().all(|other| !place.intersects(*other)), "{places:?}");
        }
    }

    #[test]
    fn any_room_and_any_weights_have_places() {
        let tables: [&[u64]; 5] = [&[], &[0], &[0, 0, 0], &[u64::MAX, u64::MAX, 1], &[1; 40]];
        for weights in tables {
            for (width, height) in [(0, 0), (1, 1), (2, 9), (9, 1), (80, 3), (3, 80)] {
                let room = Rect::new(1, 1, width, height);
                let places = places(weights, room);
                assert_eq!(places.len(), weights.len());
                assert!(places.iter().all(|place| place.is_empty() || place.intersection(room) == *place));
            }
        }
    }

    #[test]
    fn what_is_too_small_to_see_is_for_the_sum() {
        let room = Rect::new(0, 0, 20, 10);
        assert_eq!(worth_showing(&[900, 90, 5, 3, 2], room), 2);
        assert_eq!(worth_showing(&[900, 90, 5], room), 3, "one alone is no sum");
        assert_eq!(worth_showing(&[0, 0], room), 0);
        assert_eq!(worth_showing(&[], room), 0);
    }

    #[test]
    fn arrows_go_to_the_neighbour_one_looks_at() {
        // One large at the left, three above each other at its right.
        let places =
            [Rect::new(0, 0, 20, 9), Rect::new(20, 0, 10, 3), Rect::new(20, 3, 10, 3), Rect::new(20, 6, 10, 3)];
        assert_eq!(next(&places, 0, Action::Right), Some(2));
        assert_eq!(next(&places, 2, Action::Down), Some(3));
        assert_eq!(next(&places, 2, Action::Up), Some(1));
        assert_eq!(next(&places, 3, Action::Left), Some(0));
        assert_eq!(next(&places, 3, Action::Down), None);
        assert_eq!(next(&places, 0, Action::Mark), None);
        assert_eq!(at(&places, Position::new(21, 4)), Some(2));
    }
}
