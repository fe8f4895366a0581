//! Container names: which are allowed, and inventing one.

use super::error::{Doing, Result};

/// How a rock can be.
const HOW: &[&str] = &[
    "banded",
    "bedded",
    "bright",
    "brittle",
    "buried",
    "coarse",
    "cracked",
    "crystal",
    "deep",
    "dipping",
    "drifting",
    "eroded",
    "exposed",
    "faulted",
    "fine",
    "flat",
    "folded",
    "glassy",
    "grey",
    "hidden",
    "inclined",
    "layered",
    "massive",
    "mottled",
    "polished",
    "porous",
    "quiet",
    "rippled",
    "rugged",
    "shallow",
    "solid",
    "sunlit",
    "tilted",
    "upturned",
    "veined",
    "weathered",
];

/// What one finds where strata come to the surface.
const WHAT: &[&str] = &[
    "agate",
    "amber",
    "basalt",
    "beryl",
    "breccia",
    "chalk",
    "chert",
    "clay",
    "coal",
    "diorite",
    "dolomite",
    "flint",
    "gabbro",
    "garnet",
    "gneiss",
    "granite",
    "gypsum",
    "jasper",
    "lava",
    "limestone",
    "loess",
    "marble",
    "marl",
    "mica",
    "obsidian",
    "onyx",
    "opal",
    "pumice",
    "quartz",
    "rhyolite",
    "sandstone",
    "schist",
    "shale",
    "slate",
    "talc",
    "tuff",
];

/// Whether Docker allows a name: a letter or digit, then letters, digits and `_.-`, two characters at least.
pub(crate) fn is_valid(name: &str) -> bool {
    let (Some(first), rest) = (name.bytes().next(), name.bytes().skip(1)) else { return false };
    name.len() >= 2
        && name.len() <= 255
        && first.is_ascii_alphanumeric()
        && rest.clone().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Invents one that is not taken.
pub(crate) fn invent(taken: &[String]) -> Result<String> {
    for attempt in 0_u32.. {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(std::io::Error::other).doing("read", "/dev/urandom")?;
        let [a, b, c, d] = random;
        let how = HOW[usize::from(u16::from_be_bytes([a, b])) % HOW.len()];
        let what = WHAT[usize::from(u16::from_be_bytes([c, d])) % WHAT.len()];
        let name = if attempt < 8 { format!("{how}_{what}") } else { format!("{how}_{what}{attempt}") };
        if !taken.contains(&name) {
            return Ok(name);
        }
    }
    unreachable!("there are as many names as numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_docker_allows_them() {
        for good in ["ab", "a.b", "a_b-c", "0a", &"a".repeat(255)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a", "-a", ".a", "a/b", "a b", "ä1", "a\n", &"a".repeat(256)] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn invented_names_are_free_and_valid() {
        let taken: Vec<String> =
            HOW.iter().flat_map(|how| WHAT.iter().map(move |what| format!("{how}_{what}"))).collect();
        let name = invent(&taken).expect("a name");
        assert!(is_valid(&name) && !taken.contains(&name));
    }
}
