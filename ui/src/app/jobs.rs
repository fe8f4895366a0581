//! The list of jobs, with a bar for each layer that is pulled or pushed.

use crate::job::{Job, Jobs, Part, State};
use crate::pen::{Look, Sign};
use crate::popup::{Line, Text};
use crate::theme::Role;

/// What the list is called.
pub(super) const TITLE: &str = "Jobs";
/// Width of a bar, in characters.
const BAR: u64 = 24;

/// All jobs, the newest first.
pub(super) fn list(jobs: &Jobs, look: &Look) -> Text {
    let mut lines: Vec<Line> = jobs.all().iter().rev().flat_map(|job| lines(job, look)).collect();
    if lines.is_empty() {
        lines.push(Line::of("no jobs yet", Role::Dim));
    }
    Text::new(TITLE, lines)
}

fn lines(job: &Job, look: &Look) -> Vec<Line> {
    let (state, role) = match &job.state {
        State::Running => (job.percent().map_or("running".into(), |p| format!("{p} %")), Role::Accent),
        State::Done(text) => (text.clone(), Role::Good),
        State::Failed(text) => (text.clone(), Role::Bad),
        State::Cancelled => ("cancelled".into(), Role::Dim),
    };
    let head = Line::plain(format!("{:<40} ", job.title)).and(state, role);
    let parts = job.parts.iter().filter(|_| job.is_running()).map(|part| line(part, look));
    std::iter::once(head).chain(parts).collect()
}

/// `  0123456789ab  Downloading         ━━━━━━━━  1.2 MB of 4.8 MB`
fn line(part: &Part, look: &Look) -> Line {
    let head = Line::of(format!("  {:<12}  ", part.id), Role::Dim).and(format!("{:<20}", part.status), Role::Text);
    let bar = |length: u64| look.sign(Sign::Line).repeat(length as usize);
    match (part.done, part.total) {
        (0, 0) => head,
        (done, 0) => head.and(look.size(done), Role::Dim),
        (done, total) => {
            let full = (u128::from(done) * u128::from(BAR) / u128::from(total)).min(u128::from(BAR)) as u64;
            let sizes = format!("  {} of {}", look.size(done), look.size(total));
            head.and(bar(full), Role::Accent).and(bar(BAR - full), Role::Border).and(sizes, Role::Dim)
        }
    }
}
