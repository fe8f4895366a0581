//! The keys that leave a container without ending it: `ctrl-p,ctrl-q` unless others are chosen.

/// Watches what is typed for the keys.
#[derive(Debug, PartialEq)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were typed last.
    typed: usize,
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self { keys: vec![0x10, 0x11], typed: 0 }
    }
}

impl DetachKeys {
    /// Reads `ctrl-x,y,ctrl-@`: letters, and `ctrl-` with a letter or one of `@[\]^_`. Nothing means the default.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let keys = text.split(',').map(|key| code(key).ok_or_else(|| wrong(text, key))).collect::<Result<_, _>>()?;
        Ok(Self { keys, typed: 0 })
    }

    /// Takes what was typed; gives what of it is for the container, and whether the keys were among it.
    pub(crate) fn feed(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut through = Vec::with_capacity(typed.len() + self.typed);
        for byte in typed {
            if *byte == self.keys[self.typed] {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    self.typed = 0;
                    return (through, true);
                }
                continue;
            }
            through.extend_from_slice(&self.keys[..self.typed]);
            self.typed = usize::from(*byte == self.keys[0]);
            if self.typed == 0 {
                through.push(*byte);
            } else if self.keys.len() == 1 {
                return (through, true);
            }
        }
        (through, false)
    }
}

fn wrong(text: &str, key: &str) -> String {
    format!(
        "invalid detach keys ({text}): unknown key '{key}': write letters and ctrl-LETTER with commas, like ctrl-p,ctrl-q"
    )
}

fn code(key: &str) -> Option<u8> {
    match key.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([letter @ (b'a'..=b'z' | b'A'..=b'Z')]) => Some(letter.to_ascii_lowercase() - b'a' + 1),
        Some(b"@") => Some(0),
        Some([sign @ b'['..=b'_']) => Some(sign - b'[' + 27),
        Some(_) => None,
        None if key == "DEL" => Some(127),
        None => match key.as_bytes() {
            [letter] => Some(*letter),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys() {
        let keys = |text: &str| DetachKeys::parse(text).map(|keys| keys.keys);
        assert_eq!(keys(""), Ok(vec![0x10, 0x11]));
        assert_eq!(keys("ctrl-a,b,ctrl-@,ctrl-_,ctrl-[,DEL"), Ok(vec![1, b'b', 0, 31, 27, 127]));
        for bad in ["xx", "ctrl-", "ctrl-1", "a,,b", "ctrl-é"] {
            assert!(keys(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lets_all_else_through() {
        let mut keys = DetachKeys::default();
        assert_eq!(keys.feed(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.feed(b"c\x10"), (b"\x10c".to_vec(), false), "kept back until the next key tells");
        assert_eq!(keys.feed(b"\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.feed(b"\x11rest"), (Vec::new(), true));
        let mut one = DetachKeys::parse("q").expect("good");
        assert_eq!(one.feed(b"abq"), (b"ab".to_vec(), true));
    }
}
