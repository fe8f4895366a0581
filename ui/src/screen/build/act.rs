//! What keys and the mouse do on the build screen.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::action::Action;
use crate::job::generation;
use crate::launch::words;
use crate::message::Request;
use crate::popup::{Browse, Form, FormPurpose, Popup, Purpose};
use crate::screen::Context;
use crate::screen::build::panes::lines_each;
use crate::screen::build::run::Run;
use crate::screen::build::{Build, Pane, Panes};

/// Reads `NAME=value NAME=value`.
fn arguments(text: &str) -> Result<Vec<(String, String)>, String> {
    let words = words::split(text).ok_or("a quote has no end")?;
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{word}: write NAME=value")),
    };
    words.iter().map(pair).collect()
}

fn word(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}

fn is_word(text: &str) -> Option<String> {
    (!["yes", "no"].contains(&text.trim())).then(|| "write yes or no".into())
}

impl Build {
    pub(super) fn take_action(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        self.act_on_build(action, cx)
            || match self.focus {
                Pane::List => self.act_on_list(action, cx),
                Pane::Steps => self.act_on_steps(action, cx),
                Pane::Output => self.act_on_output(action, cx),
            }
            || self.act_on_frame(action)
    }

    fn act_on_build(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        match action {
            Action::RunBuild => self.begin(cx),
            Action::NoCache => self.no_cache = !self.no_cache,
            Action::BuildOptions => self.open_options(cx),
            Action::Browse => {
                let (popup, request) = Browse::new(&self.folder, Purpose::BuildFrom);
                cx.popups.push(Popup::Browse(popup));
                cx.requests.push(request);
            }
            Action::Copy => {
                if let Some(recipe) = self.recipe() {
                    let words = recipe.command();
                    let command = cx.log.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
                    cx.say(format!("copied: {command}"));
                    cx.requests.push(Request::Copy(command));
                }
            }
            _ => return false,
        }
        true
    }

    fn act_on_frame(&mut self, action: Action) -> bool {
        match action {
            Action::NextPane => {
                self.focus = match self.focus {
                    Pane::List => Pane::Steps,
                    Pane::Steps => Pane::Output,
                    Pane::Output => Pane::List,
                }
            }
            Action::PreviousPane => {
                self.focus = match self.focus {
                    Pane::List => Pane::Output,
                    Pane::Steps => Pane::List,
                    Pane::Output => Pane::Steps,
                }
            }
            Action::Build => (self.zoom, self.focus) = (false, Pane::List),
            Action::Zoom => self.zoom = !self.zoom,
            Action::Narrower => self.splits.left -= 2,
            Action::Wider => self.splits.left += 2,
            Action::Shorter => self.splits.steps -= 1,
            Action::Taller => self.splits.steps += 1,
            Action::Back if self.zoom => self.zoom = false,
            Action::Back | Action::Left if self.focus == Pane::Output => self.focus = Pane::Steps,
            Action::Back | Action::Left if self.focus == Pane::Steps => self.focus = Pane::List,
            Action::Back if self.other.is_some() => self.other = None,
            _ => return false,
        }
        true
    }

    fn act_on_list(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let (len, room) = (self.found.as_ref().map_or(0, Vec::len), Panes::of(self, cx.area).rooms().0);
        if self.cursor.act(action, len, room) {
            return true;
        }
        match action {
            Action::Open | Action::Right => self.focus = Pane::Steps,
            Action::Mark => {
                let selected = self.dockerfile().map(str::to_owned);
                self.other = if self.other == selected { None } else { selected };
                if self.other.is_some() && self.beside().is_none() {
                    cx.say("marked: another one that is selected is shown with it, side by side");
                }
            }
            _ => return false,
        }
        true
    }

    fn act_on_steps(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let (rows, room) = (self.rows().len(), Panes::of(self, cx.area).rooms().1);
        if self.step.act(action, rows, room / lines_each(rows, room)) {
            self.scroll = None;
            return true;
        }
        if matches!(action, Action::Open | Action::Right) {
            self.focus = Pane::Output;
            return true;
        }
        false
    }

    fn act_on_output(&mut self, action: Action, cx: &mut Context<'_>) -> bool {
        let area = Panes::of(self, cx.area).output;
        let (len, room) = (self.output_len(area.width), usize::from(area.height.saturating_sub(2)));
        let last = len.saturating_sub(room);
        let at = self.scroll.unwrap_or_else(|| self.first_output(len, room));
        let to = match action {
            Action::Up => at.saturating_sub(1),
            Action::Down => at + 1,
            Action::PageUp => at.saturating_sub(room.saturating_sub(1)),
            Action::PageDown => at + room.saturating_sub(1),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        };
        self.scroll = if to >= last && self.follows() { None } else { Some(to.min(last)) };
        true
    }

