//! The list of images.

use std::collections::{BTreeMap, HashMap, HashSet};

use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::{ChainId, ImageId};

use super::facts::{Facts, Known};
use super::repositories::{Names, Repositories};
use super::{ImageError, Images, Reference, references};
use crate::container::Container;
use crate::filters::{self, FilterError, Filters};
use crate::layer::store;
use crate::root::Access;
use crate::root::layout::Layout;

/// What to list, and what to count while at it.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Also images that others were built from and that have no name.
    pub all: bool,
    /// `dangling`, `label`, `before`, `since`, `reference`, `until`.
    pub filters: Filters,
    /// Count the containers of each image.
    pub containers: bool,
    /// Compute what each image shares with others.
    pub shared: bool,
}

/// One row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The digest of the configuration.
    pub id: ImageId,
    /// The image that a build made this one from.
    pub parent: Option<ImageId>,
    /// `name:tag`, familiar form, sorted; empty for a dangling image.
    pub tags: Vec<String>,
    /// `name@sha256:…`, familiar form, sorted.
    pub digests: Vec<String>,
    /// When it was built, seconds since 1970; 0 if the configuration does not tell.
    pub created: i64,
    /// Sum of the layers' regular files, bytes.
    pub size: u64,
    /// Of those, bytes in layers that other images have too; `None` if not asked for.
    pub shared_size: Option<u64>,
    /// Containers made of it, running or not; `None` if not asked for.
    pub containers: Option<u64>,
    /// Labels of the configuration.
    pub labels: BTreeMap<String, String>,
    /// Operating system.
    pub os: String,
    /// CPU architecture, in Go's names.
    pub architecture: String,
    /// What is wrong with it, in words; empty when all is well.
    pub problems: Vec<String>,
}

const ACCEPTED: [&str; 6] = ["dangling", "label", "before", "since", "reference", "until"];

impl Images {
    /// Lists the images, newest first.
    pub fn list(&self, options: &ListOptions) -> Result<Vec<Summary>, ImageError> {
        let wanted = Wanted::new(self, options)?;
        let parents = references::parents(self.layout()).map_err(self.unreadable())?;
        let with_children: HashSet<ImageId> = parents.values().copied().collect();
        let mut all = self.summaries(&parents, options.shared)?;
        if options.containers {
            self.count_containers(&mut all)?;
        }
        all.retain_mut(|summary| wanted.keeps(summary, with_children.contains(&summary.id)));
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.tags.cmp(&b.tags)).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    /// All images, in no order.
    fn summaries(&self, parents: &HashMap<ImageId, ImageId>, shared: bool) -> Result<Vec<Summary>, ImageError> {
        let layout = self.layout();
        let index = Repositories::read(layout).map_err(self.unreadable())?;
        let mut names = index.by_image();
        let stored: HashSet<ChainId> = store::all(layout).map_err(self.unreadable())?.into_iter().collect();
        let ids: HashSet<ImageId> = references::image_ids(layout).map_err(self.unreadable())?.into_iter().collect();
        // What has a name but no configuration is listed too: somebody is missing it.
        let lost: Vec<ImageId> = names.keys().filter(|id| !ids.contains(id)).copied().collect();
        let mut held = self.shared.facts.hold(&layout.facts());
        let facts = held.get();
        let mut all = Vec::with_capacity(ids.len());
        for id in ids.iter().copied().chain(lost) {
            let Names { tags, digests } = names.remove(&id).unwrap_or_default();
            let mut summary = Summary { parent: parents.get(&id).copied(), tags, digests, ..Summary::empty(id) };
            match self.learn(facts, id) {
                Ok(()) => self.fill(&mut summary, facts, &stored),
                Err(problem) => summary.problems.push(problem),
            }
            if !ids.contains(&id) {
                summary.problems.push(format!("{}: the configuration is missing", layout.content(id).display()));
            }
            all.push(summary);
        }
        if shared {
            count_shared(&mut all, facts);
        }
        if self.shared.root.access() == &Access::ReadWrite {
            facts.write_if_worth_it(&layout.facts(), |id| ids.contains(id), |chain| stored.contains(chain));
        }
        Ok(all)
    }

    /// Sees to it that the facts of an image are known; or tells what is wrong with it.
    fn learn(&self, facts: &mut Known, id: ImageId) -> Result<(), String> {
        let layout = self.layout();
        if facts.images.contains_key(&id) {
            return Ok(());
        }
        let problem = |why: String| format!("{}: {why}", layout.content(id).display());
        let stored = self.shared.configs.get(layout, id).map_err(|error| problem(error.to_string()))?;
        facts.images.insert(id, Facts::of(&stored.map_err(problem)?.config));
        facts.new += 1;
        Ok(())
    }

