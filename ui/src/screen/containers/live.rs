//! Copy-on-write in the selected container, as it happens: when it is watched, and what keys do in its tab.

mod draw;
mod feed;
mod rate;
mod tops;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::action::Action;
use crate::job::generation;
use crate::live::{Batch, Kept};
use crate::message::{Data, Request};
use crate::popup::{Input, Popup, Purpose};
use crate::screen::Context;
use crate::screen::containers::{Containers, Pane, Panes, Tab};

pub(super) use feed::Feed;
use feed::Moved;

/// How long a layer is lit after a file was copied up from it.
const FLASH: Duration = Duration::from_millis(700);
/// Nothing must have happened for so long before the writable layer is read again, and the rate is 0.
const QUIET: Duration = Duration::from_millis(1500);

/// The watch of one container, and what it told.
#[derive(Default)]
pub(super) struct Live {
    container: Option<String>,
    generation: u64,
    /// Ends the watch when it is gone.
    stop: Option<oneshot::Sender<()>>,
    kept: Option<Arc<Kept>>,
    pub(super) feed: Feed,
    /// Why it ended by itself.
    failed: Option<String>,
    /// What had been told when the writable layer was last read, and when it was asked for.
    counted: Moved,
    counting: Moved,
    /// Layers that are lit, until when.
    flash: BTreeSet<usize>,
    flash_until: u64,
    quiet_from: u64,
    quiet: bool,
}

/// A recording that was opened.
pub(super) struct Recording {
    name: String,
    generation: u64,
    feed: Feed,
    end: Option<String>,
}

/// Which list of what most was copied for is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    #[default]
    File,
    Folder,
    Process,
    Layer,
}

impl By {
    fn next(self) -> Self {
        match self {
            Self::File => Self::Folder,
            Self::Folder => Self::Process,
            Self::Process => Self::Layer,
            Self::Layer => Self::File,
        }
    }
}

impl Live {
    fn is_on(&self) -> bool {
        self.stop.is_some()
    }

    /// Ends the watch; what it told stays.
    pub(super) fn end(&mut self) {
        self.stop = None;
        self.flash.clear();
    }

    /// The writable layer is about to be read: what was told before is then counted.
    pub(super) fn count(&mut self) {
        self.counting = self.feed.moved.clone();
    }

    /// The writable layer was read; where the image's layers were not, what came from each is known from what was told alone.
    pub(super) fn was_counted(&mut self, layered: bool) {
        self.counted = self.counting.clone();
        if !layered {
            self.counted.from.clear();
        }
    }

    /// Files that were copied up from a layer, made and removed since the writable layer was read.
    pub(super) fn since(&self, layer: usize) -> i64 {
        let of = |moved: &Moved| moved.from.get(&layer).copied().unwrap_or(0);
        of(&self.feed.moved) - of(&self.counted)
    }

    /// As [`Live::since`], over all layers: copied up, new, deleted.
    pub(super) fn all_since(&self) -> [i64; 3] {
        let (now, then) = (&self.feed.moved, &self.counted);
        [now.copied - then.copied, now.new - then.new, now.deleted - then.deleted]
    }

    /// Bytes that were copied up since the writable layer was read.
    pub(super) fn bytes_since(&self) -> i64 {
        self.feed.moved.bytes - self.counted.bytes
    }

    /// Whether a file was copied up from the layer just now.
    pub(super) fn is_lit(&self, layer: usize) -> bool {
        self.flash.contains(&layer)
    }

    /// The rate and its bars, while it is watched.
    pub(super) fn spark(&self, cells: usize, look: &crate::pen::Look) -> Option<(String, String)> {
        let bars = self.feed.rate.bars(cells, look.unicode());
        let now = if self.quiet { 0 } else { self.feed.rate.now() };
        (!bars.is_empty()).then(|| (bars, format!("{}/s", look.size(now))))
    }
}

impl Containers {
    /// Watches the selected container while it runs and its strata or its feed are seen; nothing else.
    pub(super) fn follow_live(&mut self, cx: &mut Context<'_>) {
        let seen = !self.zoom || (self.focus == Pane::Detail && self.tab == Tab::Live);
        let current = self.list.current().filter(|_| self.settled && seen);
        let Some(id) = current.filter(|row| row.state.is_alive()).map(|row| row.id.clone()) else {
            self.live.end();
            if self.list.current().is_some_and(|row| !row.state.is_alive()) {
                self.live.failed = None;
            }
            return;
        };
        let live = &mut self.live;
        if live.container.as_ref() != Some(&id) {
            *live = Live { container: Some(id.clone()), ..Live::default() };
        }
        if live.is_on() || live.failed.is_some() {
            return;
        }
        let kept = live.kept.get_or_insert_with(|| Arc::new(Kept::new(cx.spool))).clone();
        if !live.feed.overlays.is_empty() {
            live.feed.note("it was not watched all the time: what happened in between was not told".into());
        }
        let (sender, stop) = oneshot::channel();
        live.stop = Some(sender);
        live.generation = generation();
        cx.requests.push(Request::Live { generation: live.generation, container: id, kept, stop });
    }

    /// Tries again to watch what could not be watched.
    pub(super) fn retry_live(&mut self) {
        self.live.failed = None;
    }

