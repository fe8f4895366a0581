//! Screen 3: volumes, who uses them or did, and what is in them.

mod act;
mod ask;
mod draw;
mod facts;
mod panes;
mod screen;

use std::collections::HashMap;

use ratatui::layout::Rect;

use crate::content::Reading;
use crate::job::{Cancel, JobId};
use crate::model::{Past, VolumeRow};
use crate::screen::files::explorer::Explorer;
use crate::screen::list::{List, Looked, Row, room};

use panes::{Panes, Splits, Splitter};

/// Which pane has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    List,
    Files,
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Name,
    Size,
    Newest,
    Unused,
}

impl Sort {
    const ALL: [Self; 4] = [Self::Name, Self::Size, Self::Newest, Self::Unused];

    fn word(self) -> &'static str {
        match self {
            Self::Name => "by name",
            Self::Size => "by size",
            Self::Newest => "newest first",
            Self::Unused => "unused first",
        }
    }
}

/// What the engine measured, and when.
#[derive(Debug, Default)]
enum Sizes {
    /// Not asked for yet.
    #[default]
    Not,
    /// Being measured; the older ones stay.
    Running(HashMap<String, u64>),
    /// Seconds since 1970.
    Known(HashMap<String, u64>, i64),
    Failed(String),
}

impl Sizes {
    fn of(&self, name: &str) -> Option<u64> {
        match self {
            Self::Running(sizes) | Self::Known(sizes, _) => sizes.get(name).copied(),
            Self::Not | Self::Failed(_) => None,
        }
    }
}

/// The screen.
#[derive(Default)]
pub(crate) struct Volumes {
    list: List<VolumeRow>,
    opened: bool,
    sort: Sort,
    sizes: Sizes,
    pasts: HashMap<String, Past>,
    focus: Pane,
    zoom: bool,
    splits: Splits,
    drag: Option<Splitter>,
    followed: Option<String>,
    wait: u64,
    files: Explorer,
    reading: Reading,
    reading_job: Option<(JobId, Cancel)>,
    /// When something in the selected volume was last written, seconds since 1970.
    written: Option<i64>,
    now: i64,
}

impl Row for VolumeRow {
    fn key(&self) -> &str {
        &self.name
    }
}

impl Volumes {
    fn set_rows(&mut self, rows: Result<Vec<VolumeRow>, String>, area: Rect) {
        let selected = self.list.selected();
        self.list.set(rows);
        self.arrange(selected.as_deref(), area);
    }

    /// Sorts and filters the list, keeping the selected volume selected.
    fn arrange(&mut self, selected: Option<&str>, area: Rect) {
        let room = room(Panes::of(self, area).list);
        let (sizes, sort) = (&self.sizes, self.sort);
        let look = |row: &VolumeRow| {
            let labels = row.labels.iter().map(|(name, value)| format!("{name}={value}"));
            let users = row.users.iter().map(|user| user.name.clone());
            let words: Vec<String> = labels.chain(users).collect();
            let text = format!("{} {} {}", row.name, row.driver, words.join(" "));
            Some(Looked { text, size: sizes.of(&row.name).unwrap_or(0), used: Some(row.is_used()) })
        };
        self.list.arrange(selected, room, look, |a, b| {
            let names = a.is_anonymous().cmp(&b.is_anonymous()).then_with(|| a.name.cmp(&b.name));
            match sort {
                Sort::Name => names,
                Sort::Size => sizes.of(&b.name).cmp(&sizes.of(&a.name)).then(names),
                Sort::Newest => b.created.cmp(&a.created).then(names),
                Sort::Unused => a.is_used().cmp(&b.is_used()).then(names),
            }
        });
    }
}