    fn fill(&self, summary: &mut Summary, facts: &mut Known, stored: &HashSet<ChainId>) {
        let Some(image) = facts.images.get(&summary.id) else { return };
        summary.created = image.created;
        summary.labels.clone_from(&image.labels);
        summary.os.clone_from(&image.os);
        summary.architecture.clone_from(&image.architecture);
        for (n, chain) in image.chains.iter().enumerate() {
            let known = facts.sizes.get(chain).copied();
            let size = stored.contains(chain).then(|| known.or_else(|| self.shared.layers.size(self.layout(), *chain)));
            match size.flatten() {
                Some(size) => {
                    summary.size += size;
                    if known.is_none() {
                        facts.sizes.insert(*chain, size);
                        facts.new += 1;
                    }
                }
                None => summary.problems.push(format!(
                    "layer {}: {} is missing or damaged",
                    n + 1,
                    self.layout().layer(*chain).display()
                )),
            }
        }
    }

    fn count_containers(&self, all: &mut [Summary]) -> Result<(), ImageError> {
        let containers = Container::all(self.layout()).map_err(self.unreadable())?;
        for summary in all {
            let of_it = containers.iter().filter(|container| container.image == Some(summary.id));
            summary.containers = Some(of_it.count() as u64);
        }
        Ok(())
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.shared.root.layout()
    }

    /// Tells that the index of images cannot be read.
    pub(crate) fn unreadable(&self) -> impl FnOnce(std::io::Error) -> ImageError {
        ImageError::io("read", self.layout().image())
    }
}

/// Sums up what each image shares with others.
fn count_shared(all: &mut [Summary], facts: &Known) {
    let mut images_with: HashMap<ChainId, u32> = HashMap::new();
    let chains = |id: ImageId| facts.images.get(&id).map_or(&[][..], |image| &image.chains);
    for chain in all.iter().flat_map(|summary| chains(summary.id)) {
        *images_with.entry(*chain).or_default() += 1;
    }
    for summary in all {
        let shared = chains(summary.id).iter().filter(|chain| images_with[chain] > 1);
        summary.shared_size = Some(shared.filter_map(|chain| facts.sizes.get(chain)).sum());
    }
}

/// The filters, read.
struct Wanted<'a> {
    options: &'a ListOptions,
    /// `dangling`, if it is there.
    dangling: Option<bool>,
    before: Option<i64>,
    since: Option<i64>,
    until: Option<i64>,
}

impl<'a> Wanted<'a> {
    fn new(images: &Images, options: &'a ListOptions) -> Result<Self, ImageError> {
        let filters = &options.filters;
        filters.accept(&ACCEPTED)?;
        let dangling = filters.has("dangling").then(|| filters.flag("dangling", false)).transpose()?;
        let created_of = |name: &str| -> Result<Option<i64>, ImageError> {
            let all = filters.get(name).map(|image| Ok(created(images.resolve(image)?.config().created.as_deref())));
            all.collect::<Result<Vec<_>, ImageError>>().map(|all| all.last().copied())
        };
        let (before, since) = (created_of("before")?, created_of("since")?);
        Ok(Self { options, dangling, before, since, until: until(filters)? })
    }

    fn keeps(&self, summary: &mut Summary, has_children: bool) -> bool {
        let filters = &self.options.filters;
        let in_time = self.before.is_none_or(|time| summary.created < time)
            && self.since.is_none_or(|time| summary.created > time)
            && self.until.is_none_or(|time| summary.created <= time);
        if !in_time || !filters.labels_match("label", &summary.labels) {
            return false;
        }
        if self.dangling == Some(true) && (!summary.tags.is_empty() || has_children) {
            return false;
        }
        if filters.has("reference") {
            let fits = |text: &String| {
                Reference::parse(text).is_ok_and(|name| filters.get("reference").any(|pattern| name.matches(pattern)))
            };
            summary.tags.retain(fits);
            summary.digests.retain(fits);
        }
        let named = !summary.tags.is_empty() || !summary.digests.is_empty();
        named || !((!self.options.all && has_children) || self.dangling == Some(false) || filters.has("reference"))
    }
}

/// The filter `until` as seconds since 1970.
pub(crate) fn until(filters: &Filters) -> Result<Option<i64>, ImageError> {
    let why = |why: &str| FilterError::Why { name: "until".into(), why: why.into() };
    let mut values = filters.get("until");
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(why("more than one until filter specified").into());
    }
    let now = jiff::Timestamp::now().as_nanosecond();
    let nanoseconds = filters::parse_time(value, now).map_err(|error| why(&error))?;
    Ok(Some((nanoseconds / 1_000_000_000) as i64))
}

/// Seconds since 1970 of an RFC 3339 time; 0 where it is missing or none. Years beyond 9999 are no RFC 3339.
pub(crate) fn created(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_second)
}

/// Labels of a configuration.
pub(crate) fn labels(config: &ImageConfig) -> BTreeMap<String, String> {
    let labels = config.config.as_ref().and_then(|config| config.get("Labels")?.as_object());
    labels.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.into()))).collect()
}

impl Summary {
    fn empty(id: ImageId) -> Self {
        Self {
            id,
            parent: None,
            tags: Vec::new(),
            digests: Vec::new(),
            created: 0,
            size: 0,
            shared_size: None,
            containers: None,
            labels: BTreeMap::new(),
            os: String::new(),
            architecture: String::new(),
            problems: Vec::new(),
        }
    }
}
