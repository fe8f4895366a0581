//! Typed texts and the mouse on the containers screen.

use std::path::PathBuf;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::popup::{Input, Popup, Purpose};
use crate::screen::Context;
use crate::screen::containers::{Containers, Pane, Panes, Splitter, Tab};
use crate::work::{Task, Work};

impl Containers {
    /// Lines of the tab's text.
    fn room(&self, cx: &Context<'_>) -> u16 {
        Panes::of(self, cx.area).detail.height.saturating_sub(2)
    }

    pub(super) fn take_typing(&mut self, purpose: &Purpose, text: &str, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Filter => self.set_filter(text, cx),
            Purpose::Find => self.changes.typed(text, cx),
            Purpose::FilterFeed => self.set_feed_filter(text),
            Purpose::Search => {
                let room = self.room(cx);
                self.logs.look_for(text, room);
            }
            _ => {}
        }
    }

    pub(super) fn take_leaving(&mut self, purpose: &Purpose, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Filter => self.set_filter("", cx),
            Purpose::Find => self.changes.left(cx),
            Purpose::FilterFeed => self.set_feed_filter(""),
            Purpose::Search => self.logs.look_for("", 0),
            _ => {}
        }
    }

    pub(super) fn take_text(&mut self, purpose: Purpose, text: &str, cx: &mut Context<'_>) {
        let trimmed = text.trim();
        let task = match purpose {
            Purpose::Filter => return self.set_filter(text, cx),
            Purpose::FilterFeed => return self.set_feed_filter(text),
            Purpose::SaveRecording => return self.save_recording(text, cx),
            Purpose::OpenRecording => return self.open_recording(trimmed, cx),
            Purpose::SaveFile { layer, path } => return self.changes.save(layer, path, text, cx),
            Purpose::Rename(container) => {
                if let Some(wrong) = crate::launch::check::name(trimmed, &[]) {
                    return cx.refuse(format!("no container's name: {wrong}"));
                }
                let command = ["rename", &container.name, trimmed];
                let title = format!("rename {}", container.name);
                Task::new(title, &command, Work::Rename { container: container.clone(), name: trimmed.to_owned() })
            }
            Purpose::Commit(container) => {
                let (repository, tag) = crate::model::split_tag(trimmed);
                if repository.chars().any(|c| c.is_ascii_uppercase()) {
                    return cx.refuse(format!("a name must be lower case: {}", repository.to_lowercase()));
                }
                let (repository, tag) = (repository.to_owned(), tag.to_owned());
                let command = ["commit", &container.name, trimmed];
                let title = format!("commit {}", container.name);
                Task::new(title, &command, Work::Commit { container: container.clone(), repository, tag })
            }
            Purpose::ExportContainer(container, expected) => {
                let command = ["export", "-o", text, &container.name];
                let title = format!("export {}", container.name);
                let work = Work::Export { container: container.clone(), path: PathBuf::from(text), expected };
                Task::new(title, &command, work)
            }
            Purpose::CopyOutFrom(container) => {
                let name = trimmed.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty());
                let to = cx.save_to.join(format!("{}.tar", name.unwrap_or(&container.name))).display().to_string();
                let hint = "a tar of this name; an existing file is never replaced";
                let purpose = Purpose::CopyOutTo(container, trimmed.to_owned());
                let title = format!("Copy {trimmed} to this machine");
                return cx.popups.push(Popup::Input(Input::new(title, hint, to, purpose)));
            }
            Purpose::CopyInFrom(container) => {
                let hint = "an existing folder of the container";
                let purpose = Purpose::CopyInTo(container, trimmed.to_owned());
                let title = format!("Where does {trimmed} go?");
                return cx.popups.push(Popup::Input(Input::new(title, hint, "/", purpose)));
            }
            Purpose::CopyOutTo(container, from) => {
                let place = format!("{}:{from}", container.name);
                let work = Work::CopyOut { container, from, to: PathBuf::from(text) };
                Task::new(format!("copy {place}"), &["cp", &place, "-"], work)
            }
            Purpose::CopyInTo(container, from) => {
                let place = format!("{}:{trimmed}", container.name);
                let command = ["cp", &from, &place];
                let title = format!("copy to {place}");
                let work = Work::CopyIn { container, from: PathBuf::from(&from), to: trimmed.to_owned() };
                Task::new(title, &command, work)
            }
            _ => return,
        };
        cx.begin(task);
    }

    pub(super) fn take_mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        let panes = Panes::of(self, cx.area);
        let (x, y) = (event.column, event.row);
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.drag = panes.splitter(x, y);
                if self.drag.is_none() {
                    self.click(x, y, &panes, cx);
                }
            }
            MouseEventKind::Up(_) => self.drag = None,
            MouseEventKind::Drag(MouseButton::Left) => match self.drag {
                Some(Splitter::Left) => self.splits.left += x as i16 - panes.strata.x as i16,
                Some(Splitter::Strata) => self.splits.strata += y as i16 - panes.detail.y as i16,
                None => {}
            },
            MouseEventKind::ScrollUp => self.wheel(-3, x, y, &panes, cx),
            MouseEventKind::ScrollDown => self.wheel(3, x, y, &panes, cx),
            _ => {}
        }
    }

    fn click(&mut self, x: u16, y: u16, panes: &Panes, cx: &mut Context<'_>) {
        let Some(pane) = panes.at(x, y) else { return };
        self.focus = pane;
        match pane {
            Pane::List => self.list.click(y, panes.list),
            Pane::Detail if y == panes.detail.y => {
                // The tabs stand on the border, each between blanks or brackets.
                let hit = self.tabs_in(panes.detail).into_iter().rfind(|(_, at)| *at <= x);
                if let Some((tab, _)) = hit.filter(|(tab, at)| x < at + tab.word().len() as u16 + 2) {
                    self.set_tab(tab, cx);
                }
            }
            Pane::Detail if self.tab == Tab::Live => {
                let room = Self::feed_room(panes.detail);
                let first = self.feed().first_line(room);
                if let Some(line) = y.checked_sub(panes.detail.y + 1).filter(|line| *line < room) {
                    self.feed_mut().select(first + usize::from(line), room);
                }
            }
            Pane::Detail if self.tab == Tab::Changes && self.against.is_none() => {
                self.changes.click(x, y, panes.detail, cx);
            }
            Pane::Detail => {}
        }
    }

    fn wheel(&mut self, lines: isize, x: u16, y: u16, panes: &Panes, cx: &mut Context<'_>) {
        match panes.at(x, y) {
            Some(Pane::List) => self.list.wheel(lines, panes.list),
            Some(Pane::Detail) => match self.tab {
                Tab::Changes => {
                    if !self.wheel_against(lines, panes.detail) {
                        self.changes.wheel(lines, x, panes.detail, cx);
                    }
                }
                Tab::Live => {
                    let room = Self::feed_room(panes.detail);
                    self.feed_mut().wheel(lines, room);
                }
                Tab::Terminal => self.terminal_wheel(lines),
                Tab::Logs => self.logs.wheel(lines, self.room(cx)),
                _ => self.top = self.top.saturating_add_signed(lines).min(self.text_len()),
            },
            None => {}
        }
    }
}
