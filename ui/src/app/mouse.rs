//! What the mouse does outside the panes, and whether it is ours.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use crate::app::App;
use crate::message::Request;
use crate::theme::Role;

impl App {
    pub(super) fn switch_mouse(&mut self) {
        self.setup.mouse = !self.setup.mouse;
        let text =
            if self.setup.mouse { "the mouse works here again" } else { "the mouse selects text; m takes it back" };
        self.notice = Some((text.into(), Role::Text));
        self.requests.push(Request::Mouse(self.setup.mouse));
    }

    pub(super) fn mouse(&mut self, event: MouseEvent) -> bool {
        if self.is_too_small() || matches!(event.kind, MouseEventKind::Moved) {
            return false;
        }
        let lines = match event.kind {
            MouseEventKind::ScrollUp => -3,
            MouseEventKind::ScrollDown => 3,
            _ => 0,
        };
        let area = self.area;
        if let Some(popup) = self.popups.last_mut() {
            if event.kind == MouseEventKind::Down(MouseButton::Left) {
                let outcome = popup.click(Position::new(event.column, event.row), area);
                self.outcome(outcome);
                return true;
            }
            if lines != 0 {
                popup.wheel(lines, area);
            }
            return lines != 0;
        }
        if event.kind == MouseEventKind::Down(MouseButton::Left) && event.row == self.area.y + 1 {
            self.click_tabs(event.column);
            return true;
        }
        self.with(|screens, cx| screens.current_mut().mouse(event, cx));
        true
    }
}
