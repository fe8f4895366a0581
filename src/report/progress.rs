//! Progress of long work, on standard error, when a terminal shows it and it lasts.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{safe, units};

/// What is done sooner is not talked about.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(100);

/// One line that tells how far work is. Clones share it.
#[derive(Clone)]
pub(crate) struct Meter {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    verb: &'static str,
    total: Option<u64>,
    begun: Instant,
    bytes: AtomicU64,
    state: Mutex<State>,
}

struct State {
    shown: Option<Instant>,
    note: String,
}

impl Meter {
    /// Begins to measure; silent when `quiet`, or when standard error is no terminal.
    pub(crate) fn new(verb: &'static str, total: Option<u64>, quiet: bool) -> Self {
        let talks = !quiet && std::io::stderr().is_terminal();
        let state = Mutex::new(State { shown: None, note: String::new() });
        let shared = Shared { verb, total, begun: Instant::now(), bytes: AtomicU64::new(0), state };
        Self { shared: talks.then(|| Arc::new(shared)) }
    }

    /// Counts bytes.
    pub(crate) fn add(&self, bytes: u64) {
        if let Some(shared) = &self.shared {
            let now = shared.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
            shared.show(now, None);
        }
    }

    /// Says what is being done.
    pub(crate) fn note(&self, text: &str) {
        if let Some(shared) = &self.shared {
            shared.show(shared.bytes.load(Ordering::Relaxed), Some(text));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if let Some(shared) = &self.shared {
            let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.shown.take().is_some() {
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            }
        }
    }
}

impl Shared {
    fn show(&self, bytes: u64, note: Option<&str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(note) = note {
            note.clone_into(&mut state.note);
        }
        let elapsed = self.begun.elapsed();
        if elapsed < PATIENCE || state.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        state.shown = Some(Instant::now());
        let text = line(self.verb, bytes, self.total, elapsed, &state.note);
        let _ = write!(std::io::stderr(), "\r\x1b[K{}", safe::word(&text));
    }
}

/// `loading  412MB of 1.2GB  34%  187MB/s  layer 3`
fn line(verb: &str, bytes: u64, total: Option<u64>, elapsed: Duration, note: &str) -> String {
    let size = |bytes: u64| units::short_size(bytes as f64);
    let rate = size((bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
    let done = match total.filter(|total| *total > 0) {
        Some(total) => format!("{} of {}  {}%", size(bytes), size(total), bytes.saturating_mul(100) / total),
        None => size(bytes),
    };
    let note = if note.is_empty() { String::new() } else { format!("  {note}") };
    format!("{verb}  {done}  {rate}/s{note}").chars().take(79).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_share_and_rate() {
        let two = Duration::from_secs(2);
        assert_eq!(
            line("loading", 50_000_000, Some(200_000_000), two, "layer 3"),
            "loading  50MB of 200MB  25%  25MB/s  layer 3"
        );
        assert_eq!(line("saving", 1000, None, two, ""), "saving  1kB  500B/s");
    }
}
