//! Screen 2: containers, the writable layer of each on the layers of its image, and what they are doing.

mod act;
mod ask;
mod changes;
mod compare;
mod detail;
mod input;
mod list;
mod live;
mod logs;
mod mounts;
mod panes;
mod screen;
mod strata;
mod terminal;

use std::collections::{BTreeSet, HashMap};

use ratatui::layout::Rect;

use crate::content::Reading;
use crate::filter::{Facts, Filter};
use crate::job::{Cancel, JobId};
use crate::message::Processes;
use crate::model::{ContainerDetail, ContainerRow};
use crate::screen::files::explorer::Explorer;
use crate::theme::Stratum;
use crate::widget::cursor::Cursor;
use crate::work::Named;

pub(crate) use ask::Asking;
use changes::Tally;
use compare::Against;
use live::{By, Live, Recording};
use logs::Logs;
use panes::{Panes, Splits, Splitter};
use terminal::Session;

/// Which pane has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    List,
    Detail,
}

/// What the pane below the strata shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Changes,
    Live,
    Terminal,
    Logs,
    Mounts,
    Processes,
    Inspect,
}

impl Tab {
    const ALL: [Self; 7] =
        [Self::Changes, Self::Live, Self::Terminal, Self::Logs, Self::Mounts, Self::Processes, Self::Inspect];

    fn word(self) -> &'static str {
        match self {
            Self::Changes => "Changes",
            Self::Live => "Live",
            Self::Terminal => "Terminal",
            Self::Logs => "Logs",
            Self::Mounts => "Mounts",
            Self::Processes => "Processes",
            Self::Inspect => "Inspect",
        }
    }

    /// The tab that many places further on.
    fn step(self, by: isize) -> Self {
        let at = Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0) as isize;
        Self::ALL[(at + by).rem_euclid(Self::ALL.len() as isize) as usize]
    }
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    State,
    Newest,
    Name,
    Image,
}

impl Sort {
    const ALL: [Self; 4] = [Self::State, Self::Newest, Self::Name, Self::Image];

    fn word(self) -> &'static str {
        match self {
            Self::State => "running first",
            Self::Newest => "newest first",
            Self::Name => "by name",
            Self::Image => "by image",
        }
    }
}

/// The screen.
#[derive(Default)]
pub(crate) struct Containers {
    rows: Vec<ContainerRow>,
    /// Whether it was ever in sight, and whether the engine has answered.
    opened: bool,
    loaded: bool,
    /// Why there is no list.
    trouble: Option<String>,
    shown: Vec<usize>,
    cursor: Cursor,
    filter: Filter,
    sort: Sort,
    only_running: bool,
    marks: BTreeSet<String>,
    focus: Pane,
    tab: Tab,
    zoom: bool,
    splits: Splits,
    drag: Option<Splitter>,
    /// A container to select when the list has it.
    wanted: Option<(String, bool)>,
    /// The container the panes were last brought in step with.
    followed: Option<String>,
    wait: u64,
    /// The newest wait before the list is asked for again, because what it says of time has passed.
    ageing: u64,
    detail: Option<ContainerDetail>,
    looks: Vec<Stratum>,
    changes: Explorer,
    reading: Reading,
    reading_job: Option<(JobId, Cancel)>,
    /// Another container that the selected one is compared with.
    against: Option<Against>,
    tally: Tally,
    /// Whether the selected container was selected long enough to be asked about.
    settled: bool,
    live: Live,
    recording: Option<Recording>,
    feed_filter: String,
    by: By,
    /// The file to go to when the changes were read, and whether to its differences.
    wanted_file: Option<(Vec<u8>, bool)>,
    logs: Logs,
    processes: Option<Result<Processes, String>>,
    /// Terminals that are open, by container: on its own program, or on a shell beside it.
    sessions: HashMap<(String, bool), Session>,
    /// Whether the shell is the one that is seen where both are open.
    shell_in_front: bool,
    /// First line seen of a text.
    top: usize,
}

impl Containers {
    /// The selected container.
    fn current(&self) -> Option<&ContainerRow> {
        self.rows.get(*self.shown.get(self.cursor.at)?)
    }

    /// What is known of the selected container.
    fn current_detail(&self) -> Option<&ContainerDetail> {
        let id = &self.current()?.id;
        self.detail.as_ref().filter(|detail| detail.id == *id)
    }

    /// The marked containers, or the selected one.
    fn chosen(&self) -> Vec<&ContainerRow> {
        if self.marks.is_empty() {
            return self.current().into_iter().collect();
        }
        self.rows.iter().filter(|row| self.marks.contains(&row.id)).collect()
    }

    fn named(row: &ContainerRow) -> Named {
        Named { id: row.id.clone(), name: row.name.clone() }
    }

    /// A new list from the engine.
    fn set_rows(&mut self, rows: Result<Vec<ContainerRow>, String>, area: Rect) {
        let selected = self.current().map(|row| row.id.clone());
        self.loaded = true;
        (self.rows, self.trouble) = match rows {
            Ok(rows) => (rows, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let there: BTreeSet<&str> = self.rows.iter().map(|row| row.id.as_str()).collect();
        self.marks.retain(|id| there.contains(id.as_str()));
        self.sessions.retain(|(id, _), _| there.contains(id.as_str()));
        self.arrange(selected.as_deref(), area);
    }

    /// Sorts and filters the list, keeping the selected container selected.
    fn arrange(&mut self, selected: Option<&str>, area: Rect) {
        let mut matcher = crate::filter::matcher(false);
        let rows = &self.rows;
        let fits = |row: &ContainerRow, matcher: &mut nucleo_matcher::Matcher| {
            let text = format!("{} {} {} {}", row.name, row.image, row.state.word(), row.health);
            let facts = Facts { text: &text, size: 0, used: Some(row.state.is_alive()) };
            self.filter.is_empty() || self.filter.score(&facts, matcher).is_some()
        };
        self.shown = (0..rows.len())
            .filter(|at| !self.only_running || rows[*at].state.is_alive())
            .filter(|at| fits(&rows[*at], &mut matcher))
            .collect();
        self.shown.sort_by(|a, b| {
            let (a, b) = (&rows[*a], &rows[*b]);
            match self.sort {
                Sort::State => (!a.state.is_alive()).cmp(&!b.state.is_alive()).then(b.created.cmp(&a.created)),
                Sort::Newest => b.created.cmp(&a.created),
                Sort::Name => a.name.cmp(&b.name),
                Sort::Image => a.image.cmp(&b.image).then(a.name.cmp(&b.name)),
            }
        });
        let at = selected.and_then(|id| self.shown.iter().position(|at| self.rows[*at].id == id));
        let height = Panes::of(self, area).list.height.saturating_sub(2);
        self.cursor.set(at.unwrap_or(self.cursor.at), self.shown.len(), height);
    }

    /// Selects a container; says whether the list has it.
    fn select(&mut self, id: &str, area: Rect) -> bool {
        let is = |at: &usize| self.rows[*at].id == id;
        if !self.shown.iter().any(is) && self.rows.iter().any(|row| row.id == id) {
            self.only_running = false;
            self.filter = Filter::default();
            self.arrange(None, area);
        }
        let Some(at) = self.shown.iter().position(|at| self.rows[*at].id == id) else { return false };
        let height = Panes::of(self, area).list.height.saturating_sub(2);
        self.cursor.set(at, self.shown.len(), height);
        true
    }
}
