//! What keys and the mouse do on the disk screen.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use crate::action::Action;
use crate::model::{Thing, short};
use crate::popup::{Confirm, Line, Menu, Popup};
use crate::screen::Context;
use crate::screen::disk::panes::Panes;
use crate::screen::disk::{Disk, Pane, Sort};
use crate::size::plural;
use crate::theme::Role;
use crate::work::{Named, Task, Work};

impl Disk {
    pub(super) fn take_action(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let panes = Panes::of(self, cx.area);
        if self.focus == Pane::Map && self.act_map(action, panes.map_room()) {
            self.freed = self.kept.freed(&self.marks);
            return true;
        }
        let room = panes.list_room().height;
        if self.cursor.act(action, self.rows.len(), room) {
            return true;
        }
        match action {
            Action::NextPane | Action::PreviousPane | Action::NextTab | Action::PreviousTab => {
                self.focus = if self.focus == Pane::Map { Pane::List } else { Pane::Map };
            }
            Action::Sort => {
                let sorts: Vec<_> = ['k', 's', 'f'].into_iter().zip(Sort::ALL.map(Sort::word)).collect();
                let at = Sort::ALL.iter().position(|sort| *sort == self.sort).unwrap_or(0);
                cx.popups.push(Popup::Menu(Menu::of_sorts("Sort what holds the disk", &sorts, at)));
            }
            Action::Zoom => self.zoom = !self.zoom,
            Action::Back if self.zoom => self.zoom = false,
            Action::Mark => {
                if let Some(thing) = self.current().map(|row| row.thing.clone())
                    && !self.marks.remove(&thing)
                {
                    self.marks.insert(thing);
                }
                self.cursor.act(Action::Down, self.rows.len(), room);
            }
            Action::MarkAll if self.marks.len() == self.rows.len() => self.marks.clear(),
            Action::MarkAll => self.marks = self.rows.iter().map(|row| row.thing.clone()).collect(),
            Action::Back if self.focus == Pane::Map => self.focus = Pane::List,
            Action::Back if !self.marks.is_empty() => self.marks.clear(),
            Action::Prune => {
                self.marks = self.kept.unreferenced();
                if self.marks.is_empty() {
                    cx.say("nothing is here that nothing refers to");
                } else {
                    cx.say("marked what nothing refers to; delete removes it, esc leaves it");
                }
            }
            Action::Remove => self.ask(cx),
            _ => return false,
        }
        self.freed = self.kept.freed(&self.marks);
        true
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        if self.marks.is_empty() {
            self.marks.extend(self.current().map(|row| row.thing.clone()));
            self.freed = self.kept.freed(&self.marks);
        }
        if self.freed.going.is_empty() {
            let why = self.freed.kept.first().cloned();
            return cx.refuse(why.map_or("nothing is marked".into(), |why| format!("nothing can go: {why}")));
        }
        let going = || self.rows.iter().filter(|row| self.freed.going.contains(&row.thing));
        let mut lines: Vec<Line> =
            going().map(|row| Line::plain(format!("{}  ", row.name)).and(cx.look.size(row.bytes), Role::Dim)).collect();
        lines.extend(self.freed.kept.iter().map(|why| Line::of(format!("stays: {why}"), Role::Dim)));
        lines.push(Line::default());
        lines.push(Line::plain("frees ").and(cx.look.size(self.freed.bytes), Role::Accent));
        let (mut containers, mut volumes, mut images) = (Vec::new(), Vec::new(), Vec::new());
        for row in going() {
            match &row.thing {
                Thing::Container(id) => containers.push(Named { id: id.clone(), name: row.name.clone() }),
                Thing::Volume(name) => volumes.push(name.clone()),
                // None of them goes.
                Thing::Folder(_) => {}
                Thing::Image(id) => {
                    let tags = self.kept.images.iter().find(|image| image.id == *id).map(|image| image.tags.clone());
                    let tags = tags.filter(|tags| !tags.is_empty());
                    images.extend(tags.unwrap_or_else(|| vec![short(id).to_owned()]));
                }
            }
        }
        let words = |command: &[&str], names: Vec<String>| {
            let command = command.iter().map(|&word| word.to_owned());
            (!names.is_empty()).then(|| command.chain(names).collect::<Vec<String>>())
        };
        let names = containers.iter().map(|container| container.name.clone()).collect();
        let commands =
            [words(&["rm"], names), words(&["volume", "rm"], volumes.clone()), words(&["rmi"], images.clone())];
        let is_lost = !volumes.is_empty() || !containers.is_empty();
        if is_lost {
            lines.push(Line::of("what is in a volume or a writable layer is nowhere else", Role::Bad));
        }
        let count = self.freed.going.len() as u64;
        let task = Task {
            title: format!("remove {}", plural(count, "thing", "things")),
            commands: commands.into_iter().flatten().collect(),
            work: Work::RemoveAll { containers, volumes: volumes.clone(), images },
        };
        let title = format!("Remove {}?", plural(count, "thing", "things"));
        let confirm = Confirm::new(title, lines, vec![crate::message::Request::Begin(task)]);
        // Volumes hold what people made: their removal is typed.
        cx.popups.push(Popup::Confirm(if volumes.is_empty() { confirm } else { confirm.typing("remove") }));
    }

    pub(super) fn take_mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        let panes = Panes::of(self, cx.area);
        let point = Position::new(event.column, event.row);
        let list = panes.list_room();
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) if panes.map.contains(point) => {
                self.focus = Pane::Map;
                self.click_map(point, panes.map_room());
            }
            MouseEventKind::Down(MouseButton::Left) if panes.list.contains(point) => {
                self.focus = Pane::List;
                let line = event.row.checked_sub(list.y).filter(|line| *line < list.height);
                let at = line.map(|line| self.cursor.first(self.rows.len(), list.height) + usize::from(line));
                if let Some(at) = at.filter(|at| *at < self.rows.len()) {
                    self.cursor.set(at, self.rows.len(), list.height);
                }
            }
            MouseEventKind::ScrollUp => self.cursor.wheel(-3, self.rows.len(), list.height),
            MouseEventKind::ScrollDown => self.cursor.wheel(3, self.rows.len(), list.height),
            _ => {}
        }
    }
}
