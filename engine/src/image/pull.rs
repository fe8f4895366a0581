//! Pulling images from registries.

mod downloads;
mod fetch;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Seek;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use outcrop_layers::archive::Platform;
use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::{Digest, ImageId};

use super::load::parse_platform;
use super::staging::{NewImage, Origin, Staging};
use super::{ImageError, Images, Reference, distribution};
use crate::progress::{Cancel, Ctx, Progress};
use crate::registry::{self, Access, Credentials, Descriptor, Endpoint, Limits, Registries, RegistryError, Repository};
use downloads::Downloads;
use fetch::{Event, Place};

/// How often it is looked whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(50);

/// What to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// The image: with a tag or a digest.
    pub reference: Reference,
    /// `os/arch[/variant]`; the host's by default.
    pub platform: Option<String>,
    /// Who asks.
    pub credentials: Credentials,
}

/// An image that was pulled, or was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Its ID.
    pub id: ImageId,
    /// The digest of what the name stands for at the registry.
    pub digest: Digest,
    /// Whether the name stood for something else before, or for nothing.
    pub newer: bool,
    /// What the user should know (another architecture).
    pub warnings: Vec<String>,
}

impl Pulled {
    /// Docker's words on an image that was pulled.
    pub fn told(&self) -> Vec<String> {
        let warnings = self.warnings.iter().map(|warning| format!("Warning: {warning}"));
        warnings.chain([format!("Digest: {}", self.digest)]).collect()
    }

    /// Docker's last word on a pull of `reference`; `newer` tells whether anything came.
    pub fn status(reference: &Reference, newer: bool) -> String {
        let what = if newer { "Downloaded newer image" } else { "Image is up to date" };
        format!("Status: {what} for {}", reference.familiar())
    }
}

/// What a name stands for at a registry.
struct Resolved {
    endpoint: Endpoint,
    digest: Digest,
    config: Vec<u8>,
    parsed: ImageConfig,
    layers: Vec<Descriptor>,
}

impl Images {
    /// Pulls an image: the layers that are not there, several at once, continuing what an earlier try left.
    ///
    /// Nothing is registered unless every blob has its digest and every layer the diff ID that the configuration names.
    pub fn pull(&self, options: &PullOptions, ctx: Ctx<'_>) -> Result<Pulled, ImageError> {
        self.pull_within(options, Limits::default(), ctx)
    }

    /// Pulls all tags of a repository; `told` hears of each as soon as it is there.
    pub fn pull_all(&self, options: &PullOptions, told: &dyn Fn(&Pulled), ctx: Ctx<'_>) -> Result<(), ImageError> {
        let name = &options.reference;
        let limits = Limits::default();
        let listing = async {
            let endpoint = Endpoint::of(name.domain(), &self.shared.registries);
            Repository::open(endpoint, name.path(), Access::Pull, &options.credentials, limits).await?.tags().await
        };
        let tags = registry::run(ctx.cancel, listing).map_err(|error| denied(error, name))?;
        if tags.is_empty() {
            return Err(RegistryError::NotFound(format!("{}: the registry has no tags of it", name.familiar())).into());
        }
        for tag in tags {
            let reference = name.with_tag(&tag)?;
            told(&self.pull_within(&PullOptions { reference, ..options.clone() }, limits, ctx)?);
        }
        Ok(())
    }

    fn pull_within(&self, options: &PullOptions, limits: Limits, ctx: Ctx<'_>) -> Result<Pulled, ImageError> {
        self.shared.root.writable()?;
        let reference = &options.reference.clone().or_latest();
        let asked = parse_platform(options.platform.as_deref())?;
        let wanted = asked.clone().unwrap_or_else(Platform::host);
        let resolving = resolve(reference, &wanted, &options.credentials, &self.shared.registries, limits);
        let resolved = registry::run(ctx.cancel, resolving).map_err(|error| denied(error, reference))?;
        let warnings = check_platform(&resolved.parsed, asked.as_ref(), reference)?;
        let id = reference.digest().map_or_else(|| reference.tag().unwrap_or_default().into(), |d| d.to_string());
        let step =
            |id: &str, status: String| (ctx.progress)(Progress { id: id.into(), status, current: 0, total: None });
        step(&id, format!("Pulling from {}", reference.path()));
        let from = Place {
            endpoint: resolved.endpoint.clone(),
            path: reference.path().into(),
            credentials: options.credentials.clone(),
            limits,
        };
        let before = super::repositories::Repositories::read(self.layout()).map_err(self.unreadable())?.get(reference);
        let downloads = Downloads::open(self.layout()).map_err(ImageError::io("write", self.layout().downloads()))?;
        let all = || resolved.layers.iter().map(|layer| layer.digest);
        let done = self.take_layers(&resolved, &from, &downloads, reference, ctx);
        let (found, lost) = match done {
            Ok(done) => done,
            Err(error) => {
                downloads.remove_empty(all());
                return Err(error);
            }
        };
        downloads.remove(all());
        self.note_sources(&resolved, &reference.name());
        self.tell("pull", found, &reference.familiar());
        let warnings = [warnings, lost].concat();
        Ok(Pulled { id: found, digest: resolved.digest, newer: before != Some(found), warnings })
    }

