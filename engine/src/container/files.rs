//! What a container changed: `diff`, `export`, `commit`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::ImageId;
use serde_json::{Map, Value, json};

use super::Containers;
use super::config::Config;
use super::error::{ContainerError, Doing, Result};
use super::layers::{Layers, from_driver};
use super::record::Record;
use crate::driver::Driver;
use crate::driver::overlay2::Overlay2;
use crate::image::change::Changes;
use crate::image::staging::{NewImage, Origin, Staging};
use crate::image::{Images, Reference};
use crate::layer::diff::{Change, diff_tar};
use crate::progress::Ctx;

/// How to make an image of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitOptions {
    /// `name[:tag]`; nothing for an image without a name.
    pub reference: Option<String>,
    /// Who made it.
    pub author: String,
    /// Comment in the history.
    pub comment: String,
    /// Dockerfile instructions: `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// Whether its processes are frozen meanwhile.
    pub pause: bool,
    /// A configuration whose values win over the container's.
    pub config: Option<Config>,
}

impl Containers {
    fn driver(&self) -> Overlay2 {
        Overlay2::new(self.root(), self.rootless())
    }

    /// The directory of its own layer.
    pub(crate) fn own_layer(&self, id: &str) -> Result<std::path::PathBuf> {
        Ok(self.driver().diff_dir(&Layers::of(self.root(), id)?.mount))
    }

    /// `GET /containers/{id}/changes`: what differs from its image.
    pub fn changes(&self, name: &str) -> Result<Vec<Change>> {
        let record = self.record(name)?;
        let layers = Layers::of(self.root(), &record.id)?;
        self.driver().changes(&layers.mount).map_err(from_driver)
    }

    /// Writes the container's file system as a tar, without what is mounted in it; its length in bytes.
    pub fn export(&self, name: &str, out: &mut dyn Write) -> Result<u64> {
        let record = self.record(name)?;
        let view = self.frozen_view(&record.id)?;
        super::events::note(self.root(), "export", &record, &[]);
        diff_tar(view, self.rootless(), out).map_err(|error| ContainerError::Start(error.to_string()))
    }

    /// Its layers on top of each other, only to be read, where no path leads.
    fn frozen_view(&self, id: &str) -> Result<OwnedFd> {
        let driver = self.driver();
        let layers = Layers::of(self.root(), id)?;
        let parents = driver.parents(&layers.mount).map_err(from_driver)?;
        let own = driver.diff_dir(&layers.mount);
        let lowers = std::iter::once(own.clone()).chain(parents.iter().map(|id| driver.diff_dir(id))).collect();
        let base = driver.home().to_path_buf();
        let overlay = crate::sys::mount::Overlay { base, lowers, upper: None, userxattr: self.rootless() };
        overlay.tree().doing("mount the overlay of", own)
    }

    /// Makes an image of the container: its image's layers and its own, its configuration with the changes.
    pub fn commit(&self, name: &str, options: &CommitOptions, images: &Images, ctx: Ctx<'_>) -> Result<ImageId> {
        let record = self.record(name)?;
        let wrong = |error: &dyn std::fmt::Display| ContainerError::Invalid(error.to_string());
        let reference = options.reference.as_deref().filter(|text| !text.is_empty()).map(Reference::parse).transpose();
        let reference = reference.map_err(|error| wrong(&error))?;
        let config = match options.config.clone() {
            Some(mut config) => {
                config.inherit(&record.config);
                config
            }
            None => record.config.clone(),
        };
        let config = changed(&config, &options.changes)?;
        let parent =
            self.root().join("image/overlay2/imagedb/content/sha256").join(record.image.trim_start_matches("sha256:"));
        let bytes = std::fs::read(&parent).doing("read", &parent)?;
        let below = ImageConfig::parse(&bytes).map_err(|error| wrong(&error))?;
        let below_raw: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?;
        let froze = options.pause && record.state.running && !record.state.paused && self.pause(&record.id).is_ok();
        let layer = self.commit_layer(&record, &below, images, ctx);
        if froze {
            self.unpause(&record.id)?;
        }
        let (staging, layer) = layer?;
        let mut layers = below.rootfs.diff_ids.clone();
        layers.push(layer);
        let image = NewImage {
            config: image_config(&record, &below_raw, &config, options, &layers),
            layers,
            names: reference.into_iter().map(Reference::or_latest).collect(),
            origin: Origin::Made,
        };
        let id = image.id();
        staging.publish(std::slice::from_ref(&image)).map_err(|error| ContainerError::Start(error.to_string()))?;
        let (id_text, named) = (id.to_string(), image.names.first().map(ToString::to_string));
        let mut noted = vec![("comment", options.comment.as_str()), ("imageID", &id_text)];
        noted.extend(named.as_deref().map(|name| ("imageRef", name)));
        super::events::note(self.root(), "commit", &record, &noted);
        Ok(id)
    }

