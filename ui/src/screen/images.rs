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

use std::collections::{HashMap, HashSet};

use outcrop_layers::digest::ChainId;
use ratatui::layout::Rect;

use crate::content::Reading;
use crate::model::{Detail, ImageRow};
use crate::pen::Look;
use crate::screen::Context;
use crate::screen::differences::Differences;
use crate::screen::files::Files;
use crate::screen::files::file::FilePane;
use crate::screen::list::{List, Looked, Row, room};
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
    list: List<ImageRow>,
    sort: Sort,
    known: HashMap<String, Known>,
    asked: HashSet<String>,
    /// Which images have a layer, by their place in the list's rows.
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

impl Row for ImageRow {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Images {
    pub(crate) fn new(select: Option<String>) -> Self {
        Self { select, ..Self::default() }
    }

    /// Selects an image as soon as it is in the list.
    pub(crate) fn select(&mut self, id: &str) {
        self.select = Some(id.to_owned());
    }

    fn current_known(&self) -> Option<&Known> {
        self.known.get(&self.list.current()?.id)
    }

    /// A new list from the engine.
    pub(crate) fn set_rows(&mut self, rows: Vec<ImageRow>, now: i64, cx: &mut Context<'_>) {
        let selected = self.list.selected();
        self.list.set(Ok(rows));
        self.now = now;
        let there: HashSet<&str> = self.list.rows.iter().map(Row::key).collect();
        self.known.retain(|id, _| there.contains(id.as_str()));
        self.asked.retain(|id| there.contains(id.as_str()));
        self.arrange(selected.as_deref(), cx.area);
        let room = room(Panes::of(self, cx.area).list);
        if self.select.as_ref().is_some_and(|wanted| self.list.select(room, |row| is_named(row, wanted))) {
            self.select = None;
        }
        self.count();
        let ids: Vec<String> = self.list.shown().chain(&self.list.rows).map(|row| row.id.clone()).collect();
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
            let is_current = self.list.current().is_some_and(|r| r.id == detail.id);
            self.known.insert(detail.id.clone(), Known { detail, looks });
            if is_current {
                self.first_step();
            }
        }
        self.count();
    }

    /// Sorts and filters the list, keeping the selected image selected.
    fn arrange(&mut self, selected: Option<&str>, area: Rect) {
        let room = room(Panes::of(self, area).list);
        let look = |row: &ImageRow| {
            let names = if row.tags.is_empty() { "<none>".into() } else { row.tags.join(" ") };
            let text = format!("{names} {}", row.id);
            Some(Looked { text, size: row.size, used: row.containers.map(|c| c > 0) })
        };
        let sort = self.sort;
        let there = self.list.arrange(selected, room, look, |a, b| match sort {
            Sort::Newest => {
                let key = |row: &ImageRow| (row.tags.is_empty(), std::cmp::Reverse(row.created));
                key(a).cmp(&key(b)).then_with(|| a.name().cmp(b.name()))
            }
            Sort::Name => (a.tags.is_empty(), a.name()).cmp(&(b.tags.is_empty(), b.name())),
            Sort::Size => b.size.cmp(&a.size),
        });
        if !there {
            self.first_step();
        }
    }

    /// Recounts who shares what.
    fn count(&mut self) {
        self.users.clear();
        let mut sizes: HashMap<ChainId, u64> = HashMap::new();
        for (at, row) in self.list.rows.iter().enumerate() {
            let Some(known) = self.known.get(&row.id) else { continue };
            for (layer, chain) in known.detail.chains.iter().enumerate() {
                self.users.entry(*chain).or_default().push(at);
                sizes.entry(*chain).or_insert_with(|| known.detail.layer_size(layer));
            }
        }
        self.totals = Totals {
            images: self.list.rows.len() as u64,
            bytes: sizes.values().sum(),
            shared: sizes.iter().filter(|(c, _)| self.users.get(c).is_some_and(|u| u.len() > 1)).map(|(_, s)| s).sum(),
            partial: self.known.len() < self.list.rows.len(),
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
        let own = self.list.current().map(|r| r.id.as_str());
        let users = self.users.get(chain).map_or(&[][..], Vec::as_slice);
        let mut others: Vec<&ImageRow> =
            users.iter().map(|i| &self.list.rows[*i]).filter(|r| Some(r.id.as_str()) != own).collect();
        others.sort_by_key(|r| (r.tags.is_empty(), r.name()));
        others.into_iter().map(ImageRow::name).collect()
    }

    /// The name of an image that ends with this layer: what `FROM` said, as far as one can know.
    fn base_name(&self, chain: &ChainId) -> Option<&str> {
        let own = self.list.current().map(|r| r.id.as_str());
        self.users.get(chain)?.iter().map(|i| &self.list.rows[*i]).find_map(|row| {
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