    /// Brings the layers here and registers the image.
    fn take_layers(
        &self,
        resolved: &Resolved,
        from: &Place,
        downloads: &Downloads,
        reference: &Reference,
        ctx: Ctx<'_>,
    ) -> Result<(ImageId, Vec<String>), ImageError> {
        let (sender, receiver) = channel();
        let inbox = Inbox { receiver, waiting: RefCell::default(), ctx };
        // While a layer is unpacked, what is heard of the others is passed on too.
        let relay = |step: Progress| {
            inbox.pass_on();
            (ctx.progress)(step);
        };
        let staging_ctx = Ctx { progress: &relay, cancel: ctx.cancel };
        let mut staging = Staging::begin(self, staging_ctx)?.with_words(["Extracting", "Extracting"]);
        let diffs = &resolved.parsed.rootfs.diff_ids;
        let mut wanted: HashMap<Digest, usize> = HashMap::new();
        let mut blobs = Vec::new();
        for (n, (blob, diff)) in resolved.layers.iter().zip(diffs).enumerate() {
            let there = staging.has(*diff)?;
            let status = if there { "Already exists" } else { "Pulling fs layer" };
            inbox.tell(blob, status);
            if !there && wanted.insert(blob.digest, n).is_none() {
                blobs.push(blob.clone());
            }
        }
        let stop = Cancel::new();
        std::thread::scope(|scope| {
            let stop = &stop;
            scope.spawn(move || fetch::fetch(from, blobs, downloads, &sender, stop));
            let taken = wanted.iter().try_for_each(|_| {
                let (blob, file) = inbox.next_blob()?;
                let n = wanted.get(&blob.digest).copied().unwrap_or_default();
                unpack(&mut staging, &blob, file, n, diffs)?;
                inbox.tell(&blob, "Pull complete");
                Ok::<_, ImageError>(())
            });
            stop.cancel();
            taken
        })?;
        let digest = reference.with_digest(resolved.digest);
        let names = if reference.digest().is_some() { vec![digest] } else { vec![reference.clone(), digest] };
        let image = NewImage { config: resolved.config.clone(), layers: diffs.clone(), names, origin: Origin::Loaded };
        let (id, warnings) = (image.id(), staging.warnings().to_vec());
        staging.publish(&[image])?;
        Ok((id, warnings))
    }

    fn note_sources(&self, resolved: &Resolved, repository: &str) {
        let Ok(mut transaction) = self.shared.root.begin() else { return };
        for (blob, diff) in resolved.layers.iter().zip(&resolved.parsed.rootfs.diff_ids) {
            distribution::note(&mut transaction, *diff, blob.digest, repository);
        }
        let _ = transaction.finish();
    }
}

fn unpack(
    staging: &mut Staging<'_>,
    blob: &Descriptor,
    mut file: File,
    n: usize,
    diffs: &[outcrop_layers::digest::DiffId],
) -> Result<(), ImageError> {
    let name = blob.digest.hex();
    file.rewind().map_err(|source| RegistryError::Local { what: "read a layer that was downloaded", source })?;
    let passed = staging.layer(&name, file, Some(blob.size), None)?;
    if passed.blob != blob.digest {
        return Err(ImageError::Digest { name, expected: blob.digest, found: passed.blob });
    }
    if passed.diff != diffs[n] {
        return Err(ImageError::DiffId { layer: n + 1, expected: diffs[n], found: passed.diff });
    }
    Ok(())
}

/// Asks each place that answers for the registry, until one has the image.
async fn resolve(
    reference: &Reference,
    wanted: &Platform,
    credentials: &Credentials,
    settings: &Arc<Registries>,
    limits: Limits,
) -> Result<Resolved, RegistryError> {
    let mut last = None;
    for endpoint in registry::endpoints(reference.domain(), settings)? {
        match resolve_at(&endpoint, reference, wanted, credentials, limits).await {
            Ok(resolved) => return Ok(resolved),
            Err(error) => {
                tracing::debug!(%error, "no image there");
                last = Some(error);
            }
        }
    }
    Err(last.unwrap_or(RegistryError::Cancelled))
}