    /// Takes the container's own layer in.
    fn commit_layer<'a>(
        &self,
        record: &Record,
        below: &ImageConfig,
        images: &'a Images,
        ctx: Ctx<'a>,
    ) -> Result<(Staging<'a>, outcrop_layers::digest::DiffId)> {
        let failed = |error: &dyn std::fmt::Display| ContainerError::Start(error.to_string());
        let mut staging = Staging::begin(images, ctx).map_err(|error| failed(&error))?;
        if let Some(chain) = staging.stand_on(&below.rootfs.diff_ids).map_err(|error| failed(&error))? {
            return Err(ContainerError::Start(format!(
                "the image's layer {chain} is missing: pull or load the image again"
            )));
        }
        let layers = Layers::of(self.root(), &record.id)?;
        let own = self.driver().diff_dir(&layers.mount);
        let upper = File::open(&own).doing("open", &own)?;
        let (reader, writer) = io::pipe().doing("make a pipe for", &own)?;
        let rootless = self.rootless();
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || diff_tar(upper, rootless, writer));
            let passed = staging.layer("container", reader, None, None).map_err(|error| failed(&error));
            match writing.join() {
                Ok(Ok(_)) => passed.map(|passed| (staging, passed.diff)),
                Ok(Err(error)) => Err(failed(&error)),
                Err(_) => Err(failed(&"the layer's tar was not finished")),
            }
        })
    }
}

/// The configuration with Dockerfile instructions applied.
fn changed(config: &Config, changes: &[String]) -> Result<Map<String, Value>> {
    let value = serde_json::to_value(config).map_err(|error| ContainerError::Invalid(error.to_string()))?;
    let Value::Object(members) = value else { return Ok(Map::new()) };
    let members = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let mut all = Changes::new(members);
    for change in changes {
        all.apply(change).map_err(|error| ContainerError::Invalid(error.to_string()))?;
    }
    Ok(all.into_config())
}

fn image_config(
    record: &Record,
    below: &Value,
    config: &Map<String, Value>,
    options: &CommitOptions,
    layers: &[outcrop_layers::digest::DiffId],
) -> Vec<u8> {
    let now = super::state::now();
    let mut history = below["history"].as_array().cloned().unwrap_or_default();
    let mut step = json!({ "created": now, "created_by": std::iter::once(&record.path).chain(&record.args).cloned().collect::<Vec<_>>().join(" ") });
    let mut image = json!({
        "architecture": below["architecture"],
        "os": below["os"],
        "config": config,
        "container": record.id,
        "container_config": record.config,
        "created": now,
        "docker_version": env!("CARGO_PKG_VERSION"),
        "rootfs": { "type": "layers", "diff_ids": layers },
    });
    for (key, text) in [("author", &options.author), ("comment", &options.comment)] {
        if !text.is_empty() {
            step[key] = text.as_str().into();
            image[key] = text.as_str().into();
        }
    }
    if let Some(variant) = below.get("variant").filter(|variant| !variant.is_null()) {
        image["variant"] = variant.clone();
    }
    history.push(step);
    image["history"] = history.into();
    image.to_string().into_bytes()
}
