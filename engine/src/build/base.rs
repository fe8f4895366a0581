//! Images that a Dockerfile names: what stages begin with, what steps copy from. They are here, or they are pulled.

use outcrop_layers::archive::Platform;
use outcrop_layers::digest::Digest;

use super::Said;
use super::builder::Build;
use super::dockerfile::Stage;
use super::error::{BuildError, Result};
use super::problem::{Place, nearest};
use super::state::State;
use crate::image::{ErrorKind, Image, ImageError, PullOptions, Pulled, Reference};
use crate::progress::{Ctx, Progress};
use crate::registry::Credentials;

/// An image as a word of the Dockerfile names it.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    /// Its name, variables replaced.
    pub(crate) name: &'a str,
    /// As it was written.
    pub(crate) word: &'a str,
    pub(crate) place: &'a Place,
}

impl Named<'_> {
    fn problem(&self, message: impl Into<String>) -> BuildError {
        self.place.problem(self.word, message).into()
    }
}

/// What a plan calls an image that it has not seen.
pub(crate) fn unseen(name: &str) -> String {
    Digest::of(format!("pull {name}").as_bytes()).to_string()
}

impl Build<'_> {
    /// What a stage begins with, and how it comes here, for a plan.
    pub(super) fn base(&mut self, name: &str, stage: &Stage) -> Result<(State, &'static str)> {
        let earlier = |known: &Stage| known.from.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name));
        if let Some(at) = self.file.stages.iter().take(self.done.len()).position(earlier) {
            let mut state = self.done[at].clone();
            // What has to run in a plan has no image that could be looked for.
            let missed = state.missed && self.plan.is_some();
            state.begin();
            state.missed = missed;
            return Ok((state, if missed { "it is the result of a stage that runs" } else { "it is here" }));
        }
        if name == "scratch" {
            return Ok((State::on(None)?, "it is here"));
        }
        let platform = stage.from.platform.as_deref().map(|text| self.global_word(text, &stage.place)).transpose()?;
        let platform = platform.filter(|text| !text.is_empty()).or_else(|| self.options.platform.clone());
        let named = Named { name, word: &stage.from.image, place: &stage.place };
        let Some(image) = self.image(named, platform.as_deref())? else {
            let state = State { missed: true, key: unseen(name), ..State::on(None)? };
            return Ok((state, "it is not here: it would be pulled"));
        };
        let shown = if self.options.pull { "it is here; the registry is asked for a newer one" } else { "it is here" };
        Ok((State::on(Some(&image))?, shown))
    }

    /// Finds an image, or pulls it; always pulls it if the options say so. A plan pulls nothing: it has none then.
    pub(crate) fn image(&mut self, named: Named<'_>, platform: Option<&str>) -> Result<Option<Image>> {
        let wanted = platform.map(|text| {
            let invalid = || named.place.problem(text, format!("invalid platform {text:?}: write linux/arm64"));
            Platform::parse(text).ok_or_else(invalid)
        });
        let wanted = wanted.transpose()?;
        let known = (named.name.to_owned(), platform.map(str::to_owned));
        if let Some(id) = self.pulled.get(&known) {
            return Ok(Some(self.images.get(*id)?));
        }
        let found = match self.images.resolve(named.name) {
            Ok(image) => Some(image),
            Err(ImageError::NotFound(_)) => None,
            Err(error @ (ImageError::Reference(_) | ImageError::Ambiguous { .. })) => {
                return Err(named.problem(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let other = found.as_ref().and_then(|image| other_platform(image, wanted.as_ref(), named.name));
        let fits = found.filter(|_| other.is_none());
        if let Some(image) = fits.filter(|_| !self.options.pull || self.plan.is_some()) {
            return match image.problems.first() {
                Some(problem) => {
                    Err(named.problem(format!("image {} cannot be built on: {problem}; pull it again", named.name)))
                }
                None => Ok(Some(image)),
            };
        }
        if self.plan.is_some() {
            return Ok(None);
        }
        let image = self.pull(named, platform, other)?;
        self.pulled.insert(known, image.id);
        Ok(Some(image))
    }

    /// Pulls an image. `other` says that one of that name is here, and why it does not do.
    fn pull(&self, named: Named<'_>, platform: Option<&str>, other: Option<String>) -> Result<Image> {
        let reference = Reference::parse(named.name).map_err(|error| named.problem(error.to_string()))?.or_latest();
        let said = self.said;
        let progress = |step: Progress| said(Said::Step(&step));
        let options = PullOptions {
            credentials: Credentials::of(&self.options.credentials, reference.domain()),
            platform: platform.map(str::to_owned),
            reference,
        };
        let pulled = self.images.pull(&options, Ctx { progress: &progress, cancel: self.cancel });
        let pulled = pulled.map_err(|error| {
            if error.kind() == ErrorKind::Cancelled {
                return BuildError::Cancelled;
            }
            let stages = self.file.stages.iter().take(self.done.len());
            let meant = nearest(named.name, stages.filter_map(|stage| stage.from.name.as_deref()));
            let meant = meant.map(|meant| format!(" (did you mean the stage {meant}?)")).unwrap_or_default();
            let why = other.unwrap_or_else(|| match self.images.resolve(named.name) {
                Ok(_) => format!("image {} is here, but --pull wants what the registry has", named.name),
                Err(_) => format!("there is no image {} here", named.name),
            });
            named.problem(format!("{why}{meant}, and it cannot be pulled: {error}"))
        })?;
        for status in pulled.told().into_iter().chain([Pulled::status(&options.reference, pulled.newer)]) {
            progress(Progress { status, ..Progress::default() });
        }
        Ok(self.images.get(pulled.id)?)
    }
}

/// Docker's words for an image that is here for another platform than `wanted`.
fn other_platform(image: &Image, wanted: Option<&Platform>, name: &str) -> Option<String> {
    let (config, wanted) = (image.config(), wanted?);
    let same_variant = wanted.variant.is_none() || wanted.variant == config.variant;
    if (&wanted.os, &wanted.architecture) == (&config.os, &config.architecture) && same_variant {
        return None;
    }
    Some(format!(
        "image with reference {name} was found but does not match the specified platform: wanted {wanted}, actual: {}/{}",
        config.os, config.architecture
    ))
}
