//! What keys do on the images screen.

use std::sync::Arc;

use outcrop_layers::tree::NodeId;

use crate::action::Action;
use crate::content::{Content, Reading};
use crate::message::Request;
use crate::popup::{Choice, Input, LaunchForm, Menu, Popup, Purpose};
use crate::screen::Context;
use crate::screen::files::Tab;
use crate::screen::files::rows::{FileSort, is_folder};
use crate::screen::images::{Images, Pane, Panes, Sort};
use crate::screen::list::room;

impl Images {
    /// Handles an action; says whether it was one of this screen.
    pub(super) fn take_action(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        if self.compare.is_some() {
            return self.act_compare(action, cx);
        }
        if self.act_frame(action, cx) {
            return true;
        }
        match self.focus {
            Pane::List => self.act_list(action, cx),
            Pane::Strata => self.act_strata(action, cx),
            Pane::Files if self.files.tab == Tab::Waste => self.act_waste(action, cx),
            Pane::Files => self.act_files(action, cx),
            Pane::File => self.act_file(action, cx),
        }
    }

    fn act_files(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let height = self.files_height(cx);
        if self.files.content.is_none() {
            if action == Action::Open && matches!(self.reading, Reading::NeedsExport(_) | Reading::Failed(_)) {
                self.read_content(matches!(self.reading, Reading::NeedsExport(_)), cx);
                return true;
            }
            if action == Action::Left {
                self.focus = Pane::Strata;
            }
            return false;
        }
        if self.files.act(action, height, cx.requests) {
            return true;
        }
        match action {
            Action::Open => {
                let folder = self
                    .files
                    .node()
                    .zip(self.files.content.as_ref())
                    .is_some_and(|(n, c)| is_folder(&c.tree, n, self.files.view()));
                if folder || self.files.found.is_some() {
                    self.files.toggle(None, height, cx.requests);
                } else {
                    self.focus = Pane::File;
                }
            }
            Action::Sort => {
                let mut menu = Menu::new("Sort files");
                for (n, (sort, letter)) in FileSort::ALL.iter().zip(['s', 'n', 'w']).enumerate() {
                    menu = menu.with(letter, sort.word(), "", Choice::SortFiles(n));
                }
                let at = FileSort::ALL.iter().position(|s| *s == self.files.sort).unwrap_or(0);
                cx.popups.push(Popup::Menu(menu.on(at)));
            }
            _ => return self.act_on_file(action, cx),
        }
        true
    }

    fn act_waste(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let height = self.files_height(cx);
        let Some(content) = self.files.content.clone() else { return self.act_files(action, cx) };
        let room = self.waste_room(cx.look, self.files_inner(cx.area));
        if self.waste_cursor.act(action, content.waste.items.len(), room) {
            return true;
        }
        match action {
            Action::NextTab | Action::PreviousTab => self.files.act(action, height, cx.requests),
            Action::Open | Action::Right => {
                self.focus = Pane::File;
                true
            }
            Action::Left => {
                self.focus = Pane::Strata;
                true
            }
            _ => self.act_on_file(action, cx),
        }
    }

    fn act_file(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let area = Panes::of(self, cx.area).file;
        let room = usize::from(self.peek_room(cx.look, area));
        if action == Action::Left && self.file.left == 0 {
            self.focus = Pane::Files;
            return true;
        }
        self.file.scroll(action, room) || self.act_on_file(action, cx)
    }

    /// What can be done with the selected file, wherever it is selected.
    fn act_on_file(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let (Some(content), Some(node)) = (self.files.content.clone(), self.selected_node()) else { return false };
        match action {
            Action::Diff => self.diff(&content, node, cx),
            Action::Save => self.open_save_file(&content, node, cx),
            Action::Follow => self.follow_layer(&content, node, cx),
            _ => return false,
        }
        true
    }

    /// Selects the layer that wrote the selected version; asked again, the one before it.
    fn follow_layer(&mut self, content: &Content, node: NodeId, cx: &mut Context<'_>) {
        let writers: Vec<usize> = content.tree.versions(node).iter().map(|v| v.layer as usize).collect();
        let here = self.layer();
        let target = match writers.iter().position(|l| Some(*l) == here) {
            Some(0) | None => writers.last().copied(),
            Some(at) => Some(writers[at - 1]),
        };
        let Some(target) = target else { return cx.say("no layer wrote this") };
        let steps = self.current_known().map(|k| k.detail.steps.iter().rev().position(|s| s.layer == Some(target)));
        if let Some(Some(at)) = steps {
            let len = self.current_known().map_or(0, |k| k.detail.steps.len());
            self.step.set(at, len, Panes::of(self, cx.area).strata.height.saturating_sub(2));
            if self.files.tab == Tab::Waste {
                return;
            }
            let height = self.files_height(cx);
            self.files.set_layer(target, height, cx.requests);
            self.files.reveal(node, height, cx.requests);
        }
    }

    fn diff(&self, content: &Arc<Content>, node: NodeId, cx: &mut Context<'_>) {
        let versions = content.tree.versions(node);
        let upto = self.peek_layer().unwrap_or(usize::MAX);
        let written: Vec<usize> =
            versions.iter().filter(|v| !v.change.is_removal()).map(|v| v.layer as usize).collect();
        let at = written
            .iter()
            .rposition(|l| *l <= upto)
            .filter(|at| *at > 0)
            .or(written.len().checked_sub(1).filter(|at| *at > 0));
        let Some(at) = at else { return cx.say("only one layer wrote this: nothing to compare with") };
        let path = content.tree.path(node);
        cx.requests.push(Request::Diff { content: content.clone(), path, from: written[at - 1], to: written[at] });
    }

