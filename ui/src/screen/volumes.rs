//! Screen 3: volumes, who uses them or did, and what is in them.

mod act;
mod ask;
mod draw;
mod facts;
mod panes;
mod screen;

use std::collections::{BTreeSet, HashMap};

use ratatui::layout::Rect;

use crate::content::Reading;
use crate::filter::{Facts, Filter};
use crate::job::{Cancel, JobId};
use crate::model::{Past, VolumeRow};
use crate::screen::files::explorer::Explorer;
use crate::widget::cursor::Cursor;

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
    rows: Vec<VolumeRow>,
    opened: bool,
    loaded: bool,
    trouble: Option<String>,
    shown: Vec<usize>,
    cursor: Cursor,
    filter: Filter,
    sort: Sort,
    marks: BTreeSet<String>,
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

impl Volumes {
    fn current(&self) -> Option<&VolumeRow> {
        self.rows.get(*self.shown.get(self.cursor.at)?)
    }

    /// The marked volumes, or the selected one.
    fn chosen(&self) -> Vec<&VolumeRow> {
        if self.marks.is_empty() {
            return self.current().into_iter().collect();
        }
        self.rows.iter().filter(|row| self.marks.contains(&row.name)).collect()
    }

    fn set_rows(&mut self, rows: Result<Vec<VolumeRow>, String>, area: Rect) {
        let selected = self.current().map(|row| row.name.clone());
        self.loaded = true;
        (self.rows, self.trouble) = match rows {
            Ok(rows) => (rows, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let there: BTreeSet<&str> = self.rows.iter().map(|row| row.name.as_str()).collect();
        self.marks.retain(|name| there.contains(name.as_str()));
        self.arrange(selected.as_deref(), area);
    }

    /// Sorts and filters the list, keeping the selected volume selected.
    fn arrange(&mut self, selected: Option<&str>, area: Rect) {
        let mut matcher = crate::filter::matcher(false);
        let (rows, sizes) = (&self.rows, &self.sizes);
        self.shown = (0..rows.len())
            .filter(|at| {
                let row = &rows[*at];
                let labels = row.labels.iter().map(|(name, value)| format!("{name}={value}"));
                let users = row.users.iter().map(|user| user.name.clone());
                let words: Vec<String> = labels.chain(users).collect();
                let text = format!("{} {} {}", row.name, row.driver, words.join(" "));
                let size = sizes.of(&row.name).unwrap_or(0);
                let facts = Facts { text: &text, size, used: Some(row.is_used()) };
                self.filter.is_empty() || self.filter.score(&facts, &mut matcher).is_some()
            })
            .collect();
        self.shown.sort_by(|a, b| {
            let (a, b) = (&rows[*a], &rows[*b]);
            let names = a.is_anonymous().cmp(&b.is_anonymous()).then_with(|| a.name.cmp(&b.name));
            match self.sort {
                Sort::Name => names,
                Sort::Size => sizes.of(&b.name).cmp(&sizes.of(&a.name)).then(names),
                Sort::Newest => b.created.cmp(&a.created).then(names),
                Sort::Unused => a.is_used().cmp(&b.is_used()).then(names),
            }
        });
        let at = selected.and_then(|name| self.shown.iter().position(|at| self.rows[*at].name == name));
        let height = Panes::of(self, area).list.height.saturating_sub(2);
        self.cursor.set(at.unwrap_or(self.cursor.at), self.shown.len(), height);
    }
}
