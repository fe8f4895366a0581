//! Saving images to an archive.
//!
//! The archive is an OCI layout (`oci-layout`, `index.json`, `blobs/sha256/…`); in Docker's form it also has `manifest.json` and
//! `repositories`, by which every Docker finds configurations and layers. Documents come first, so that a reader of the stream
//! knows early what will come.

pub(crate) mod tar;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;

use flate2::read::MultiGzDecoder;
use outcrop_layers::archive::Platform;
use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::{DiffId, Digest, Hashing, ImageId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::load::parse_platform;
use super::reference::AnyReference;
use super::repositories::Repositories;
use super::{ErrorKind, Image, ImageError, Images, Reference};
use crate::layer::export::export;
use crate::layer::store::{Layer, TAR_SPLIT};
use crate::progress::{Ctx, Progress};
use crate::root::Access;
use crate::root::transaction::{Record, Transaction};
use tar::TarWriter;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The form of the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveFormat {
    /// `docker save`'s since 25: OCI layout with `manifest.json` and `repositories`, which every Docker loads.
    #[default]
    Docker,
    /// OCI layout only.
    Oci,
}

/// One image to save.
struct Saved {
    image: Image,
    tags: Vec<Reference>,
    /// The layers with the length of their tars.
    layers: Vec<(Layer, u64)>,
    manifest: Vec<u8>,
}

impl Images {
    /// Writes images as a tar archive. Layers come out byte for byte as they went in.
    ///
    /// `names` are names (one without a tag stands for all its tags), IDs or digests. Whatever can be checked is checked before the
    /// first byte is written; a layer whose files turn out to be changed ends the stream with an error.
    pub fn save(
        &self,
        names: &[String],
        out: &mut dyn Write,
        format: SaveFormat,
        ctx: Ctx<'_>,
    ) -> Result<(), ImageError> {
        if names.is_empty() {
            return Err(ImageError::Invalid("no image to save was named".into()));
        }
        let mut saved = Vec::new();
        for (id, tags) in self.select(names)? {
            saved.push(self.prepare(id, tags)?);
        }
        let lease = self.lease(&saved)?;
        let unwritable = |source| ImageError::Stream { what: "write the archive", source };
        let mut tar = TarWriter::new(BufWriter::with_capacity(256 << 10, out));
        documents(&mut tar, &saved, format).map_err(unwritable)?;
        let mut done: BTreeSet<DiffId> = BTreeSet::new();
        for (layer, size) in saved.iter().flat_map(|saved| &saved.layers) {
            if done.insert(layer.diff) {
                self.write_layer(&mut tar, layer, *size, ctx)?;
            }
        }
        tar.finish().map_err(unwritable)?;
        // A lease that cannot be ended in order ends with this process.
        drop(lease.map(Transaction::finish));
        for saved in &saved {
            self.tell("save", saved.image.id, &saved.image.id.to_string());
        }
        Ok(())
    }

    /// Says whether there is something to save under `name`, and for `platform`, if that is wanted.
    pub fn can_save(&self, name: &str, platform: Option<&str>) -> Result<(), ImageError> {
        let wanted = parse_platform(platform)?;
        for (id, _) in self.select(&[name.to_owned()])? {
            let image = self.get(id)?;
            let ImageConfig { os, architecture, variant, .. } = image.config();
            let actual = Platform { os: os.clone(), architecture: architecture.clone(), variant: variant.clone() };
            if let Some(wanted) = wanted.as_ref().filter(|wanted| actual.serves(wanted) == 0) {
                return Err(ImageError::Invalid(format!(
                    "image with reference {name} was found but does not match the specified platform: wanted {wanted}, actual: {actual}"
                )));
            }
        }
        Ok(())
    }

    /// Finds what names stand for: images in the order they are named first, with the tags to save.
    fn select(&self, names: &[String]) -> Result<Vec<(ImageId, Vec<Reference>)>, ImageError> {
        let index = Repositories::read(self.layout()).map_err(self.unreadable())?;
        let mut selected: Vec<(ImageId, Vec<Reference>)> = Vec::new();
        let mut add = |id: ImageId, tag: Option<Reference>| {
            let at = selected.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
                selected.push((id, Vec::new()));
                selected.len() - 1
            });
            if let Some(tag) = tag.filter(|tag| tag.digest().is_none() && !selected[at].1.contains(tag)) {
                selected[at].1.push(tag);
            }
        };
        for name in names {
            let AnyReference::Name(reference) = AnyReference::parse(name)? else {
                add(self.find(name)?, None);
                continue;
            };
            let all = if reference.is_name_only() { index.of_name(&reference) } else { Vec::new() };
            if all.is_empty() {
                let id = self.find(name)?;
                let tagged = reference.or_latest();
                add(id, index.get(&tagged).map(|_| tagged));
            }
            for (tag, id) in all {
                add(id, Some(tag));
            }
        }
        Ok(selected)
    }

    fn prepare(&self, id: ImageId, tags: Vec<Reference>) -> Result<Saved, ImageError> {
        let image = self.get(id)?;
        let mut layers = Vec::with_capacity(image.chains.len());
        for chain in &image.chains {
            let layer = self.layer(*chain)?;
            let path = self.layout().layer(*chain).join(TAR_SPLIT);
            let size = File::open(&path).and_then(tar_length);
            let size = size.map_err(|error| {
                let what = "and without its record the layer cannot be saved byte for byte";
                match error.kind() {
                    io::ErrorKind::PermissionDenied => ImageError::io("read", path)(error),
                    io::ErrorKind::NotFound => ImageError::Damaged { path, detail: format!("it is missing, {what}") },
                    _ => ImageError::Damaged { path, detail: format!("{error}, {what}") },
                }
            })?;
            layers.push((layer, size));
        }
        let manifest = manifest(&image, &layers);
        Ok(Saved { image, tags, layers, manifest })
    }

    /// Keeps the layers from being removed while they are read.
    fn lease(&self, saved: &[Saved]) -> Result<Option<Transaction>, ImageError> {
        if self.shared.root.access() != &Access::ReadWrite {
            return Ok(None);
        }
        let mut transaction = match self.shared.root.begin() {
            // Reading goes on when the disk is full, if with less safety.
            Err(error) if error.kind() == ErrorKind::NoSpace => return Ok(None),
            begun => begun?,
        };
        let _held = self.shared.root.change()?;
        let chains: BTreeSet<_> = saved.iter().flat_map(|saved| &saved.image.chains).copied().collect();
        for chain in &chains {
            self.layer(*chain)?;
        }
        let records = chains.into_iter().map(Record::Lease).collect();
        match transaction.note(records).map_err(ImageError::io("write in", self.layout().transactions())) {
            Err(error) if error.kind() != ErrorKind::NoSpace => return Err(error),
            _ => {}
        }
        Ok(Some(transaction))
    }

    fn write_layer(
        &self,
        tar: &mut TarWriter<impl Write>,
        layer: &Layer,
        size: u64,
        ctx: Ctx<'_>,
    ) -> Result<(), ImageError> {
        let path = self.shared.driver.diff_dir(&layer.cache);
        let content = File::open(&path).map_err(ImageError::io("open", &path))?;
        let split_path = self.layout().layer(layer.chain).join(TAR_SPLIT);
        let split = File::open(&split_path).map_err(ImageError::io("open", split_path))?;
        let damaged = |detail: String| ImageError::Damaged { path: path.clone(), detail };
        let write = |out: &mut tar::Counted<'_, _>| {
            let mut counted = Telling { inner: Hashing::new(out), ctx, id: layer.diff.0.short(), size, failed: None };
            let exported = export(content.as_fd(), split, &mut counted);
            if ctx.cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            if let Some(kind) = counted.failed {
                return Err(ImageError::Stream { what: "write the archive", source: kind.into() });
            }
            exported.map_err(|error| damaged(error.to_string()))?;
            let (found, ..) = counted.inner.finish();
            if found != layer.diff.0 {
                return Err(damaged(format!("expected the layer {}, found {found}", layer.diff)));
            }
            Ok(())
        };
        tar.file_from(&blob(layer.diff.0), size, write, |source| ImageError::Stream {
            what: "write the archive",
            source,
        })
    }
}

