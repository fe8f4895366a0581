//! The containers as one of the screens.

use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use outcrop_layers::digest::ChainId;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::content::Reading;
use crate::job::{JobId, generation};
use crate::keymap::Scope;
use crate::message::{Data, Request, TerminalKind};
use crate::model::ContainerDetail;
use crate::pen::{Look, Pen};
use crate::popup::{Choice, Purpose};
use crate::screen::containers::changes::Tally;
use crate::screen::containers::{Containers, Live, Pane, Panes, Tab};
use crate::screen::{Context, Screen};
use crate::theme::Stratum;

/// How long a container stays selected before the engine is asked about it.
const BEFORE_ASKING: Duration = Duration::from_millis(120);

impl Screen for Containers {
    fn scope(&self) -> Scope {
        match (self.focus, self.tab) {
            (Pane::List, _) => Scope::Containers,
            (Pane::Detail, Tab::Changes) if self.against.is_some() => Scope::Compare,
            (Pane::Detail, Tab::Changes) => Scope::Changes,
            (Pane::Detail, Tab::Live) => Scope::Live,
            (Pane::Detail, Tab::Terminal) => Scope::Terminal,
            (Pane::Detail, Tab::Logs) => Scope::Logs,
            (Pane::Detail, _) => Scope::Container,
        }
    }

    fn totals(&self, look: &Look) -> Vec<String> {
        let alive = self.list.rows.iter().filter(|row| row.state.is_alive()).count();
        let all = self.list.rows.len() as u64;
        if !self.list.loaded {
            return Vec::new();
        }
        let mut parts = vec![match all {
            0 => "no containers".to_owned(),
            all => format!("{alive} of {} running", crate::size::count(all)),
        }];
        if let Some(written) = self.surface_size() {
            parts.push(format!("{} written by this one", look.size(written)));
        }
        parts
    }

    fn filter_text(&self) -> &str {
        self.list.filter().text()
    }

    fn open(&mut self, cx: &mut Context<'_>) -> bool {
        if self.opened {
            return false;
        }
        self.opened = true;
        cx.log.add(&["ps", "-a"]);
        cx.requests.push(Request::Containers);
        true
    }

    fn hide(&mut self) {
        self.hide_live();
    }

    fn changed(&mut self, cx: &mut Context<'_>) {
        if !self.opened {
            return;
        }
        cx.requests.push(Request::Containers);
        let Some(row) = self.list.current() else { return };
        let (id, alive) = (row.id.clone(), row.state.is_alive());
        cx.requests.push(Request::Container(id.clone()));
        match self.tab {
            Tab::Changes if self.focus == Pane::Detail || !alive => self.read_changes(cx),
            Tab::Processes if alive => cx.requests.push(Request::Processes(id)),
            _ => {}
        }
    }

    fn refresh(&mut self, cx: &mut Context<'_>) {
        self.changed(cx);
        self.retry_live();
        if self.tab == Tab::Changes {
            self.read_changes(cx);
        }
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        self.take_action(action, cx)
    }

    fn has_program(&self) -> bool {
        self.is_in_terminal()
    }

    fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) {
        self.terminal_key(key);
    }

    fn paste(&mut self, text: &str) {
        self.terminal_paste(text);
    }

    fn mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        self.take_mouse(event, cx);
    }

    fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        match data {
            Data::Containers(rows) => {
                self.set_rows(rows, cx.area);
                self.age(cx);
                self.go_to_wanted(cx);
            }
            Data::Container(detail) => self.set_detail(*detail, cx),
            Data::Changes { container, reading } => self.set_changes(&container, reading, cx),
            Data::Differences { left, right, list } => return self.set_differences(left, right, list),
            Data::Logs { generation, bytes, end } => {
                self.logs.take(generation, &bytes, end);
            }
            Data::Processes { container, result } => {
                if self.followed.as_ref() == Some(&container) {
                    self.processes = Some(result);
                }
            }
            Data::Terminal(number, news) => self.terminal_news(number, news),
            Data::ContainerSizes(asking, sizes) => self.ask_with_sizes(asking, &sizes, cx),
            Data::Stubborn { containers, why } => Self::ask_force(containers, &why, cx),
            live @ Data::Live(..) => return self.live_data(live, cx),
            other => return self.changes.data(other, cx),
        }
        None
    }

    fn waited(&mut self, token: u64, cx: &mut Context<'_>) {
        if token == self.wait {
            if let Some(id) = self.followed.clone() {
                cx.requests.push(Request::Container(id));
                self.enter_tab(cx);
                self.settled = true;
            }
        } else if self.live_waited(token, cx) {
            // It was a wait of the watch.
        } else if token == self.ageing {
            cx.requests.push(Request::Containers);
        } else {
            self.changes.waited(token, cx);
        }
    }

    fn cancelled(&mut self, job: JobId) {
        if self.reading_job.take_if(|(id, _)| *id == job).is_some() {
            self.reading = Reading::Failed("cancelled".into());
        }
        self.against.take_if(|against| against.is_read_by(job));
    }

    fn settle(&mut self, cx: &mut Context<'_>) {
        let selected = self.list.selected();
        if self.followed != selected {
            self.leave(cx);
            self.followed = selected;
            if self.followed.is_some() {
                self.wait = generation();
                cx.requests.push(Request::Wait(BEFORE_ASKING, self.wait));
            }
        }
        self.follow_live(cx);
        self.fit_terminal(cx.area);
    }

    fn typed(&mut self, purpose: &Purpose, text: &str, cx: &mut Context<'_>) {
        self.take_typing(purpose, text, cx);
    }

    fn entered(&mut self, purpose: Purpose, text: &str, cx: &mut Context<'_>) {
        self.take_text(purpose, text, cx);
    }

    fn left(&mut self, purpose: &Purpose, cx: &mut Context<'_>) {
        self.take_leaving(purpose, cx);
    }

    fn chose(&mut self, choice: Choice, cx: &mut Context<'_>) {
        self.take_choice(choice, cx);
    }

    fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
        let panes = Panes::of(self, area);
        self.draw_list(pen, panes.list);
        self.draw_mounts(pen, panes.mounts);
        self.draw_tops(pen, panes.tops);
        self.draw_strata(pen, panes.strata);
        self.draw_detail(pen, panes.detail)
    }
}

