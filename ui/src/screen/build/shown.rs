//! What a step is shown as: the plan, and over it what a build made of it.

use crate::screen::build::run::{RunStep, State};
use crate::screen::build::{Band, Build};
use crate::theme::Role;

/// What is or will be done with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Will be taken from what was built before.
    Reused,
    WillRun,
    Running,
    Ran,
    /// Was taken from what was built before.
    Cached,
    Failed,
    /// The build ended before it.
    NotRun,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reused | Self::Cached => "reused",
            Self::WillRun => "will run",
            Self::Running => "running",
            Self::Ran => "ran",
            Self::Failed => "FAILED",
            Self::NotRun => "not run",
        }
    }

    pub(super) fn role(self) -> Role {
        match self {
            Self::Reused | Self::Cached => Role::Good,
            Self::WillRun => Role::Change,
            Self::Running | Self::Ran => Role::Accent,
            Self::Failed => Role::Bad,
            Self::NotRun => Role::Dim,
        }
    }
}

/// One step, as it is shown.
pub(super) struct Shown<'a> {
    pub(super) number: usize,
    /// Its line in the Dockerfile, where a plan tells.
    pub(super) line: Option<usize>,
    pub(super) instruction: &'a str,
    pub(super) verdict: Verdict,
    pub(super) why: &'a str,
    pub(super) band: Option<Band>,
    pub(super) millis: Option<u64>,
}

/// A line of the steps pane: a step of the first Dockerfile, one of the second, or one that is both's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) first: Option<usize>,
    pub(super) second: Option<usize>,
    pub(super) is_shared: bool,
}

impl Build {
    /// How many steps the selected Dockerfile has, as far as is known.
    fn len(&self) -> usize {
        let planned = self.plans().first().map_or(0, |planned| planned.plan.steps.len());
        planned.max(self.own_run().map_or(0, |run| run.steps.len()))
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let first = self.len();
        let (second, shared) = self.plans().get(1).map_or((0, 0), |other| (other.plan.steps.len(), other.plan.shared));
        let one = |at: usize, len: usize| (at < len).then_some(at);
        (0..first.max(second))
            .map(|at| Row { first: one(at, first), second: one(at, second), is_shared: at < shared })
            .collect()
    }

    /// A step of the selected Dockerfile.
    pub(super) fn first(&self, at: usize) -> Option<Shown<'_>> {
        let planned = self.planned(0, at);
        let Some(run) = self.own_run() else { return planned };
        let ran = run.steps.get(at);
        let is_last = at + 1 == run.steps.len();
        let verdict = match (&run.state, ran) {
            (_, Some(step)) if step.cached => Verdict::Cached,
            (State::Running, Some(_)) if is_last => Verdict::Running,
            (State::Failed(_), Some(_)) if is_last => Verdict::Failed,
            (State::Cancelled, Some(_)) if is_last => Verdict::NotRun,
            (_, Some(step)) => done(step),
            (State::Running | State::Built(_), None) => return planned,
            (State::Failed(_) | State::Cancelled, None) => Verdict::NotRun,
        };
        match (ran, planned) {
            (Some(step), planned) => Some(Shown {
                number: step.number,
                line: planned.as_ref().and_then(|planned| planned.line),
                instruction: planned.as_ref().map_or(&step.instruction, |planned| planned.instruction),
                verdict,
                why: planned.as_ref().map_or("", |planned| planned.why),
                band: step.band,
                millis: Some(step.millis(run.millis)),
            }),
            (None, Some(planned)) => Some(Shown { verdict, ..planned }),
            (None, None) => None,
        }
    }

    /// A step of a plan: of the selected Dockerfile, or of the one to compare with.
    pub(super) fn planned(&self, which: usize, at: usize) -> Option<Shown<'_>> {
        let planned = self.plans().get(which)?;
        let step = planned.plan.steps.get(at)?;
        Some(Shown {
            number: step.number,
            line: Some(step.line),
            instruction: &step.instruction,
            verdict: if step.reused { Verdict::Reused } else { Verdict::WillRun },
            why: &step.why,
            band: planned.looks[at],
            millis: None,
        })
    }
}

/// `FROM` runs nothing: its base is taken as it is.
fn done(step: &RunStep) -> Verdict {
    if step.instruction.to_ascii_uppercase().starts_with("FROM ") { Verdict::Cached } else { Verdict::Ran }
}
