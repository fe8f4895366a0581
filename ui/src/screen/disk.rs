//! Screen 4: what holds the disk, what can go, and what exactly removing it would free.

mod act;
mod draw;
mod map;
mod panes;
mod tiles;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crossterm::event::MouseEvent;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::job::JobId;
use crate::keymap::Scope;
use crate::message::{Data, Request};
use crate::model::{Disk as Kept, Freed, Thing};
use crate::pen::{Look, Pen};
use crate::popup::{Choice, Purpose};
use crate::screen::{Context, Screen};
use crate::widget::cursor::Cursor;

use panes::Panes;
use tiles::Tile;

/// Which pane has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    List,
    Map,
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Kind,
    Size,
    Frees,
}

impl Sort {
    const ALL: [Self; 3] = [Self::Kind, Self::Size, Self::Frees];

    fn word(self) -> &'static str {
        match self {
            Self::Kind => "by kind",
            Self::Size => "by size",
            Self::Frees => "by what it frees",
        }
    }

    /// Puts the largest first, of one kind or of all.
    fn arrange(self, rows: &mut [Row]) {
        rows.sort_by_key(|row| {
            let frees = if row.can_go { row.own } else { 0 };
            let (first, bytes) = match self {
                Self::Kind => (kind(&row.thing), row.bytes),
                Self::Size => (0, row.bytes),
                Self::Frees => (usize::from(!row.can_go), frees),
            };
            (first, Reverse(bytes), Reverse(row.bytes), row.name.clone())
        });
    }
}

/// How old what is known may be when one comes back to the screen, in seconds: measuring walks every volume.
const STALE: i64 = 30;

/// The screen.
#[derive(Default)]
pub(crate) struct Disk {
    kept: Kept,
    rows: Vec<Row>,
    opened: bool,
    loaded: bool,
    /// The engine measures; whether something changed since it was asked.
    asked: bool,
    again: bool,
    trouble: Option<String>,
    /// When it was measured, and what is now, seconds since 1970.
    measured: i64,
    now: i64,
    /// What each kind held when it was first looked at, to see what grows.
    first: Option<(i64, [u64; 6])>,
    cursor: Cursor,
    /// What the map is made of, and which of that is selected there.
    tiles: Vec<Tile>,
    tile: usize,
    sort: Sort,
    focus: Pane,
    zoom: bool,
    marks: BTreeSet<Thing>,
    /// What removing the marked things would free.
    freed: Freed,
}

/// A line of the list.
struct Row {
    thing: Thing,
    name: String,
    /// Bytes of it, and of that what goes with it.
    bytes: u64,
    own: u64,
    /// Whether it can go as things are, alone.
    can_go: bool,
    about: String,
}

impl Screen for Disk {
    fn scope(&self) -> Scope {
        Scope::Disk
    }

    fn totals(&self, look: &Look) -> Vec<String> {
        let (layers, shared) = self.kept.layers();
        let rest: u64 = self.rows.iter().filter(|row| !matches!(row.thing, Thing::Image(_))).map(|row| row.bytes).sum();
        vec![look.size(layers + rest), format!("{} of it shared", look.size(shared))]
    }

    fn open(&mut self, cx: &mut Context<'_>) -> bool {
        if self.opened {
            // Of what is written no engine tells.
            if cx.now - self.measured >= STALE {
                self.measure(cx);
            }
            return false;
        }
        self.opened = true;
        cx.log.add(&["system", "df", "-v"]);
        self.measure(cx);
        true
    }

    fn changed(&mut self, cx: &mut Context<'_>) {
        if self.opened {
            self.measure(cx);
        }
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        self.take_action(action, cx)
    }

