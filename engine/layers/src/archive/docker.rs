//! `docker save`'s form: manifest.json names a configuration and layers (Docker image specification v1.2).

use std::collections::HashMap;

use super::error::ArchiveError;
use super::image::ImageInArchive;
use super::json::{self, DockerItem};
use super::members::{Fetch, Members};
use super::oci;
use super::platform::Platform;
use super::resolve::{LayerName, image, more_images};

const NAME: &str = "manifest.json";

/// All images that manifest.json lists; for a platform, if asked, only those that serve it.
pub(super) fn images<M: Members>(
    fetch: &Fetch<'_, M>,
    manifest: &[u8],
    platform: Option<&Platform>,
) -> Result<Vec<ImageInArchive>, ArchiveError> {
    let items: Vec<DockerItem> = json::parse(NAME, manifest)?;
    let mut images: Vec<ImageInArchive> = Vec::new();
    for item in items {
        let layers = item.layers.into_iter().map(|name| LayerName { name, digest: None, size: None, foreign: false });
        let mut found = image(fetch, &item.config, layers.collect(), NAME)?;
        found.tags = item.tags;
        if let Some(same) = images.iter_mut().find(|other| other.config_digest == found.config_digest) {
            same.tags.append(&mut found.tags);
            continue;
        }
        more_images(NAME, images.len())?;
        images.push(found);
    }
    if let Some(wanted) = platform {
        images = for_platform(images, wanted)?;
    }
    add_manifests(fetch, &mut images);
    Ok(images)
}

fn for_platform(images: Vec<ImageInArchive>, wanted: &Platform) -> Result<Vec<ImageInArchive>, ArchiveError> {
    let there: Vec<String> = images.iter().map(|image| image.platform.to_string()).collect();
    let images: Vec<_> = images.into_iter().filter(|image| image.platform.serves(wanted) > 0).collect();
    if images.is_empty() && !there.is_empty() {
        let (wanted, there) = (wanted.to_string(), there.join(", "));
        return Err(ArchiveError::Platform { name: "the archive".into(), wanted, there });
    }
    Ok(images)
}

/// Docker 25 and later write an OCI layout as well: it has the manifests. Without, or damaged, nothing is lost.
fn add_manifests<M: Members>(fetch: &Fetch<'_, M>, images: &mut [ImageInArchive]) {
    let Ok(Some(index)) = fetch.get("index.json") else { return };
    let Ok(manifests) = oci::manifests(fetch, &index) else { return };
    let mut by_config: HashMap<_, _> = manifests.into_iter().collect();
    for image in images {
        image.manifest = by_config.remove(&image.config_digest);
    }
}
