//! Bytes and counts as text: one unit system everywhere.

use humansize::{BINARY, DECIMAL, FormatSizeOptions, format_size};

/// Which units sizes are shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// Powers of 1000, as docker prints them.
    #[default]
    Decimal,
    /// Powers of 1024.
    Binary,
}

impl Units {
    /// A size in bytes as people read it, about three digits.
    pub fn size(self, bytes: u64) -> String {
        let step = if self == Self::Decimal { 1000 } else { 1024 };
        let mut rest = bytes;
        while rest >= step * step {
            rest /= step;
        }
        let whole = if rest >= step { rest / step } else { rest };
        let places = if bytes < step || whole >= 100 {
            0
        } else if whole >= 10 {
            1
        } else {
            2
        };
        let base = if self == Self::Decimal { DECIMAL } else { BINARY };
        format_size(bytes, FormatSizeOptions::from(base).decimal_places(places).decimal_zeroes(places))
    }
}

/// A number with thin groups of three digits: `11 240`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + 4);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `one` or `many` after a number: `1 layer`, `2 layers`.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// How long ago something was, in one word and unit; a time in the future is said as such.
pub(crate) fn age(now: i64, then: i64) -> String {
    if then <= 0 {
        return "unknown".into();
    }
    let seconds = now.saturating_sub(then);
    if seconds < 0 {
        return "in the future".into();
    }
    let (number, unit) = match seconds {
        0..60 => return "just now".into(),
        60..3600 => (seconds / 60, "min"),
        3600..86_400 => (seconds / 3600, "h"),
        86_400..5_184_000 => (seconds / 86_400, "days"),
        5_184_000..63_072_000 => (seconds / 2_592_000, "months"),
        _ => (seconds / 31_536_000, "years"),
    };
    format!("{number} {} ago", if number == 1 { unit.trim_end_matches('s') } else { unit })
}

/// Seconds since 1970 as date and time, UTC.
pub(crate) fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Civil date of a day number, after Howard Hinnant's public algorithms.
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", rest / 3600, rest / 60 % 60)
}

/// Seconds since 1970 of an RFC 3339 time, to the second.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes().first() {
        Some(sign @ (b'+' | b'-')) => {
            let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
            if *sign == b'+' { minutes * 60 } else { -minutes * 60 }
        }
        _ => 0,
    };
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let table = [
            (0, "0 B", "0 B"),
            (999, "999 B", "999 B"),
            (1_000, "1.00 kB", "1000 B"),
            (84_213, "84.2 kB", "82.2 KiB"),
            (412_000_000, "412 MB", "393 MiB"),
            (1_210_000_000, "1.21 GB", "1.13 GiB"),
        ];
        for (bytes, decimal, binary) in table {
            assert_eq!(Units::Decimal.size(bytes), decimal);
            assert_eq!(Units::Binary.size(bytes), binary);
        }
        assert!(Units::Decimal.size(u64::MAX).ends_with("EB"));
    }

    #[test]
    fn counts_and_ages() {
        assert_eq!(count(11_240), "11 240");
        assert_eq!(count(999), "999");
        assert_eq!(plural(1, "layer", "layers"), "1 layer");
        assert_eq!(age(1_000_000, 1_000_000 - 7200), "2 h ago");
        assert_eq!(age(1_000_000, 1_000_000 - 86_400), "1 day ago");
        assert_eq!(age(1_000, 2_000), "in the future");
        assert_eq!(age(1_000, 0), "unknown");
        assert_eq!(age(i64::MAX, i64::MIN), "unknown");
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(1_795_460_400), "2026-11-23 19:00");
        assert_eq!(date(951_782_400), "2000-02-29 00:00");
        assert_eq!(date(-62_135_596_800), "0001-01-01 00:00");
        for text in ["2026-11-23T19:00:00Z", "2026-11-23T19:00:00.123456789Z", "2026-11-23T20:30:00+01:30"] {
            assert_eq!(parse_time(text), Some(1_795_460_400), "{text}");
        }
        assert_eq!(parse_time("0001-01-01T00:00:00Z"), Some(-62_135_596_800));
        assert_eq!(parse_time("soon"), None);
        assert!(!date(i64::MIN).is_empty() && !date(i64::MAX).is_empty());
    }
}
