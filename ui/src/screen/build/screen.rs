//! The build screen as one of the screens.

use std::time::Duration;

use crossterm::event::MouseEvent;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::job::{JobId, generation};
use crate::keymap::Scope;
use crate::launch::Looked;
use crate::launch::check::Seen;
use crate::message::{Data, Request};
use crate::model::{News, Plan};
use crate::pen::{Look, Pen};
use crate::popup::{Choice, FormPurpose, Purpose};
use crate::screen::build::run::State;
use crate::screen::build::{Band, Build, Pane, Panes, Planned, Planning, is_dockerfile};
use crate::screen::{Context, Screen};
use crate::size::plural;

/// How long a Dockerfile stays selected before its plan is asked for: the folder is sent for that.
const BEFORE_PLANNING: Duration = Duration::from_millis(200);

impl Screen for Build {
    fn scope(&self) -> Scope {
        if self.focus == Pane::List { Scope::Build } else { Scope::Steps }
    }

    fn totals(&self, _look: &Look) -> Vec<String> {
        let found = self.found.as_ref().map_or(0, Vec::len) as u64;
        vec![plural(found, "Dockerfile", "Dockerfiles")]
    }

    fn open(&mut self, cx: &mut Context<'_>) -> bool {
        if self.opened {
            return false;
        }
        self.opened = true;
        self.go(&cx.save_to.display().to_string(), None, cx);
        true
    }

    /// Other images change nothing here that is worth sending the folder for: `refresh` asks anew.
    fn changed(&mut self, _cx: &mut Context<'_>) {}

    fn refresh(&mut self, cx: &mut Context<'_>) {
        // What was built gives way to what would be.
        self.run.take_if(|run| !run.is_running());
        cx.requests.push(Request::Look(self.folder.clone()));
        self.ask_plan(cx);
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        self.take_action(action, cx)
    }

    fn mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        self.take_mouse(event, cx);
    }

    fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        match data {
            Data::Looked(looked) if looked.path == self.folder => self.set_found(looked, cx),
            Data::Plans { generation, result } if generation == self.generation => self.set_plans(result, cx),
            Data::Plans { .. } => {}
            Data::Build { generation, millis, news } => self.take_news(generation, millis, news, cx),
            other => return Some(other),
        }
        None
    }

    fn waited(&mut self, token: u64, cx: &mut Context<'_>) {
        if token == self.wait {
            self.ask_plan(cx);
        }
    }

    fn cancelled(&mut self, job: JobId) {
        if self.plan_job.take_if(|(id, _)| *id == job).is_some() {
            self.planning = Planning::Failed("cancelled: R asks again".into());
        }
        if let Some(run) = self.run.as_mut().filter(|run| run.job == job) {
            run.end(State::Cancelled);
        }
    }

    fn settle(&mut self, cx: &mut Context<'_>) {
        let now = self.recipe().map(|recipe| {
            // A name alone changes no step.
            let recipe = crate::model::Recipe { name: String::new(), ..recipe };
            (recipe, self.beside().map(str::to_owned))
        });
        if self.followed == now {
            return;
        }
        let same_file = |of: &Option<(crate::model::Recipe, Option<String>)>| {
            of.as_ref().map(|(recipe, _)| (recipe.folder.clone(), recipe.dockerfile.clone()))
        };
        if same_file(&self.followed) != same_file(&now) {
            (self.step, self.scroll) = (crate::widget::cursor::Cursor::default(), None);
        }
        self.followed = now;
        self.drop_plan(cx);
        if self.followed.is_some() {
            self.wait = generation();
            cx.requests.push(Request::Wait(BEFORE_PLANNING, self.wait));
        }
    }

    fn typed(&mut self, _purpose: &Purpose, _text: &str, _cx: &mut Context<'_>) {}

    fn entered(&mut self, purpose: Purpose, text: &str, cx: &mut Context<'_>) {
        if purpose == Purpose::BuildFrom {
            self.choose(text, cx);
        }
    }

    fn left(&mut self, _purpose: &Purpose, _cx: &mut Context<'_>) {}

    fn filled(&mut self, purpose: FormPurpose, texts: &[String], _cx: &mut Context<'_>) {
        if purpose == FormPurpose::Build {
            self.take_options(texts);
        }
    }

    fn chose(&mut self, _choice: Choice, _cx: &mut Context<'_>) {}

    fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
        let panes = Panes::of(self, area);
        self.draw_list(pen, panes.list);
        self.draw_facts(pen, panes.facts);
        self.draw_steps(pen, panes.steps);
        self.draw_output(pen, panes.output);
        None
    }
}

impl Build {
    /// Shows another folder, and selects a Dockerfile in it.
    pub(super) fn go(&mut self, folder: &str, dockerfile: Option<String>, cx: &mut Context<'_>) {
        folder.clone_into(&mut self.folder);
        (self.found, self.trouble, self.other, self.name) = (None, None, None, None);
        self.wanted = dockerfile;
        cx.requests.push(Request::Look(self.folder.clone()));
    }

    fn set_found(&mut self, looked: Looked, cx: &Context<'_>) {
        let selected = self.wanted.take().or_else(|| self.dockerfile().map(str::to_owned));
        self.trouble = match looked.seen {
            Seen::Failed(why) => Some(why),
            Seen::Missing => Some("there is no such folder".into()),
            Seen::There | Seen::Unknown => None,
        };
        let files = looked.entries.into_iter().filter(|(_, is_folder)| !is_folder).map(|(name, _)| name);
        let mut found: Vec<String> =
            files.filter(|name| is_dockerfile(name) || Some(name) == selected.as_ref()).collect();
        found.sort_by_key(|name| (name != "Dockerfile", name.clone()));
        let at = selected.and_then(|name| found.iter().position(|other| *other == name)).unwrap_or(0);
        self.other.take_if(|other| !found.contains(other));
        self.cursor.set(at, found.len(), Panes::of(self, cx.area).rooms().0);
        self.found = Some(found);
    }

    fn drop_plan(&mut self, cx: &mut Context<'_>) {
        if let Some((job, cancel)) = self.plan_job.take() {
            cancel.cancel();
            cx.jobs.cancel(job);
        }
        self.planning = Planning::Not;
        self.generation = generation();
    }

    /// Asks what would be done; an older plan stays until the new one is there.
    pub(super) fn ask_plan(&mut self, cx: &mut Context<'_>) {
        let Some(recipe) = self.recipe() else { return };
        if let Some((job, cancel)) = self.plan_job.take() {
            cancel.cancel();
            cx.jobs.cancel(job);
        }
        if let Some(why) = cx.read_only {
            self.planning = Planning::Failed(format!("nothing can be built: only reading, {why}"));
            return;
        }
        self.generation = generation();
        let (job, cancel) = cx.jobs.start(format!("plan {}", recipe.dockerfile), true);
        self.plan_job = Some((job, cancel.clone()));
        if self.plans().is_empty() {
            self.planning = Planning::Running;
        }
        let others = self.beside().map(str::to_owned).into_iter().collect();
        cx.requests.push(Request::Plan { job, cancel, generation: self.generation, recipe, others });
    }

    fn set_plans(&mut self, result: Result<Vec<Plan>, String>, cx: &Context<'_>) {
        self.plan_job = None;
        self.planning = match result {
            Err(why) => Planning::Failed(why),
            Ok(plans) => Planning::Ready(
                plans
                    .into_iter()
                    .map(|plan| {
                        let band = |laid: &Option<_>| laid.as_ref().and_then(|laid| Band::of(laid, cx.look));
                        let looks = plan.steps.iter().map(|step| band(&step.laid)).collect();
                        Planned { plan, looks }
                    })
                    .collect(),
            ),
        };
        self.step.clamp(self.rows().len(), u16::MAX);
    }

    fn take_news(&mut self, generation: u64, millis: u64, news: News, cx: &mut Context<'_>) {
        let Some(run) = self.run.as_mut().filter(|run| run.generation == generation) else { return };
        let over = matches!(news, News::Built(_) | News::Failed(_));
        let steps = run.steps.len();
        run.take(millis, news, cx.look);
        let begun = run.steps.len();
        if self.own_run().is_some() && (begun != steps || over) {
            // The step that runs, or that failed, is the one to look at.
            let room = Panes::of(self, cx.area).rooms().1;
            let rows = self.rows().len();
            let lines = super::panes::lines_each(rows, room);
            self.step.set(begun.saturating_sub(1), rows, room / lines.max(1));
            self.scroll = None;
        }
        if over {
            self.ask_plan(cx);
        }
    }
}
