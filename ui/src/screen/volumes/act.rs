//! What keys and the mouse do on the volumes screen.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::action::Action;
use crate::content::Reading;
use crate::message::Request;
use crate::popup::{Input, Line, Menu, Popup, Purpose, Text};
use crate::screen::Context;
use crate::screen::list::room;
use crate::screen::volumes::{Pane, Panes, Sort, Splitter, Volumes};

impl Volumes {
    pub(super) fn take_action(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        if self.focus == Pane::Files {
            let area = Panes::of(self, cx.area).files;
            if action == Action::Open && matches!(self.reading, Reading::Failed(_)) {
                self.read(cx);
                return true;
            }
            if self.files.act(action, area, &[], cx) {
                return true;
            }
        }
        self.act_on_frame(action, cx) || self.act_on_volumes(action, cx) || self.act_on_list(action, cx)
    }

    fn act_on_frame(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        match action {
            Action::NextPane | Action::PreviousPane => {
                self.focus = if self.focus == Pane::List { Pane::Files } else { Pane::List };
            }
            Action::Volumes => {
                self.zoom = false;
                self.focus = Pane::List;
            }
            Action::Zoom => self.zoom = !self.zoom,
            Action::Narrower => self.splits.left -= 2,
            Action::Wider => self.splits.left += 2,
            Action::Shorter => self.splits.facts -= 1,
            Action::Taller => self.splits.facts += 1,
            Action::Back => return self.back(cx),
            Action::Filter => {
                let hint = "words, !not, size:>100MB, used:no";
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
        } else if self.focus == Pane::Files {
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

    fn act_on_volumes(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        match action {
            Action::New => Self::open_new(cx),
            Action::Clone => self.open_clone(cx),
            Action::Save => self.open_backup(cx),
            Action::Load => self.open_restore(cx),
            Action::Remove => self.ask_remove(cx),
            Action::Prune => self.open_prune(cx),
            Action::Copy => self.open_copy(cx),
            Action::Inspect => {
                if let Some(row) = self.list.current() {
                    cx.log.add(&["volume", "inspect", &row.name]);
                    let lines = row.inspect.lines().map(Line::plain).collect();
                    cx.popups.push(Popup::Text(Text::new(format!("Inspect {}", row.name), lines).wide()));
                }
            }
            _ => return false,
        }
        true
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
            Action::Open | Action::Right => self.focus = Pane::Files,
            Action::Sort => {
                let sorts: Vec<_> = ['n', 's', 'd', 'u'].into_iter().zip(Sort::ALL.map(Sort::word)).collect();
                let at = Sort::ALL.iter().position(|sort| *sort == self.sort).unwrap_or(0);
                cx.popups.push(Popup::Menu(Menu::of_sorts("Sort volumes", &sorts, at)));
            }
            _ => return false,
        }
        true
    }

    /// Has the selected volume's content read.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        if matches!(self.reading, Reading::Running) {
            return;
        }
        let (volume, mountpoint) = (row.name.clone(), row.mountpoint.clone());
        let through = row.users.iter().max_by_key(|user| user.alive).map(|user| (user.id.clone(), user.target.clone()));
        let (job, cancel) = cx.jobs.start(format!("read {}", super::draw::label(&volume)), true);
        self.reading = Reading::Running;
        self.reading_job = Some((job, cancel.clone()));
        cx.requests.push(Request::VolumeContent { job, cancel, volume, mountpoint, through });
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
                Some(Splitter::Left) => self.splits.left += x as i16 - panes.facts.x as i16,
                Some(Splitter::Facts) => self.splits.facts += y as i16 - panes.files.y as i16,
                None => {}
            },
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let lines = if event.kind == MouseEventKind::ScrollUp { -3 } else { 3 };
                match panes.at(x, y) {
                    Some(Pane::List) => self.list.wheel(lines, panes.list),
                    Some(Pane::Files) => self.files.wheel(lines, x, panes.files, cx),
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn click(&mut self, x: u16, y: u16, panes: &Panes, cx: &mut Context<'_>) {
        let Some(pane) = panes.at(x, y) else { return };
        self.focus = pane;
        if pane == Pane::Files {
            return self.files.click(x, y, panes.files, cx);
        }
        self.list.click(y, panes.list);
    }
}