/// Tells progress, and notes whether it was the writing that failed.
struct Telling<'a, W> {
    inner: Hashing<W>,
    ctx: Ctx<'a>,
    id: String,
    size: u64,
    failed: Option<io::ErrorKind>,
}

impl<W: Write> Write for Telling<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        const EACH: u64 = 1 << 20;
        if self.ctx.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let before = self.inner.bytes();
        let written = self.inner.write(buffer).inspect_err(|error| self.failed = Some(error.kind()))?;
        if before / EACH != self.inner.bytes() / EACH {
            (self.ctx.progress)(Progress {
                id: self.id.clone(),
                status: "Saving layer".into(),
                current: self.inner.bytes(),
                total: Some(self.size),
            });
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn blob(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn manifest(image: &Image, layers: &[(Layer, u64)]) -> Vec<u8> {
    let layers: Vec<Value> = layers.iter().map(|(layer, size)| descriptor(LAYER, layer.diff.0, *size)).collect();
    let mut config = descriptor(CONFIG, image.id.0, image.stored.raw.len() as u64);
    config["platform"] = platform(image);
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    manifest.to_string().into_bytes()
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Value {
    json!({"mediaType": media_type, "digest": digest.to_string(), "size": size})
}

fn platform(image: &Image) -> Value {
    let config = image.config();
    let os = if config.os.is_empty() { "linux" } else { &config.os };
    let mut platform = json!({"architecture": config.architecture, "os": os});
    if let Some(variant) = config.variant.as_deref().filter(|variant| !variant.is_empty()) {
        platform["variant"] = variant.into();
    }
    platform
}

/// Writes all but the layers.
fn documents(tar: &mut TarWriter<impl Write>, saved: &[Saved], format: SaveFormat) -> io::Result<()> {
    tar.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    tar.file("index.json", index(saved).to_string().as_bytes())?;
    if format == SaveFormat::Docker {
        let items: Vec<Value> = saved.iter().map(item).collect();
        tar.file("manifest.json", Value::Array(items).to_string().as_bytes())?;
        let repositories = repositories(saved);
        if !repositories.is_empty() {
            tar.file("repositories", json!(repositories).to_string().as_bytes())?;
        }
    }
    tar.directory("blobs/")?;
    tar.directory("blobs/sha256/")?;
    for saved in saved {
        tar.file(&blob(saved.image.id.0), &saved.image.stored.raw)?;
        tar.file(&blob(Digest::of(&saved.manifest)), &saved.manifest)?;
    }
    Ok(())
}

fn index(saved: &[Saved]) -> Value {
    let mut manifests = Vec::new();
    for saved in saved {
        let mut plain = descriptor(MANIFEST, Digest::of(&saved.manifest), saved.manifest.len() as u64);
        plain["platform"] = platform(&saved.image);
        for tag in &saved.tags {
            let mut named = plain.clone();
            named["annotations"] = json!({
                "io.containerd.image.name": tag.full(),
                "org.opencontainers.image.ref.name": tag.tag().unwrap_or_default(),
            });
            manifests.push(named);
        }
        if saved.tags.is_empty() {
            manifests.push(plain);
        }
    }
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

/// One image of `manifest.json`.
fn item(saved: &Saved) -> Value {
    let tags: Vec<String> = saved.tags.iter().map(Reference::familiar).collect();
    let layers: Vec<String> = saved.layers.iter().map(|(layer, _)| blob(layer.diff.0)).collect();
    let sources: BTreeMap<String, Value> = saved
        .layers
        .iter()
        .map(|(layer, size)| (layer.diff.to_string(), descriptor(LAYER, layer.diff.0, *size)))
        .collect();
    let tags = if tags.is_empty() { Value::Null } else { json!(tags) };
    json!({"Config": blob(saved.image.id.0), "RepoTags": tags, "Layers": layers, "LayerSources": sources})
}

/// The older index: name to tag to the top layer.
fn repositories(saved: &[Saved]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut names: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for saved in saved {
        let Some((top, _)) = saved.layers.last() else { continue };
        for tag in &saved.tags {
            let name = names.entry(tag.familiar_name()).or_default();
            name.insert(tag.tag().unwrap_or_default().into(), top.diff.0.hex());
        }
    }
    names
}

/// The length of the tar that a tar-split stands for, from its records alone.
fn tar_length(split: impl Read) -> io::Result<u64> {
    #[derive(Deserialize)]
    struct Item {
        #[serde(rename = "type")]
        kind: u8,
        #[serde(default)]
        size: u64,
        #[serde(default)]
        payload: Option<String>,
    }
    let mut length = 0_u64;
    let lines = BufReader::with_capacity(64 << 10, MultiGzDecoder::new(split));
    for item in serde_json::Deserializer::from_reader(lines).into_iter::<Item>() {
        let item = item?;
        let bytes = match (item.kind, item.payload) {
            (1, _) => item.size,
            // Base 64: four letters are three bytes, less the padding.
            (_, Some(text)) => {
                (text.len() / 4 * 3 - text.bytes().rev().take_while(|b| *b == b'=').count().min(2)) as u64
            }
            (_, None) => 0,
        };
        length = length.checked_add(bytes).ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(length)
}
