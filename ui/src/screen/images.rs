//! Screen 1: images, their strata, their files.

mod act;
mod ask;
mod compare;
mod file;
mod follow;
mod layer;
mod list;
mod mouse;
mod panes;
mod screen;
mod strata;
mod tree;
mod waste;

use std::collections::{BTreeSet, HashMap, HashSet};

use outcrop_layers::digest::ChainId;
use ratatui::layout::Rect;

use crate::content::Reading;
use crate::filter::{Facts, Filter};
use crate::model::{Detail, ImageRow};
use crate::pen::Look;
use crate::screen::Context;
use crate::screen::differences::Differences;
use crate::screen::files::Files;
use crate::screen::files::file::FilePane;
use crate::theme::Stratum;
use crate::widget::cursor::Cursor;

use follow::Following;
pub(crate) use waste::percent;

pub(crate) use panes::{Panes, Splits, Splitter};

/// Which pane has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pane {
    #[default]
    List,
    Strata,
    Files,
    File,
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Newest,
    Name,
    Size,
}

impl Sort {
    const ALL: [Self; 3] = [Self::Newest, Self::Name, Self::Size];

    fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Name => "by name",
            Self::Size => "by size",
        }
    }
}

/// An image with how its layers look.
pub(crate) struct Known {
    pub(crate) detail: Detail,
    pub(crate) looks: Vec<Stratum>,
}

/// Sums over all images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) images: u64,
    /// Bytes of all layers, each once.
    pub(crate) bytes: u64,
    /// Bytes of layers that more than one image uses.
    pub(crate) shared: u64,
    /// Whether some images are still unknown.
    pub(crate) partial: bool,
}

/// The screen.
#[derive(Default)]
pub(crate) struct Images {
    rows: Vec<ImageRow>,
    loaded: bool,
    shown: Vec<usize>,
    cursor: Cursor,
    filter: Filter,
    sort: Sort,
    marks: BTreeSet<String>,
    known: HashMap<String, Known>,
    asked: HashSet<String>,
    /// Which images have a layer, by their place in `rows`.
    users: HashMap<ChainId, Vec<usize>>,
    totals: Totals,
    focus: Pane,
    step: Cursor,
    splits: Splits,
    zoom: bool,
    select: Option<String>,
    now: i64,
    reading: Reading,
    pub(crate) files: Files,
    pub(crate) file: FilePane,
    /// The layer whose version of the selected file is shown.
    peeked: Option<usize>,
    waste_cursor: Cursor,
    following: Following,
    compare: Option<Differences>,
    drag: Option<Splitter>,
}

impl Images {
    pub(crate) fn new(select: Option<String>) -> Self {
        Self { select, ..Self::default() }
    }

    /// Selects an image as soon as it is in the list.
    pub(crate) fn select(&mut self, id: &str) {
        self.select = Some(id.to_owned());
    }

    /// The selected image.
    fn current(&self) -> Option<&ImageRow> {
        self.rows.get(*self.shown.get(self.cursor.at)?)
    }

    fn current_known(&self) -> Option<&Known> {
        self.known.get(&self.current()?.id)
    }

    /// A new list from the engine.
    pub(crate) fn set_rows(&mut self, rows: Vec<ImageRow>, now: i64, cx: &mut Context<'_>) {
        let selected = self.current().map(|r| r.id.clone());
        self.rows = rows;
        self.loaded = true;
        self.now = now;
        let there: HashSet<&str> = self.rows.iter().map(|r| r.id.as_str()).collect();
        self.known.retain(|id, _| there.contains(id.as_str()));
        self.asked.retain(|id| there.contains(id.as_str()));
        self.marks.retain(|id| there.contains(id.as_str()));
        self.arrange(selected.as_deref(), cx.area);
        if let Some(wanted) = &self.select
            && let Some(at) = self.shown.iter().position(|i| is_named(&self.rows[*i], wanted))
        {
            self.select = None;
            let len = self.shown.len();
            self.cursor.set(at, len, Panes::of(self, cx.area).list.height.saturating_sub(2));
        }
        self.count();
        let ids: Vec<String> =
            self.shown.iter().map(|i| self.rows[*i].id.clone()).chain(self.rows.iter().map(|r| r.id.clone())).collect();
        let missing: Vec<String> = ids.into_iter().filter(|id| self.asked.insert(id.clone())).collect();
        if !missing.is_empty() {
            cx.requests.push(crate::message::Request::Details(missing));
        }
    }

    /// Images' layers are known.
    pub(crate) fn set_details(&mut self, details: Vec<Detail>, look: &Look) {
        for detail in details {
            let mut looks = Vec::with_capacity(detail.chains.len());
            for chain in &detail.chains {
                looks.push(look.theme.stratum(chain.0.as_bytes(), looks.last().copied()));
            }
            let is_current = self.current().is_some_and(|r| r.id == detail.id);
            self.known.insert(detail.id.clone(), Known { detail, looks });
            if is_current {
                self.first_step();
            }
        }
        self.count();
    }