    /// Takes what a watch told; it may be one that was left.
    pub(super) fn take_live(&mut self, number: u64, mut batch: Batch, cx: &mut Context<'_>) {
        if let Some(recording) = self.recording.as_mut().filter(|recording| recording.generation == number) {
            recording.end = batch.end.clone().or(recording.end.take());
            batch.unrecorded = None;
            recording.feed.take(batch);
            return;
        }
        if number != self.live.generation {
            return;
        }
        let live = &mut self.live;
        if let Some(why) = &batch.end
            && live.stop.take().is_some()
        {
            live.failed = Some(why.clone());
        }
        let events = batch.updates.iter().any(|update| matches!(update, outcrop_layers::watch::Update::Event(_)));
        let copied = live.feed.take(batch);
        if !copied.is_empty() && live.is_on() {
            live.flash.extend(copied);
            live.flash_until = generation();
            cx.requests.push(Request::Wait(FLASH, live.flash_until));
        }
        if events {
            live.quiet = false;
            live.quiet_from = generation();
            cx.requests.push(Request::Wait(QUIET, live.quiet_from));
        }
    }

    /// A wait is over: a layer goes dark, or nothing has happened for a while, and what was told is compared with what is there.
    pub(super) fn live_waited(&mut self, token: u64, cx: &mut Context<'_>) -> bool {
        if token == self.live.flash_until {
            self.live.flash.clear();
        } else if token == self.live.quiet_from {
            self.live.quiet = true;
            if self.tally.known || self.tab == Tab::Changes {
                self.read_again(cx);
            }
        } else {
            return false;
        }
        true
    }

    /// The feed that is seen: the recording that is open, or the container's.
    pub(super) fn feed(&self) -> &Feed {
        self.recording.as_ref().map_or(&self.live.feed, |recording| &recording.feed)
    }

    pub(super) fn feed_mut(&mut self) -> &mut Feed {
        self.recording.as_mut().map_or(&mut self.live.feed, |recording| &mut recording.feed)
    }

    pub(super) fn act_in_live(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let room = Self::feed_room(Panes::of(self, cx.area).detail);
        if self.feed_mut().act(action, room) {
            return true;
        }
        match action {
            Action::Open => self.go_to_file(false, cx),
            Action::Diff => self.go_to_file(true, cx),
            Action::Sort => self.by = self.by.next(),
            Action::Filter => {
                let hint = "words of kind, path, layer or process; !not";
                let text = self.feed_filter.clone();
                cx.popups.push(Popup::Input(Input::new("/", hint, text, Purpose::FilterFeed)));
            }
            Action::Save => self.ask_save_recording(cx),
            Action::Load => {
                let hint = "a file that outcrop watch --record or s wrote";
                let text = format!("{}/", cx.save_to.display());
                cx.popups.push(Popup::Input(Input::new("Open a recording", hint, text, Purpose::OpenRecording)));
            }
            Action::Back if !self.feed_filter.is_empty() => self.set_feed_filter(""),
            Action::Back if self.recording.is_some() => self.recording = None,
            _ => return false,
        }
        true
    }

    pub(super) fn set_feed_filter(&mut self, text: &str) {
        text.trim().clone_into(&mut self.feed_filter);
        self.live.feed.set_filter(text);
        if let Some(recording) = &mut self.recording {
            recording.feed.set_filter(text);
        }
    }

    fn ask_save_recording(&mut self, cx: &mut Context<'_>) {
        if self.recording.is_some() {
            return cx.say("it is a file already");
        }
        let Some(row) = self.list.current().filter(|_| !self.live.feed.is_empty()) else {
            return cx.say("nothing was recorded yet");
        };
        let to = cx.save_to.join(format!("{}.watch.jsonl", row.name)).display().to_string();
        let hint = "for outcrop watch --replay, or o here; an existing file is never replaced";
        cx.popups.push(Popup::Input(Input::new("Save the recording", hint, to, Purpose::SaveRecording)));
    }

    pub(super) fn save_recording(&mut self, to: &str, cx: &mut Context<'_>) {
        let Some(kept) = self.live.kept.clone() else { return cx.say("nothing was recorded yet") };
        let (job, _) = cx.jobs.start("save the recording", false);
        cx.requests.push(Request::SaveRecording { job, kept, to: to.into() });
    }

    pub(super) fn open_recording(&mut self, path: &str, cx: &mut Context<'_>) {
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let number = generation();
        self.recording = Some(Recording { name, generation: number, feed: Feed::default(), end: None });
        self.set_feed_filter("");
        cx.requests.push(Request::OpenRecording { generation: number, path: path.into() });
    }

    /// Goes from the selected event to its file in the changes, and perhaps to what differs from the layer's.
    fn go_to_file(&mut self, diff: bool, cx: &mut Context<'_>) {
        let Some((event, _)) = self.feed().selected() else { return };
        let path = event.path.0.to_vec();
        self.feed_mut().hold(true);
        self.wanted_file = Some((path, diff));
        self.set_tab(Tab::Changes, cx);
    }

    /// The changes were read, or not: goes to the file that an event was about.
    pub(super) fn arrive_at_file(&mut self, cx: &mut Context<'_>) {
        let Some((path, diff)) = self.wanted_file.take() else { return };
        let shown = crate::safe_text::from_bytes(&path).into_owned();
        let area = Panes::of(self, cx.area).detail;
        if !self.changes.go_to(&path, area, cx) {
            return cx.say(format!("/{shown} is not among what the container changed: it is gone, or was never here"));
        }
        if diff {
            let looks = std::mem::take(&mut self.looks);
            self.changes.act(Action::Diff, area, &looks, cx);
            self.looks = looks;
        }
    }

    /// Goes out of sight: watching costs, and nobody looks.
    pub(super) fn hide_live(&mut self) {
        self.live.end();
    }

    /// Takes an answer about a watch, and gives back any other.
    pub(super) fn live_data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        let Data::Live(number, batch) = data else { return Some(data) };
        self.take_live(number, batch, cx);
        None
    }
}