    fn act_frame(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        match action {
            Action::NextPane => self.focus = self.neighbour(1),
            Action::PreviousPane => self.focus = self.neighbour(-1),
            Action::Images => {
                self.zoom = false;
                self.focus = Pane::List;
            }
            Action::Zoom => self.zoom = !self.zoom,
            Action::Narrower => self.splits.left -= 2,
            Action::Wider => self.splits.left += 2,
            Action::Shorter => self.splits.strata -= 1,
            Action::Taller => self.splits.strata += 1,
            Action::Copy => self.open_copy(cx),
            Action::Inspect => self.open_inspect(cx),
            Action::Back => return self.back(cx),
            Action::Tag => self.open_tag(cx),
            Action::Remove => self.ask_remove(cx),
            Action::Prune => self.ask_prune(cx),
            Action::Load => Self::open_load(cx),
            Action::Pull => self.open_pull(cx),
            Action::Push => self.open_push(cx),
            Action::New => self.open_launch(cx),
            Action::Waste => {
                let height = self.files_height(cx);
                let tab =
                    if self.files.tab == Tab::Waste && self.focus == Pane::Files { Tab::Layer } else { Tab::Waste };
                self.files.set_tab(tab, height, cx.requests);
                self.focus = Pane::Files;
            }
            Action::Compare => self.open_compare(cx),
            Action::NextTab | Action::PreviousTab if self.focus != Pane::Files => {
                let height = self.files_height(cx);
                self.files.act(action, height, cx.requests);
            }
            Action::Filter if matches!(self.focus, Pane::Files | Pane::File) && self.files.content.is_some() => {
                self.focus = Pane::Files;
                let text = self.files.found.as_ref().map(|f| f.text.clone()).unwrap_or_default();
                let input =
                    Input::new("/", "any part of a path, fuzzy; enter goes there, esc ends", text, Purpose::Find);
                cx.popups.push(Popup::Input(input));
            }
            Action::NextMatch | Action::PreviousMatch if self.files.found.is_some() => {
                let step = if action == Action::NextMatch { Action::Down } else { Action::Up };
                let height = self.files_height(cx);
                self.files.act(step, height, cx.requests);
            }
            Action::Filter => {
                let input =
                    Input::new("/", "words, !not, size:>100MB, used:no", self.list.filter().text(), Purpose::Filter);
                cx.popups.push(Popup::Input(input));
            }
            _ => return false,
        }
        true
    }

    fn open_launch(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else {
            return cx.refuse("no image is here to run: o loads one, p pulls one, b builds one");
        };
        if !cx.is_read_only() {
            let (form, requests) = LaunchForm::new(row.reference());
            cx.requests.extend(requests);
            cx.popups.push(Popup::Launch(Box::new(form)));
        }
    }

    fn neighbour(&self, by: isize) -> Pane {
        const ORDER: [Pane; 4] = [Pane::List, Pane::Strata, Pane::Files, Pane::File];
        let at = ORDER.iter().position(|p| *p == self.focus).unwrap_or(0) as isize;
        ORDER[(at + by).rem_euclid(ORDER.len() as isize) as usize]
    }

    /// One step back; says whether there was one.
    fn back(&mut self, cx: &mut Context<'_>) -> bool {
        if self.zoom {
            self.zoom = false;
        } else if matches!(self.focus, Pane::Files | Pane::File) && self.files.leave_search(self.files_height(cx)) {
            self.focus = Pane::Files;
        } else if self.focus != Pane::List {
            self.focus = match self.focus {
                Pane::File => Pane::Files,
                Pane::Files => Pane::Strata,
                _ => Pane::List,
            };
        } else if self.list.unmark() {
            // That was the step.
        } else if !self.list.filter().is_empty() {
            self.set_filter("", cx);
        } else {
            return false;
        }
        true
    }

    fn act_list(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let before = self.list.selected();
        if self.list.act(action, room(Panes::of(self, cx.area).list)) {
            if self.list.selected() != before {
                self.first_step();
            }
            return true;
        }
        match action {
            Action::Open | Action::Right => self.focus = Pane::Strata,
            Action::Sort => {
                let sorts: Vec<_> = ['d', 'n', 's'].into_iter().zip(Sort::ALL.map(Sort::word)).collect();
                let at = Sort::ALL.iter().position(|sort| *sort == self.sort).unwrap_or(0);
                cx.popups.push(Popup::Menu(Menu::of_sorts("Sort images", &sorts, at)));
            }
            Action::Save => self.open_save(cx),
            _ => return false,
        }
        true
    }

    fn act_strata(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let Some(len) = self.current_known().map(|k| k.detail.steps.len()) else { return false };
        let height = Panes::of(self, cx.area).strata.height.saturating_sub(2);
        if self.step.act(action, len, height) {
            return true;
        }
        match action {
            Action::Left => self.focus = Pane::List,
            Action::Open | Action::Right => self.focus = Pane::Files,
            Action::Save => self.open_save(cx),
            _ => return false,
        }
        true
    }

    pub(crate) fn set_filter(&mut self, text: &str, cx: &mut Context<'_>) {
        let selected = self.list.selected();
        self.list.set_filter(text, cx);
        self.arrange(selected.as_deref(), cx.area);
    }
}
