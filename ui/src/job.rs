//! Slow work: each with its progress, its rate and a way to cancel it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A number that no other wish of this run has: an answer with an older one is dropped, and no two panes take each other's.
pub(crate) fn generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Names a job of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct JobId(pub(crate) u64);

/// Asks a job to end; shared between the screen and the work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// News of a job.
#[derive(Clone, Debug)]
pub(crate) enum JobNews {
    /// `done` of `total` (0 unknown), in bytes.
    Progress { done: u64, total: u64, what: Option<String> },
    /// One part of it, of several that go on at once.
    Part(Part),
    /// It is over; the text says what came of it.
    Done(String),
    /// It failed; the text says why.
    Failed(String),
}

/// How far one part of a job is: a layer that is pulled or pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) id: String,
    /// What is done with it.
    pub(crate) status: String,
    /// Bytes done.
    pub(crate) done: u64,
    /// Bytes in all; 0 where that is not known, or nothing is counted.
    pub(crate) total: u64,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Done(String),
    Failed(String),
    Cancelled,
}

/// How long a job runs before its rate is told.
const SETTLED: Duration = Duration::from_millis(500);

/// One piece of slow work.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) title: String,
    pub(crate) state: State,
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) what: String,
    /// Its parts, in the order in which they were told of.
    pub(crate) parts: Vec<Part>,
    /// Most bytes done of each part, and its bytes: it is unpacked after it was fetched.
    most: Vec<(u64, u64)>,
    pub(crate) rate: u64,
    /// Whether it is shown only when it takes long: reading files of an image one passes by.
    pub(crate) quiet: bool,
    started: Instant,
    cancel: Cancel,
}

impl Job {
    pub(crate) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    fn measure(&mut self) {
        let elapsed = self.started.elapsed();
        // Of what has just begun a rate says nothing.
        if elapsed >= SETTLED {
            self.rate = (u128::from(self.done) * 1000 / elapsed.as_millis()) as u64;
        }
    }

    fn take_part(&mut self, part: Part) {
        let at = self.parts.iter().position(|known| known.id == part.id).unwrap_or_else(|| {
            self.parts.push(Part::default());
            self.most.push((0, 0));
            self.parts.len() - 1
        });
        let (done, total) = &mut self.most[at];
        *total = part.total.max(*total);
        *done = part.done.max(*done).min(*total);
        // What is no longer counted is whole.
        if part.total == 0 {
            *done = *total;
        }
        self.parts[at] = part;
        self.done = self.most.iter().map(|(done, _)| done).sum();
        self.total = self.most.iter().map(|(_, total)| total).sum();
    }

    /// Percent, where the whole is known.
    pub(crate) fn percent(&self) -> Option<u64> {
        (self.total > 0).then(|| (u128::from(self.done) * 100 / u128::from(self.total)).min(100) as u64)
    }
}

/// Most finished jobs remembered.
const REMEMBERED: usize = 50;

/// All jobs of this run, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    list: Vec<Job>,
    next: u64,
}

impl Jobs {
    pub(crate) fn start(&mut self, title: impl Into<String>, quiet: bool) -> (JobId, Cancel) {
        self.next += 1;
        let (id, cancel) = (JobId(self.next), Cancel::default());
        self.list.push(Job {
            id,
            title: title.into(),
            state: State::Running,
            done: 0,
            total: 0,
            what: String::new(),
            parts: Vec::new(),
            most: Vec::new(),
            rate: 0,
            quiet,
            started: Instant::now(),
            cancel: cancel.clone(),
        });
        if self.list.len() > REMEMBERED
            && let Some(at) = self.list.iter().position(|j| !j.is_running())
        {
            self.list.remove(at);
        }
        (id, cancel)
    }