    fn mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        self.take_mouse(event, cx);
    }

    fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        let Data::Disk(kept) = data else { return Some(data) };
        self.asked = false;
        self.loaded = true;
        match kept {
            Ok(kept) => self.set(kept, cx),
            Err(why) => self.trouble = Some(why),
        }
        if std::mem::take(&mut self.again) {
            self.measure(cx);
        }
        None
    }

    fn waited(&mut self, _token: u64, _cx: &mut Context<'_>) {}

    fn cancelled(&mut self, _job: JobId) {}

    fn settle(&mut self, cx: &mut Context<'_>) {
        self.now = cx.now;
    }

    fn typed(&mut self, _purpose: &Purpose, _text: &str, _cx: &mut Context<'_>) {}

    fn entered(&mut self, _purpose: Purpose, _text: &str, _cx: &mut Context<'_>) {}

    fn left(&mut self, _purpose: &Purpose, _cx: &mut Context<'_>) {}

    fn chose(&mut self, choice: Choice, cx: &mut Context<'_>) {
        if let Choice::Sort(n) = choice {
            self.sort = Sort::ALL[n % Sort::ALL.len()];
            // The first line is what was asked for.
            self.cursor.at = 0;
            self.arrange(None, cx);
        }
    }

    fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
        self.draw_all(pen, area);
        None
    }
}

impl Disk {
    fn current(&self) -> Option<&Row> {
        self.rows.get(self.cursor.at)
    }

    /// Asks once at a time: measuring walks every volume.
    fn measure(&mut self, cx: &mut Context<'_>) {
        if self.asked {
            self.again = true;
            return;
        }
        self.asked = true;
        cx.requests.push(Request::Disk);
    }

    /// Bytes of each kind: layers that images share, layers that one has, writable layers, logs, volumes, what nothing has.
    fn sums(&self) -> [u64; 6] {
        let of = |at: usize| self.rows.iter().filter(|row| kind(&row.thing) == at).map(|row| row.bytes).sum::<u64>();
        let (layers, shared) = self.kept.layers();
        let logs: u64 = self.kept.containers.iter().map(|container| container.log).sum();
        [shared, layers - shared, of(1) - logs, logs, of(2), of(3)]
    }

    fn set(&mut self, kept: Kept, cx: &Context<'_>) {
        let selected = self.current().map(|row| row.thing.clone());
        self.trouble = None;
        self.rows = rows(&kept);
        self.tiles = tiles::tiles(&kept, &cx.look.theme);
        self.kept = kept;
        self.measured = cx.now;
        let sums = self.sums();
        self.first.get_or_insert((cx.now, sums));
        let there: BTreeSet<&Thing> = self.rows.iter().map(|row| &row.thing).collect();
        self.marks.retain(|thing| there.contains(thing));
        self.freed = self.kept.freed(&self.marks);
        self.arrange(selected, cx);
    }

    /// Sorts the list; what is selected stays so.
    fn arrange(&mut self, selected: Option<Thing>, cx: &Context<'_>) {
        self.sort.arrange(&mut self.rows);
        let at = selected.and_then(|thing| self.rows.iter().position(|row| row.thing == thing));
        self.cursor.set(at.unwrap_or(self.cursor.at), self.rows.len(), Panes::of(self, cx.area).list_room().height);
    }
}

/// What there is, in no order.
fn rows(kept: &Kept) -> Vec<Row> {
    let images = kept.images.iter().map(|image| {
        let (bytes, own) = kept.image_bytes(image);
        let users = kept.containers.iter().filter(|container| container.image == image.id).count() as u64;
        let about = match (users, image.tags.is_empty()) {
            (0, true) => "has no name".to_owned(),
            (0, false) => String::new(),
            (users, _) => format!("under {}", crate::size::plural(users, "container", "containers")),
        };
        Row {
            thing: Thing::Image(image.id.clone()),
            name: image.name().to_owned(),
            bytes,
            own,
            can_go: users == 0,
            about,
        }
    });
    let containers = kept.containers.iter().map(|container| {
        let bytes = container.bytes + container.log;
        let about = if container.runs { "runs" } else { "does not run" };
        let thing = Thing::Container(container.id.clone());
        Row { thing, name: container.name.clone(), bytes, own: bytes, can_go: !container.runs, about: about.into() }
    });
    let volumes = kept.volumes.iter().map(|volume| {
        let user = kept.containers.iter().find(|container| container.volumes.contains(&volume.name));
        let about = match user {
            Some(user) => format!("in {}", user.name),
            None if volume.bytes.is_none() => "not measured".into(),
            None => "nobody mounts it".into(),
        };
        let bytes = volume.bytes.unwrap_or(0);
        Row {
            thing: Thing::Volume(volume.name.clone()),
            name: volume.name.clone(),
            bytes,
            own: bytes,
            can_go: user.is_none() && volume.bytes.is_some(),
            about,
        }
    });
    let folders = kept.folders.iter().flatten().map(|folder| {
        let name = folder.path.rsplit('/').next().unwrap_or(&folder.path).to_owned();
        let (thing, about) = (Thing::Folder(folder.path.clone()), "nothing has it".to_owned());
        Row { thing, name, bytes: folder.bytes, own: folder.bytes, can_go: false, about }
    });
    images.chain(containers).chain(volumes).chain(folders).collect()
}

/// Which part of the list a thing is in.
fn kind(thing: &Thing) -> usize {
    match thing {
        Thing::Image(_) => 0,
        Thing::Container(_) => 1,
        Thing::Volume(_) => 2,
        Thing::Folder(_) => 3,
    }
}
