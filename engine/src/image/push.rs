//! Pushing images to registries.

mod layer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outcrop_layers::digest::{DiffId, Digest, ImageId};
use serde_json::json;

use super::repositories::Repositories;
use super::{Image, ImageError, Images, Reference, distribution};
use crate::layer::store::Layer;
use crate::progress::{Ctx, Progress};
use crate::registry::{self, Access, Credentials, Limits, RegistryError, Repository, Talk, Upload};
use crate::root::transaction::{Record, Transaction};
use layer::Blob;

/// Docker's schema 2, which every registry takes.
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// How often progress is told.
const EACH: Duration = Duration::from_millis(100);
/// How many places of a layer are asked for it before it is compressed anew.
const MOST_SOURCES: usize = 5;

/// What to push.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The image: a name with a tag, or without one for all its tags.
    pub reference: Reference,
    /// Who pushes.
    pub credentials: Credentials,
}

/// A tag that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The tag.
    pub tag: String,
    /// The digest of the manifest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Images {
    /// Pushes an image under its name. What the registry has already, here or in a repository next to it, is not sent again.
    ///
    /// `told` hears of each tag as soon as it is there.
    pub fn push(&self, options: &PushOptions, told: &dyn Fn(&Pushed), ctx: Ctx<'_>) -> Result<(), ImageError> {
        let reference = &options.reference;
        let tags = self.tags_to_push(reference)?;
        let mut transaction = self.shared.root.begin()?;
        let status = format!("The push refers to repository [{}]", reference.name());
        (ctx.progress)(Progress { status, ..Progress::default() });
        let endpoint = registry::Endpoint::of(reference.domain(), &self.shared.registries);
        let talk = Talk::new()?;
        let opened =
            Repository::open(endpoint, reference.path(), Access::Push, &options.credentials, Limits::default());
        let repository = talk.run::<_, RegistryError>(ctx.cancel, opened)?;
        for (tag, id) in &tags {
            let mut push =
                Push { images: self, talk: &talk, repository: &repository, transaction: &mut transaction, ctx };
            told(&push.image(tag, *id).map_err(denied)?);
        }
        transaction.finish().map_err(ImageError::io("write in", self.layout().transactions()))
    }

    /// The tags, with their images.
    fn tags_to_push(&self, reference: &Reference) -> Result<Vec<(Reference, ImageId)>, ImageError> {
        if reference.digest().is_some() {
            return Err(ImageError::Invalid("cannot push a digest reference: give a tag".into()));
        }
        let index = Repositories::read(self.layout()).map_err(self.unreadable())?;
        if reference.is_name_only() {
            let mut all = index.of_name(reference);
            all.retain(|(tag, _)| tag.tag().is_some());
            if all.is_empty() {
                let name = reference.name();
                return Err(ImageError::NotFound(format!("{name}: An image does not exist locally with that name")));
            }
            return Ok(all);
        }
        let id = index.get(reference).ok_or_else(|| {
            let (name, tag) = (reference.name(), reference.tag().unwrap_or_default());
            ImageError::Registry(RegistryError::NotFound(format!(
                "An image does not exist locally with the tag: {name} ({tag})"
            )))
        })?;
        Ok(vec![(reference.clone(), id)])
    }
}

/// Waits until it is time to tell progress; `None` when it is not done yet.
async fn for_a_while<T>(work: impl Future<Output = Result<T, RegistryError>>) -> Result<Option<T>, RegistryError> {
    tokio::time::timeout(EACH, work).await.ok().transpose()
}

/// Says how to be let in.
fn denied(error: ImageError) -> ImageError {
    match error {
        ImageError::Registry(RegistryError::Denied { detail, .. }) => {
            RegistryError::Denied { what: "push access denied; `outcrop login` may be needed".into(), detail }.into()
        }
        error => error,
    }
}

/// A push under way.
struct Push<'a> {
    images: &'a Images,
    talk: &'a Talk,
    repository: &'a Repository,
    transaction: &'a mut Transaction,
    ctx: Ctx<'a>,
}

