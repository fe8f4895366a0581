//! `--device source[:target[:rwm]]`, and devices of the Container Device Interface by name.

use outcrop_engine::mount::clean;
use serde_json::{Value, json};

/// A device as the API has it.
#[derive(Debug, PartialEq)]
pub(super) enum Device {
    /// An element of `HostConfig.Devices`.
    Node(Value),
    /// A name like `vendor.com/class=name`.
    Interface(String),
}

fn is_mode(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| "rwm".contains(c)) && "rwm".chars().all(|c| text.matches(c).count() <= 1)
}

/// Reads a device as docker's command line does.
pub(super) fn parse(text: &str) -> Result<Device, String> {
    if text.contains('=') && text.contains('/') && !text.starts_with('/') {
        return Ok(Device::Interface(text.to_owned()));
    }
    let parts: Vec<_> = text.split(':').collect();
    if parts.len() > 3 || parts[0].is_empty() {
        return Err(format!("bad format for path: {text}"));
    }
    let (source, target, mode) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, mode] if is_mode(mode) => (*source, *source, *mode),
        [source, target] => (*source, *target, "rwm"),
        [source, target, mode] if is_mode(mode) => (*source, *target, *mode),
        _ => return Err(format!("bad mode specified: {}", parts.last().unwrap_or(&""))),
    };
    if !target.starts_with('/') {
        return Err(format!("{target} is not an absolute path"));
    }
    Ok(Device::Node(json!({"PathOnHost": source, "PathInContainer": clean(target), "CgroupPermissions": mode})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_devices() {
        let node = |source: &str, target: &str, mode: &str| {
            Ok(Device::Node(json!({"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": mode})))
        };
        assert_eq!(parse("/dev/snd"), node("/dev/snd", "/dev/snd", "rwm"));
        assert_eq!(parse("/dev/snd:rw"), node("/dev/snd", "/dev/snd", "rw"));
        assert_eq!(parse("/dev/snd:/something"), node("/dev/snd", "/something", "rwm"));
        assert_eq!(parse("/dev/snd:/something:rw"), node("/dev/snd", "/something", "rw"));
        assert_eq!(parse("hostPath:/containerPath:mrw"), node("hostPath", "/containerPath", "mrw"));
        assert_eq!(parse("vendor.com/class=name"), Ok(Device::Interface("vendor.com/class=name".into())));
        for (bad, why) in [
            ("", "bad format for path: "),
            ("./", "./ is not an absolute path"),
            ("/:../", "../ is not an absolute path"),
            ("/:path", "path is not an absolute path"),
            (":", "bad format for path: :"),
            ("/tmp:", " is not an absolute path"),
            (":/test", "bad format for path: :/test"),
            (":::", "bad format for path: :::"),
            ("/tmp:::", "bad format for path: /tmp:::"),
            ("path:ro", "ro is not an absolute path"),
            ("path:rr", "rr is not an absolute path"),
            ("a:/b:ro", "bad mode specified: ro"),
            ("a:/b:rr", "bad mode specified: rr"),
        ] {
            assert_eq!(parse(bad), Err(why.into()), "{bad}");
        }
    }
}
