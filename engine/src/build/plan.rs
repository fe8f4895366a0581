//! What a build would do, step by step, told before anything runs.

use outcrop_layers::digest::{ChainId, ImageId};

use super::builder::Build;
use super::cache::Before;
use super::state::State;
use crate::container::Config;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its number, from 1, and how many there are.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Its line in the Dockerfile.
    pub line: usize,
    /// The instruction as it was written.
    pub instruction: String,
    /// Whether what was made before is taken.
    pub reused: bool,
    /// Why, in words.
    pub why: String,
    /// The image that it was before.
    pub image: Option<ImageId>,
    /// The layer that it laid down before, and its bytes.
    pub layer: Option<(ChainId, u64)>,
    /// Equal for steps, also of another Dockerfile, that make the same of the same.
    pub key: String,
}

/// How many steps at the beginning two plans share.
pub fn shared(one: &[PlannedStep], other: &[PlannedStep]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one.key == other.key).count()
}

/// Words in a reason, at most.
const LONGEST: usize = 90;

impl Build<'_> {
    /// Notes a step that is reused.
    pub(crate) fn plan_reused(&mut self, state: &State, layers_before: usize, why: &str) {
        let images = self.images;
        let chain = ChainId::all(&state.layers).pop().filter(|_| state.layers.len() > layers_before);
        let layer = chain.and_then(|chain| Some((chain, images.shared.layers.size(images.layout(), chain)?)));
        self.note(PlannedStep { reused: true, why: why.into(), image: state.image, layer, ..self.blank(state) });
    }

    /// Notes a step that will run.
    pub(crate) fn plan_run(&mut self, state: &State, why: String) {
        self.note(PlannedStep { why, ..self.blank(state) });
    }

    fn blank(&self, state: &State) -> PlannedStep {
        PlannedStep {
            number: self.number,
            of: self.total,
            line: self.line,
            instruction: self.text.clone(),
            reused: false,
            why: String::new(),
            image: None,
            layer: None,
            key: state.key.clone(),
        }
    }

    fn note(&mut self, step: PlannedStep) {
        if let Some(plan) = &mut self.plan {
            plan.push(step);
        }
    }

    /// Says why a step is not in the cache.
    pub(crate) fn why(&self, state: &State, config: &Config) -> String {
        if self.options.no_cache {
            return "the cache is not to be used".into();
        }
        if state.missed {
            return "a step before it runs".into();
        }
        let words = |config: &Config| config.cmd.as_deref().unwrap_or_default().join(" ");
        let before = self.cache.built_on(self.images, state.image);
        if before.is_empty() {
            return "nothing was built on the step before it yet".into();
        }
        let wanted = words(config);
        if let Some(same) = before.iter().find(|before| words(&before.config) == wanted) {
            let problems = self.images.get(same.id).map(|image| image.problems).unwrap_or_default();
            return match problems.first() {
                Some(problem) => format!("what it made before is damaged: {problem}"),
                None => {
                    format!("the same step was run with another configuration: {}", differing(&same.config, config))
                }
            };
        }
        if let Some(changed) = self.changed_source(state, &before) {
            return changed;
        }
        let kind = |text: &str| instruction(text).to_owned();
        let similar = before.iter().find(|before| kind(&words(&before.config)) == kind(&wanted));
        match similar.or(before.first()) {
            Some(other) => format!("on the step before it {} was built", cut(&words(&other.config))),
            None => "it was not built yet".into(),
        }
    }

    /// For COPY and ADD: the files that are not what they were when the same was copied before.
    fn changed_source(&self, state: &State, before: &[Before]) -> Option<String> {
        let copied = self.copied.as_ref()?;
        let same = |before: &&Before| {
            let words = before.config.cmd.as_deref().unwrap_or_default().join(" ");
            copied.is_similar(&words) && before.stored.config.rootfs.diff_ids.len() > state.layers.len()
        };
        let similar = before.iter().find(same)?;
        let chain = ChainId::all(&similar.stored.config.rootfs.diff_ids).pop()?;
        let layer = self.images.layer(chain).ok()?;
        let directory = self.images.shared.driver.diff_dir(&layer.cache);
        let changed = copied.changed(&directory, self.context.root());
        Some(match &changed[..] {
            [] => format!("{}: what is copied changed since", copied.word),
            [one] => format!("{}: {one} changed since", copied.word),
            [one, two] => format!("{}: {one} and {two} changed since", copied.word),
            [one, two, rest @ ..] => format!("{}: {one}, {two} and {} more changed since", copied.word, rest.len()),
        })
    }
}

/// The first word of what a step was: an instruction for those without a command.
fn instruction(words: &str) -> &str {
    let rest = words.split("#(nop)").nth(1).map_or("RUN", str::trim_start);
    rest.split(' ').next().unwrap_or(rest)
}

fn cut(text: &str) -> String {
    let text = text.trim().replace(char::is_control, " ");
    let short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() { format!("“{short}…”") } else { format!("“{short}”") }
}

/// The first part of two configurations that is not the same.
fn differing(one: &Config, other: &Config) -> String {
    let parts = |config: &Config| match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(parts)) => parts,
        _ => serde_json::Map::new(),
    };
    let (one, other) = (parts(one), parts(other));
    let name = |name: &&String| !["Hostname", "Image", "Domainname"].contains(&name.as_str());
    let found = one.keys().chain(other.keys()).filter(name).find(|name| one.get(*name) != other.get(*name));
    found.map_or_else(|| "unknown".into(), |name| format!("{name} differs"))
}