impl Push<'_> {
    /// Waits for a request.
    fn run<T>(&self, request: impl Future<Output = Result<T, RegistryError>>) -> Result<T, RegistryError> {
        self.talk.run(self.ctx.cancel, request)
    }

    fn image(&mut self, tag: &Reference, id: ImageId) -> Result<Pushed, ImageError> {
        let image = self.images.get(id)?;
        let layers = self.lease(&image)?;
        for layer in &layers {
            self.tell(layer.diff, "Preparing", 0, None);
        }
        let mut blobs: Vec<(DiffId, Blob)> = Vec::new();
        for layer in &layers {
            let blob = match blobs.iter().find(|(diff, _)| *diff == layer.diff) {
                Some((_, blob)) => *blob,
                None => self.layer(tag, layer)?,
            };
            blobs.push((layer.diff, blob));
        }
        let config = &image.stored.raw;
        if self.run(self.repository.has(id.0))?.is_none() {
            self.run(self.repository.upload(&Upload::bytes(config.clone()), "the configuration"))?;
        }
        let layers: Vec<_> = blobs
            .iter()
            .map(|(_, blob)| json!({"mediaType": LAYER, "size": blob.size, "digest": blob.digest}))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": config.len(), "digest": id},
            "layers": layers,
        });
        let manifest = manifest.to_string().into_bytes();
        let (name, size) = (tag.tag().unwrap_or("latest").to_owned(), manifest.len() as u64);
        let digest = self.run(self.repository.put(&name, MANIFEST, manifest))?;
        self.name(&tag.with_digest(digest), id)?;
        self.images.tell("push", id, &tag.familiar());
        Ok(Pushed { tag: name, digest, size })
    }

    /// Keeps the layers from being removed while they are read.
    fn lease(&mut self, image: &Image) -> Result<Vec<Layer>, ImageError> {
        let _held = self.images.shared.root.change()?;
        let layers = image.chains.iter().map(|chain| self.images.layer(*chain)).collect::<Result<_, _>>()?;
        let mut records: Vec<_> = image.chains.iter().map(|chain| Record::Lease(*chain)).collect();
        records.retain(|record| !self.transaction.records().contains(record));
        self.transaction.note(records).map_err(ImageError::io("write in", self.images.layout().transactions()))?;
        Ok(layers)
    }

    /// Sees to it that the registry has a layer.
    fn layer(&mut self, tag: &Reference, layer: &Layer) -> Result<Blob, ImageError> {
        let name = tag.name();
        if let Some(blob) = self.reuse(tag, layer.diff)? {
            distribution::note(self.transaction, layer.diff, blob.digest, &name);
            return Ok(blob);
        }
        let path = self.transaction.fresh("blob");
        let tell = |bytes| self.tell(layer.diff, "Preparing", bytes, None);
        let (file, blob) = layer::compress(self.images, layer, &path, &tell, self.ctx.cancel)?;
        if self.run(self.repository.has(blob.digest))?.is_some() {
            self.tell(layer.diff, "Layer already exists", 0, None);
        } else {
            let sent = Arc::new(AtomicU64::new(0));
            let upload = Upload::file(file, blob.size, blob.digest, Arc::clone(&sent));
            let what = format!("layer {}", layer.diff);
            let mut uploading = std::pin::pin!(self.repository.upload(&upload, &what));
            while self.run(for_a_while(uploading.as_mut()))?.is_none() {
                self.tell(layer.diff, "Pushing", sent.load(Ordering::Relaxed), Some(blob.size));
            }
            self.tell(layer.diff, "Pushed", 0, None);
        }
        let _ = std::fs::remove_file(&path);
        distribution::note(self.transaction, layer.diff, blob.digest, &name);
        Ok(blob)
    }

    /// Finds a layer where it was seen before: in this repository, or in another one of the registry.
    fn reuse(&self, tag: &Reference, diff: DiffId) -> Result<Option<Blob>, ImageError> {
        let mut sources = distribution::sources(self.images.layout(), diff);
        let name = tag.name();
        sources.sort_by_key(|source| source.repository != name);
        let near = format!("{}/", tag.domain());
        for source in sources.into_iter().filter(|s| s.repository.starts_with(&near)).take(MOST_SOURCES) {
            if let Some(size) = self.run(self.repository.has(source.blob))? {
                self.tell(diff, "Layer already exists", 0, None);
                return Ok(Some(Blob { digest: source.blob, size }));
            }
            let from = &source.repository[near.len()..];
            if source.repository == name || !self.run(self.repository.mount(source.blob, from))? {
                continue;
            }
            if let Some(size) = self.run(self.repository.has(source.blob))? {
                self.tell(diff, &format!("Mounted from {from}"), 0, None);
                return Ok(Some(Blob { digest: source.blob, size }));
            }
        }
        Ok(None)
    }

    /// Notes the digest that the image has at the registry.
    fn name(&mut self, digest: &Reference, id: ImageId) -> Result<(), ImageError> {
        let layout = self.images.layout();
        let _held = self.images.shared.root.change()?;
        let mut index = Repositories::read_to_change(layout).map_err(self.images.unreadable())?;
        // Who removed the image meanwhile does not get it back.
        if layout.content(id).exists() && index.get(digest) != Some(id) {
            index.set(digest, id);
            index.write(self.transaction).map_err(ImageError::io("write", layout.repositories()))?;
        }
        Ok(())
    }

    fn tell(&self, diff: DiffId, status: &str, current: u64, total: Option<u64>) {
        (self.ctx.progress)(Progress { id: diff.0.short(), status: status.into(), current, total });
    }
}
