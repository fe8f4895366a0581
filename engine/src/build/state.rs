//! How far a stage is: the image so far, and the configuration of the next one.

use outcrop_layers::archive::Platform;
use outcrop_layers::digest::{DiffId, ImageId};
use serde_json::{Value, json};

use super::error::{BuildError, Result};
use crate::container::{Config, lenient_value};
use crate::image::Image;

/// Where programs are looked for if the image says nothing.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage that is being built.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The image so far; nothing at the beginning of a stage from scratch.
    pub(crate) image: Option<ImageId>,
    /// Its configuration as stored.
    pub(crate) raw: Value,
    /// Its layers, base first.
    pub(crate) layers: Vec<DiffId>,
    /// The configuration that the next image gets.
    pub(crate) config: Config,
    pub(crate) author: String,
    /// Whether this stage said what the command is.
    pub(crate) command_set: bool,
    /// Whether a step was not found in the cache: then nothing after it is looked for.
    pub(crate) missed: bool,
    /// In a plan: what has to run is only known by this name.
    pub(crate) key: String,
}

impl State {
    /// The beginning of a stage on `image`, or from scratch.
    pub(crate) fn on(image: Option<&Image>) -> Result<Self> {
        let mut state = Self::default();
        if let Some(image) = image {
            let damaged = |error: serde_json::Error| BuildError::Invalid(format!("image {}: {error}", image.id));
            state.image = Some(image.id);
            state.raw = serde_json::from_slice(&image.stored.raw).map_err(damaged)?;
            state.layers = image.layers().to_vec();
            state.key = image.id.to_string();
            let config = image.config().config.clone();
            state.config = config.map(lenient_value).transpose().map_err(damaged)?.unwrap_or_default();
        }
        state.begin();
        Ok(state)
    }

    /// What a `FROM` does to a configuration.
    pub(crate) fn begin(&mut self) {
        let env = self.config.env.get_or_insert_default();
        if !env.iter().any(|entry| entry.starts_with("PATH=")) {
            env.push(PATH.into());
        }
        self.config.hostname = String::new();
        self.config.domainname = String::new();
        self.config.open_stdin = false;
        self.config.stdin_once = false;
        self.command_set = false;
        self.missed = false;
        self.author = String::new();
    }

    /// The environment so far.
    pub(crate) fn env(&self) -> &[String] {
        self.config.env.as_deref().unwrap_or_default()
    }

    /// The shell of shell forms.
    pub(crate) fn shell(&self) -> Vec<String> {
        let shell = self.config.shell.clone().filter(|shell| !shell.is_empty());
        shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()])
    }

    /// The configuration that stands for a step without a command, told in `comment`.
    pub(crate) fn commented(&self, comment: &[&str]) -> Config {
        let mut config = self.config.clone();
        let words = self.shell().into_iter().chain(comment.iter().map(|&word| word.to_owned()));
        config.cmd = Some(words.collect());
        config
    }

    /// The bytes of the image that a step makes of this one, with the layer `diff` or without one.
    pub(crate) fn child(&self, step: &Config, diff: Option<DiffId>) -> Vec<u8> {
        let now = jiff::Timestamp::now().to_string();
        let host = Platform::host();
        let below = |key: &str, default: &str| match &self.raw[key] {
            Value::String(text) if !text.is_empty() => text.clone(),
            _ => default.to_owned(),
        };
        let words = step.cmd.as_deref().unwrap_or_default().join(" ");
        let mut done = json!({ "created": now, "created_by": words });
        let mut layers = self.layers.clone();
        match diff {
            Some(diff) => layers.push(diff),
            None => done["empty_layer"] = true.into(),
        }
        let mut image = json!({
            "architecture": below("architecture", &host.architecture),
            "os": below("os", &host.os),
            "config": self.config,
            "container_config": step,
            "created": now,
            "docker_version": env!("CARGO_PKG_VERSION"),
            "rootfs": { "type": "layers", "diff_ids": layers },
        });
        for key in ["variant", "os.version", "os.features"] {
            if !self.raw[key].is_null() {
                image[key] = self.raw[key].clone();
            }
        }
        if !self.author.is_empty() {
            image["author"] = self.author.as_str().into();
            done["author"] = self.author.as_str().into();
        }
        let mut history = self.raw["history"].as_array().cloned().unwrap_or_default();
        history.push(done);
        image["history"] = history.into();
        image.to_string().into_bytes()
    }
}
