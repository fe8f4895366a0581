//! Sizes as people write them: `64m`, `1.5g`, `1 KiB`.

/// Reads a size in bytes; the units are powers of 1024, with `b` and `ib` after them allowed, in either case.
///
/// The rules are those of docker's `units.RAMInBytes`, fractions included.
///
/// # Errors
/// The text that was not understood, in docker's words.
pub fn ram_in_bytes(text: &str) -> Result<i64, String> {
    let bad = || format!("invalid size: '{text}'");
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(bad)?;
    let number = if text.as_bytes()[last] == b' ' { &text[..last] } else { &text[..=last] };
    let size = decimal(number).ok_or_else(bad)?;
    if size < 0.0 {
        return Err(bad());
    }
    let suffix = text[last + 1..].to_lowercase();
    let factor = match suffix.as_bytes() {
        [] | [b'b'] => 1.0,
        [unit] | [unit, b'b'] | [unit, b'i', b'b'] => {
            let power =
                b"kmgtp".iter().position(|known| known == unit).ok_or_else(|| format!("invalid suffix: '{suffix}'"))?;
            1024_f64.powi(power as i32 + 1)
        }
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    // A float too large for the integer becomes the largest integer.
    Ok((size * factor) as i64)
}

/// A decimal number; `inf` and `nan`, which Rust would take, are none.
fn decimal(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
    text.chars().all(plain).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        let table = [
            ("32", 32),
            ("32b", 32),
            ("32k", 32 << 10),
            ("32KB", 32 << 10),
            ("32kib", 32 << 10),
            ("1.5g", 3 << 29),
            ("1 m", 1 << 20),
            ("0", 0),
            (".5k", 512),
            ("2T", 2 << 40),
            ("1p", 1 << 50),
            ("1e2k", 102_400),
            ("99999999p", i64::MAX),
        ];
        for (text, expected) in table {
            assert_eq!(ram_in_bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_size() {
        for text in
            ["", "hello", "m", "-32", " 32 ", "32bb", "32kk", "32kbi", "32x", "32 x b", "1..5k", "inf3", "é", "3é"]
        {
            assert!(ram_in_bytes(text).is_err(), "{text}");
        }
        assert_eq!(ram_in_bytes("32bb"), Err("invalid suffix: 'bb'".to_owned()));
        assert_eq!(ram_in_bytes("-1"), Err("invalid size: '-1'".to_owned()));
    }
}
