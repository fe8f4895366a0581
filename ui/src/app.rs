//! The whole: frame, screens, popups, jobs. Messages come in, requests go out, drawing changes nothing.

mod bottom;
mod frame;
mod help;
mod hints;
mod jobs;
mod mouse;
mod none;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::job::{JobNews, Jobs, State};
use crate::keymap::{Chord, Keymap, Scope};
use crate::message::{Data, Message, Request, Server};
use crate::options::{Connection, Kind, Tried};
use crate::pen::{Look, Pen};
use crate::popup::{Browse, Line, Outcome, Palette, Popup, Text};
use crate::screen::{Context, Log, Place, Screens};
use crate::size::Units;
use crate::theme::Role;

/// Smallest screen that is used, in cells.
const LEAST: (u16, u16) = (60, 16);

/// How long a notice stays, at least; the next key takes it away after that. Long enough that a key typed before it was seen
/// does not.
const NOTICE: Duration = Duration::from_millis(800);

/// What the caller decided, without the backend.
pub(crate) struct Setup {
    pub(crate) connection: Connection,
    pub(crate) connected: bool,
    pub(crate) tried: Vec<Tried>,
    pub(crate) can_embed: bool,
    pub(crate) keys: Keymap,
    pub(crate) look: Look,
    pub(crate) mouse: bool,
    pub(crate) save_to: std::path::PathBuf,
    /// Folder for nameless temporary files.
    pub(crate) spool: std::path::PathBuf,
    pub(crate) select: Option<String>,
    /// Seconds since 1970.
    pub(crate) clock: fn() -> i64,
}

/// Everything on the screen.
pub(crate) struct App {
    setup: Setup,
    area: Rect,
    screens: Screens,
    server: Server,
    /// Whether the engine answered when it was last asked.
    answers: bool,
    popups: Vec<Popup>,
    jobs: Jobs,
    log: Log,
    notice: Option<(String, Role)>,
    notice_until: Option<std::time::Instant>,
    requests: Vec<Request>,
    /// Grows when something opens that destroys, or opens by itself: input typed before it was seen is dropped.
    pub(crate) epoch: u64,
    quit: bool,
}

impl App {
    pub(crate) fn new(mut setup: Setup) -> Self {
        if setup.connection.kind == Kind::Archive && setup.connection.read_only.is_none() {
            setup.connection.read_only = Some("an archive".into());
        }
        let mut log = Log::default();
        log.set_host(setup.connection.docker_host.clone());
        let mut app = Self {
            screens: Screens::new(setup.select.clone()),
            setup,
            area: Rect::new(0, 0, 80, 24),
            server: Server::default(),
            answers: true,
            popups: Vec::new(),
            jobs: Jobs::default(),
            log,
            notice: None,
            notice_until: None,
            requests: Vec::new(),
            epoch: 0,
            quit: false,
        };
        if app.setup.connected {
            app.connect();
        }
        app
    }

    fn connect(&mut self) {
        if let Some(why) = &self.setup.connection.read_only {
            // Where there is little room for it this is the only place that says why.
            self.notice = Some((format!("only reading: {why}"), Role::Text));
        }
        self.requests.extend([Request::Server, Request::Watch]);
        self.with(|screens, cx| {
            screens.current_mut().open(cx);
        });
    }

    pub(crate) fn is_over(&self) -> bool {
        self.quit
    }

    /// What is to be done outside; taken once.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// Whether time alone changes what is shown: only while a job runs.
    pub(crate) fn needs_tick(&self) -> bool {
        self.jobs.running().next().is_some()
    }

    /// Where the panes are: without the two top lines, the bottom line, and air where there is room.
    fn body(&self) -> Rect {
        let air = u16::from(self.area.height >= 34);
        let top = 2 + air;
        Rect::new(self.area.x, self.area.y + top, self.area.width, self.area.height.saturating_sub(top + 1))
    }

    fn is_too_small(&self) -> bool {
        self.area.width < LEAST.0 || self.area.height < LEAST.1
    }

    fn scope(&self) -> Scope {
        self.screens.current().scope()
    }

