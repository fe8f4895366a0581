//! OCI layouts: index.json leads over indexes and manifests to configurations and layers (OCI image specification,
//! "Image Layout", "Image Index", "Image Manifest"; Docker's distribution manifest schema 2 is the same with other names).

use super::error::ArchiveError;
use super::image::ImageInArchive;
use super::json::{self, Descriptor, Manifest};
use super::members::{Fetch, Members, verify};
use super::platform::Platform;
use super::resolve::{LayerName, image, platform_of};
use crate::config::{ImageConfig, MOST_LAYERS};
use crate::digest::Digest;

/// Deepest nesting of indexes; in practice it is two.
pub const DEEPEST_INDEX: usize = 8;

/// Most indexes and manifests that are looked at in one archive.
pub const MOST_MANIFESTS: usize = 2_000;

const NAME: &str = "index.json";
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// A manifest found under one entry of index.json.
struct Candidate {
    digest: Digest,
    bytes: Vec<u8>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    platform: Option<Platform>,
    /// Names from the entry of index.json, and of any index between.
    tags: Vec<String>,
    /// Which entry of index.json led here.
    entry: usize,
}

/// The best image of each entry of index.json, or of each name if several entries share one.
pub(super) fn images<M: Members>(
    fetch: &Fetch<'_, M>,
    index: &[u8],
    platform: Option<&Platform>,
) -> Result<Vec<ImageInArchive>, ArchiveError> {
    let candidates = Walk::new(fetch).all(index)?;
    let mut images = Vec::new();
    let mut groups: Vec<Vec<Candidate>> = Vec::new();
    for candidate in candidates {
        // One index is one image in several platforms; so are entries of the same name, and all that have none.
        let same = |group: &&mut Vec<Candidate>| group[0].entry == candidate.entry || group[0].tags == candidate.tags;
        match groups.iter_mut().find(same) {
            Some(group) => group.push(candidate),
            None => groups.push(vec![candidate]),
        }
    }
    let mut refused = None;
    for group in groups {
        match choose(fetch, group, platform) {
            Ok(chosen) => images.extend(chosen),
            Err(error @ ArchiveError::Platform { .. }) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    let images = images.iter().map(|candidate| build(fetch, candidate)).collect::<Result<Vec<_>, _>>()?;
    let images = merge(images);
    match refused {
        Some(error) if images.is_empty() => Err(error),
        _ => Ok(images),
    }
}

/// Digest of a configuration, and of its manifest with its bytes.
pub(super) type ByConfig = (Digest, (Digest, Vec<u8>));

/// The manifests of all images of an index.
pub(super) fn manifests<M: Members>(fetch: &Fetch<'_, M>, index: &[u8]) -> Result<Vec<ByConfig>, ArchiveError> {
    let candidates = Walk::new(fetch).all(index)?;
    Ok(candidates.into_iter().map(|found| (found.config.digest, (found.digest, found.bytes))).collect())
}

/// Takes the images for the platform asked for. Without one: those for this machine, else those that are complete, else
/// all; of a single name only one.
fn choose<M: Members>(
    fetch: &Fetch<'_, M>,
    group: Vec<Candidate>,
    wanted: Option<&Platform>,
) -> Result<Vec<Candidate>, ArchiveError> {
    let target = wanted.cloned().unwrap_or_else(Platform::host);
    let mut rated = Vec::with_capacity(group.len());
    let mut there = Vec::new();
    for candidate in group {
        let platform = match &candidate.platform {
            Some(platform) => platform.clone(),
            None => config_platform(fetch, &candidate.config)?,
        };
        let complete = candidate.layers.iter().all(|layer| fetch.members.find(&layer.blob()).is_some());
        let serves = platform.serves(&target);
        there.push(platform.to_string());
        rated.push(((serves, complete, platform.os == target.os), candidate));
    }
    let best = rated.iter().map(|(rate, _)| *rate).max().unwrap_or_default();
    if wanted.is_some() && best.0 == 0 {
        let (wanted, there) = (target.to_string(), there.join(", "));
        return Err(ArchiveError::Platform { name: NAME.into(), wanted, there });
    }
    let single = rated.first().is_some_and(|(_, first)| !first.tags.is_empty());
    let single = single || rated.windows(2).any(|pair| pair[0].1.entry == pair[1].1.entry);
    let best = rated.into_iter().filter(|(rate, _)| *rate == best).map(|(_, candidate)| candidate);
    Ok(best.take(if single { 1 } else { usize::MAX }).collect())
}

fn config_platform<M: Members>(fetch: &Fetch<'_, M>, config: &Descriptor) -> Result<Platform, ArchiveError> {
    let name = config.blob();
    let bytes = fetch.need("image configuration", &name)?;
    let parsed = ImageConfig::parse(&bytes).map_err(|source| ArchiveError::Config { name, source })?;
    Ok(platform_of(&parsed))
}

fn build<M: Members>(fetch: &Fetch<'_, M>, candidate: &Candidate) -> Result<ImageInArchive, ArchiveError> {
    let name = format!("manifest {}", candidate.digest);
    let layers = candidate.layers.iter().map(|layer| LayerName {
        name: layer.blob(),
        digest: Some(layer.digest),
        size: layer.size,
        foreign: layer.media_type.as_deref().is_some_and(|t| t.contains("foreign") || t.contains("nondistributable")),
    });
    let mut image = image(fetch, &candidate.config.blob(), layers.collect(), &name)?;
    image.tags.clone_from(&candidate.tags);
    image.manifest = Some((candidate.digest, candidate.bytes.clone()));
    Ok(image)
}

/// The same image under several names is one image.
fn merge(images: Vec<ImageInArchive>) -> Vec<ImageInArchive> {
    let mut merged: Vec<ImageInArchive> = Vec::new();
    for mut image in images {
        match merged.iter_mut().find(|other| other.config_digest == image.config_digest) {
            Some(same) => same.tags.append(&mut image.tags),
            None => merged.push(image),
        }
    }
    merged
}

/// Goes through indexes, bounded in depth and number.
struct Walk<'a, 'm, M> {
    fetch: &'a Fetch<'m, M>,
    found: Vec<Candidate>,
    missing: Option<ArchiveError>,
    left: usize,
}

/// Where a walk is: the indexes above, and what they said.
struct Place<'p> {
    above: &'p [Digest],
    tags: &'p [String],
    entry: usize,
}

impl<'a, 'm, M: Members> Walk<'a, 'm, M> {
    fn new(fetch: &'a Fetch<'m, M>) -> Self {
        Self { fetch, found: Vec::new(), missing: None, left: MOST_MANIFESTS }
    }

    fn all(mut self, index: &[u8]) -> Result<Vec<Candidate>, ArchiveError> {
        let index: Manifest = json::parse(NAME, index)?;
        let entries = index.manifests.unwrap_or_default();
        for (entry, descriptor) in entries.iter().enumerate() {
            self.visit(descriptor, &Place { above: &[], tags: &[], entry })?;
        }
        match self.missing {
            Some(error) if self.found.is_empty() => Err(error),
            _ => Ok(self.found),
        }
    }

    fn visit(&mut self, descriptor: &Descriptor, place: &Place<'_>) -> Result<(), ArchiveError> {
        let name = descriptor.blob();
        if place.above.contains(&descriptor.digest) {
            let what = "points at itself: an index nested without end".into();
            return Err(ArchiveError::Limit { name, what, limit: format!("{DEEPEST_INDEX} levels of indexes") });
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| ArchiveError::Limit {
            name: NAME.into(),
            what: "leads to more manifests".into(),
            limit: MOST_MANIFESTS.to_string(),
        })?;
        if descriptor.is_attestation() || !is_readable(descriptor)? {
            return Ok(());
        }
        let Some(bytes) = self.fetch.get(&name)? else {
            // Archives of one platform keep the index of all.
            self.missing.get_or_insert(ArchiveError::Missing { what: "manifest", name });
            return Ok(());
        };
        let manifest: Manifest = json::parse(&name, &bytes)?;
        let kind = manifest.media_type.as_deref().or(descriptor.media_type.as_deref()).unwrap_or_default();
        let tags = tags(descriptor, place.tags);
        if INDEXES.contains(&kind) || manifest.config.is_none() && manifest.manifests.is_some() {
            let children = manifest.manifests.unwrap_or_default();
            self.descend(descriptor.digest, &children, &Place { tags: &tags, ..*place })?;
            return verify(&name, &bytes, descriptor.digest);
        }
        verify(&name, &bytes, descriptor.digest)?;
        self.manifest(&name, descriptor, manifest, bytes.into_owned(), &Place { tags: &tags, ..*place })
    }

    fn descend(&mut self, index: Digest, children: &[Descriptor], place: &Place<'_>) -> Result<(), ArchiveError> {
        let above = [place.above, &[index]].concat();
        if above.len() > DEEPEST_INDEX {
            let (name, limit) = (index.to_string(), format!("{DEEPEST_INDEX} levels of indexes"));
            return Err(ArchiveError::Limit { name, what: "is an index nested deeper".into(), limit });
        }
        children.iter().try_for_each(|child| self.visit(child, &Place { above: &above, ..*place }))
    }

    /// Takes a manifest if it is one of an image.
    fn manifest(
        &mut self,
        name: &str,
        descriptor: &Descriptor,
        manifest: Manifest,
        bytes: Vec<u8>,
        place: &Place<'_>,
    ) -> Result<(), ArchiveError> {
        if manifest.fs_layers.is_some() {
            let media_type = "application/vnd.docker.distribution.manifest.v1+json".into();
            return Err(ArchiveError::MediaType { name: name.into(), media_type });
        }
        let Some(config) = manifest.config else {
            let why = "it has neither a configuration nor manifests".into();
            return Err(ArchiveError::Document { name: name.into(), why });
        };
        let is_image = config.media_type.as_deref().is_none_or(|kind| kind.is_empty() || CONFIGS.contains(&kind));
        if !is_image {
            // Signatures, charts and the like.
            return Ok(());
        }
        let layers = manifest.layers.unwrap_or_default();
        if layers.len() > MOST_LAYERS {
            let what = format!("has {} layers", layers.len());
            return Err(ArchiveError::Limit { name: name.into(), what, limit: format!("{MOST_LAYERS} layers") });
        }
        self.found.push(Candidate {
            digest: descriptor.digest,
            bytes,
            config,
            layers,
            platform: descriptor.platform.clone().filter(|platform| !platform.architecture.is_empty()),
            tags: place.tags.to_vec(),
            entry: place.entry,
        });
        Ok(())
    }
}

/// False for what is no image and may be passed over.
fn is_readable(descriptor: &Descriptor) -> Result<bool, ArchiveError> {
    match descriptor.media_type.as_deref() {
        None | Some("") => Ok(true),
        Some(kind) if INDEXES.contains(&kind) || MANIFESTS.contains(&kind) => Ok(true),
        Some(kind) if kind.starts_with("application/vnd.docker.distribution.manifest.v1") => {
            Err(ArchiveError::MediaType { name: descriptor.blob(), media_type: kind.into() })
        }
        Some(_) => Ok(false),
    }
}

/// The names an entry gives: containerd's annotation is a whole name; OCI's may be only a tag, which names nothing.
fn tags(descriptor: &Descriptor, above: &[String]) -> Vec<String> {
    let whole = descriptor.annotation("io.containerd.image.name");
    let reference = descriptor.annotation("org.opencontainers.image.ref.name");
    let name = whole.or(reference.filter(|name| name.contains([':', '/'])));
    match name {
        Some(name) => vec![name.into()],
        None => above.to_vec(),
    }
}
