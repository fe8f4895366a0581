//! Finds the images among an archive's documents.

use super::error::ArchiveError;
use super::image::{ImageInArchive, LayerBlob};
use super::members::{Fetch, Members, verify};
use super::platform::Platform;
use super::{docker, legacy, oci};
use crate::config::ImageConfig;
use crate::digest::Digest;

/// Most images of one archive.
pub const MOST_IMAGES: usize = 2_000;

/// Refuses a further image when there are `so_far`.
pub(super) fn more_images(name: &str, so_far: usize) -> Result<(), ArchiveError> {
    if so_far < MOST_IMAGES {
        return Ok(());
    }
    let (name, what) = (name.into(), "lists more images".into());
    Err(ArchiveError::Limit { name, what, limit: format!("{MOST_IMAGES} images") })
}

/// All images, for a platform if one is asked for.
///
/// `manifest.json` counts before `index.json`: where both are, it has only images that are wholly in the archive.
pub(super) fn images<M: Members>(
    members: &M,
    platform: Option<&Platform>,
) -> Result<Vec<ImageInArchive>, ArchiveError> {
    let fetch = Fetch::new(members);
    let mut empty = None;
    if let Some(manifest) = fetch.get("manifest.json")? {
        let images = docker::images(&fetch, &manifest, platform)?;
        if !images.is_empty() {
            return Ok(images);
        }
        empty = Some("manifest.json");
    }
    if let Some(index) = fetch.get("index.json")? {
        let images = oci::images(&fetch, &index, platform)?;
        if !images.is_empty() {
            return Ok(images);
        }
        empty = Some("index.json");
    }
    if let Some(repositories) = fetch.get("repositories")? {
        return legacy::images(&fetch, &repositories);
    }
    Err(empty.map_or(ArchiveError::NotAnImage { hint: "" }, |name| ArchiveError::NoImage { name }))
}

/// Reads a configuration and puts it together with its layers' names.
pub(super) fn image<M: Members>(
    fetch: &Fetch<'_, M>,
    config_name: &str,
    layers: Vec<LayerName>,
    listed_in: &str,
) -> Result<ImageInArchive, ArchiveError> {
    let config = fetch.need("image configuration", config_name)?.into_owned();
    let config_digest = match digest_in_name(config_name) {
        Some(expected) => verify(config_name, &config, expected).map(|()| expected)?,
        None => Digest::of(&config),
    };
    let parsed =
        ImageConfig::parse(&config).map_err(|source| ArchiveError::Config { name: config_name.into(), source })?;
    let diff_ids = &parsed.rootfs.diff_ids;
    if diff_ids.len() != layers.len() {
        let (manifest, config) = (layers.len(), diff_ids.len());
        return Err(ArchiveError::Count { name: listed_in.into(), manifest, config });
    }
    let blobs = layers.into_iter().zip(diff_ids);
    let layers = blobs.map(|(layer, diff_id)| {
        let Some((name, size)) = fetch.members.find(&layer.name) else {
            let name = layer.name;
            return Err(if layer.foreign {
                ArchiveError::Foreign { name }
            } else {
                ArchiveError::Missing { what: "layer", name }
            });
        };
        if let Some(expected) = layer.size.filter(|expected| *expected != size) {
            return Err(ArchiveError::Size { name: format!("layer {name}"), expected, found: size });
        }
        let digest = layer.digest.or_else(|| digest_of_blob(&layer.name));
        Ok(LayerBlob { name, diff_id: *diff_id, digest, size: Some(size) })
    });
    let layers = layers.collect::<Result<_, _>>()?;
    let platform = platform_of(&parsed);
    Ok(ImageInArchive { config, config_digest, parsed, layers, tags: Vec::new(), platform, manifest: None })
}

/// A layer as a manifest lists it.
pub(super) struct LayerName {
    pub(super) name: String,
    pub(super) digest: Option<Digest>,
    pub(super) size: Option<u64>,
    pub(super) foreign: bool,
}

/// What a configuration says it runs on; without an operating system it is Linux, as for Docker.
pub(super) fn platform_of(config: &ImageConfig) -> Platform {
    let os = if config.os.is_empty() { "linux" } else { &config.os };
    Platform {
        os: os.into(),
        architecture: config.architecture.clone(),
        variant: config.variant.clone().filter(|variant| !variant.is_empty()),
    }
}

/// The digest that a document's name is made of: `<hex>.json`, `sha256:<hex>`, `blobs/sha256/<hex>`.
fn digest_in_name(name: &str) -> Option<Digest> {
    let base = name.rsplit('/').next()?;
    let base = base.strip_prefix("sha256:").unwrap_or(base);
    Digest::from_hex(base.strip_suffix(".json").unwrap_or(base)).ok()
}

/// The digest of a blob of an OCI layout.
fn digest_of_blob(name: &str) -> Option<Digest> {
    Digest::from_hex(name.trim_start_matches("./").strip_prefix("blobs/sha256/")?).ok()
}
