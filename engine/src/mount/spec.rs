//! One mount as the Docker Engine API's `HostConfig.Mounts` has it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// What is mounted. Docker's command line passes on any word; the engine refuses those it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Kind {
    /// A volume: storage that the engine keeps under a name.
    #[default]
    Volume,
    /// A folder or file of the host.
    Bind,
    /// Memory, gone when the container stops.
    Tmpfs,
    /// The content of an image, for reading.
    Image,
    /// A word that no engine knows.
    Other(String),
}

impl Kind {
    /// No word at all.
    pub(super) fn nothing() -> Self {
        Self::Other(String::new())
    }

    fn is_nothing(&self) -> bool {
        self.as_str().is_empty()
    }

    /// The word in the API.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Volume => "volume",
            Self::Bind => "bind",
            Self::Tmpfs => "tmpfs",
            Self::Image => "image",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Kind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "volume" => Self::Volume,
            "bind" => Self::Bind,
            "tmpfs" => Self::Tmpfs,
            "image" => Self::Image,
            _ => Self::Other(word),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Takes `null` for what is not there: Go programs write it for empty maps and lists.
fn or_null<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// One mount that was asked for, as in `HostConfig.Mounts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountSpec {
    /// What is mounted. A spec without the field has the empty word, which the engine refuses.
    #[serde(rename = "Type", default = "Kind::nothing", skip_serializing_if = "Kind::is_nothing")]
    pub kind: Kind,
    /// A volume's name, or a path of the host; empty for an anonymous volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The path in the container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Whether the container may not write to it.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// `consistent`, `cached` or `delegated`: kept, without a meaning on Linux.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consistency: String,
    /// What only binds have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    /// What only volumes have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// What only images have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_options: Option<ImageOptions>,
    /// What only memory has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// What can be said about a bind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindOptions {
    /// `rprivate`, `private`, `rshared`, `shared`, `rslave`, `slave`, or empty for the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// Whether mounts below the source stay out.
    #[serde(skip_serializing_if = "is_false")]
    pub non_recursive: bool,
    /// Whether a missing source is created as a folder.
    #[serde(skip_serializing_if = "is_false")]
    pub create_mountpoint: bool,
    /// Whether mounts below a read-only source stay writable.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only_non_recursive: bool,
    /// Whether it is an error if mounts below cannot be made read-only too.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only_force_recursive: bool,
}

/// What can be said about a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeOptions {
    /// Whether the image's content is not copied into a new volume.
    #[serde(skip_serializing_if = "is_false")]
    pub no_copy: bool,
    /// Labels of a volume that is created.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_null")]
    pub labels: BTreeMap<String, String>,
    /// The driver of a volume that is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<DriverConfig>,
    /// A folder of the volume to mount in its place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
}

/// A volume driver and what it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DriverConfig {
    /// The driver; empty for `local`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The driver's options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_null")]
    pub options: BTreeMap<String, String>,
}

/// What can be said about an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageOptions {
    /// A folder of the image to mount in its place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
}

/// What can be said about memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    /// The most it may hold, in bytes; 0 for the kernel's default, half of memory.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_bytes: i64,
    /// The permission bits of its root; 0 for the kernel's default, 1777.
    #[serde(skip_serializing_if = "is_zero")]
    pub mode: u32,
    /// Further options: a word, or a key and its value.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_null")]
    pub options: Vec<Vec<String>>,
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl MountSpec {
    /// A new spec of a kind for a path in the container, everything else at its default.
    pub fn new(kind: Kind, source: impl Into<String>, target: impl Into<String>) -> Self {
        Self { kind, source: source.into(), target: target.into(), ..Self::default() }
    }

    /// Makes a source that starts with a dot absolute, as docker's command line does for every kind of mount.
    #[must_use]
    pub fn absolute(mut self, place: &super::Place<'_>) -> Self {
        if self.source.starts_with('.') {
            self.source = super::short::absolute(&self.source, place);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_programs_send() {
        let spec: MountSpec = serde_json::from_str(r#"{"Type":"volume","Source":"data","Target":"/d","VolumeOptions":{"Labels":null,"DriverConfig":{"Options":null}}}"#).unwrap();
        assert_eq!(spec.volume_options.unwrap().driver_config, Some(DriverConfig::default()));
        let spec: MountSpec = serde_json::from_str(r#"{"Target":"/d"}"#).unwrap();
        assert_eq!(spec.kind.as_str(), "");
        assert!(serde_json::from_str::<MountSpec>(r#"{"Target":5}"#).is_err());
    }

    #[test]
    fn writes_no_empty_fields() {
        let spec = MountSpec::new(Kind::Bind, "/a", "/b");
        assert_eq!(serde_json::to_string(&spec).unwrap(), r#"{"Type":"bind","Source":"/a","Target":"/b"}"#);
    }
}
