//! Pushing images to registries.

mod layer;
mod send;

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use outcrop_layers::digest::{Digest, ImageId};

use super::repositories::Repositories;
use super::{Image, ImageError, Images, Reference, distribution};
use crate::layer::store::Layer;
use crate::progress::{Cancel, Ctx, Progress};
use crate::registry::{self, Credentials, Limits, RegistryError};
use crate::root::transaction::{Record, Transaction};
use send::{Event, Parcel, Place, Sent};

/// How often it is looked whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(50);
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
    /// Pushes an image under its name, several layers at once. What the registry has already, here or in a repository next to it, is
    /// not sent again.
    ///
    /// `told` hears of each tag as soon as it is there.
    pub fn push(&self, options: &PushOptions, told: &dyn Fn(&Pushed), ctx: Ctx<'_>) -> Result<(), ImageError> {
        self.push_within(options, Limits::default(), told, ctx)
    }

    fn push_within(
        &self,
        options: &PushOptions,
        limits: Limits,
        told: &dyn Fn(&Pushed),
        ctx: Ctx<'_>,
    ) -> Result<(), ImageError> {
        let reference = &options.reference;
        let tags = self.tags_to_push(reference)?;
        let mut transaction = self.shared.root.begin()?;
        let status = format!("The push refers to repository [{}]", reference.name());
        (ctx.progress)(Progress { status, ..Progress::default() });
        let mut push = Push { images: self, transaction: &mut transaction, ctx };
        let parcels = tags.into_iter().map(|(tag, id)| push.parcel(tag, id)).collect::<Result<Vec<_>, _>>()?;
        let to = Place {
            images: self.clone(),
            endpoint: registry::Endpoint::of(reference.domain(), &self.shared.registries),
            path: reference.path().into(),
            credentials: options.credentials.clone(),
            limits,
        };
        let (sender, receiver) = channel();
        let stop = Cancel::new();
        std::thread::scope(|scope| {
            let (parcels, stop) = (&parcels, &stop);
            scope.spawn(move || send::send(&to, parcels, &sender, stop));
            let done = push.follow(&receiver, parcels, told);
            stop.cancel();
            done
        })
        .map_err(denied)?;
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

/// Says how to be let in.
fn denied(error: ImageError) -> ImageError {
    let hidden =
        |detail| RegistryError::Denied { what: "push access denied; `outcrop login` may be needed".into(), detail };
    match error {
        ImageError::Registry(RegistryError::Denied { detail, .. }) => hidden(detail).into(),
        ImageError::Registry(RegistryError::Unauthorized { host, detail }) if detail == "authentication required" => {
            hidden(format!("{host}: {detail}")).into()
        }
        error => error,
    }
}

/// The side of a push that knows the data root.
struct Push<'a> {
    images: &'a Images,
    transaction: &'a mut Transaction,
    ctx: Ctx<'a>,
}

impl Push<'_> {
    /// An image as it is sent.
    fn parcel(&mut self, tag: Reference, id: ImageId) -> Result<Parcel, ImageError> {
        let image = self.images.get(id)?;
        let near = format!("{}/", tag.domain());
        let mut layers = Vec::new();
        for layer in self.lease(&image)? {
            let mut sources = distribution::sources(self.images.layout(), layer.diff);
            sources.retain(|source| source.repository.starts_with(&near));
            sources.sort_by_key(|source| source.repository != tag.name());
            sources.truncate(MOST_SOURCES);
            let sources = sources.into_iter().map(|s| (s.blob, s.repository[near.len()..].to_owned())).collect();
            layers.push(Sent { path: self.transaction.fresh("blob"), layer, sources });
        }
        Ok(Parcel { tag, id, config: image.stored.raw.clone(), layers })
    }

    /// Hands on what the other side tells, until all is there.
    fn follow(
        &mut self,
        receiver: &Receiver<Event>,
        parcels: &[Parcel],
        told: &dyn Fn(&Pushed),
    ) -> Result<(), ImageError> {
        let mut parcels = parcels.iter().peekable();
        while let Some(parcel) = parcels.peek() {
            let event = match receiver.recv_timeout(LOOK) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) if !self.ctx.cancel.is_cancelled() => continue,
                Err(_) => return Err(ImageError::Cancelled),
            };
            match event {
                Event::Progress(step) => (self.ctx.progress)(step),
                Event::Stored(diff, blob) => {
                    distribution::note(self.transaction, diff, blob.digest, &parcel.tag.name());
                }
                Event::Put(digest, size) => {
                    let tag = &parcel.tag;
                    self.name(&tag.with_digest(digest), parcel.id)?;
                    self.images.tell("push", parcel.id, &tag.familiar());
                    told(&Pushed { tag: tag.tag().unwrap_or("latest").to_owned(), digest, size });
                    parcels.next();
                }
                Event::Failed(error) => return Err(error),
            }
        }
        Ok(())
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
}

#[cfg(test)]
mod tests;