async fn resolve_at(
    endpoint: &Endpoint,
    reference: &Reference,
    wanted: &Platform,
    credentials: &Credentials,
    limits: Limits,
) -> Result<Resolved, RegistryError> {
    let path = reference.path();
    let repository = Repository::open(endpoint.clone(), path, Access::Pull, credentials, limits).await?;
    let what = reference.familiar();
    let by = reference.digest().map_or_else(|| reference.tag().unwrap_or("latest").to_owned(), |d| d.to_string());
    let top = repository.manifest(&by, reference.digest(), &what).await?;
    let (config, layers) = repository.image(&top, wanted, &what).await?;
    let config = repository.config(&config).await?;
    let unsupported = |why: String| RegistryError::Unsupported(format!("{what}: {why}"));
    let parsed = ImageConfig::parse(&config).map_err(|error| unsupported(error.to_string()))?;
    if parsed.rootfs.diff_ids.len() != layers.len() {
        let named = parsed.rootfs.diff_ids.len();
        return Err(unsupported(format!("the manifest has {} layers, the configuration names {named}", layers.len())));
    }
    Ok(Resolved { endpoint: endpoint.clone(), digest: top.digest, config: config.to_vec(), parsed, layers })
}

/// Docker's words for a repository that does not show itself.
fn denied(error: RegistryError, reference: &Reference) -> ImageError {
    let hidden = |detail: String| {
        RegistryError::Denied {
            what: format!(
                "pull access denied for {}, repository does not exist or may require 'outcrop login'",
                reference.familiar_name()
            ),
            detail,
        }
        .into()
    };
    match error {
        RegistryError::Denied { detail, .. } => hidden(detail),
        RegistryError::Unauthorized { detail, .. } if detail == "authentication required" => hidden(detail),
        error => error.into(),
    }
}

/// Refuses an image for another system, or for another platform than was asked for.
fn check_platform(
    config: &ImageConfig,
    asked: Option<&Platform>,
    reference: &Reference,
) -> Result<Vec<String>, ImageError> {
    let os = if config.os.is_empty() { "linux".into() } else { config.os.to_lowercase() };
    let platform = Platform { os, architecture: config.architecture.clone(), variant: config.variant.clone() };
    if platform.os != "linux" {
        return Err(ImageError::Invalid(format!(
            "cannot pull {platform} image on linux: its layers are for another operating system"
        )));
    }
    if let Some(asked) = asked.filter(|asked| platform.serves(asked) == 0) {
        return Err(ImageError::NotFound(format!(
            "{}: it is there for {platform}, but {asked} was asked for",
            reference.familiar()
        )));
    }
    let host = Platform::host();
    let strange = !platform.architecture.is_empty() && platform.architecture != host.architecture;
    let warning = format!("the image is for {platform}, this machine is {host}: it cannot run here without emulation");
    Ok(if strange { vec![warning] } else { Vec::new() })
}

/// What the downloading thread sent.
struct Inbox<'a> {
    receiver: Receiver<Event>,
    /// What is not progress waits here.
    waiting: RefCell<VecDeque<Event>>,
    ctx: Ctx<'a>,
}

impl Inbox<'_> {
    /// Tells what is new of a layer.
    fn tell(&self, blob: &Descriptor, status: &str) {
        (self.ctx.progress)(Progress { id: blob.digest.short(), status: status.into(), current: 0, total: None });
    }

    /// Hands on all progress that was sent.
    fn pass_on(&self) {
        for event in self.receiver.try_iter() {
            match event {
                Event::Progress(step) => (self.ctx.progress)(step),
                other => self.waiting.borrow_mut().push_back(other),
            }
        }
    }

    /// Waits for a blob.
    fn next_blob(&self) -> Result<(Descriptor, File), ImageError> {
        loop {
            self.pass_on();
            let waiting = self.waiting.borrow_mut().pop_front();
            let event = match waiting {
                Some(event) => event,
                None => match self.receiver.recv_timeout(LOOK) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) if !self.ctx.cancel.is_cancelled() => continue,
                    Err(_) => return Err(ImageError::Cancelled),
                },
            };
            match event {
                Event::Progress(step) => (self.ctx.progress)(step),
                Event::Whole(blob, file) => return Ok((blob, file)),
                Event::Failed(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
