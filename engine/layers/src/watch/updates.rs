//! Where updates wait until they are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, SendError, Sender, TryRecvError, channel};
use std::time::Duration;

use super::overlay::Update;

/// How many may wait before nothing more is told until some are taken: about 60 MB.
const MOST: usize = if cfg!(test) { 1_000 } else { 500_000 };

/// Makes a queue of updates: where they are sent, and where they are taken in the same order.
pub fn updates() -> (UpdateSender, Updates) {
    let (sender, receiver) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (UpdateSender { sender, waiting: waiting.clone() }, Updates { receiver, waiting })
}

/// Where updates are sent.
#[derive(Clone, Debug)]
pub struct UpdateSender {
    sender: Sender<Update>,
    waiting: Arc<AtomicUsize>,
}

impl UpdateSender {
    /// Sends one; never waits.
    ///
    /// # Errors
    /// Nobody will take it.
    pub fn send(&self, update: Update) -> Result<(), Box<SendError<Update>>> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(self.sender.send(update)?)
    }

    /// Whether so many wait that whoever sends should stop.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MOST
    }
}

/// Where updates are taken, in order.
#[derive(Debug)]
pub struct Updates {
    receiver: Receiver<Update>,
    waiting: Arc<AtomicUsize>,
}

impl Updates {
    /// Waits for the next one.
    ///
    /// # Errors
    /// No more will come.
    pub fn recv(&self) -> Result<Update, RecvError> {
        self.receiver.recv().inspect(|_| self.taken())
    }

    /// Waits for the next one, but no longer than `patience`.
    ///
    /// # Errors
    /// None came in time, or no more will come.
    pub fn recv_timeout(&self, patience: Duration) -> Result<Update, RecvTimeoutError> {
        self.receiver.recv_timeout(patience).inspect(|_| self.taken())
    }

    /// Takes one that waits.
    ///
    /// # Errors
    /// None waits, or no more will come.
    pub fn try_recv(&self) -> Result<Update, TryRecvError> {
        self.receiver.try_recv().inspect(|_| self.taken())
    }

    /// Takes all until no more will come.
    pub fn iter(&self) -> impl Iterator<Item = Update> {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// How many wait to be taken.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
