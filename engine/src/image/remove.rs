//! Removing images, as `docker rmi` does (moby `daemon/images/image_delete.go`).
//!
//! A name is taken away first; the image goes with its last name. Hard conflicts (child images, running containers) cannot be
//! overcome, soft ones (further names, stopped containers) with `force`. Messages are dockerd's, word for word.

use outcrop_layers::digest::{ChainId, ImageId};

use super::repositories::Repositories;
use super::{ErrorKind, ImageError, Images, Reference, references};
use crate::container::Container;
use crate::progress::Ctx;
use crate::root::lock::Changing;
use crate::root::recovery;
use crate::root::transaction::{Record, Transaction};

/// One thing that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A name, familiar form.
    Untagged(String),
    /// An image or a layer, by its digest.
    Deleted(String),
}

impl Images {
    /// Removes a name, and the image with its layers when that was the last one.
    ///
    /// `force` also removes an image with several names given by ID, or one that stopped containers use. With `prune_parents` the
    /// images it was built from go too, as far as nothing else needs them (`docker rmi` without `--no-prune`).
    pub fn remove(
        &self,
        name: &str,
        force: bool,
        prune_parents: bool,
        ctx: Ctx<'_>,
    ) -> Result<Vec<Removed>, ImageError> {
        match self.remove_once(name, force, prune_parents, ctx) {
            // Removing must work on a full disk, of all things.
            Err(error) if error.kind() == ErrorKind::NoSpace && self.shared.root.give_up_reserve() => {
                let outcome = self.remove_once(name, force, prune_parents, ctx);
                self.shared.root.keep_reserve();
                outcome
            }
            outcome => outcome,
        }
    }

    fn remove_once(
        &self,
        name: &str,
        force: bool,
        prune_parents: bool,
        ctx: Ctx<'_>,
    ) -> Result<Vec<Removed>, ImageError> {
        let transaction = self.shared.root.begin()?;
        let held = self.shared.root.change()?;
        if ctx.cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        let mut removal = Removal::new(self, transaction, &held)?;
        let outcome = removal.run(name, force, prune_parents);
        let Removal { transaction, removed, told, .. } = removal;
        drop(held);
        // What was removed before a conflict is removed: the transaction ends in order either way.
        transaction.finish().map_err(ImageError::io("write in", self.layout().transactions()))?;
        for (action, id) in told {
            self.tell(action, id, &id.to_string());
        }
        outcome.map(|()| removed)
    }
}

/// What stands in the way.
struct Conflict {
    hard: bool,
    used: bool,
    message: String,
}

impl Conflict {
    fn error(&self, id: ImageId) -> ImageError {
        let force = if self.hard { "cannot be forced" } else { "must be forced" };
        ImageError::Conflict(format!("conflict: unable to delete {} ({force}) - {}", id.0.short(), self.message))
    }
}

/// Which conflicts count.
#[derive(Clone, Copy)]
struct Checks {
    names: bool,
    stopped: bool,
}

struct Removal<'a> {
    images: &'a Images,
    held: &'a Changing,
    transaction: Transaction,
    index: Repositories,
    containers: Vec<Container>,
    removed: Vec<Removed>,
    /// Events for later.
    told: Vec<(&'static str, ImageId)>,
}

impl<'a> Removal<'a> {
    fn new(images: &'a Images, transaction: Transaction, held: &'a Changing) -> Result<Self, ImageError> {
        let index = Repositories::read_to_change(images.layout()).map_err(images.unreadable())?;
        let containers = Container::all(images.layout()).map_err(images.unreadable())?;
        Ok(Self { images, held, transaction, index, containers, removed: Vec::new(), told: Vec::new() })
    }

    fn run(&mut self, name: &str, force: bool, prune_parents: bool) -> Result<(), ImageError> {
        let id = self.images.find(name)?;
        let names = self.index.of_image(id);
        let by_id = id.to_string().starts_with(name) || id.0.hex().starts_with(name);
        let mut quiet = false;
        if by_id {
            // At most one tag, all within one repository: then the ID means that name too.
            if is_single(&names) {
                self.check(id, Checks { names: false, stopped: !force })?;
                self.untag(id, &names)?;
            }
        } else {
            let reference = Reference::parse(name)?.or_latest();
            if !self.remove_name(id, &reference, &names, force)? {
                return Ok(());
            }
            quiet = true;
        }
        self.delete(id, force, prune_parents, quiet)
    }

    /// Takes one name away; tells whether it was the last.
    fn remove_name(
        &mut self,
        id: ImageId,
        reference: &Reference,
        names: &[Reference],
        force: bool,
    ) -> Result<bool, ImageError> {
        let using = self.containers.iter().find(|container| container.image == Some(id));
        if let (false, true, Some(container)) = (force, is_single(names), using) {
            return Err(ImageError::Conflict(format!(
                "conflict: unable to remove repository reference {:?} (must force) - container {} is using its referenced image {}",
                reference.familiar(),
                short(&container.id),
                id.0.short()
            )));
        }
        let mut going = vec![reference.clone()];
        let stays = |other: &&Reference| match reference.digest() {
            Some(digest) => other.digest() != Some(digest) || other.name() != reference.name(),
            None => other.digest().is_some() || other.name() != reference.name() || other.tag() != reference.tag(),
        };
        let rest: Vec<Reference> = names.iter().filter(stays).cloned().collect();
        // Digests of a repository go with its last tag.
        let same_name = |other: &Reference| other.name() == reference.name();
        let last_tag = reference.digest().is_none() && !rest.iter().any(|r| r.digest().is_none() && same_name(r));
        let (with_it, rest): (Vec<Reference>, Vec<Reference>) =
            rest.into_iter().partition(|other| last_tag && same_name(other) && other.digest().is_some());
        going.extend(with_it);
        self.untag(id, &going)?;
        Ok(rest.is_empty())
    }

