//! The files that two containers see, side by side: the changes of one against another's.

use std::sync::Arc;

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::action::Action;
use crate::client::differences::Difference;
use crate::content::{Content, Reading};
use crate::job::{Cancel, JobId};
use crate::message::{Data, Request};
use crate::pen::Pen;
use crate::popup::{Choice, Menu, Popup, letters};
use crate::screen::Context;
use crate::screen::containers::{Containers, Pane, Tab};
use crate::screen::differences::Differences;
use crate::theme::Role;

/// What the selected container is compared with.
pub(super) struct Against {
    /// The other container's name.
    name: String,
    /// Its files, once they are read.
    content: Option<Arc<Content>>,
    job: Option<(JobId, Cancel)>,
    differences: Differences,
}

impl Against {
    pub(super) fn is_read_by(&self, job: JobId) -> bool {
        self.job.as_ref().is_some_and(|(id, _)| *id == job)
    }
}

impl Containers {
    /// Asks which other container to compare with, unless one is marked; those of the same image come first.
    pub(super) fn open_compare(&mut self, cx: &mut Context<'_>) {
        let Some(current) = self.list.current() else { return };
        let mut others: Vec<_> = self.list.rows.iter().filter(|row| row.id != current.id).collect();
        if let Some(marked) = others.iter().find(|row| self.list.is_marked(row)).map(|row| row.id.clone()) {
            return self.compare_with(&marked, cx);
        }
        if others.is_empty() {
            return cx.say("there is no other container to compare with");
        }
        others.sort_by_key(|row| (row.image != current.image, row.name.clone()));
        let mut menu = Menu::new(format!("Compare {} with", current.name));
        for (row, letter) in others.into_iter().zip(letters()) {
            menu = menu.with(letter, row.name.clone(), row.image.clone(), Choice::Compare(row.id.clone()));
        }
        cx.popups.push(Popup::Menu(menu));
    }

    pub(super) fn compare_with(&mut self, other: &str, cx: &mut Context<'_>) {
        let (Some(left), Some(row)) = (self.list.current(), self.list.find(other)) else { return };
        let differences = Differences::between(left.id.clone(), row.id.clone());
        let name = row.name.clone();
        self.stop_comparing(cx);
        let (job, cancel) = cx.jobs.start(format!("read {name}"), true);
        cx.requests.push(Request::Changes { job, cancel: cancel.clone(), container: other.to_owned() });
        self.against = Some(Against { name, content: None, job: Some((job, cancel)), differences });
        self.focus = Pane::Detail;
        self.set_tab(Tab::Changes, cx);
        if self.changes.content().is_none() {
            self.read_changes(cx);
        }
    }

    /// Shows again what the container changed against its image.
    pub(super) fn stop_comparing(&mut self, cx: &mut Context<'_>) {
        if let Some((job, cancel)) = self.against.take().and_then(|against| against.job) {
            cancel.cancel();
            cx.jobs.cancel(job);
        }
    }

    /// The files of the other container, if it is its turn.
    pub(super) fn take_other(&mut self, container: &str, reading: &Reading, cx: &mut Context<'_>) {
        let Some(against) = self.against.as_mut().filter(|against| against.differences.right == container) else {
            return;
        };
        against.job = None;
        match reading {
            Reading::Ready(content) => against.content = Some(content.clone()),
            Reading::NeedsExport(why) | Reading::Failed(why) => against.differences.error = Some(why.clone()),
            Reading::Not | Reading::Running => {}
        }
        self.ask_differences(cx);
    }

    /// Asks for the differences as soon as both sides are read, and again when one was read anew.
    pub(super) fn ask_differences(&mut self, cx: &mut Context<'_>) {
        let Some(against) = &mut self.against else { return };
        match (&self.reading, &against.content) {
            (Reading::Ready(left), Some(right)) => {
                cx.requests.push(Request::Differences { left: left.clone(), right: right.clone() });
            }
            (Reading::NeedsExport(why) | Reading::Failed(why), _) => against.differences.error = Some(why.clone()),
            _ => {}
        }
    }

    /// Takes an answer; gives it back when it is about others.
    pub(super) fn set_differences(&mut self, left: String, right: String, mut list: Vec<Difference>) -> Option<Data> {
        let ours = self.against.as_mut().is_some_and(|against| against.differences.take(&left, &right, &mut list));
        (!ours).then_some(Data::Differences { left, right, list })
    }

    pub(super) fn act_against(&mut self, action: Action, area: Rect, cx: &mut Context<'_>) -> bool {
        let Some(against) = &mut self.against else { return false };
        if against.differences.act(action, area.height) {
            return true;
        }
        let ends = matches!(action, Action::Back | Action::Compare | Action::Left);
        if ends {
            self.stop_comparing(cx);
        }
        ends
    }

    /// Scrolls the differences; says whether they are shown.
    pub(super) fn wheel_against(&mut self, lines: isize, area: Rect) -> bool {
        let Some(against) = &mut self.against else { return false };
        against.differences.wheel(lines, area.height);
        true
    }

    pub(super) fn draw_against(&self, pen: &mut Pen<'_>, area: Rect, tabs: &[(&str, Style)], against: &Against) {
        let own = self.list.current().map_or("", |row| row.name.as_str());
        let about = format!(" vs {}{}", against.name, against.differences.about());
        let mut title = tabs.to_vec();
        title.push((&about, pen.look.style(Role::Dim)));
        against.differences.draw(pen, area, &title, [own, &against.name], self.focus == Pane::Detail);
    }
}
