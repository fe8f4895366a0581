//! Platforms, and which image of several is the one to take.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Operating systems that a word alone may mean, in Go's names.
const SYSTEMS: [&str; 5] = ["linux", "windows", "darwin", "freebsd", "wasip1"];

/// What an image runs on, in Go's names (OCI image index specification, "platform").
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// Operating system (`linux`).
    pub os: String,
    /// CPU architecture (`amd64`).
    pub architecture: String,
    /// Variant of the architecture (`v8`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on this machine's processor.
    pub fn host() -> Self {
        Self { os: "linux".into(), architecture: go_architecture(std::env::consts::ARCH).into(), variant: None }
    }

    /// Parses `os/architecture[/variant]`, an architecture alone for Linux, or an operating system alone for this machine's processor.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let first = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let (os, architecture, variant) = match rest[..] {
            [] if SYSTEMS.contains(&first.to_ascii_lowercase().as_str()) => (first, std::env::consts::ARCH, None),
            [] => ("linux", first, None),
            [architecture] => (first, architecture, None),
            [architecture, variant] => (first, architecture, Some(variant)),
            _ => return None,
        };
        let proper = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if !proper(os) || !proper(architecture) || !variant.is_none_or(proper) {
            return None;
        }
        let architecture = go_architecture(architecture).to_owned();
        Some(Self { os: os.to_lowercase(), architecture, variant: variant.map(Into::into) })
    }

    /// How well an image for `self` serves `wanted`: 0 is not at all.
    pub fn serves(&self, wanted: &Self) -> u8 {
        if self.os != wanted.os || self.architecture != wanted.architecture {
            return 0;
        }
        // What the architecture alone means, and the highest variant that any processor of it has.
        let usual = |platform: &Self| {
            let default = match platform.architecture.as_str() {
                "arm64" => "v8",
                "arm" => "v7",
                "amd64" => "v1",
                _ => "",
            };
            platform.variant.clone().unwrap_or_else(|| default.into())
        };
        let (mine, theirs) = (usual(self), usual(wanted));
        match mine.cmp(&theirs) {
            Ordering::Equal => 3,
            Ordering::Less => 2,
            Ordering::Greater => 1,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

/// Go's name of a processor that Rust, `uname` or a person names otherwise.
fn go_architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "x86" | "i386" | "i686" => "386",
        "armhf" | "armv7l" => "arm",
        "powerpc64" | "powerpc64le" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_people_write() {
        let table = [
            ("linux/amd64", Some("linux/amd64")),
            ("aarch64", Some("linux/arm64")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("linux/", None),
            ("windows", Some(&*format!("windows/{}", Platform::host().architecture))),
            ("Linux", Some(&*Platform::host().to_string())),
            ("", None),
            ("a/b/c/d", None),
            ("linux/a b", None),
        ];
        for (text, expected) in table {
            assert_eq!(Platform::parse(text).map(|p| p.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn nearest_variant_is_best() {
        let serves = |image: &str, wanted: &str| {
            let parse = |text| Platform::parse(text).expect("a platform");
            parse(image).serves(&parse(wanted))
        };
        assert_eq!(serves("linux/arm64/v8", "linux/arm64"), 3);
        assert!(serves("linux/arm/v7", "linux/arm") > serves("linux/arm/v6", "linux/arm"));
        assert!(serves("linux/arm/v6", "linux/arm") > serves("linux/arm/v8", "linux/arm"));
        assert_eq!(serves("windows/amd64", "linux/amd64"), 0);
    }
}