    fn untag(&mut self, id: ImageId, names: &[Reference]) -> Result<(), ImageError> {
        if names.is_empty() {
            return Ok(());
        }
        // Announced first: killed behind the last name's end, the image would stay without a name otherwise.
        self.announce(id)?;
        for name in names {
            self.index.remove(name);
            self.removed.push(Removed::Untagged(name.familiar()));
            self.told.push(("untag", id));
        }
        self.index.write(&mut self.transaction).map_err(ImageError::io("write", self.images.layout().repositories()))
    }

    /// Deletes an image and, if asked, those it was built from.
    fn delete(&mut self, id: ImageId, force: bool, prune_parents: bool, quiet: bool) -> Result<(), ImageError> {
        let (mut next, mut force, mut quiet) = (Some(id), force, quiet);
        while let Some(id) = next {
            let checks = Checks { names: !force, stopped: !force };
            if let Some(conflict) = self.conflict(id, checks)? {
                let dangling = self.index.of_image(id).is_empty() && !self.has_children(id)?;
                if quiet && (!dangling || conflict.used) {
                    return Ok(());
                }
                return Err(conflict.error(id));
            }
            let parent = references::parent_of(self.images.layout(), id);
            let names = self.index.of_image(id);
            self.untag(id, &names)?;
            self.take_away(id)?;
            next = parent.filter(|parent| prune_parents && self.images.layout().content(*parent).exists());
            (force, quiet) = (false, true);
        }
        Ok(())
    }

    /// Names the image and its layers in the intent; tells the layers, base first.
    fn announce(&mut self, id: ImageId) -> Result<Vec<ChainId>, ImageError> {
        let layout = self.images.layout();
        let stored = self.images.shared.configs.get(layout, id).ok().and_then(Result::ok);
        let chains = stored.map(|stored| ChainId::all(&stored.config.rootfs.diff_ids)).unwrap_or_default();
        if !self.transaction.records().contains(&Record::Image(id)) {
            let mut records: Vec<Record> = chains.iter().map(|chain| Record::Chain(*chain)).collect();
            records.push(Record::Image(id));
            self.transaction.note(records).map_err(ImageError::io("write in", layout.transactions()))?;
        }
        Ok(chains)
    }

    fn take_away(&mut self, id: ImageId) -> Result<(), ImageError> {
        let mut chains = self.announce(id)?;
        chains.reverse();
        let layout = self.images.layout();
        let mut change = || {
            self.transaction.take_away(&layout.content(id))?;
            self.transaction.take_away(&layout.metadata(id))?;
            recovery::collect(layout, self.held, self.transaction.directory(), &chains)
        };
        let gone = change().map_err(ImageError::io("remove", layout.content(id)))?;
        self.removed.push(Removed::Deleted(id.to_string()));
        self.removed.extend(gone.into_iter().map(|chain| Removed::Deleted(chain.to_string())));
        self.told.push(("delete", id));
        Ok(())
    }

    fn check(&self, id: ImageId, checks: Checks) -> Result<(), ImageError> {
        self.conflict(id, checks)?.map_or(Ok(()), |conflict| Err(conflict.error(id)))
    }

    fn has_children(&self, id: ImageId) -> Result<bool, ImageError> {
        Ok(references::children(self.images.layout()).map_err(self.images.unreadable())?.contains_key(&id))
    }

    fn conflict(&self, id: ImageId, checks: Checks) -> Result<Option<Conflict>, ImageError> {
        let hard = |message: &str, used| Some(Conflict { hard: true, used, message: message.into() });
        let soft = |message: &str, used| Some(Conflict { hard: false, used, message: message.into() });
        if self.has_children(id)? {
            return Ok(hard("image has dependent child images", false));
        }
        let container = |running| self.containers.iter().find(|c| c.image == Some(id) && c.running == running);
        if let Some(running) = container(true) {
            return Ok(hard(&format!("image is being used by running container {}", short(&running.id)), true));
        }
        if checks.names && !self.index.of_image(id).is_empty() {
            return Ok(soft("image is referenced in multiple repositories", false));
        }
        if let Some(stopped) = container(false).filter(|_| checks.stopped) {
            return Ok(soft(&format!("image is being used by stopped container {}", short(&stopped.id)), true));
        }
        Ok(None)
    }
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// Whether all names are of one repository with at most one tag; false for none.
fn is_single(names: &[Reference]) -> bool {
    if names.len() <= 1 {
        return names.len() == 1;
    }
    let tags: Vec<&Reference> = names.iter().filter(|name| name.digest().is_none()).collect();
    let digests: std::collections::BTreeSet<String> =
        names.iter().filter(|name| name.digest().is_some()).map(Reference::name).collect();
    let single = tags.first().map_or_else(|| names[0].name(), |tag| tag.name());
    tags.len() <= 1 && digests.len() == 1 && digests.contains(&single)
}