    /// Builds what is selected.
    fn begin(&mut self, cx: &mut Context<'_>) {
        let Some(recipe) = self.recipe() else {
            return cx.refuse("no Dockerfile is selected: o chooses a folder or a Dockerfile");
        };
        if cx.is_read_only() {
            return;
        }
        if self.run.as_ref().is_some_and(Run::is_running) {
            return cx.refuse("a build runs: x cancels it");
        }
        let words = recipe.command();
        cx.log.add(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let what = if recipe.name.is_empty() { &recipe.dockerfile } else { &recipe.name };
        let (job, cancel) = cx.jobs.start(format!("build {what}"), false);
        let generation = generation();
        self.run = Some(Run::new(generation, job, recipe.clone()));
        self.scroll = None;
        cx.requests.push(Request::Build { job, cancel, generation, recipe });
    }

    fn open_options(&self, cx: &mut Context<'_>) {
        let Some(recipe) = self.recipe() else { return };
        let pairs: Vec<String> = recipe.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let about = "what docker build -t, --target, --build-arg and its like say";
        let form = Form::new("How to build", about, FormPurpose::Build)
            .with("name", "app or app:1; empty: the image gets no name", &recipe.name, |text| {
                let wrong =
                    |c: char| c.is_whitespace() || c.is_control() || c.is_ascii_uppercase() && !text.contains(':');
                text.trim().contains(wrong).then(|| "small letters, digits, and . _ - / : between them".into())
            })
            .with("target", "the stage to stop at; empty: the last one", &recipe.target, |text| {
                text.trim().contains(char::is_whitespace).then(|| "a stage's name is one word".into())
            })
            .with("arguments", "NAME=value NAME=value, for ARG", &words::join(&pairs), |text| arguments(text).err())
            .with("platform", "linux/arm64; empty: this machine's", &recipe.platform, |text| {
                let parts = text.trim().split('/').filter(|part| !part.is_empty()).count();
                (!text.trim().is_empty() && !(2..=3).contains(&parts))
                    .then(|| "write os/arch or os/arch/variant".into())
            })
            .with("cache", "yes: what was built before is taken; no: every step runs", word(!recipe.no_cache), is_word)
            .with(
                "pull",
                "yes: every image that is named is fetched; no: what is here will do",
                word(recipe.pull),
                is_word,
            );
        cx.popups.push(Popup::Form(form));
    }

    pub(super) fn take_options(&mut self, texts: &[String]) {
        if let [name, target, pairs, platform, cache, pull] = texts {
            self.name = Some(name.clone());
            target.clone_into(&mut self.target);
            self.arguments = arguments(pairs).unwrap_or_default();
            platform.clone_into(&mut self.platform);
            (self.no_cache, self.pull) = (cache == "no", pull == "yes");
        }
    }

    /// A folder or Dockerfile was chosen.
    pub(super) fn choose(&mut self, path: &str, cx: &mut Context<'_>) {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = if folder.is_empty() { "/" } else { folder };
        self.go(folder, Some(file.to_owned()).filter(|file| !file.is_empty()), cx);
        self.focus = Pane::List;
    }

    pub(super) fn take_mouse(&mut self, event: MouseEvent, cx: &mut Context<'_>) {
        let panes = Panes::of(self, cx.area);
        let Some(pane) = panes.at(event.column, event.row) else { return };
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.focus = pane;
                self.click(event.row, pane, &panes);
            }
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let up = event.kind == MouseEventKind::ScrollUp;
                let (lines, action) = if up { (-3, Action::Up) } else { (3, Action::Down) };
                let (list, steps, _) = panes.rooms();
                match pane {
                    Pane::List => self.cursor.wheel(lines, self.found.as_ref().map_or(0, Vec::len), list),
                    Pane::Steps => {
                        let rows = self.rows().len();
                        self.step.wheel(lines.signum(), rows, steps / lines_each(rows, steps));
                    }
                    Pane::Output => {
                        for _ in 0..3 {
                            self.act_on_output(action, cx);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn click(&mut self, y: u16, pane: Pane, panes: &Panes) {
        let (list, steps, _) = panes.rooms();
        let line = |area: ratatui::layout::Rect, room: u16| y.checked_sub(area.y + 1).filter(|line| *line < room);
        match pane {
            Pane::List => {
                let len = self.found.as_ref().map_or(0, Vec::len);
                let at = line(panes.list, list).map(|line| self.cursor.first(len, list) + usize::from(line));
                at.filter(|at| *at < len).into_iter().for_each(|at| self.cursor.set(at, len, list));
            }
            Pane::Steps => {
                let rows = self.rows().len();
                let each = lines_each(rows, steps);
                let first = self.step.first(rows, steps / each);
                if let Some(at) = line(panes.steps, steps).map(|line| first + usize::from(line / each))
                    && at < rows
                {
                    self.step.set(at, rows, steps / each);
                    self.scroll = None;
                }
            }
            Pane::Output => {}
        }
    }
}
