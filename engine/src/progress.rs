//! How long work tells its progress and is cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks work to stop; clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop. It cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One step of long work, in the shape of the Docker Engine API's `JSONMessage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is about: a short layer ID, or empty.
    pub id: String,
    /// What is done (`Loading layer`).
    pub status: String,
    /// Bytes done.
    pub current: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// What long work gets from its caller.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// Called with each step, on the thread that called the work.
    pub progress: &'a dyn Fn(Progress),
    /// Looked at between steps.
    pub cancel: &'a Cancel,
}
