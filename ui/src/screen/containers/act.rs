//! What keys do on the containers screen.

use crate::action::Action;
use crate::content::Reading;
use crate::message::{Request, TerminalKind};
use crate::popup::{Choice, Input, LaunchForm, Menu, Popup, Purpose};
use crate::screen::Context;
use crate::screen::containers::{Containers, Pane, Panes, Sort, Tab};
use crate::screen::list::room;
use crate::work::{Task, Verb, Work};

impl Containers {
    pub(super) fn take_action(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        // What a tab does itself comes first: leaving a search is a step back, too.
        if self.focus == Pane::Detail && self.act_in_tab(action, cx) {
            return true;
        }
        self.act_on_frame(action, cx) || self.act_on_containers(action, cx) || self.act_on_list(action, cx)
    }

    fn act_on_frame(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        match action {
            Action::NextPane | Action::PreviousPane => {
                self.focus = if self.focus == Pane::List { Pane::Detail } else { Pane::List };
            }
            Action::Containers => {
                self.zoom = false;
                self.focus = Pane::List;
            }
            Action::Zoom => self.zoom = !self.zoom,
            Action::Narrower => self.splits.left -= 2,
            Action::Wider => self.splits.left += 2,
            Action::Shorter => self.splits.strata -= 1,
            Action::Taller => self.splits.strata += 1,
            Action::NextTab => self.set_tab(self.tab.step(1), cx),
            Action::PreviousTab => self.set_tab(self.tab.step(-1), cx),
            Action::Back => return self.back(cx),
            Action::Logs => {
                self.focus = Pane::Detail;
                self.set_tab(Tab::Logs, cx);
            }
            Action::Live => {
                self.focus = Pane::Detail;
                self.set_tab(Tab::Live, cx);
            }
            Action::Inspect => {
                if let Some(row) = self.list.current() {
                    cx.log.add(&["inspect", &row.name]);
                }
                self.focus = Pane::Detail;
                self.set_tab(Tab::Inspect, cx);
            }
            Action::Filter => {
                let hint = "words, !not, used:yes for what runs";
                cx.popups.push(Popup::Input(Input::new("/", hint, self.list.filter().text(), Purpose::Filter)));
            }
            _ => return false,
        }
        true
    }

    /// One step back; says whether there was one.
    fn back(&mut self, cx: &mut Context<'_>) -> bool {
        if self.zoom {
            self.zoom = false;
        } else if self.focus == Pane::Detail {
            self.focus = Pane::List;
        } else if self.list.unmark() {
            // That was the step.
        } else if !self.list.filter().is_empty() {
            self.set_filter("", cx);
        } else {
            return false;
        }
        true
    }

    pub(super) fn set_filter(&mut self, text: &str, cx: &mut Context<'_>) {
        let selected = self.list.selected();
        self.list.set_filter(text, cx);
        self.arrange(selected.as_deref(), cx.area);
    }

    fn act_in_tab(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let area = Panes::of(self, cx.area).detail;
        let room = area.height.saturating_sub(2);
        match self.tab {
            Tab::Changes if self.against.is_some() => self.act_against(action, area, cx),
            Tab::Changes => {
                let offers = matches!(self.reading, Reading::NeedsExport(_) | Reading::Failed(_));
                if action == Action::Open && self.changes.content().is_none() && offers {
                    self.read_changes(cx);
                    return true;
                }
                let looks = std::mem::take(&mut self.looks);
                let done = self.changes.act(action, area, &looks, cx);
                self.looks = looks;
                done
            }
            Tab::Live => self.act_in_live(action, cx),
            Tab::Terminal if action == Action::Open => {
                self.enter_terminal(cx);
                true
            }
            Tab::Terminal => false,
            Tab::Logs if action == Action::Filter => {
                let hint = "any part of a line; n and N go on";
                cx.popups.push(Popup::Input(Input::new("/", hint, self.logs.search.clone(), Purpose::Search)));
                true
            }
            Tab::Logs => self.logs.act(action, room),
            Tab::Mounts | Tab::Processes | Tab::Inspect => self.scroll(action, usize::from(room)),
        }
    }

    fn scroll(&mut self, action: Action, room: usize) -> bool {
        let last = self.text_len().saturating_sub(room);
        let top = self.top.min(last);
        self.top = match action {
            Action::Up => top.saturating_sub(1),
            Action::Down => (top + 1).min(last),
            Action::PageUp => top.saturating_sub(room),
            Action::PageDown => (top + room).min(last),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        };
        true
    }

