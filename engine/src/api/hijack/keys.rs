//! Detach keys: a sequence that ends an attachment and is not passed on.

/// A sequence of bytes that is looked for in what is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Keys {
    sequence: Vec<u8>,
    /// How many of them were typed last.
    seen: usize,
}

impl Keys {
    /// Parses `ctrl-p,ctrl-q`: letters, and `ctrl-` with a letter or one of `@[\]^_`. Nothing is Docker's default.
    pub(in super::super) fn parse(text: &str) -> Result<Self, String> {
        let text = if text.is_empty() { "ctrl-p,ctrl-q" } else { text };
        let sequence = text.split(',').map(key).collect::<Option<_>>();
        let sequence = sequence.ok_or_else(|| {
            format!("Invalid detach keys ({text}) provided: write letters and ctrl-LETTER with commas between")
        })?;
        Ok(Self { sequence, seen: 0 })
    }

    /// What of `typed` is to be passed on, and whether the sequence was complete.
    pub(super) fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte != self.sequence[self.seen] {
                passed.extend_from_slice(&self.sequence[..self.seen]);
                self.seen = 0;
            }
            if byte == self.sequence[self.seen] {
                self.seen += 1;
            } else {
                passed.push(byte);
            }
            if self.seen == self.sequence.len() {
                self.seen = 0;
                return (passed, true);
            }
        }
        (passed, false)
    }
}

fn key(text: &str) -> Option<u8> {
    match (text.as_bytes(), text.strip_prefix("ctrl-").map(str::as_bytes)) {
        ([byte], _) if byte.is_ascii() => Some(*byte),
        (_, Some([byte])) if byte.is_ascii_lowercase() => Some(byte - b'a' + 1),
        (_, Some([byte])) => Some(match byte {
            b'@' => 0,
            b'[' => 27,
            b'\\' => 28,
            b']' => 29,
            b'^' => 30,
            b'_' => 31,
            _ => return None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_dockers() {
        for (text, want) in [
            ("", Some(&[16, 17][..])),
            ("ctrl-a,a", Some(&[1, 97])),
            ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", Some(&[0, 27, 28, 29, 30, 31])),
            ("ctrl-A", None),
            ("ctrl-", None),
            ("ab", None),
            ("a,", None),
            ("ä", None),
        ] {
            assert_eq!(Keys::parse(text).ok().map(|keys| keys.sequence).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_sequence_is_passed_on() {
        let typed: [&[u8]; 6] = [b"ab", b"\x10", b"c", b"\x10\x10", b"\x10x\x10", b"\x11 lost"];
        let mut keys = Keys::parse("").expect("keys");
        let mut passed = Vec::new();
        for (at, bytes) in typed.iter().enumerate() {
            let (some, complete) = keys.pass(bytes);
            passed.extend(some);
            assert_eq!(complete, at == 5, "{at}");
        }
        assert_eq!(passed, b"ab\x10c\x10\x10\x10x");
    }
}