    /// Runs `work` with what screens may touch.
    fn with<T>(&mut self, work: impl FnOnce(&mut Screens, &mut Context<'_>) -> T) -> T {
        let area = self.body();
        let popups = self.popups.len();
        let mut cx = Context {
            look: &self.setup.look,
            jobs: &mut self.jobs,
            requests: &mut self.requests,
            popups: &mut self.popups,
            log: &mut self.log,
            area,
            now: (self.setup.clock)(),
            read_only: self.setup.connection.read_only.as_deref(),
            save_to: &self.setup.save_to,
            spool: &self.setup.spool,
            notice: &mut self.notice,
        };
        let had_program = self.screens.current().has_program();
        let out = work(&mut self.screens, &mut cx);
        self.screens.current_mut().settle(&mut cx);
        let asks = self.popups.len() > popups && matches!(self.popups.last(), Some(Popup::Confirm(_)));
        if asks || had_program != self.screens.current().has_program() {
            self.epoch += 1;
        }
        out
    }

    /// Takes a message; says whether the screen may look different now.
    pub(crate) fn update(&mut self, message: Message) -> bool {
        let had_notice = self.notice.clone();
        let changed = match message {
            Message::Key(key) => self.key(key),
            Message::Mouse(event) => self.mouse(event),
            Message::Paste(text) => self.paste(&text),
            Message::Resize(width, height) => {
                self.area = Rect::new(0, 0, width, height);
                // What follows from the room: a program in a terminal is told its size.
                self.with(|_, _| ());
                true
            }
            Message::Data(data) => self.data(data),
            Message::Job(id, news) => {
                let progress = matches!(news, JobNews::Progress { .. });
                self.job(id, news);
                // Progress is seen with the next tick; a thousand reports a second need no thousand frames.
                !progress
            }
            Message::Waited(token) => {
                self.with(|screens, cx| screens.all_mut().into_iter().for_each(|screen| screen.waited(token, cx)));
                true
            }
            Message::Opened(..) => true,
        };
        self.agreed();
        if self.notice != had_notice {
            self.notice_until = Some(std::time::Instant::now() + NOTICE);
        }
        changed
    }

    fn data(&mut self, data: Data) -> bool {
        let data = self.popups.iter_mut().rev().try_fold(data, |data, popup| popup.data(data));
        let data = data.and_then(|data| self.with(|screens, cx| screens.data(data, cx)));
        match data {
            // Something took it, or nobody waits for it any more.
            None => {}
            Some(Data::Server(server)) => self.server = server,
            Some(Data::Show { title, lines }) => {
                self.popups.push(Popup::Text(Text::new(title, lines).wide()));
                self.epoch += 1;
            }
            Some(Data::Changed) => {
                self.with(Screens::changed);
                return false;
            }
            Some(Data::Launched { container, name, terminal }) => {
                self.notice = Some((format!("{name} was started"), Role::Good));
                self.with(|screens, cx| screens.launched(&container, terminal, cx));
                self.epoch += 1;
            }
            Some(Data::Answers(answers)) => {
                self.answers = answers;
                self.notice = Some(if answers {
                    ("the engine answers again".into(), Role::Good)
                } else {
                    ("the engine no longer answers: what is shown is what it last said; it is asked again every few seconds".into(), Role::Bad)
                });
            }
            Some(Data::Notice(text)) => self.notice = Some((text, Role::Text)),
            Some(Data::Failed(text)) => self.notice = Some((text, Role::Bad)),
            Some(Data::Connected(connection)) => {
                self.setup.connection = *connection;
                self.setup.connected = true;
                self.answers = true;
                self.epoch += 1;
                self.connect();
            }
            Some(_) => return false,
        }
        true
    }

    fn job(&mut self, id: crate::job::JobId, news: JobNews) {
        let ended = self.jobs.news(id, news).cloned();
        self.show_jobs();
        if let Some(job) = ended {
            match &job.state {
                State::Done(text) if !job.quiet => self.notice = Some((format!("{}: {text}", job.title), Role::Good)),
                State::Failed(text) => self.notice = Some((text.clone(), Role::Bad)),
                _ => {}
            }
        }
    }

    /// Gives what a dialog agreed to its job.
    fn agreed(&mut self) {
        for request in &mut self.requests {
            match request {
                Request::RemoveAsked { references, force } => {
                    let (job, cancel) = self.jobs.start(format!("remove {}", references.join(" ")), false);
                    let references = std::mem::take(references);
                    let mut arguments = if *force { vec!["rmi", "-f"] } else { vec!["rmi"] };
                    arguments.extend(references.iter().map(String::as_str));
                    self.log.add(&arguments);
                    *request = Request::Remove { job, cancel, references, force: *force };
                }
                Request::PruneAsked => {
                    let (job, _) = self.jobs.start("prune images", false);
                    self.log.add(&["image", "prune", "-f"]);
                    *request = Request::Prune { job };
                }
                Request::Begin(_) => {
                    let Request::Begin(task) = std::mem::replace(request, Request::Redraw) else { continue };
                    let (job, cancel) = self.jobs.start(task.title, false);
                    for command in &task.commands {
                        self.log.add(&command.iter().map(String::as_str).collect::<Vec<_>>());
                    }
                    *request = Request::Work { job, cancel, work: task.work };
                }
                _ => {}
            }
        }
    }

    fn key(&mut self, key: KeyEvent) -> bool {
        if self.popups.is_empty() && !self.is_too_small() && self.screens.current().has_program() {
            self.with(|screens, cx| screens.current_mut().key(key, cx));
            return true;
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            self.quit = true;
            return true;
        }
        if self.notice_until.is_some_and(|t| t <= std::time::Instant::now()) {
            self.notice = None;
        }
        if self.is_too_small() {
            if key.code == KeyCode::Char('q') {
                self.quit = true;
            }
            return true;
        }
        let area = self.area;
        if let Some(popup) = self.popups.last_mut() {
            let outcome = popup.key(key, &self.setup.keys, area);
            self.outcome(outcome);
            return true;
        }
        match self.setup.keys.action(self.scope(), Chord::of(key)) {
            Some(action) => self.act(action),
            None => return false,
        }
        true
    }

    fn paste(&mut self, text: &str) -> bool {
        let Some(popup) = self.popups.last_mut() else {
            self.screens.current_mut().paste(text);
            return false;
        };
        let outcome = popup.paste(text);
        self.outcome(outcome);
        true
    }

    fn outcome(&mut self, outcome: Outcome) {
        if !matches!(outcome, Outcome::Stays | Outcome::Typed(..) | Outcome::Asks(_)) {
            self.popups.pop();
        }
        match outcome {
            Outcome::Stays | Outcome::Closes => {}
            Outcome::Does(action) => self.act(action),
            Outcome::Browses(purpose, folder) => {
                let (browse, request) = Browse::new(&folder, purpose);
                self.requests.push(request);
                self.popups.push(Popup::Browse(browse));
            }
            Outcome::Asks(requests) | Outcome::Requests(requests) => self.requests.extend(requests),
            Outcome::Chose(choice) => self.with(|screens, cx| screens.current_mut().chose(choice, cx)),
            Outcome::Typed(purpose, text) => self.with(|screens, cx| screens.current_mut().typed(&purpose, &text, cx)),
            Outcome::Entered(purpose, text) => {
                self.with(|screens, cx| screens.current_mut().entered(purpose, &text, cx));
            }
            Outcome::Filled(purpose, texts) => {
                self.with(|screens, cx| screens.current_mut().filled(purpose, &texts, cx));
            }
            Outcome::Left(purpose) => self.with(|screens, cx| screens.current_mut().left(&purpose, cx)),
        }
    }

    fn act(&mut self, action: Action) {
        if !self.setup.connected
            && !matches!(
                action,
                Action::Quit | Action::Help | Action::Embedded | Action::Redraw | Action::Mouse | Action::Palette
            )
        {
            if action == Action::Open {
                self.act(Action::Embedded);
            }
            return;
        }
        match action {
            Action::Quit => self.quit = true,
            Action::Palette => self.popups.push(Popup::Palette(Palette::new(self.scope()))),
            Action::Help => self.popups.push(Popup::Text(self.help())),
            Action::Log => {
                let mut lines = self.log.lines();
                if lines.is_empty() {
                    lines.push(Line::of("nothing was done yet", Role::Dim));
                }
                self.popups.push(Popup::Text(Text::new("What was done, as docker would say it", lines).at_end()));
            }
            Action::Jobs => self.popups.push(Popup::Text(jobs::list(&self.jobs, &self.setup.look))),
            Action::CancelJob => match self.jobs.cancel_newest() {
                Some((id, title)) => {
                    self.screens.all_mut().into_iter().for_each(|screen| screen.cancelled(id));
                    self.notice = Some((format!("cancelled: {title}"), Role::Text));
                }
                None => self.notice = Some(("no job runs".into(), Role::Dim)),
            },
            Action::Mouse => self.switch_mouse(),
            Action::Units => {
                let units = &mut self.setup.look.units;
                *units = if *units == Units::Decimal { Units::Binary } else { Units::Decimal };
            }
            Action::Redraw => self.requests.push(Request::Redraw),
            Action::Refresh => {
                self.requests.push(Request::Server);
                self.with(|screens, cx| screens.current_mut().refresh(cx));
            }
            Action::Embedded => {
                if !self.setup.connected && self.setup.can_embed {
                    self.requests.push(Request::OpenEmbedded);
                }
            }
            action => self.with(|screens, cx| match Place::of(action) {
                Some(place) if place != screens.at => screens.show(place, cx),
                _ => {
                    screens.current_mut().act(action, cx);
                }
            }),
        }
    }

    /// Brings the list of jobs up to date, if it is seen.
    fn show_jobs(&mut self) {
        let list = jobs::list(&self.jobs, &self.setup.look);
        if let Some(Popup::Text(text)) = self.popups.last_mut()
            && text.is_called(jobs::TITLE)
        {
            text.replace(list);
        }
    }

    /// Draws everything.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let mut pen = Pen::new(frame.buffer_mut(), &self.setup.look);
        if area.width < LEAST.0 || area.height < LEAST.1 {
            let text = pen.look.style(Role::Text);
            let wish = format!("outcrop wants {}x{} or more", LEAST.0, LEAST.1);
            pen.text(area.x, area.y, area.width, &wish, text);
            pen.text(
                area.x,
                area.y + 1,
                area.width,
                &format!("this terminal has {}x{}", area.width, area.height),
                text,
            );
            return;
        }
        self.draw_frame(&mut pen);
        let mut cursor = None;
        if self.setup.connected {
            cursor = self.screens.current().draw(&mut pen, self.body());
        } else {
            self.draw_no_engine(&mut pen, self.body());
        }
        self.draw_notice(&mut pen);
        for popup in &self.popups {
            cursor = popup.draw(&mut pen, self.area, &self.setup.keys);
        }
        if let Some(position) = cursor {
            frame.set_cursor_position(position);
        }
    }
}
