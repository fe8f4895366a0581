//! A build: stages one after the other, steps one after the other.

use std::collections::HashMap;
use std::io::Read;

use outcrop_layers::archive::Platform;
use outcrop_layers::config::MOST_LAYERS;
use outcrop_layers::digest::{DiffId, Digest, ImageId};

use super::arguments::Arguments;
use super::cache::Cache;
use super::context::Context;
use super::copy::Copied;
use super::dockerfile::{Dockerfile, Stage};
use super::error::{BuildError, Result};
use super::expand::{Lexer, Options};
use super::instruction::{Instruction, Kind};
use super::lines::Lines;
use super::plan::PlannedStep;
use super::problem::{Place, nearest};
use super::state::State;
use super::{BuildOptions, Said, parse};
use crate::container::{Config, Containers};
use crate::image::load::parse_platform;
use crate::image::staging::{NewImage, Origin, Staging};
use crate::image::{ImageError, Images};
use crate::layer::diff::diff_tar;
use crate::progress::{Cancel, Ctx};
use crate::root::transaction::Transaction;

/// The layer in which nothing is: the digest of a tar without entries.
const EMPTY: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// One build, or one plan of it.
pub(crate) struct Build<'a> {
    pub(crate) images: &'a Images,
    pub(crate) containers: &'a Containers,
    pub(crate) options: &'a BuildOptions,
    pub(crate) said: &'a (dyn Fn(Said<'_>) + Sync),
    pub(crate) cancel: &'a Cancel,
    /// Holds the directory of everything that goes with the build.
    pub(crate) work: Transaction,
    pub(crate) context: Context,
    pub(crate) file: Dockerfile,
    pub(crate) arguments: Arguments,
    pub(crate) cache: Cache,
    /// Stages that are done.
    pub(crate) done: Vec<State>,
    /// Images that are not registered yet: they have no layer of their own.
    pending: Vec<NewImage>,
    /// The steps so far, if this is a plan.
    pub(crate) plan: Option<Vec<PlannedStep>>,
    pub(crate) number: usize,
    pub(crate) total: usize,
    pub(crate) line: usize,
    pub(crate) text: String,
    /// What containers warned of.
    pub(crate) warned: Vec<String>,
    /// What the step that is under way copies.
    pub(crate) copied: Option<Copied>,
    /// Images that were pulled, by name and platform: once is enough.
    pub(crate) pulled: HashMap<(String, Option<String>), ImageId>,
}

/// What is left to do for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it was found, or this is a plan.
    Done,
    Run,
}

