//! Click, wheel and drag on the images screen.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Margin;

use crate::pen::Look;
use crate::screen::Context;
use crate::screen::files::Tab;
use crate::screen::images::panes::Splitter;
use crate::screen::images::{Images, Pane, Panes};

impl Images {
    /// Click, wheel and drag.
    pub(super) fn take_mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        if self.compare.is_some() {
            match event.kind {
                MouseEventKind::ScrollUp => self.wheel_compare(-3, cx.area),
                MouseEventKind::ScrollDown => self.wheel_compare(3, cx.area),
                _ => {}
            }
            return;
        }
        let panes = Panes::of(self, cx.area);
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.drag = panes.splitter(event.column, event.row);
                if self.drag.is_none() {
                    self.click(event.column, event.row, &panes, cx);
                }
            }
            MouseEventKind::Up(_) => self.drag = None,
            MouseEventKind::Drag(MouseButton::Left) => self.drag_border(event, &panes),
            MouseEventKind::ScrollUp => self.wheel(event, -3, &panes, cx.look),
            MouseEventKind::ScrollDown => self.wheel(event, 3, &panes, cx.look),
            _ => {}
        }
    }

    fn drag_border(&mut self, event: MouseEvent, panes: &Panes) {
        let by = |to: u16, from: u16| to as i16 - from as i16;
        match self.drag {
            Some(Splitter::Left) => self.splits.left += by(event.column, panes.strata.x),
            Some(Splitter::Strata) => self.splits.strata += by(event.row, panes.files.y.max(panes.file.y)),
            Some(Splitter::File) => self.splits.file -= by(event.column, panes.file.x),
            None => {}
        }
    }

    fn click(&mut self, x: u16, y: u16, panes: &Panes, cx: &mut Context<'_>) {
        let Some((pane, area)) = panes.at(x, y) else { return };
        self.focus = pane;
        if y <= area.y || y + 1 >= area.bottom() {
            return;
        }
        let (line, room) = (y - area.y - 1, area.height - 2);
        match pane {
            Pane::List => {
                let before = self.list.selected();
                self.list.click(y, area);
                if self.list.selected() != before {
                    self.first_step();
                }
            }
            Pane::Strata => {
                if let (Some(at), Some(known)) = (self.step_at(line, room), self.current_known()) {
                    let len = known.detail.steps.len();
                    self.step.set(at, len, room);
                }
            }
            Pane::Files => self.click_files(line, room, cx),
            Pane::File => {}
        }
    }

    fn click_files(&mut self, line: u16, room: u16, cx: &mut Context<'_>) {
        if self.files.tab == Tab::Waste {
            let list = self.waste_room(cx.look, self.files_inner(cx.area));
            let len = self.files.content.as_ref().map_or(0, |c| c.waste.items.len());
            if let Some(line) = line.checked_sub(room.saturating_sub(list + 1)).filter(|l| *l < list) {
                let at = self.waste_cursor.first(len, list) + usize::from(line);
                self.waste_cursor.set(at, len, list);
            }
            return;
        }
        let (height, len) = (room.saturating_sub(1), self.files.len());
        let at = self.files.cursor.first(len, height) + usize::from(line);
        if at < len && line < height {
            // A click on the selected folder opens or closes it.
            if self.files.cursor.at == at {
                self.files.toggle(None, height, cx.requests);
            } else {
                self.files.cursor.set(at, len, height);
            }
        }
    }

    fn wheel(&mut self, event: MouseEvent, lines: isize, panes: &Panes, look: &Look) {
        let Some((pane, area)) = panes.at(event.column, event.row) else { return };
        let room = area.height.saturating_sub(2);
        match pane {
            Pane::List => {
                let before = self.list.selected();
                self.list.wheel(lines, area);
                if self.list.selected() != before {
                    self.first_step();
                }
            }
            Pane::Strata => {
                let len = self.current_known().map_or(0, |k| k.detail.steps.len());
                self.step.wheel(lines.signum(), len, room);
            }
            Pane::Files if self.files.tab == Tab::Waste => {
                let list = self.waste_room(look, area.inner(Margin::new(1, 1)));
                let len = self.files.content.as_ref().map_or(0, |c| c.waste.items.len());
                self.waste_cursor.wheel(lines, len, list);
            }
            Pane::Files => {
                let len = self.files.len();
                self.files.cursor.wheel(lines, len, room.saturating_sub(1));
            }
            Pane::File => self.file.top = self.file.top.saturating_add_signed(lines),
        }
    }
}
