//! The cache: which image a step made when it was run before.
//!
//! As Docker's (`image/cache`): children of the image before it, made by a build here, whose `container_config` says the same. We
//! compare all of that configuration; Docker leaves out the working directory, the shell, health checks and more.

use std::collections::HashMap;
use std::sync::Arc;

use outcrop_layers::digest::ImageId;
use serde_json::Value;

use super::error::Result;
use crate::container::Config;
use crate::image::store::Stored;
use crate::image::{Images, references};
use crate::root::files;

/// What was built on each image; on nothing, for builds from scratch.
#[derive(Default)]
pub(crate) struct Cache {
    children: HashMap<Option<ImageId>, Vec<ImageId>>,
}

/// A step that was run before.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    pub(crate) id: ImageId,
    pub(crate) stored: Arc<Stored>,
    /// The step's configuration.
    pub(crate) config: Config,
}

impl Cache {
    /// Reads what builds here have made.
    pub(crate) fn read(images: &Images) -> Result<Self> {
        let layout = images.layout();
        let mut cache = Self::default();
        for (id, parent) in references::parents(layout).map_err(images.unreadable())? {
            cache.children.entry(Some(parent)).or_default().push(id);
        }
        for id in references::image_ids(layout).map_err(images.unreadable())? {
            // An image that came from elsewhere could name any command as its own.
            let here = files::read_text(&layout.metadata(id).join("builtLocally")).is_ok_and(|text| text.is_some());
            if here && references::parent_of(layout, id).is_none() {
                cache.children.entry(None).or_default().push(id);
            }
        }
        Ok(cache)
    }

    /// What was built on `parent`, newest first.
    pub(crate) fn built_on(&self, images: &Images, parent: Option<ImageId>) -> Vec<Before> {
        let ids = self.children.get(&parent).map(Vec::as_slice).unwrap_or_default();
        let mut all: Vec<Before> = ids.iter().filter_map(|id| before(images, *id)).collect();
        all.sort_by(|a, b| b.stored.config.created.cmp(&a.stored.config.created).then(a.id.cmp(&b.id)));
        all
    }

    /// The newest image that `config` made of `parent`, if all its layers are there.
    pub(crate) fn find(&self, images: &Images, parent: Option<ImageId>, config: &Config) -> Option<Before> {
        let wanted = key(config);
        self.built_on(images, parent)
            .into_iter()
            .find(|before| key(&before.config) == wanted && images.get(before.id).is_ok_and(|i| i.problems.is_empty()))
    }
}

fn before(images: &Images, id: ImageId) -> Option<Before> {
    let stored = images.shared.configs.get(images.layout(), id).ok()?.ok()?;
    if !images.layout().content(id).exists() {
        return None;
    }
    let raw: Value = serde_json::from_slice(&stored.raw).ok()?;
    let config = crate::container::lenient_value(raw.get("container_config")?.clone()).ok()?;
    Some(Before { id, stored, config })
}

/// What of a configuration makes a step the same: all but what each container has for itself.
fn key(config: &Config) -> Config {
    fn filled<T: Clone + IntoIterator>(list: Option<&T>) -> Option<T> {
        list.filter(|list| (*list).clone().into_iter().next().is_some()).cloned()
    }
    Config {
        hostname: String::new(),
        domainname: String::new(),
        image: String::new(),
        args_escaped: false,
        env: filled(config.env.as_ref()),
        cmd: filled(config.cmd.as_ref()),
        entrypoint: filled(config.entrypoint.as_ref()),
        volumes: filled(config.volumes.as_ref()),
        exposed_ports: filled(config.exposed_ports.as_ref()),
        labels: filled(config.labels.as_ref()),
        on_build: filled(config.on_build.as_ref()),
        shell: filled(config.shell.as_ref()),
        ..config.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_counts_but_the_container() {
        let config = |json: &str| -> Config {
            crate::container::lenient_value(serde_json::from_str(json).expect("JSON")).expect("a configuration")
        };
        let one = config(r#"{"Hostname":"a","Image":"x","Cmd":["b"],"Labels":{},"OnBuild":null}"#);
        let same = config(r#"{"Hostname":"c","Cmd":["b"],"Env":[]}"#);
        assert_eq!(key(&one), key(&same));
        for other in [
            r#"{"Cmd":["c"]}"#,
            r#"{"Cmd":["b"],"WorkingDir":"/x"}"#,
            r#"{"Cmd":["b"],"Shell":["x"]}"#,
            r#"{"Cmd":["b"],"User":"x"}"#,
            r#"{"Cmd":["b"],"StopSignal":"9"}"#,
            r#"{"Cmd":["b"],"Healthcheck":{"Test":["NONE"]}}"#,
            r#"{"Cmd":["b"],"Entrypoint":[""]}"#,
        ] {
            assert_ne!(key(&one), key(&config(other)), "{other}");
        }
    }
}
