//! The volumes as one of the screens.

use std::time::Duration;

use crossterm::event::MouseEvent;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::content::{Content, Reading};
use crate::job::{JobId, generation};
use crate::keymap::Scope;
use crate::message::{Data, Request};
use crate::pen::{Look, Pen};
use crate::popup::{Choice, FormPurpose, Purpose};
use crate::screen::volumes::{Pane, Panes, Sizes, Volumes};
use crate::screen::{Context, Screen};
use crate::size::plural;

/// How long a volume stays selected before its content is read.
const BEFORE_READING: Duration = Duration::from_millis(150);
/// How old sizes may be before a change has them measured again, in seconds: measuring walks every volume.
const STALE: i64 = 30;
/// How old they may be before a volume that has none has them measured again.
const SOON: i64 = 3;

impl Screen for Volumes {
    fn scope(&self) -> Scope {
        if self.focus == Pane::List { Scope::Volumes } else { Scope::Volume }
    }

    fn totals(&self, look: &Look) -> Vec<String> {
        let mut parts = vec![plural(self.list.rows.len() as u64, "volume", "volumes")];
        let bytes = |unused: bool| {
            let rows = self.list.rows.iter().filter(|row| !unused || !row.is_used());
            rows.filter_map(|row| self.sizes.of(&row.name)).sum::<u64>()
        };
        if bytes(false) > 0 {
            parts.push(look.size(bytes(false)));
            parts.push(format!("{} of it unused", look.size(bytes(true))));
        }
        parts
    }

    fn filter_text(&self) -> &str {
        self.list.filter().text()
    }

    fn open(&mut self, cx: &mut Context<'_>) -> bool {
        if self.opened {
            // Of what is written into a volume no engine tells.
            if matches!(self.sizes, Sizes::Known(_, at) if cx.now - at >= STALE) {
                self.measure(cx);
            }
            return false;
        }
        self.opened = true;
        cx.log.add(&["volume", "ls"]);
        cx.requests.extend([Request::Volumes, Request::VolumePasts]);
        self.measure(cx);
        true
    }

    fn changed(&mut self, cx: &mut Context<'_>) {
        if !self.opened {
            return;
        }
        cx.requests.extend([Request::Volumes, Request::VolumePasts]);
        if !matches!(self.sizes, Sizes::Known(_, at) if cx.now - at < STALE) {
            self.measure(cx);
        }
    }

    fn refresh(&mut self, cx: &mut Context<'_>) {
        self.changed(cx);
        self.measure(cx);
        self.read(cx);
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        self.take_action(action, cx)
    }

    fn mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        self.take_mouse(event, cx);
    }

    fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        match data {
            Data::Volumes(rows) => {
                self.set_rows(rows, cx.area);
                let unknown = self.list.rows.iter().any(|row| self.sizes.of(&row.name).is_none());
                if unknown && matches!(self.sizes, Sizes::Known(_, at) if cx.now - at > SOON) {
                    self.measure(cx);
                }
            }
            Data::VolumeSizes(result) => {
                let selected = self.list.selected();
                let size = |screen: &Self| selected.as_ref().and_then(|name| screen.sizes.of(name));
                let before = size(self);
                self.sizes = match result {
                    Ok(sizes) => Sizes::Known(sizes.into_iter().collect(), cx.now),
                    Err(why) => Sizes::Failed(why),
                };
                if before.is_some() && before != size(self) {
                    // What is shown of it is older than its size.
                    self.read(cx);
                }
                self.arrange(selected.as_deref(), cx.area);
            }
            Data::VolumePasts(pasts) => self.pasts.extend(pasts),
            Data::VolumeContent { volume, reading } => self.set_content(&volume, reading, cx),
            other => return self.files.data(other, cx),
        }
        None
    }

    fn waited(&mut self, token: u64, cx: &mut Context<'_>) {
        if token == self.wait {
            self.read(cx);
        } else {
            self.files.waited(token, cx);
        }
    }

    fn cancelled(&mut self, job: JobId) {
        if self.reading_job.take_if(|(id, _)| *id == job).is_some() {
            self.reading = Reading::Failed("cancelled".into());
        }
    }

    fn settle(&mut self, cx: &mut Context<'_>) {
        self.now = cx.now;
        let selected = self.list.selected();
        if self.followed == selected {
            return;
        }
        self.followed = selected;
        if let Some((job, cancel)) = self.reading_job.take() {
            cancel.cancel();
            cx.jobs.cancel(job);
        }
        self.reading = Reading::Not;
        self.written = None;
        self.files.set(None, None, None, cx);
        if self.followed.is_some() {
            self.wait = generation();
            cx.requests.push(Request::Wait(BEFORE_READING, self.wait));
        }
    }

    fn typed(&mut self, purpose: &Purpose, text: &str, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Filter => self.set_filter(text, cx),
            Purpose::Find => self.files.typed(text, cx),
            _ => {}
        }
    }

    fn entered(&mut self, purpose: Purpose, text: &str, cx: &mut Context<'_>) {
        self.take_text(purpose, text, cx);
    }

    fn left(&mut self, purpose: &Purpose, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Filter => self.set_filter("", cx),
            Purpose::Find => self.files.left(cx),
            _ => {}
        }
    }

    fn filled(&mut self, purpose: FormPurpose, texts: &[String], cx: &mut Context<'_>) {
        match purpose {
            FormPurpose::NewVolume => Self::take_form(texts, cx),
            FormPurpose::Build => {}
        }
    }

    fn chose(&mut self, choice: Choice, cx: &mut Context<'_>) {
        self.take_choice(choice, cx);
    }

    fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
        let panes = Panes::of(self, area);
        self.draw_list(pen, panes.list);
        self.draw_facts(pen, panes.facts);
        self.draw_files(pen, panes.files);
        None
    }
}

impl Volumes {
    /// Has every volume measured; the older sizes stay until the new ones are there.
    fn measure(&mut self, cx: &mut Context<'_>) {
        let sizes = match std::mem::take(&mut self.sizes) {
            Sizes::Running(sizes) => {
                self.sizes = Sizes::Running(sizes);
                return;
            }
            Sizes::Known(sizes, _) => sizes,
            Sizes::Not | Sizes::Failed(_) => std::collections::HashMap::new(),
        };
        self.sizes = Sizes::Running(sizes);
        cx.requests.push(Request::VolumeSizes);
    }

    fn set_content(&mut self, volume: &str, reading: Reading, cx: &mut Context<'_>) {
        if self.followed.as_deref() != Some(volume) {
            return;
        }
        self.reading_job = None;
        if let Reading::Ready(content) = &reading {
            self.written = newest(content);
            if self.files.content().is_some() {
                self.files.renew(content, None, None, cx);
            } else {
                self.files.set(Some(content.clone()), None, None, cx);
            }
        }
        self.reading = reading;
    }
}

/// When something was last written, seconds since 1970.
fn newest(content: &Content) -> Option<i64> {
    let entries = (0..content.tree.layers()).flat_map(|layer| content.tree.layer(layer).entries());
    entries.filter(|entry| !entry.is_implied()).map(|entry| entry.mtime().seconds).max()
}
