//! How much of a file differs from the one it was copied from.

use std::fs::File;
use std::io;

use crate::fill::fill;

/// Bytes compared at a time.
const BLOCK: usize = 128 << 10;

/// What files are compared with: room that is kept from one to the next.
#[derive(Default)]
pub(crate) struct Comparer {
    upper: Vec<u8>,
    lower: Vec<u8>,
}

impl Comparer {
    /// Bytes of `upper` that are not what `lower` has at the same place, and by how many bytes one is longer.
    ///
    /// # Errors
    /// What reading fails with.
    pub(crate) fn changed(&mut self, mut upper: File, mut lower: File) -> io::Result<u64> {
        self.upper.resize(BLOCK, 0);
        self.lower.resize(BLOCK, 0);
        let (one, other) = (&mut self.upper, &mut self.lower);
        let mut changed = 0;
        loop {
            let (n, m) = (fill(&mut upper, one)?, fill(&mut lower, other)?);
            let both = n.min(m);
            if one[..both] != other[..both] {
                changed += one[..both].iter().zip(&other[..both]).filter(|(a, b)| a != b).count() as u64;
            }
            if n < BLOCK || m < BLOCK {
                let rest = |file: &mut File, more: bool| if more { io::copy(file, &mut io::sink()) } else { Ok(0) };
                let (upper, lower) = (rest(&mut upper, n == BLOCK)?, rest(&mut lower, m == BLOCK)?);
                return Ok(changed + (n as u64 + upper).abs_diff(m as u64 + lower));
            }
        }
    }
}

/// Whether `upper` begins as `lower` does: as far as both go, at most 4096 bytes.
pub(crate) fn begins_alike(mut upper: File, mut lower: File) -> io::Result<bool> {
    let (mut one, mut other) = ([0; 4096], [0; 4096]);
    let (n, m) = (fill(&mut upper, &mut one)?, fill(&mut lower, &mut other)?);
    Ok(n >= m && one[..m] == other[..m])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_bytes_that_differ() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).expect("written");
        let open = |name: &str| File::open(folder.path().join(name)).expect("opens");
        let big = vec![7; BLOCK * 2 + 9];
        let mut other = big.clone();
        (other[3], other[BLOCK + 1]) = (1, 2);
        let mut comparer = Comparer::default();
        for (upper, lower, want, alike) in [
            (&b"abc"[..], &b"abc"[..], 0, true),
            (b"abX", b"abc", 1, false),
            (b"abcdef", b"abc", 3, true),
            (b"", b"abc", 3, false),
            (b"abc", b"", 3, true),
            (&big, &other, 2, false),
            (&big[..BLOCK], &big, BLOCK as u64 + 9, true),
            (&big, &big[..5], BLOCK as u64 * 2 + 4, true),
        ] {
            write("upper", upper);
            write("lower", lower);
            assert_eq!(comparer.changed(open("upper"), open("lower")).expect("read"), want);
            assert_eq!(begins_alike(open("upper"), open("lower")).expect("read"), alike, "{want}");
        }
    }
}
