//! Sizes and spans of time as Docker words them (docker/go-units).

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// Bytes in powers of 1000 with four significant digits: `1.024kB`.
pub(crate) fn human_size(bytes: f64) -> String {
    scaled(bytes, 1000.0, 4, &DECIMAL)
}

/// Bytes in powers of 1000 with three significant digits, as image tables show them: `6.01MB`.
pub(crate) fn short_size(bytes: f64) -> String {
    scaled(bytes, 1000.0, 3, &DECIMAL)
}

/// Bytes in powers of 1024 with four significant digits: `23.54GiB`.
pub(crate) fn binary_size(bytes: f64) -> String {
    scaled(bytes, 1024.0, 4, &BINARY)
}

fn scaled(bytes: f64, base: f64, digits: usize, units: &[&str]) -> String {
    let mut size = bytes;
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), units[unit])
}

/// A number with at most `digits` significant digits, as C's `%.{digits}g`.
pub(crate) fn significant(number: f64, digits: usize) -> String {
    if number == 0.0 || !number.is_finite() {
        return if number == 0.0 { "0".into() } else { number.to_string() };
    }
    let scientific = format!("{:.*e}", digits.saturating_sub(1), number);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        let fraction = text.contains('.');
        if fraction { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    trim(&format!("{:.*}", (digits as i32 - 1 - exponent).max(0) as usize, number))
}

/// A size someone wrote, in powers of 1000: `20MB`, `1.5 kB`, `300`. `None` when it is none.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (text, is_negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    // Less than nothing is no size, but nothing less is.
    let number = text[..digits].parse::<f64>().ok().filter(|number| !is_negative || *number == 0.0)?;
    let unit = text[digits..].strip_prefix(' ').unwrap_or(&text[digits..]).to_ascii_lowercase();
    let power = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1000f64.powi(power)) as u64)
}

/// A span of seconds in words: `About an hour`, `3 weeks`.
pub(crate) fn human_duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds as f64 / 3600.0).round() as i64;
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Go's zero time, in seconds since 1970: engines send it for a moment that is not known.
const YEAR_ONE: i64 = -62_135_596_800;

/// How long before `now` something happened, both in seconds since 1970: `3 weeks ago`; `N/A` at 0.
pub(crate) fn ago(then: i64, now: i64) -> String {
    if then == 0 || then <= YEAR_ONE {
        "N/A".into()
    } else {
        format!("{} ago", human_duration(now.saturating_sub(then)))
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker() {
        for (bytes, want) in [
            (0.0, "0B"),
            (999.0, "999B"),
            (1000.0, "1kB"),
            (1024.0, "1.024kB"),
            (1e6, "1MB"),
            (1_048_576.0, "1.049MB"),
            (3.42e9, "3.42GB"),
            (5.372e12, "5.372TB"),
            (1e28, "1e+04YB"),
        ] {
            assert_eq!(human_size(bytes), want);
        }
        assert_eq!(short_size(6_012_530.0), "6.01MB");
        assert_eq!(short_size(123_456_789.0), "123MB");
        assert_eq!(binary_size(1024.0 * 1024.0 * 1024.0 * 3.42), "3.42GiB");
        assert_eq!(binary_size(25_276_502_016.0), "23.54GiB");
    }

    #[test]
    fn reads_sizes() {
        for (text, want) in [
            ("32", Some(32)),
            ("32kB", Some(32_000)),
            ("32.5 kB", Some(32_500)),
            (".3kB", Some(300)),
            ("20MB", Some(20_000_000)),
            ("0.", Some(0)),
            ("-1", None),
            ("-0 B", Some(0)),
            ("--0", None),
            ("", None),
            (".", None),
            ("1 2", None),
            ("5x", None),
        ] {
            assert_eq!(parse_size(text), want, "{text:?}");
        }
    }

    #[test]
    fn spans_as_docker() {
        for (seconds, want) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (2140, "35 minutes"),
            (3540, "59 minutes"),
            (5340, "About an hour"),
            (5460, "2 hours"),
            (129_600, "36 hours"),
            (172_800, "2 days"),
            (1_555_200, "2 weeks"),
            (5_184_000, "2 months"),
            (62_208_000, "24 months"),
            (63_417_600, "2 years"),
        ] {
            assert_eq!(human_duration(seconds), want, "{seconds}");
        }
        assert_eq!((ago(0, 5), ago(YEAR_ONE, 5)), ("N/A".into(), "N/A".into()));
    }
}
