//! `--chmod`: octal numbers, and `u+x,go=rX` as chmod(1) has it.

/// A change of permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change(Vec<Clause>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Clause {
    Set(u16),
    Symbolic { who: u16, operator: char, permissions: Vec<char> },
}

impl Change {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong, for the user.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("invalid --chmod {text:?}: write 0755, or u=rwX,go=rX");
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let mode = u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(wrong)?;
            return Ok(Self(vec![Clause::Set(mode)]));
        }
        text.split(',').map(|clause| symbolic(clause).ok_or_else(wrong)).collect::<Result<_, _>>().map(Self)
    }

    /// The new bits of a file that has `mode`.
    pub(crate) fn apply(&self, mode: u16, is_directory: bool) -> u16 {
        self.0.iter().fold(mode & 0o7777, |mode, clause| match clause {
            Clause::Set(mode) => *mode,
            Clause::Symbolic { who, operator, permissions } => {
                let mut bits = 0;
                for permission in permissions {
                    bits |= match permission {
                        'r' => 0o444 & who,
                        'w' => 0o222 & who,
                        'x' => 0o111 & who,
                        'X' if is_directory || mode & 0o111 != 0 => 0o111 & who,
                        's' => who & 0o6000,
                        't' => 0o1000,
                        _ => 0,
                    };
                }
                match operator {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    // Those of the named ones go first.
                    _ => mode & !(who & 0o7777) | bits,
                }
            }
        })
    }
}

fn symbolic(clause: &str) -> Option<Clause> {
    let at = clause.find(['+', '-', '='])?;
    let (who, rest) = clause.split_at(at);
    let mut bits = 0;
    for c in who.chars() {
        bits |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o0007,
            'a' => 0o6777,
            _ => return None,
        };
    }
    let mut permissions = rest.chars();
    let operator = permissions.next()?;
    let permissions: Vec<char> = permissions.collect();
    permissions.iter().all(|c| "rwxXst".contains(*c)).then_some(Clause::Symbolic {
        who: if who.is_empty() { 0o6777 } else { bits },
        operator,
        permissions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change() {
        for (text, before, is_directory, after) in [
            ("0755", 0o600, false, 0o755),
            ("4755", 0o600, false, 0o4755),
            ("u+x", 0o644, false, 0o744),
            ("a-w", 0o666, false, 0o444),
            ("+x", 0o644, false, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("go=", 0o777, false, 0o700),
            ("u+s,+t", 0o755, false, 0o5755),
        ] {
            assert_eq!(Change::parse(text).expect(text).apply(before, is_directory), after, "{text}");
        }
        for bad in ["", "9", "77777", "x+r", "u", "u+q", "u+r;"] {
            assert!(Change::parse(bad).is_err(), "{bad}");
        }
    }
}