    fn act_on_containers(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        match action {
            Action::Start => self.start(cx),
            Action::Stop => self.ask_stop(Verb::Stop, cx),
            Action::Kill => self.ask_stop(Verb::Kill, cx),
            Action::Pause => self.pause(cx),
            Action::Shell => self.open_terminal(TerminalKind::Shell, cx),
            Action::Attach => {
                let start = self.list.current().is_some_and(|row| !row.state.is_alive());
                self.open_terminal(TerminalKind::Attach { start }, cx);
            }
            Action::Rename => self.open_rename(cx),
            Action::Commit => self.open_commit(cx),
            Action::Export => self.open_export(cx),
            Action::CopyFiles => self.open_copy_files(cx),
            Action::Remove => self.ask_remove(cx),
            Action::Prune => self.ask_prune(cx),
            Action::Copy => self.open_copy(cx),
            Action::Compare => self.open_compare(cx),
            Action::New => {
                if !cx.is_read_only() {
                    let image = self.list.current().map(|row| row.image.clone()).unwrap_or_default();
                    let (form, requests) = LaunchForm::new(image);
                    cx.requests.extend(requests);
                    cx.popups.push(Popup::Launch(Box::new(form)));
                }
            }
            _ => return false,
        }
        true
    }

    /// Starts what does not run; what runs is started anew.
    fn start(&mut self, cx: &mut Context<'_>) {
        let chosen = self.list.chosen();
        let alive = chosen.iter().filter(|row| row.state.is_alive()).count();
        if alive == 0 {
            self.each(Verb::Start, cx);
        } else if alive == chosen.len() {
            let menu = Menu::new("It runs already")
                .with('r', "restart", "ends its processes and starts it anew", Choice::Restart)
                .with('c', "leave it", "", Choice::Nothing);
            cx.popups.push(Popup::Menu(menu));
        } else {
            cx.refuse("some of the marked run, some do not: mark one kind");
        }
    }

    fn pause(&mut self, cx: &mut Context<'_>) {
        let paused = self.list.chosen().iter().all(|row| row.state == crate::model::State::Paused);
        self.each(if paused { Verb::Unpause } else { Verb::Pause }, cx);
    }

    /// Does something to each of the chosen.
    pub(super) fn each(&mut self, verb: Verb, cx: &mut Context<'_>) {
        if let Some(task) = self.each_task(verb) {
            cx.begin(task);
        }
    }

    pub(super) fn each_task(&self, verb: Verb) -> Option<Task> {
        let containers: Vec<_> = self.list.chosen().into_iter().map(Self::named).collect();
        let first = containers.first()?;
        let title = match containers.len() {
            1 => format!("{} {}", verb.word(), first.name),
            n => format!("{} {n} containers", verb.word()),
        };
        let mut command = vec![verb.word().to_owned()];
        command.extend(containers.iter().map(|container| container.name.clone()));
        Some(Task { title, commands: vec![command], work: Work::Each { verb, containers } })
    }

    fn act_on_list(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        if self.focus != Pane::List {
            if action == Action::Left {
                self.focus = Pane::List;
            }
            return false;
        }
        if self.list.act(action, room(Panes::of(self, cx.area).list)) {
            return true;
        }
        match action {
            Action::Open | Action::Right => self.focus = Pane::Detail,
            Action::OnlyRunning => {
                self.only_running = !self.only_running;
                let selected = self.list.selected();
                self.arrange(selected.as_deref(), cx.area);
            }
            Action::Sort => {
                let sorts: Vec<_> = ['r', 'd', 'n', 'i'].into_iter().zip(Sort::ALL.map(Sort::word)).collect();
                let at = Sort::ALL.iter().position(|sort| *sort == self.sort).unwrap_or(0);
                cx.popups.push(Popup::Menu(Menu::of_sorts("Sort containers", &sorts, at)));
            }
            _ => return false,
        }
        true
    }

    /// Has the writable layer of the selected container read.
    pub(super) fn read_changes(&mut self, cx: &mut Context<'_>) {
        if let Some(row) = self.list.current().filter(|_| !matches!(self.reading, Reading::Running)) {
            cx.log.add(&["diff", &row.name]);
        }
        self.read_again(cx);
    }

    /// The same because of what a watch told.
    pub(super) fn read_again(&mut self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        if matches!(self.reading, Reading::Running) {
            return;
        }
        let (id, name) = (row.id.clone(), row.name.clone());
        self.live.count();
        let (job, cancel) = cx.jobs.start(format!("read {name}"), true);
        self.reading = Reading::Running;
        self.reading_job = Some((job, cancel.clone()));
        cx.requests.push(Request::Changes { job, cancel, container: id });
    }
}
