//! Signals to this program that are for a container.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::connect::{Connection, in_path};
use crate::report::filter;

/// The signals that are passed on, by the names that engines know.
const PASSED_ON: [(&str, i32); 8] =
    [("HUP", 1), ("INT", 2), ("QUIT", 3), ("USR1", 10), ("USR2", 12), ("ALRM", 14), ("TERM", 15), ("CONT", 18)];

/// The signals that end this program.
const ENDING: [(SignalKind, u8); 4] =
    [(SignalKind::hangup(), 1), (SignalKind::interrupt(), 2), (SignalKind::quit(), 3), (SignalKind::terminate(), 15)];

/// Passes signals on to a container until it is dropped.
pub(crate) fn pass_on(connection: &Arc<Connection>, container: &str) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (name, number) in PASSED_ON {
        let Ok(mut signals) = signal(SignalKind::from_raw(number)) else { continue };
        let path = filter::query(&format!("/containers/{}/kill", in_path(container)), &[("signal", Some(name))]);
        let connection = Arc::clone(connection);
        tasks.spawn(async move {
            while signals.recv().await.is_some() {
                // A container that has ended, or not begun, needs no signal.
                let _ = connection.post(&path).await;
            }
        });
    }
    tasks
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
