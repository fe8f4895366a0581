//! The images as one of the screens.

use crossterm::event::MouseEvent;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::job::JobId;
use crate::keymap::Scope;
use crate::message::{Data, Request};
use crate::pen::{Look, Pen};
use crate::popup::{Choice, Purpose};
use crate::screen::files::Tab;
use crate::screen::images::{Images, Pane, Panes, ask};
use crate::screen::{Context, Screen};
use crate::size::plural;

impl Screen for Images {
    fn scope(&self) -> Scope {
        if self.compare.is_some() {
            return Scope::Compare;
        }
        match self.focus {
            Pane::List => Scope::Images,
            Pane::Strata => Scope::Strata,
            Pane::Files if self.files.tab == Tab::Waste => Scope::Waste,
            Pane::Files => Scope::Files,
            Pane::File => Scope::File,
        }
    }

    fn totals(&self, look: &Look) -> Vec<String> {
        let totals = self.totals;
        let mut parts = vec![plural(totals.images, "image", "images")];
        if totals.images > 0 {
            let about = if totals.partial { "at least " } else { "" };
            parts.push(format!("{about}{} on disk", look.size(totals.bytes)));
            if totals.shared > 0 {
                parts.push(format!("{} of it shared", look.size(totals.shared)));
            }
        }
        parts
    }

    fn filter_text(&self) -> &str {
        self.list.filter().text()
    }

    fn open(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.list.loaded {
            cx.log.add(&["images"]);
            cx.requests.push(Request::List);
        }
        !self.list.loaded
    }

    fn changed(&mut self, cx: &mut Context<'_>) {
        cx.requests.push(Request::List);
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        self.take_action(action, cx)
    }

    fn mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        self.take_mouse(event, cx);
    }

    fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        match data {
            Data::Images(rows) => self.set_rows(rows, cx.now, cx),
            Data::Details(details) => self.set_details(details, cx.look),
            Data::Content { image, reading } => self.set_content(&image, reading, cx),
            Data::Rows { generation, rows } => return self.set_built(generation, rows, cx),
            Data::Found { generation, nodes, total } => return self.set_found(generation, nodes, total, cx),
            Data::Peek { generation, result } if self.file.generation == generation => self.file.peek = Some(result),
            Data::Differences { left, right, list } => return self.set_differences(left, right, list),
            Data::Conflict { references, why } => ask::ask_force(references, &why, cx),
            other => return Some(other),
        }
        None
    }

    fn waited(&mut self, token: u64, cx: &mut Context<'_>) {
        self.take_wait(token, cx);
    }

    fn cancelled(&mut self, job: JobId) {
        self.take_cancel(job);
    }

    fn settle(&mut self, cx: &mut Context<'_>) {
        self.take_steps(cx);
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
        self.take_choice(&choice, cx);
    }

    fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
        let panes = Panes::of(self, area);
        if let Some(compare) = &self.compare {
            self.draw_compare(pen, area, compare);
            return None;
        }
        self.draw_list(pen, panes.list);
        self.draw_layer(pen, panes.layer);
        self.draw_strata(pen, panes.strata);
        self.draw_files(pen, panes.files);
        self.draw_file_pane(pen, panes.file);
        None
    }
}
