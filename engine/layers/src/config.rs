//! The image configuration, as far as layers need it (OCI image specification, "OCI Image Configuration").

use serde::{Deserialize, Serialize};

use crate::digest::DiffId;

/// Largest accepted configuration, manifest or index, in bytes.
pub const LARGEST_DOCUMENT: usize = 8 << 20;

/// Most layers an image may have: overlayfs takes 128 lower layers, Docker keeps three for itself.
pub const MOST_LAYERS: usize = 125;

/// The parts of an image configuration that tell its layers. Unknown keys are ignored: the raw bytes are what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// CPU architecture in Go's names (`amd64`).
    pub architecture: String,
    /// Architecture variant (`v8`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Operating system in Go's names (`linux`).
    pub os: String,
    /// When it was built, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who built it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Execution parameters, kept as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// The instructions, base first; those with `empty_layer` have no layer.
    #[serde(deserialize_with = "null_is_default")]
    pub history: Vec<History>,
    /// The layers.
    #[serde(deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
}

/// One instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command, as the builder wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// The layers' diff IDs, base first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Diff IDs, base first.
    #[serde(deserialize_with = "null_is_default")]
    pub diff_ids: Vec<DiffId>,
}

/// Reads what Go's encoder writes for an empty list or a missing object.
fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".into(), diff_ids: Vec::new() }
    }
}

impl ImageConfig {
    /// Parses a configuration.
    ///
    /// # Errors
    /// When it is larger than [`LARGEST_DOCUMENT`], is no JSON of this shape, or has more than [`MOST_LAYERS`] layers.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > LARGEST_DOCUMENT {
            return Err(ConfigError::Large { bytes: bytes.len() });
        }
        let config: Self = serde_json::from_slice(bytes)?;
        if config.rootfs.diff_ids.len() > MOST_LAYERS {
            return Err(ConfigError::Layers { layers: config.rootfs.diff_ids.len() });
        }
        Ok(config)
    }
}

/// Says why bytes are no image configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Larger than the limit.
    #[error("image configuration has {bytes} bytes, at most {LARGEST_DOCUMENT} are read")]
    Large {
        /// Its size.
        bytes: usize,
    },
    /// No JSON, or not of this shape.
    #[error("image configuration is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// Too many layers.
    #[error("image has {layers} layers, at most {MOST_LAYERS} can be mounted")]
    Layers {
        /// How many it has.
        layers: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_as_good_as_missing() {
        let config = ImageConfig::parse(br#"{"history":null,"rootfs":{"type":"layers","diff_ids":null}}"#);
        assert_eq!(config.expect("parses"), ImageConfig::default());
        assert!(ImageConfig::parse(br#"{"rootfs":null}"#).is_ok());
        assert!(ImageConfig::parse(br#"{"rootfs":{"diff_ids":["md5:1"]}}"#).is_err());
    }
}
