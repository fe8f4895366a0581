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
use crate::job::{Cancel, JobId};
use crate::message::Processes;
use crate::model::{ContainerDetail, ContainerRow};
use crate::screen::Context;
use crate::screen::files::explorer::Explorer;
use crate::screen::list::{List, Looked, Row, room};
use crate::theme::Stratum;
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
    list: List<ContainerRow>,
    /// Whether it was ever in sight.
    opened: bool,
    sort: Sort,
    only_running: bool,
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

impl Row for ContainerRow {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Containers {
    /// What is known of the selected container.
    fn current_detail(&self) -> Option<&ContainerDetail> {
        let id = &self.list.current()?.id;
        self.detail.as_ref().filter(|detail| detail.id == *id)
    }

    fn named(row: &ContainerRow) -> Named {
        Named { id: row.id.clone(), name: row.name.clone() }
    }

    /// A new list from the engine.
    fn set_rows(&mut self, rows: Result<Vec<ContainerRow>, String>, area: Rect) {
        let selected = self.list.selected();
        self.list.set(rows);
        let there: BTreeSet<&str> = self.list.rows.iter().map(Row::key).collect();
        self.sessions.retain(|(id, _), _| there.contains(id.as_str()));
        self.arrange(selected.as_deref(), area);
    }

    /// Sorts and filters the list, keeping the selected container selected.
    fn arrange(&mut self, selected: Option<&str>, area: Rect) {
        let room = room(Panes::of(self, area).list);
        let (only_running, sort) = (self.only_running, self.sort);
        let look = |row: &ContainerRow| {
            let alive = row.state.is_alive();
            let text = format!("{} {} {} {}", row.name, row.image, row.state.word(), row.health);
            (alive || !only_running).then_some(Looked { text, size: 0, used: Some(alive) })
        };
        self.list.arrange(selected, room, look, |a, b| match sort {
            Sort::State => (!a.state.is_alive()).cmp(&!b.state.is_alive()).then(b.created.cmp(&a.created)),
            Sort::Newest => b.created.cmp(&a.created),
            Sort::Name => a.name.cmp(&b.name),
            Sort::Image => a.image.cmp(&b.image).then(a.name.cmp(&b.name)),
        });
    }

    /// Selects a container; says whether the list has it.
    fn select(&mut self, id: &str, cx: &mut Context<'_>) -> bool {
        if self.list.find(id).is_some() && !self.list.shown().any(|row| row.id == id) {
            self.only_running = false;
            self.list.set_filter("", cx);
            self.arrange(None, cx.area);
        }
        let room = room(Panes::of(self, cx.area).list);
        self.list.select(room, |row| row.id == id)
    }
}
