//! Building images from Dockerfiles: classic Dockerfile semantics, a cache keyed as Docker's, and a plan that tells before
//! anything runs which steps are reused, which run, and why.
//!
//! | file | what it is |
//! |---|---|
//! | `lines`, `heredoc`, `json`, `flags`, `parse`, `instruction`, `dockerfile` | a Dockerfile, read and understood |
//! | `expand`, `pattern`, `arguments` | variables |
//! | `ignore`, `glob` | `.dockerignore`, wildcards |
//! | `context`, `tree`, `tarsum` | files that are copied, and their checksums |
//! | `base` | images that are named, and pulled where they are not here |
//! | `builder`, `state`, `configure`, `copy`, `run` | stages and steps |
//! | `cache`, `plan`, `prune` | what was built before |
//!
//! Every step makes an image, as in Docker's classic builder, so that dockerd finds in a root of ours what was built here. Nothing
//! of a build that was killed stays but the steps that were done.

mod arguments;
mod base;
mod builder;
mod cache;
mod chmod;
mod configure;
mod context;
mod copy;
pub mod dockerfile;
mod download;
mod error;
mod expand;
mod flags;
mod glob;
mod heredoc;
pub mod ignore;
mod instruction;
mod json;
mod lines;
mod marker;
mod mounts;
mod parse;
mod pattern;
pub mod plan;
pub mod problem;
pub mod prune;
mod run;
mod state;
mod tarsum;
mod tree;

use std::collections::BTreeMap;
use std::io::Read;

use outcrop_layers::digest::ImageId;

pub use dockerfile::Dockerfile;
pub use error::BuildError;
pub(crate) use expand::{Lexer, Options};
pub use ignore::{Ignore, IgnoreError};
pub(crate) use marker::sweep;
pub(crate) use parse::split_words;
pub use plan::{PlannedStep, shared};
pub use problem::Problem;

use crate::container::{Containers, HostConfig};
use crate::image::{Images, Reference, ReferenceError};
use crate::progress::{Cancel, Progress};
use crate::registry::Credentials;
use builder::Build;

/// What a build says while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// A word of the builder.
    Text(&'a str),
    /// What a command wrote.
    Output(&'a [u8]),
    /// A step of an image that is pulled.
    Step(&'a Progress),
    /// The image that came out.
    Image(ImageId),
}

/// How to build.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Names that the image gets.
    pub tags: Vec<String>,
    /// `--build-arg`: a name without a value takes its default away.
    pub arguments: BTreeMap<String, Option<String>>,
    /// Labels beside those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// The stage to stop at; the last one where empty.
    pub target: String,
    /// Whether every step runs.
    pub no_cache: bool,
    /// Whether images are pulled that are here already.
    pub pull: bool,
    /// Who pulls, by registry as Docker's `config.json` calls it.
    pub credentials: BTreeMap<String, Credentials>,
    /// The platform that images are of: `os/arch[/variant]`.
    pub platform: Option<String>,
    /// Network of commands: empty, `none`, `host`, …
    pub network: String,
    /// Secrets by ID.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Limits of commands.
    pub host_config: HostConfig,
}

/// Builds images in one data root; commands run in containers of `containers`.
#[derive(Clone)]
pub struct Builder {
    images: Images,
    containers: Containers,
}

impl Builder {
    /// One that starts containers with `containers`, which are of the same root.
    pub fn new(engine: &crate::Engine, containers: Containers) -> Self {
        Self { images: engine.images().clone(), containers }
    }

    /// Builds an image of the context (a tar, plain or compressed).
    ///
    /// # Errors
    /// All of [`BuildError`]. What was done before stays in the cache.
    pub fn build(
        &self,
        context: impl Read + Send,
        options: &BuildOptions,
        said: &(dyn Fn(Said<'_>) + Sync),
        cancel: &Cancel,
    ) -> Result<ImageId, BuildError> {
        let names = references(&options.tags)?;
        let mut build = Build::begin(&self.images, &self.containers, options, said, cancel, context)?;
        let id = build.run()?.ok_or(BuildError::Cancelled)?;
        drop(build);
        said(Said::Image(id));
        said(Said::Text(&format!("Successfully built {}\n", id.0.short())));
        let image = self.images.get(id)?;
        for name in names {
            self.images.tag(&image, &name)?;
            said(Said::Text(&format!("Successfully tagged {}\n", name.familiar())));
        }
        Ok(id)
    }

    /// Tells what [`Builder::build`] would do, and what it would do with each of the Dockerfiles `others` of the same context.
    ///
    /// # Errors
    /// As [`Builder::build`], for what can be known without running anything.
    pub fn plan(
        &self,
        context: impl Read + Send,
        options: &BuildOptions,
        others: &[String],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<PlannedStep>>, BuildError> {
        let said = |_: Said<'_>| {};
        let mut build = Build::begin(&self.images, &self.containers, options, &said, cancel, context)?;
        let mut plans: Vec<Vec<PlannedStep>> = Vec::new();
        for at in 0..=others.len() {
            if at > 0 {
                build.again(&others[at - 1])?;
            }
            build.plan = Some(Vec::new());
            build.run()?;
            let mut plan = build.plan.take().unwrap_or_default();
            let same = plans.first().map_or(plan.len(), |first| shared(first, &plan));
            if let Some(step) = plan.get_mut(same).filter(|step| !step.reused) {
                step.why = format!("differs from {} here; {}", options.dockerfile, step.why);
            }
            plans.push(plan);
        }
        Ok(plans)
    }
}

fn references(tags: &[String]) -> Result<Vec<Reference>, BuildError> {
    let mut names: Vec<Reference> = Vec::new();
    for tag in tags.iter().filter(|tag| !tag.is_empty()) {
        let name = Reference::parse(tag).map_err(crate::image::ImageError::from)?;
        if name.digest().is_some() {
            return Err(crate::image::ImageError::from(ReferenceError::TagWithDigest).into());
        }
        let name = name.or_latest();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

impl crate::Engine {
    /// Builds images. Steps' containers run this very program, which must call
    /// [`shim::main`](crate::container::shim::main) first of all.
    pub fn builder(&self) -> Builder {
        Builder::new(self, self.containers())
    }
}
