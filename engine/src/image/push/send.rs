//! The side of a push that talks to the registry, on a thread of its own: it sends what happens.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use outcrop_layers::digest::{DiffId, Digest, ImageId};
use serde_json::json;

use super::layer::{self, Blob};
use crate::image::{ImageError, Images, Reference};
use crate::layer::store::Layer;
use crate::progress::{Cancel, Progress};
use crate::registry::{self, Access, Credentials, Endpoint, Limits, RegistryError, Repository, Upload};

/// Docker's schema 2, which every registry takes.
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Layers that are uploaded at once, as dockerd does.
const AT_ONCE: usize = 5;
/// How often progress of one layer is told.
const EACH: Duration = Duration::from_millis(100);

/// What happens.
pub(super) enum Event {
    /// A step to show.
    Progress(Progress),
    /// The registry has a layer.
    Stored(DiffId, Blob),
    /// The registry has the next image: digest and size of its manifest.
    Put(Digest, u64),
    /// It failed.
    Failed(ImageError),
}

/// Where images go.
pub(super) struct Place {
    pub(super) images: Images,
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    pub(super) credentials: Credentials,
    pub(super) limits: Limits,
}

/// An image that is sent.
pub(super) struct Parcel {
    pub(super) tag: Reference,
    pub(super) id: ImageId,
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<Sent>,
}

/// A layer that is sent.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) layer: Layer,
    /// Where it may be compressed.
    pub(super) path: PathBuf,
    /// Blobs that have its content, and their repositories at this registry; this one first.
    pub(super) sources: Vec<(Digest, String)>,
}

/// Sends all images, one after the other, each with several layers at once.
pub(super) fn send(to: &Place, parcels: &[Parcel], events: &Sender<Event>, stop: &Cancel) {
    let work = async {
        let access = Access::Push;
        let opened = Repository::open(to.endpoint.clone(), &to.path, access, &to.credentials, to.limits);
        let sending = Sending { repository: opened.await?, images: &to.images, path: &to.path, events, stop };
        let mut known = HashMap::new();
        for parcel in parcels {
            let (digest, size) = sending.image(parcel, &mut known).await?;
            sending.say(Event::Put(digest, size));
        }
        Ok::<_, ImageError>(())
    };
    if let Err(error) = registry::run(stop, work) {
        let _ = events.send(Event::Failed(error));
    }
}

struct Sending<'a> {
    repository: Repository,
    images: &'a Images,
    path: &'a str,
    events: &'a Sender<Event>,
    stop: &'a Cancel,
}

impl Sending<'_> {
    fn say(&self, event: Event) {
        // Whoever no longer listens has set the flag to stop.
        let _ = self.events.send(event);
    }

    fn tell(&self, diff: DiffId, status: &str, current: u64, total: Option<u64>) {
        self.say(step(diff, status, current, total));
    }

    /// Sends an image; digest and size of its manifest. `known` are layers that are there.
    async fn image(&self, parcel: &Parcel, known: &mut HashMap<DiffId, Blob>) -> Result<(Digest, u64), ImageError> {
        let mut wanted: Vec<&Sent> = Vec::new();
        for sent in &parcel.layers {
            let diff = sent.layer.diff;
            self.tell(diff, if known.contains_key(&diff) { "Layer already exists" } else { "Preparing" }, 0, None);
            if !known.contains_key(&diff) && wanted.iter().all(|other| other.layer.diff != diff) {
                wanted.push(sent);
            }
        }
        let each = wanted.into_iter().map(|sent| self.layer(sent));
        let done: Vec<(DiffId, Blob)> = stream::iter(each).buffer_unordered(AT_ONCE).try_collect().await?;
        known.extend(done);
        if self.repository.has(parcel.id.0).await?.is_none() {
            self.repository.upload(&Upload::bytes(parcel.config.clone()), "the configuration").await?;
        }
        let blobs = parcel.layers.iter().filter_map(|sent| known.get(&sent.layer.diff));
        let layers: Vec<_> =
            blobs.map(|blob| json!({"mediaType": LAYER, "size": blob.size, "digest": blob.digest})).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": parcel.config.len(), "digest": parcel.id},
            "layers": layers,
        });
        let manifest = manifest.to_string().into_bytes();
        let (name, size) = (parcel.tag.tag().unwrap_or("latest"), manifest.len() as u64);
        Ok((self.repository.put(name, MANIFEST, manifest).await?, size))
    }

    /// Sees to it that the registry has a layer.
    async fn layer(&self, sent: &Sent) -> Result<(DiffId, Blob), ImageError> {
        let diff = sent.layer.diff;
        let blob = match self.reuse(sent).await? {
            Some(blob) => blob,
            None => self.upload(sent).await?,
        };
        self.say(Event::Stored(diff, blob));
        Ok((diff, blob))
    }

    async fn upload(&self, sent: &Sent) -> Result<Blob, ImageError> {
        let diff = sent.layer.diff;
        let (images, stop, events, own) = (self.images.clone(), self.stop.clone(), self.events.clone(), sent.clone());
        let compressing = tokio::task::spawn_blocking(move || {
            let tell = |bytes| drop(events.send(step(diff, "Preparing", bytes, None)));
            layer::compress(&images, &own.layer, &own.path, &tell, &stop)
        });
        let stopped = |_| ImageError::Cancelled;
        let (file, blob) = compressing.await.map_err(stopped)??;
        if self.repository.has(blob.digest).await?.is_some() {
            self.tell(diff, "Layer already exists", 0, None);
        } else {
            let done = Arc::new(AtomicU64::new(0));
            let upload = Upload::file(file, blob.size, blob.digest, Arc::clone(&done));
            let what = format!("layer {diff}");
            let mut uploading = std::pin::pin!(self.repository.upload(&upload, &what));
            loop {
                tokio::select! {
                    uploaded = uploading.as_mut() => break uploaded?,
                    () = tokio::time::sleep(EACH) => {
                        self.tell(diff, "Pushing", done.load(Ordering::Relaxed), Some(blob.size));
                    }
                }
            }
            self.tell(diff, "Pushed", 0, None);
        }
        let _ = std::fs::remove_file(&sent.path);
        Ok(blob)
    }

    /// Finds a layer where it was seen before: in this repository, or in another one of the registry.
    async fn reuse(&self, sent: &Sent) -> Result<Option<Blob>, RegistryError> {
        let diff = sent.layer.diff;
        for (digest, from) in &sent.sources {
            if let Some(size) = self.repository.has(*digest).await? {
                self.tell(diff, "Layer already exists", 0, None);
                return Ok(Some(Blob { digest: *digest, size }));
            }
            if from == self.path || !self.repository.mount(*digest, from).await? {
                continue;
            }
            if let Some(size) = self.repository.has(*digest).await? {
                self.tell(diff, &format!("Mounted from {from}"), 0, None);
                return Ok(Some(Blob { digest: *digest, size }));
            }
        }
        Ok(None)
    }
}

fn step(diff: DiffId, status: &str, current: u64, total: Option<u64>) -> Event {
    Event::Progress(Progress { id: diff.0.short(), status: status.into(), current, total })
}