    /// Sorts and filters the list, keeping the selected image selected.
    fn arrange(&mut self, selected: Option<&str>, area: Rect) {
        let mut matcher = crate::filter::matcher(false);
        let rows = &self.rows;
        self.shown = (0..rows.len())
            .filter(|i| {
                let row = &rows[*i];
                let text =
                    format!("{} {}", if row.tags.is_empty() { "<none>".into() } else { row.tags.join(" ") }, row.id);
                let facts = Facts { text: &text, size: row.size, used: row.containers.map(|c| c > 0) };
                self.filter.is_empty() || self.filter.score(&facts, &mut matcher).is_some()
            })
            .collect();
        match self.sort {
            Sort::Newest => self.shown.sort_by(|a, b| {
                let key = |i: usize| (rows[i].tags.is_empty(), std::cmp::Reverse(rows[i].created), rows[i].name());
                key(*a).cmp(&key(*b))
            }),
            Sort::Name => self.shown.sort_by(|a, b| {
                let key = |i: usize| (rows[i].tags.is_empty(), rows[i].name());
                key(*a).cmp(&key(*b))
            }),
            Sort::Size => self.shown.sort_by_key(|i| std::cmp::Reverse(rows[*i].size)),
        }
        let at = selected.and_then(|id| self.shown.iter().position(|i| self.rows[*i].id == id));
        let height = Panes::of(self, area).list.height.saturating_sub(2);
        self.cursor.set(at.unwrap_or(self.cursor.at), self.shown.len(), height);
        if at.is_none() {
            self.first_step();
        }
    }

    /// Recounts who shares what.
    fn count(&mut self) {
        self.users.clear();
        let mut sizes: HashMap<ChainId, u64> = HashMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            let Some(known) = self.known.get(&row.id) else { continue };
            for (layer, chain) in known.detail.chains.iter().enumerate() {
                self.users.entry(*chain).or_default().push(at);
                sizes.entry(*chain).or_insert_with(|| known.detail.layer_size(layer));
            }
        }
        self.totals = Totals {
            images: self.rows.len() as u64,
            bytes: sizes.values().sum(),
            shared: sizes.iter().filter(|(c, _)| self.users.get(c).is_some_and(|u| u.len() > 1)).map(|(_, s)| s).sum(),
            partial: self.known.len() < self.rows.len(),
        };
    }

    /// Selects the topmost layer of the selected image.
    fn first_step(&mut self) {
        self.step = Cursor::default();
        if let Some(known) = self.current_known() {
            let steps = &known.detail.steps;
            // The list runs from the top: the newest layer that holds something comes first.
            self.step.at = steps.iter().rev().position(|s| s.layer.is_some()).unwrap_or(0);
        }
    }

    /// Index of the selected step, base first.
    fn step_index(&self) -> Option<usize> {
        let steps = self.current_known()?.detail.steps.len();
        steps.checked_sub(1 + self.step.at)
    }

    /// The selected layer, base first.
    fn layer(&self) -> Option<usize> {
        self.current_known()?.detail.steps.get(self.step_index()?)?.layer
    }

    /// The selected layer, or the nearest below a step without one.
    fn layer_or_below(&self) -> Option<usize> {
        let steps = &self.current_known()?.detail.steps;
        steps[..=self.step_index()?].iter().rev().find_map(|s| s.layer)
    }

    /// Names of the other images that have this layer.
    fn others(&self, chain: &ChainId) -> Vec<&str> {
        let own = self.current().map(|r| r.id.as_str());
        let users = self.users.get(chain).map_or(&[][..], Vec::as_slice);
        let mut others: Vec<&ImageRow> =
            users.iter().map(|i| &self.rows[*i]).filter(|r| Some(r.id.as_str()) != own).collect();
        others.sort_by_key(|r| (r.tags.is_empty(), r.name()));
        others.into_iter().map(ImageRow::name).collect()
    }

    /// The name of an image that ends with this layer: what `FROM` said, as far as one can know.
    fn base_name(&self, chain: &ChainId) -> Option<&str> {
        let own = self.current().map(|r| r.id.as_str());
        self.users.get(chain)?.iter().map(|i| &self.rows[*i]).find_map(|row| {
            let ends = self.known.get(&row.id)?.detail.chains.last() == Some(chain);
            (ends && Some(row.id.as_str()) != own && !row.tags.is_empty()).then(|| row.name())
        })
    }
}

/// Whether `wanted` names the image: a tag, with or without `:latest`, or the beginning of its ID.
pub(crate) fn is_named(row: &ImageRow, wanted: &str) -> bool {
    row.tags.iter().any(|t| t == wanted || t.strip_suffix(":latest") == Some(wanted))
        || wanted.len() >= 4
            && (row.id.starts_with(wanted) || row.id.strip_prefix("sha256:").is_some_and(|d| d.starts_with(wanted)))
}
