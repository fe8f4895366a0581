//! Signals by name and number.

/// Names in the order of Linux's numbers on x86-64 and arm64, from 1.
const NAMES: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// The first real-time signal that programs may use, and the last.
const REAL_TIME: (u8, u8) = (34, 64);

/// The number of `15`, `TERM`, `SIGTERM`, `RTMIN+3` or `RTMAX-1`.
pub(crate) fn parse(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=REAL_TIME.1).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    match name {
        "IOT" => return Some(6),
        "CLD" => return Some(17),
        "POLL" => return Some(29),
        "RTMIN" => return Some(REAL_TIME.0),
        "RTMAX" => return Some(REAL_TIME.1),
        _ => {}
    }
    let number = if let Some(offset) = name.strip_prefix("RTMIN+") {
        REAL_TIME.0.checked_add(offset.parse().ok()?)?
    } else if let Some(offset) = name.strip_prefix("RTMAX-") {
        REAL_TIME.1.checked_sub(offset.parse().ok()?)?
    } else {
        return NAMES.iter().position(|known| *known == name).map(|at| at as u8 + 1);
    };
    (REAL_TIME.0..=REAL_TIME.1).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("sigterm", Some(15)),
            ("SIGUSR2", Some(12)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("WINCH", Some(28)),
            ("SYS", Some(31)),
            ("0", None),
            ("65", None),
            ("RTMIN+31", None),
            ("NOPE", None),
            ("", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }
}
