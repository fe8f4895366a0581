//! Loading images from an archive.

use std::collections::HashMap;
use std::io::Read;

use outcrop_layers::archive::{Documents, ImageInArchive, Part, Platform};
use outcrop_layers::compress::decoder;
use outcrop_layers::digest::{Digest, ImageId};
use outcrop_layers::entry::Kind;
use outcrop_layers::tar::TarReader;

use super::staging::{NewImage, Origin, Passed, Staging};
use super::{ImageError, Images, Reference};
use crate::progress::Ctx;

/// What to load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// `os/arch[/variant]`: of an archive with several platforms take this one (default: the host's), and only this one.
    pub platform: Option<String>,
}

/// One image that was loaded, or was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its ID.
    pub id: ImageId,
    /// Names it has got, familiar form.
    pub tags: Vec<String>,
    /// Names that another image lost to it, and that image.
    pub replaced: Vec<(String, ImageId)>,
    /// What the user should know (another architecture).
    pub warnings: Vec<String>,
}

impl Images {
    /// Reads a `docker save` or OCI layout archive (plain, gzip, zstd) once, front to back, and registers its images.
    ///
    /// Nothing is registered unless every layer of every image has the digest that its configuration names.
    pub fn load(
        &self,
        archive: impl Read + Send,
        options: &LoadOptions,
        ctx: Ctx<'_>,
    ) -> Result<Vec<Loaded>, ImageError> {
        let platform = parse_platform(options.platform.as_deref())?;
        let mut staging = Staging::begin(self, ctx)?;
        let mut documents = Documents::new();
        let passed = read(archive, &mut documents, &mut staging, ctx)?;
        let images = documents.resolve(platform.as_ref())?;
        let mut new = Vec::with_capacity(images.len());
        for image in &images {
            check_layers(image, &passed)?;
            new.push(NewImage {
                config: image.config.clone(),
                layers: image.layers.iter().map(|layer| layer.diff_id).collect(),
                names: names(image)?,
                origin: Origin::Loaded,
            });
        }
        let warnings = staging.warnings().to_vec();
        let replaced = staging.publish(&new)?;
        let loaded = images.iter().zip(&new).zip(replaced).map(|((image, new), replaced)| Loaded {
            id: new.id(),
            tags: new.names.iter().map(Reference::familiar).collect(),
            replaced,
            warnings: [platform_warning(image), warnings.clone()].concat(),
        });
        let loaded: Vec<Loaded> = loaded.collect();
        for image in &loaded {
            self.tell("load", image.id, &image.id.to_string());
        }
        Ok(loaded)
    }
}

/// Reads a platform that a user writes.
pub(crate) fn parse_platform(text: Option<&str>) -> Result<Option<Platform>, ImageError> {
    let parse = |text| {
        Platform::parse(text)
            .ok_or_else(|| ImageError::Invalid(format!("{text:?} is no platform: write linux/amd64 or linux/arm64/v8")))
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

/// Lets the archive pass: layers into staging, documents aside. Tells what each layer's bytes are.
fn read(
    archive: impl Read + Send,
    documents: &mut Documents,
    staging: &mut Staging<'_>,
    ctx: Ctx<'_>,
) -> Result<HashMap<String, Passed>, ImageError> {
    let archive = decoder(archive).map_err(|source| ImageError::Stream { what: "read the archive", source })?;
    let mut tar = TarReader::new(archive);
    let mut passed = HashMap::new();
    loop {
        if ctx.cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        let Some(entry) = tar.next().map_err(|error| documents.explain(error))? else { return Ok(passed) };
        let member = entry.header.clone();
        if let Part::Layer { name, content } = documents.take(&member, entry)? {
            let size = if let Kind::File { size, .. } = member.kind { size } else { 0 };
            let number = passed.len() + 1;
            let layer = staging.layer(&name, content, Some(size), digest_in(&name));
            let layer = layer.map_err(|error| numbered(error, number))?;
            documents.layer(&name, layer.diff, size)?;
            passed.insert(name, layer);
        }
    }
}

/// The digest that a blob's name promises: `blobs/sha256/<digits>`.
fn digest_in(name: &str) -> Option<Digest> {
    Digest::from_hex(name.strip_prefix("blobs/sha256/")?).ok()
}

/// Says which layer of the archive it was.
fn numbered(error: ImageError, number: usize) -> ImageError {
    match error {
        ImageError::Layer { name, detail } => ImageError::Layer { name: format!("{number} ({name})"), detail },
        error => error,
    }
}

/// Compares what passed with what the image says.
fn check_layers(image: &ImageInArchive, passed: &HashMap<String, Passed>) -> Result<(), ImageError> {
    if image.parsed.os.eq_ignore_ascii_case("windows") {
        return Err(ImageError::Invalid(format!(
            "cannot load {} image on linux: its layers are for another operating system",
            image.parsed.os
        )));
    }
    for (n, layer) in image.layers.iter().enumerate() {
        let found = passed.get(&layer.name).ok_or_else(|| ImageError::NoLayer(layer.name.clone()))?;
        if let Some(expected) = layer.digest.filter(|expected| *expected != found.blob) {
            return Err(ImageError::Digest { name: layer.name.clone(), expected, found: found.blob });
        }
        if found.diff != layer.diff_id {
            return Err(ImageError::DiffId { layer: n + 1, expected: layer.diff_id, found: found.diff });
        }
    }
    Ok(())
}

/// The names that the archive gives the image; one without a tag is wrong there.
fn names(image: &ImageInArchive) -> Result<Vec<Reference>, ImageError> {
    let parse = |tag: &String| {
        let reference = Reference::parse(tag)?;
        match (reference.tag(), reference.digest()) {
            (Some(_), None) => Ok(reference),
            _ => Err(ImageError::Invalid(format!("invalid tag {tag:?}"))),
        }
    };
    image.tags.iter().map(parse).collect()
}

fn platform_warning(image: &ImageInArchive) -> Vec<String> {
    let host = Platform::host();
    if image.platform.architecture.is_empty() || image.platform.architecture == host.architecture {
        return Vec::new();
    }
    vec![format!("the image is for {}, this machine is {host}: it cannot run here without emulation", image.platform)]
}
