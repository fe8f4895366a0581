//! The side of a pull that talks to the registry, on a thread of its own: it sends what happens.

use std::cell::Cell;
use std::fs::File;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::downloads::Downloads;
use crate::image::ImageError;
use crate::progress::{Cancel, Progress};
use crate::registry::{self, Access, Credentials, Descriptor, Endpoint, Limits, RegistryError, Repository};
use crate::sys::fs;

/// Layers that are downloaded at once, as dockerd does.
const AT_ONCE: usize = 3;
/// How often progress of one layer is told.
const EACH: Duration = Duration::from_millis(100);

/// What happens.
pub(super) enum Event {
    /// A step to show.
    Progress(Progress),
    /// A blob is there, whole.
    Whole(Descriptor, File),
    /// It failed.
    Failed(ImageError),
}

/// Where layers come from.
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    pub(super) credentials: Credentials,
    pub(super) limits: Limits,
}

/// Downloads `blobs`, several at once, until all are there or one fails.
pub(super) fn fetch(
    from: &Place,
    blobs: Vec<Descriptor>,
    downloads: &Downloads,
    events: &Sender<Event>,
    stop: &Cancel,
) {
    let work = async {
        let opened = Repository::open(from.endpoint.clone(), &from.path, Access::Pull, &from.credentials, from.limits);
        let repository = opened.await?;
        let each = blobs.into_iter().map(|blob| one(&repository, blob, downloads, events));
        stream::iter(each).buffer_unordered(AT_ONCE).try_collect::<()>().await
    };
    if let Err(error) = registry::run(stop, work) {
        let _ = events.send(Event::Failed(error));
    }
}

async fn one(
    repository: &Repository,
    blob: Descriptor,
    downloads: &Downloads,
    events: &Sender<Event>,
) -> Result<(), ImageError> {
    let tell = |status: &str, current: u64| {
        let total = (current > 0).then_some(blob.size);
        let _ =
            events.send(Event::Progress(Progress { id: blob.digest.short(), status: status.into(), current, total }));
    };
    let local = |source| RegistryError::Local { what: "write a layer that is downloaded", source };
    let mut file = downloads.claim(blob.digest, || tell("Waiting", 0)).await.map_err(local)?;
    let there = file.metadata().map_err(local)?.len().min(blob.size);
    let free = fs::free(&file).map_err(local)?.bytes;
    if blob.size - there > free {
        return Err(ImageError::NoSpace {
            path: downloads.directory().into(),
            detail: format!("layer {} has {} bytes, {free} are free", blob.digest, blob.size - there),
        });
    }
    let last: Cell<Option<Instant>> = Cell::new(None);
    let told = |bytes: u64| {
        if bytes > 0 && last.get().is_none_or(|last| last.elapsed() > EACH) {
            last.set(Some(Instant::now()));
            tell("Downloading", bytes);
        }
    };
    repository.fetch(&blob, &mut file, &told).await?;
    tell("Verifying Checksum", 0);
    tell("Download complete", 0);
    file.unlock().map_err(local)?;
    // Whoever no longer listens has set the flag to stop.
    let _ = events.send(Event::Whole(blob, file));
    Ok(())
}
