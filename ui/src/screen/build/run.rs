//! A build that runs or has run: its steps, and what they said.

use std::collections::VecDeque;

use crate::job::JobId;
use crate::model::{News, Recipe};
use crate::pen::Look;
use crate::screen::build::Band;
use crate::widget::sgr::{Coloured, Reader};

/// Most lines kept of a step: the last ones.
const MOST_LINES: usize = 5000;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    /// The image's ID.
    Built(String),
    Failed(String),
    Cancelled,
}

/// One step of it.
#[derive(Debug, Default)]
pub(super) struct RunStep {
    pub(super) number: usize,
    pub(super) instruction: String,
    pub(super) cached: bool,
    pub(super) band: Option<Band>,
    /// Milliseconds after the build began.
    began: u64,
    ended: Option<u64>,
    reader: Reader,
    pub(super) lines: VecDeque<Coloured>,
    /// Lines that are no longer kept.
    pub(super) lost: usize,
}

impl RunStep {
    /// How long it took, in milliseconds, or has taken at `now`.
    pub(super) fn millis(&self, now: u64) -> u64 {
        self.ended.unwrap_or(now).saturating_sub(self.began)
    }

    fn write(&mut self, text: &str) {
        self.lines.extend(self.reader.read(text.as_bytes()));
        let over = self.lines.len().saturating_sub(MOST_LINES);
        self.lines.drain(..over);
        self.lost += over;
    }

    fn end(&mut self, millis: u64) {
        self.ended.get_or_insert(millis);
        self.lines.extend(self.reader.rest());
        self.reader = Reader::default();
    }
}

/// The build.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) generation: u64,
    pub(super) job: JobId,
    pub(super) recipe: Recipe,
    pub(super) state: State,
    pub(super) steps: Vec<RunStep>,
    /// How long it has taken, in milliseconds, as far as is known.
    pub(super) millis: u64,
}

impl Run {
    pub(super) fn new(generation: u64, job: JobId, recipe: Recipe) -> Self {
        Self { generation, job, recipe, state: State::Running, steps: Vec::new(), millis: 0 }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(super) fn take(&mut self, millis: u64, news: News, look: &Look) {
        self.millis = millis;
        let last = self.steps.last_mut();
        match news {
            News::Step { number, instruction, .. } => {
                if let Some(step) = last {
                    step.end(millis);
                }
                self.steps.push(RunStep { number, instruction, began: millis, ..RunStep::default() });
            }
            News::Cached => last.into_iter().for_each(|step| step.cached = true),
            News::Laid(laid) => last.into_iter().for_each(|step| step.band = Band::of(&laid, look)),
            News::Output(text) => last.into_iter().for_each(|step| step.write(&text)),
            News::Image(_) | News::Clock => {}
            News::Built(image) => self.end(State::Built(image)),
            News::Failed(why) => self.end(State::Failed(why)),
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, state: State) {
        if self.is_running() {
            self.state = state;
            let millis = self.millis;
            self.steps.last_mut().into_iter().for_each(|step| step.end(millis));
        }
    }
}
