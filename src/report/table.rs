//! Columns as wide as their widest cell, as Docker's tables are.

/// Narrowest column and the room after a cell, in characters.
const MINIMUM: usize = 10;
const PADDING: usize = 3;

/// Lays out lines of cells parted by tabs. A line's last cell is not padded; a line without a tab ends the columns.
pub(crate) fn align(text: &str) -> String {
    align_with(text, MINIMUM, PADDING)
}

/// As [`align`], with other widths.
pub(crate) fn align_with(text: &str, minimum: usize, padding: usize) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let lines: Vec<Vec<&str>> =
        text.split_inclusive('\n').map(|l| l.trim_end_matches('\n').split('\t').collect()).collect();
    // As Go's tabwriter: a column lives as long as the lines that follow one another have it.
    let mut widths = vec![Vec::<usize>::new(); lines.len()];
    for first in 0..lines.len() {
        for column in widths[first].len()..lines[first].len().saturating_sub(1) {
            let last = (first..lines.len()).take_while(|i| lines[*i].len() > column + 1).last().unwrap_or(first);
            let width = (first..=last).map(|i| wide(lines[i][column]) + padding).max().unwrap_or(0).max(minimum);
            for line in &mut widths[first..=last] {
                if line.len() == column {
                    line.push(width);
                }
            }
        }
    }
    for (cells, widths) in lines.iter().zip(&widths) {
        for (i, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(i) {
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(wide(cell))));
            }
        }
        out.push('\n');
    }
    out
}

/// The first characters of `text`, the last of `most` an ellipsis when something is missing.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if wide(text) <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn wide(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_all_but_the_last_cell() {
        let text = "REPOSITORY\tTAG\tSIZE\nlocalhost:5000/team/base\t1\t3.96MB\n";
        let want = "REPOSITORY                 TAG       SIZE\nlocalhost:5000/team/base   1         3.96MB\n";
        assert_eq!(align(text), want);
        assert_eq!(align("a\t\n"), "a         \n");
    }

    #[test]
    fn a_line_without_cells_ends_the_columns() {
        assert_eq!(align_with("aaaa\tb\n\nc\td\n", 2, 1), "aaaa b\n\nc d\n");
    }
}