impl<'a> Build<'a> {
    /// Unpacks the context, and reads the Dockerfile.
    pub(crate) fn begin(
        images: &'a Images,
        containers: &'a Containers,
        options: &'a BuildOptions,
        said: &'a (dyn Fn(Said<'_>) + Sync),
        cancel: &'a Cancel,
        context: impl Read + Send,
    ) -> Result<Self> {
        let mut work = images.shared.root.begin()?;
        let directory = work.fresh("context");
        let mut context = Context::unpack(context, directory, images.shared.root.rootless(), cancel)?;
        let file = Dockerfile::parse(&options.dockerfile, &context.dockerfile(&options.dockerfile)?)?;
        let mut build = Self {
            images,
            containers,
            options,
            said,
            cancel,
            work,
            context,
            file,
            arguments: arguments(options)?,
            cache: Cache::read(images)?,
            done: Vec::new(),
            pending: Vec::new(),
            plan: None,
            number: 0,
            total: 0,
            line: 0,
            text: String::new(),
            warned: Vec::new(),
            copied: None,
            pulled: HashMap::new(),
        };
        if let Some(other) = build
            .file
            .syntax
            .as_deref()
            .filter(|name| !name.trim_start_matches("docker.io/").starts_with("docker/dockerfile"))
        {
            build.say(&format!("[Warning] # syntax={other} is not fetched: the file is read as a Dockerfile\n"));
        }
        build.label()?;
        Ok(build)
    }

    /// Reads another Dockerfile of the same context, and starts over.
    pub(crate) fn again(&mut self, dockerfile: &str) -> Result<()> {
        self.file = Dockerfile::parse(dockerfile, &self.context.dockerfile(dockerfile)?)?;
        self.arguments = arguments(self.options)?;
        self.done.clear();
        (self.number, self.line) = (0, 0);
        self.label()
    }

    /// Labels from the options are a last step of the stage that is wanted.
    fn label(&mut self) -> Result<()> {
        let target = self.target()?;
        let stage = &mut self.file.stages[target];
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\"'\"'"));
        for (key, value) in &self.options.labels {
            let (key, value) = (quoted(key), quoted(value));
            let text = format!("LABEL {key}={value}");
            stage.steps.push(Instruction { kind: Kind::Label(vec![(key, value)]), place: stage.place.clone(), text });
        }
        self.total = self.file.count(target + 1);
        Ok(())
    }

    /// The number of the stage that is wanted.
    fn target(&self) -> Result<usize> {
        let name = &self.options.target;
        if name.is_empty() {
            return Ok(self.file.stages.len() - 1);
        }
        self.file.stage(name).ok_or_else(|| {
            let names = self.file.stages.iter().filter_map(|stage| stage.from.name.as_deref());
            let meant = nearest(name, names).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            BuildError::Invalid(format!("target stage {name:?} could not be found{meant}"))
        })
    }

    pub(crate) fn say(&self, text: &str) {
        (self.said)(Said::Text(text));
    }

    /// Goes through everything; the image that came out, which a plan does not have.
    pub(crate) fn run(&mut self) -> Result<Option<ImageId>> {
        for step in self.file.arguments.clone() {
            self.announce(&step.text, &step.place);
            let Kind::Arg(arguments) = &step.kind else { continue };
            for (name, value) in arguments {
                let value = value.as_deref().map(|value| self.global_word(value, &step.place)).transpose()?;
                self.arguments.declare_global(name, value);
            }
            let key = format!("{:?}", step.kind);
            self.plan_reused(&State { key, ..State::default() }, 0, "an argument of FROM");
        }
        let last = self.target()?;
        for stage in self.file.stages.clone().into_iter().take(last + 1) {
            let state = self.stage(&stage)?;
            self.done.push(state);
        }
        if self.plan.is_some() {
            return Ok(None);
        }
        self.flush()?;
        for name in self.arguments.unused() {
            self.say(&format!("[Warning] One or more build-args [{name}] were not consumed\n"));
        }
        match self.done.last().and_then(|state| state.image) {
            Some(id) => Ok(Some(id)),
            None => Err(BuildError::Invalid("No image was generated: there is no step after FROM scratch".into())),
        }
    }

    /// Says which step comes.
    fn announce(&mut self, text: &str, place: &Place) {
        self.number += 1;
        self.line = *place.lines.start();
        text.clone_into(&mut self.text);
        if self.plan.is_none() {
            self.say(&format!("Step {}/{} : {text}\n", self.number, self.total));
        }
    }

    pub(crate) fn global_word(&self, word: &str, place: &Place) -> Result<String> {
        let lexer = Lexer::new(self.file.escape, Options::default());
        let value = lexer.word(word, &|name| self.arguments.global(name));
        value.map_err(|why| place.problem(word, format!("failed to process {word:?}: {why}")).into())
    }

    fn stage(&mut self, stage: &Stage) -> Result<State> {
        self.announce(&stage.text, &stage.place);
        self.arguments.begin_stage();
        let name = self.global_word(&stage.from.image, &stage.place)?;
        if name.is_empty() {
            let message = format!(
                "base name ({}) should not be blank: give it a value with --build-arg or ARG",
                stage.from.image
            );
            return Err(stage.place.problem(&stage.from.image, message).into());
        }
        let (mut state, shown) = self.base(&name, stage)?;
        self.tell_image(state.image);
        let missed = std::mem::take(&mut state.missed);
        if missed {
            self.plan_run(&state, shown.into());
        } else {
            self.plan_reused(&state, state.layers.len(), shown);
        }
        state.missed = missed;
        self.triggers(&mut state, &name)?;
        for step in &stage.steps {
            if self.cancel.is_cancelled() {
                return Err(BuildError::Cancelled);
            }
            self.announce(&step.text, &step.place);
            state.config.image = state.image.map(|id| id.to_string()).unwrap_or_default();
            self.step(&mut state, step)?;
            self.tell_image(state.image);
        }
        Ok(state)
    }

    /// Says what image there is now; `scratch` is none.
    fn tell_image(&self, image: Option<ImageId>) {
        if self.plan.is_none() {
            self.say(&format!(" ---> {}\n", image.map(|id| id.0.short()).unwrap_or_default()));
        }
    }

    /// Steps that the base asked for.
    fn triggers(&mut self, state: &mut State, name: &str) -> Result<()> {
        let triggers = state.config.on_build.take().unwrap_or_default();
        if triggers.is_empty() {
            return Ok(());
        }
        self.say(&format!(
            "# Executing {} build trigger{}\n",
            triggers.len(),
            if triggers.len() == 1 { "" } else { "s" }
        ));
        for trigger in &triggers {
            let lines = Lines::read(&format!("ONBUILD of {name}"), trigger.as_bytes())?;
            for line in &lines.all {
                let step = parse::instruction(&lines, line)?;
                step.text.clone_into(&mut self.text);
                state.config.image = state.image.map(|id| id.to_string()).unwrap_or_default();
                self.step(state, &step)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, state: &mut State, step: &Instruction) -> Result<()> {
        self.copied = None;
        match &step.kind {
            Kind::Run(run) => self.run_step(state, run, step),
            Kind::Copy(copy) => self.copy_step(state, copy, step),
            Kind::Workdir(path) => self.work_directory(state, path, step),
            _ => self.configure(state, step),
        }
    }

    /// Looks a step up in the cache.
    pub(crate) fn probe(&mut self, state: &mut State, config: &Config) -> Next {
        let parent = std::mem::take(&mut state.key);
        let shown = serde_json::to_string(&Config { image: String::new(), ..config.clone() }).unwrap_or_default();
        state.key = Digest::of(format!("{parent}\n{shown}").as_bytes()).to_string();
        let looks = !state.missed && !self.options.no_cache;
        let found = if looks { self.cache.find(self.images, state.image, config) } else { None };
        if let Some(before) = found {
            let layers = state.layers.len();
            state.image = Some(before.id);
            state.layers.clone_from(&before.stored.config.rootfs.diff_ids);
            state.raw = serde_json::from_slice(&before.stored.raw).unwrap_or_default();
            self.plan_reused(state, layers, "it was built before");
            if self.plan.is_none() {
                self.say(" ---> Using cache\n");
            }
            return Next::Done;
        }
        if self.plan.is_some() {
            let why = self.why(state, config);
            self.plan_run(state, why);
        }
        state.missed = true;
        if self.plan.is_some() { Next::Done } else { Next::Run }
    }

    /// Makes the next image without a layer of its own.
    pub(crate) fn empty(&mut self, state: &mut State, step: &Config) {
        let bytes = state.child(step, None);
        self.adopt(state, bytes);
    }

    fn adopt(&mut self, state: &mut State, bytes: Vec<u8>) {
        let parent = state.image;
        state.raw = serde_json::from_slice(&bytes).unwrap_or_default();
        let image =
            NewImage { config: bytes, layers: state.layers.clone(), names: Vec::new(), origin: Origin::Built(parent) };
        state.image = Some(image.id());
        self.pending.push(image);
    }

    pub(crate) fn ctx(&self) -> Ctx<'a> {
        Ctx { progress: &|_| {}, cancel: self.cancel }
    }

    /// Registers what is not registered yet.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let Some(last) = self.pending.last() else { return Ok(()) };
        let below = last.layers.clone();
        let staging = Staging::begin(self.images, self.ctx())?;
        self.publish(staging, &below)
    }

    /// Registers all that is pending; `staging` has the layer of the last one, if that has one of its own.
    fn publish(&mut self, mut staging: Staging<'_>, below: &[DiffId]) -> Result<()> {
        if let Some(chain) = staging.stand_on(below)? {
            return Err(ImageError::NoLayer(chain.to_string()).into());
        }
        let pending = std::mem::take(&mut self.pending);
        staging.publish(&pending)?;
        Ok(())
    }

    /// Makes the next image with what was written to `upper`.
    pub(crate) fn commit(
        &mut self,
        state: &mut State,
        mut staging: Staging<'_>,
        upper: &std::path::Path,
        step: &Config,
    ) -> Result<()> {
        Self::check_depth(state)?;
        let directory = std::fs::File::open(upper).map_err(BuildError::io("open", upper))?;
        let (reader, writer) = std::io::pipe().map_err(BuildError::io("make a pipe for", upper))?;
        let rootless = self.images.shared.root.rootless();
        let name = format!("step {}", self.number);
        let diff = std::thread::scope(|scope| {
            let writing = scope.spawn(move || diff_tar(directory, rootless, writer));
            let passed = staging.layer(&name, reader, None, None);
            match writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Err(error) if passed.is_ok() => {
                    Err(ImageError::Layer { name: name.clone(), detail: error.to_string() })
                }
                _ => passed.map(|passed| passed.diff),
            }
        })?;
        let diff = Some(diff).filter(|diff| diff.to_string() != EMPTY);
        let bytes = state.child(step, diff);
        let below = state.layers.clone();
        state.layers.extend(diff);
        self.adopt(state, bytes);
        self.publish(staging, &below)
    }

    fn check_depth(state: &State) -> Result<()> {
        if state.layers.len() < MOST_LAYERS {
            return Ok(());
        }
        Err(BuildError::Invalid(format!(
            "max depth exceeded: the image has {MOST_LAYERS} layers already; put steps together, or begin a new stage and COPY --from the last one"
        )))
    }

    /// A word with its variables replaced.
    pub(crate) fn word(&self, state: &State, word: &str, place: &Place) -> Result<String> {
        let env = self.environment(state);
        let lexer = Lexer::new(self.file.escape, Options::default());
        let value = lexer.word(word, &|name| value(&env, name));
        value.map_err(|why| place.problem(word, format!("failed to process {word:?}: {why}")).into())
    }

    /// The words that a word becomes.
    pub(crate) fn words(&self, state: &State, word: &str, place: &Place) -> Result<Vec<String>> {
        let env = self.environment(state);
        let lexer = Lexer::new(self.file.escape, Options::default());
        let words = lexer.words(word, &|name| value(&env, name));
        words.map_err(|why| place.problem(word, format!("failed to process {word:?}: {why}")).into())
    }

    /// Variables and arguments as a step sees them.
    fn environment(&self, state: &State) -> Vec<String> {
        let beside = self.arguments.beside(state.env());
        state.env().iter().cloned().chain(beside).collect()
    }
}

/// Arguments as they are before the first line.
fn arguments(options: &BuildOptions) -> Result<Arguments> {
    let host = Platform::host();
    let target = parse_platform(options.platform.as_deref())?;
    Ok(Arguments::new(&options.arguments, target.as_ref().unwrap_or(&host), &host))
}

fn value(env: &[String], name: &str) -> Option<String> {
    env.iter().find_map(|entry| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}
