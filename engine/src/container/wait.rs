//! Waiting for a container's end.

use std::time::{Duration, Instant};

use super::Containers;
use super::client::{Attached, Message};
use super::error::{ContainerError, Doing, Result};
use super::protocol::Hello;
use super::record::{Directory, Record};

/// How long a shim that ends may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// That it does not run; at once when it does not.
    #[default]
    NotRunning,
    /// That it ends the next time, also when it is not started yet.
    NextExit,
    /// That it is removed.
    Removed,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exited {
    /// Exit code.
    pub code: i32,
    /// What is not known about it; empty where all is.
    pub error: String,
}

impl Exited {
    /// That of a container that could not be started.
    pub(crate) fn failed(error: String) -> Self {
        Self { code: super::error::exit_code_of_failure(&error), error }
    }
}

/// A wait that has begun.
pub(crate) struct Waiting {
    /// The container.
    pub(crate) id: String,
    /// How it ended the last time.
    pub(crate) last: Exited,
    /// Where its end is told; nothing where that is not waited for.
    pub(crate) shim: Option<Attached>,
}

impl Containers {
    /// Waits, and says how it ended.
    ///
    /// `ready` is called once nothing that happens later can be missed.
    pub fn wait(&self, name: &str, until: Until, ready: impl FnOnce()) -> Result<Exited> {
        let Waiting { id, last, shim } = self.begin_wait(name, until)?;
        ready();
        let mut exited = last;
        if let Some(mut shim) = shim {
            exited = self.wait_at(&mut shim, &id, exited)?;
        }
        while until == Until::Removed && self.exists(&id) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(exited)
    }

    /// Begins to wait: nothing that happens later is missed.
    pub(crate) fn begin_wait(&self, name: &str, until: Until) -> Result<Waiting> {
        let record = self.record(name)?;
        let id = record.id.clone();
        let (shim, record) = match until {
            Until::NextExit => (Some(Attached::open(&self.task(&id), &self.program, Hello::default())?), record),
            _ if record.state.running => self.shim_of_running(record)?,
            Until::Removed => (Attached::existing(&self.task(&id), Hello::default()), record),
            Until::NotRunning => (None, record),
        };
        let last = Exited { code: record.state.exit_code, error: record.state.error };
        Ok(Waiting { id, last, shim })
    }

    /// The shim of a container that ran a moment ago; nothing, and the record of its end, when it ended meanwhile: a shim that
    /// is about to go answers nobody, and a new one would wait for a start.
    fn shim_of_running(&self, mut record: Record) -> Result<(Option<Attached>, Record)> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(shim) = Attached::existing(&self.task(&record.id), Hello::default()) {
                return Ok((Some(shim), record));
            }
            match self.record(&record.id) {
                Ok(now) if now.state.running && Instant::now() < until => record = now,
                Ok(now) => return Ok((None, now)),
                // It was removed when it ended.
                Err(ContainerError::NotFound(_)) => return Ok((None, record)),
                Err(error) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether a container of this ID is on disk.
    pub(crate) fn exists(&self, id: &str) -> bool {
        Directory::of(&self.root, id).path().is_dir()
    }

    fn wait_at(&self, shim: &mut Attached, id: &str, mut exited: Exited) -> Result<Exited> {
        loop {
            match shim.receive().doing("read from the shim of", id)? {
                Some(Message::Exited(code, error)) => return Ok(Exited { code, error }),
                Some(Message::Failed(error)) => return Ok(Exited::failed(error)),
                Some(_) => {}
                None => {
                    // Killed, or it gave up waiting for a start.
                    if let Ok(record) = self.record(id) {
                        exited = Exited { code: record.state.exit_code, error: record.state.error };
                    }
                    return Ok(exited);
                }
            }
        }
    }
}
