//! Signals to this program that are for a container.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Failure;
use crate::connect::{Connection, in_path};
use crate::report::filter;

/// The signals that are passed on, by the names that engines know.
const PASSED_ON: [(&str, i32); 8] =
    [("HUP", 1), ("INT", 2), ("QUIT", 3), ("USR1", 10), ("USR2", 12), ("ALRM", 14), ("TERM", 15), ("CONT", 18)];

/// The signals that end this program.
const ENDING: [(SignalKind, u8); 4] =
    [(SignalKind::hangup(), 1), (SignalKind::interrupt(), 2), (SignalKind::quit(), 3), (SignalKind::terminate(), 15)];

/// So many SIGINT and SIGTERM end this program, whatever the container does with them.
const ENOUGH: usize = 3;

/// Passes signals on to a container until it is dropped.
pub(crate) struct PassOn {
    _tasks: JoinSet<()>,
    enough: Arc<Notify>,
}

impl PassOn {
    /// Waits until somebody has asked for the end often enough.
    pub(crate) async fn enough(&self) -> Failure {
        self.enough.notified().await;
        Failure::new(format!(
            "got {ENOUGH} SIGTERM/SIGINTs, forcefully exiting\nThe container goes on: `outcrop kill` ends it."
        ))
    }
}

/// Begins to pass signals on to a container.
pub(crate) fn pass_on(connection: &Arc<Connection>, container: &str) -> PassOn {
    let mut tasks = JoinSet::new();
    let (asked, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    for (name, number) in PASSED_ON {
        let Ok(mut signals) = signal(SignalKind::from_raw(number)) else { continue };
        let path = filter::query(&format!("/containers/{}/kill", in_path(container)), &[("signal", Some(name))]);
        let connection = Arc::clone(connection);
        let (asked, enough) = (Arc::clone(&asked), Arc::clone(&enough));
        tasks.spawn(async move {
            while signals.recv().await.is_some() {
                if ["INT", "TERM"].contains(&name) && asked.fetch_add(1, Ordering::Relaxed) + 1 >= ENOUGH {
                    enough.notify_one();
                }
                // A container that has ended, or not begun, needs no signal.
                let _ = connection.post(&path).await;
            }
        });
    }
    PassOn { _tasks: tasks, enough }
}

/// Waits for `work`; where signals are passed on, until they were too many.
pub(crate) async fn unless_enough<T>(
    passing: Option<&PassOn>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(passing) = passing else { return work.await };
    tokio::select! {
        done = work => done,
        failure = passing.enough() => Err(failure),
    }
}

/// Waits for a signal that asks this program to end, and gives its number.
pub(crate) async fn ending() -> u8 {
    let mut all: Vec<(Signal, u8)> =
        ENDING.into_iter().filter_map(|(kind, number)| Some((signal(kind).ok()?, number))).collect();
    let next = std::future::poll_fn(|context| {
        let ready = all.iter_mut().find_map(|(signal, number)| signal.poll_recv(context).is_ready().then_some(*number));
        ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
    });
    next.await
}
