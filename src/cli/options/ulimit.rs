//! `--ulimit name=soft[:hard]`.

use outcrop_engine::container::Ulimit;
use serde_json::{Value, json};

/// Reads a limit as docker's go-units does; -1 is no limit.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let (name, limits) = text.split_once('=').ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
    if !Ulimit::NAMES.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number =
        |text: &str| text.parse::<i64>().map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    let parts: Vec<_> = limits.split(':').collect();
    let (soft, hard) = match parts.as_slice() {
        [both] => (number(both)?, number(both)?),
        [soft, hard] => (number(soft)?, number(hard)?),
        _ => return Err(format!("too many limit values - {limits}, can only have up to two")),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"));
    }
    Ok(json!({"Name": name, "Soft": soft, "Hard": hard}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits() {
        assert_eq!(parse("nofile=512:1024"), Ok(json!({"Name": "nofile", "Soft": 512, "Hard": 1024})));
        assert_eq!(parse("core=-1"), Ok(json!({"Name": "core", "Soft": -1, "Hard": -1})));
        assert_eq!(parse("core=5:-1"), Ok(json!({"Name": "core", "Soft": 5, "Hard": -1})));
        for (bad, why) in [
            ("foo", "invalid ulimit argument: foo"),
            ("foo=1", "invalid ulimit type: foo"),
            ("as=1", "invalid ulimit type: as"),
            ("core=a", "strconv.ParseInt: parsing \"a\": invalid syntax"),
            ("core=1:2:3", "too many limit values - 1:2:3, can only have up to two"),
            ("core=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
        ] {
            assert_eq!(parse(bad), Err(why.into()));
        }
    }
}
