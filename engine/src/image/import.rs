//! Making an image of one file system archive.

use std::io::Read;

use outcrop_layers::archive::Platform;
use outcrop_layers::digest::{DiffId, ImageId};
use serde_json::{Map, Value, json};

use super::change::Changes;
use super::load::parse_platform;
use super::staging::{NewImage, Origin, Staging};
use super::{ImageError, Images, Reference, ReferenceError};
use crate::progress::Ctx;

/// How to import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The name it gets.
    pub reference: Option<String>,
    /// Dockerfile instructions: `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// Comment in the history.
    pub message: String,
    /// Where it comes from, for the history (`-` for a stream).
    pub source: String,
    /// `os/arch[/variant]`; the host's by default.
    pub platform: Option<String>,
}

impl Images {
    /// Makes an image of one layer from a tar (plain, gzip, zstd) of a root file system.
    pub fn import(&self, tar: impl Read + Send, options: &ImportOptions, ctx: Ctx<'_>) -> Result<ImageId, ImageError> {
        // All that can be wrong without the archive is found before it is read.
        let platform = parse_platform(options.platform.as_deref())?.unwrap_or_else(Platform::host);
        if platform.os != "linux" {
            return Err(ImageError::Invalid(format!("cannot import an image for {platform} on linux")));
        }
        let name = options.reference.as_deref().filter(|text| !text.is_empty()).map(Reference::parse).transpose()?;
        if name.as_ref().is_some_and(|name| name.digest().is_some()) {
            return Err(ReferenceError::TagWithDigest.into());
        }
        let mut changes = Changes::default();
        for change in &options.changes {
            changes.apply(change).map_err(|error| ImageError::Invalid(error.to_string()))?;
        }
        let mut staging = Staging::begin(self, ctx)?;
        let source = if options.source.is_empty() { "-" } else { &options.source };
        let layer = staging.layer(source, tar, None, None)?.diff;
        let comment = match options.message.as_str() {
            "" => format!("Imported from {source}"),
            message => message.into(),
        };
        let image = NewImage {
            config: config(&changes.into_config(), &platform, layer, &comment),
            layers: vec![layer],
            names: name.into_iter().map(Reference::or_latest).collect(),
            origin: Origin::Made,
        };
        let id = image.id();
        staging.publish(&[image])?;
        self.tell("import", id, &id.to_string());
        Ok(id)
    }
}

fn config(config: &Map<String, Value>, platform: &Platform, layer: DiffId, comment: &str) -> Vec<u8> {
    let now = jiff::Timestamp::now().to_string();
    let mut image = json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "created": now,
        "comment": comment,
        "config": config,
        "history": [{"created": now, "comment": comment}],
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    });
    if let Some(variant) = &platform.variant {
        image["variant"] = variant.as_str().into();
    }
    image.to_string().into_bytes()
}