    /// Takes news; gives the job when it has just ended. News of a cancelled job are dropped.
    pub(crate) fn news(&mut self, id: JobId, news: JobNews) -> Option<&Job> {
        let job = self.list.iter_mut().find(|j| j.id == id && j.is_running())?;
        match news {
            JobNews::Progress { done, total, what } => {
                // After parts something else is counted.
                job.total = if job.parts.is_empty() { total.max(job.total) } else { total };
                (job.done, job.parts, job.most) = (done, Vec::new(), Vec::new());
                if let Some(what) = what {
                    job.what = what;
                }
                job.measure();
                return None;
            }
            JobNews::Part(part) => {
                job.take_part(part);
                job.measure();
                return None;
            }
            JobNews::Done(text) => job.state = State::Done(text),
            JobNews::Failed(text) => job.state = State::Failed(text),
        }
        Some(job)
    }

    pub(crate) fn cancel(&mut self, id: JobId) {
        if let Some(job) = self.list.iter_mut().find(|j| j.id == id && j.is_running()) {
            job.cancel.cancel();
            job.state = State::Cancelled;
        }
    }

    /// Cancels the newest running job; gives its title.
    pub(crate) fn cancel_newest(&mut self) -> Option<(JobId, String)> {
        let (id, title) = self.running().last().map(|j| (j.id, j.title.clone()))?;
        self.cancel(id);
        Some((id, title))
    }

    pub(crate) fn running(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.list.iter().filter(|j| j.is_running())
    }

    pub(crate) fn all(&self) -> &[Job] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_job_says_nothing_more() {
        let mut jobs = Jobs::default();
        let (a, cancel) = jobs.start("load", false);
        assert!(jobs.news(a, JobNews::Progress { done: 50, total: 100, what: None }).is_none());
        assert_eq!(jobs.all()[0].percent(), Some(50));
        assert_eq!(jobs.cancel_newest().map(|(_, title)| title).as_deref(), Some("load"));
        assert!(cancel.is_cancelled());
        assert!(jobs.news(a, JobNews::Done("x".into())).is_none());
        assert_eq!(jobs.running().count(), 0);
    }

    #[test]
    fn a_rate_is_told_of_what_has_run_for_a_while() {
        let mut jobs = Jobs::default();
        let (id, _) = jobs.start("load", false);
        let progress = |done| JobNews::Progress { done, total: 100_000, what: None };
        jobs.list[0].started = Instant::now().checked_sub(Duration::from_secs(10)).expect("the machine runs so long");
        jobs.news(id, progress(50_000));
        assert!((4_000..=5_000).contains(&jobs.all()[0].rate), "{}", jobs.all()[0].rate);
        let (id, _) = jobs.start("load", false);
        jobs.list[1].started = Instant::now() + Duration::from_secs(10);
        jobs.news(id, progress(50_000));
        assert_eq!(jobs.all()[1].rate, 0);
    }

    #[test]
    fn parts_add_up() {
        let mut jobs = Jobs::default();
        let (id, _) = jobs.start("pull", false);
        let mut tell = |id: JobId, name: &str, status: &str, done, total| {
            jobs.news(id, JobNews::Part(Part { id: name.into(), status: status.into(), done, total }));
            let job = &jobs.all()[0];
            (job.percent(), job.parts.iter().map(|part| part.status.clone()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(tell(id, "a", "Waiting", 0, 0), (None, "Waiting".into()));
        assert_eq!(tell(id, "a", "Downloading", 25, 100), (Some(25), "Downloading".into()));
        assert_eq!(tell(id, "b", "Downloading", 0, 100), (Some(12), "Downloading Downloading".into()));
        assert_eq!(tell(id, "a", "Complete", 0, 0), (Some(50), "Complete Downloading".into()));
        assert_eq!(tell(id, "a", "Extracting", 10, 100), (Some(50), "Extracting Downloading".into()));
        assert_eq!(tell(id, "b", "Complete", 0, 0).0, Some(100));
        jobs.news(id, JobNews::Progress { done: 1, total: 4, what: None });
        assert_eq!((jobs.all()[0].percent(), jobs.all()[0].parts.len()), (Some(25), 0));
    }
}