impl Containers {
    /// Has the list asked for again before what it says of time is wrong: `Up 4 seconds` is so sooner than `Up 3 days`.
    fn age(&mut self, cx: &mut Context<'_>) {
        let alive = self.list.rows.iter().filter(|row| row.state.is_alive());
        let seconds = alive.map(|row| match row.status.split_whitespace().nth(2) {
            Some(word) if word.starts_with("second") || word.starts_with("than") => 5,
            Some(word) if word.starts_with("minute") || word.starts_with('a') => 30,
            _ => 600,
        });
        if let Some(seconds) = seconds.min() {
            self.ageing = generation();
            cx.requests.push(Request::Wait(Duration::from_secs(seconds), self.ageing));
        }
    }

    /// Lets go of the container that was selected.
    fn leave(&mut self, cx: &mut Context<'_>) {
        if let Some((job, cancel)) = self.reading_job.take() {
            cancel.cancel();
            cx.jobs.cancel(job);
        }
        self.stop_comparing(cx);
        self.settled = false;
        self.live = Live::default();
        self.live.feed.set_filter(&self.feed_filter);
        self.wanted_file = None;
        self.detail = None;
        self.looks.clear();
        self.reading = Reading::Not;
        self.tally = Tally::default();
        self.changes.set(None, None, None, cx);
        self.logs.stop();
        self.processes = None;
        self.top = 0;
    }

    fn set_detail(&mut self, detail: ContainerDetail, cx: &Context<'_>) {
        if self.followed.as_ref() != Some(&detail.id) {
            return;
        }
        let chains: &[ChainId] = detail.base.as_ref().map_or(&[], |base| &base.chains);
        let mut looks: Vec<Stratum> = Vec::with_capacity(chains.len());
        for chain in chains {
            looks.push(cx.look.theme.stratum(chain.0.as_bytes(), looks.last().copied()));
        }
        if let Some(origins) = &mut self.changes.files.origins {
            origins.clone_from(&looks);
        }
        self.looks = looks;
        self.detail = Some(detail);
    }

    fn set_changes(&mut self, container: &str, reading: Reading, cx: &mut Context<'_>) {
        self.take_other(container, &reading, cx);
        if self.followed.as_deref() != Some(container) {
            return;
        }
        self.reading_job = None;
        if let Reading::Ready(content) = &reading {
            self.tally = Tally::of(content);
            let top = content.tree.layers().saturating_sub(1);
            // Only where the image's layers were read it is known which of them a path comes from.
            let layered = top > 0 && content.problems.is_empty();
            self.live.was_counted(layered);
            if !layered {
                self.tally.from.clear();
                self.tally.only_metadata = 0;
            }
            let origins = layered.then(|| self.looks.clone());
            if self.changes.content().is_some() {
                self.changes.renew(content, Some(top), origins, cx);
            } else {
                self.changes.set(Some(content.clone()), Some(top), origins, cx);
            }
        }
        self.reading = reading;
        self.ask_differences(cx);
        self.arrive_at_file(cx);
    }

    /// Shows a container that was just started, as soon as the list has it.
    pub(in crate::screen) fn launched(&mut self, container: &str, terminal: bool, cx: &mut Context<'_>) {
        self.wanted = Some((container.to_owned(), terminal));
        self.go_to_wanted(cx);
        if self.wanted.is_some() {
            cx.requests.push(Request::Containers);
        }
    }

    fn go_to_wanted(&mut self, cx: &mut Context<'_>) {
        let Some((id, terminal)) = self.wanted.take() else { return };
        if !self.select(&id, cx) {
            self.wanted = Some((id, terminal));
        } else if terminal {
            self.settle(cx);
            self.open_terminal(TerminalKind::Attach { start: true }, cx);
        }
    }
}
