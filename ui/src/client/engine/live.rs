//! Watching what a container writes: its directories on this machine, or by the engine itself.

use std::path::PathBuf;
use std::sync::Arc;

use bollard::models::ContainerInspectResponse;
use futures_util::StreamExt;
use outcrop_layers::watch::{LowerLayer, Options, Overlay, Update, UpdateSender, Updates, Watch, updates};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::client::EngineClient;
use crate::client::engine::say;
use crate::live::{Batch, Kept, relay};
use crate::message::Data;

/// Longest line that an engine may send, in bytes.
const LONGEST: usize = 8 << 20;

/// What tells, until it is ended.
enum Source {
    /// A watch in this process.
    Here(Watch),
    /// A task that reads what the engine tells.
    There(tokio::task::JoinHandle<()>),
}

impl EngineClient {
    pub(super) async fn live(&self, generation: u64, container: &str, kept: Arc<Kept>, stop: oneshot::Receiver<()>) {
        let why = match self.begin_live(container).await {
            Ok((source, updates)) => {
                let (out, done) = (self.out.clone(), oneshot::channel());
                let thread = std::thread::Builder::new().name("watch-tell".into()).spawn(move || {
                    relay(&updates, &kept, &|batch| out.data(Data::Live(generation, batch)));
                    let _ = done.0.send(()); // nobody waits for it when the program ends
                });
                match thread {
                    Ok(_) => until(source, stop, done.1).await,
                    Err(error) => format!("cannot start a thread: {error}"),
                }
            }
            Err(why) => why,
        };
        self.out.data(Data::Live(generation, Batch { end: Some(why), ..Batch::default() }));
    }

    async fn begin_live(&self, container: &str) -> Result<(Source, Updates), String> {
        let inspect = self.docker.inspect_container(container, None).await.map_err(|error| say(&error))?;
        let image = inspect.image.clone().unwrap_or_default();
        let words: Vec<String> = match self.detail(&image).await {
            Ok(detail) => (0..detail.layers.len())
                .map(|layer| detail.steps.iter().find(|step| step.layer == Some(layer)))
                .map(|step| step.map_or_else(String::new, |step| step.instruction.clone()))
                .collect(),
            Err(_) => Vec::new(), // the image is gone: its layers have numbers
        };
        let here = match overlay(&inspect) {
            Err(why) => return Err(why),
            Ok(_) if !self.local => Err("the engine's files are not on this machine".to_owned()),
            Ok(mut overlay) => {
                explain(&mut overlay.lowers, &words);
                spawn_blocking(move || here(overlay)).await.map_err(|error| error.to_string())?
            }
        };
        let why = match here {
            Ok((watch, updates)) => return Ok((Source::Here(watch), updates)),
            Err(why) => why,
        };
        let Some(watching) = &self.lent.watching else { return Err(why) };
        let lines = watching(container.to_owned()).await;
        let lines = lines.map_err(|error| format!("{why}, and the engine does not watch for others: {error}"))?;
        let (sender, updates) = updates();
        Ok((Source::There(tokio::spawn(there(lines, sender, words))), updates))
    }
}

/// Waits until it is to end, or has ended; says why.
async fn until(source: Source, stop: oneshot::Receiver<()>, mut done: oneshot::Receiver<()>) -> String {
    let ended = tokio::select! {
        _ = stop => false,
        _ = &mut done => true,
    };
    match source {
        // Ending compares what was told with what is there, and tells the rest.
        Source::Here(watch) => {
            let _ = spawn_blocking(move || watch.stop()).await; // a thread that panicked has said so
        }
        Source::There(task) => task.abort(),
    }
    if !ended {
        let _ = done.await;
    }
    if ended { "the engine tells no more".into() } else { "no longer watched".into() }
}

/// The directories that the engine tells of.
fn overlay(inspect: &ContainerInspectResponse) -> Result<Overlay, String> {
    let driver = inspect.graph_driver.as_ref();
    let data = |name: &str| driver.and_then(|driver| driver.data.get(name)).map_or("", String::as_str);
    if data("UpperDir").is_empty() {
        let name = driver.map_or("unknown", |driver| driver.name.as_str());
        return Err(format!("its storage driver is {name}: only overlay copies files up when they are written"));
    }
    let name = inspect.name.as_deref().unwrap_or_default().trim_start_matches('/');
    let overlay = Overlay::of_graph_driver(name, data("LowerDir"), data("UpperDir"), data("WorkDir"));
    Ok(overlay.of_container(inspect.id.as_deref().unwrap_or_default()))
}

fn here(overlay: Overlay) -> Result<(Watch, Updates), String> {
    if let Err(error) = std::fs::metadata(&overlay.upper) {
        return Err(format!("cannot look at {}, which it writes to: {error}", overlay.upper.display()));
    }
    let scratch = ["/var/tmp", "/tmp", "/run"].map(PathBuf::from).to_vec();
    let (watch, updates) =
        Watch::start(Options { all: false, scratch, only: None }).map_err(|error| error.to_string())?;
    watch.attach(overlay).map_err(|error| error.to_string())?;
    Ok((watch, updates))
}

/// Reads the updates that an engine tells, a line each, until it tells no more or something that is none.
async fn there(
    mut pieces: futures_util::stream::BoxStream<'static, Result<bytes::Bytes, String>>,
    updates: UpdateSender,
    words: Vec<String>,
) {
    let mut rest = Vec::new();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { return };
        rest.extend_from_slice(&piece);
        let mut begin = 0;
        while let Some(length) = rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = &rest[begin..begin + length];
            begin += length + 1;
            let mut update = serde_json::from_slice(line)
                .unwrap_or_else(|error| Update::Note(format!("the engine told something that is no update: {error}")));
            if let Update::Attached(attached) = &mut update {
                explain(&mut attached.lowers, &words);
            }
            if updates.send(update).is_err() {
                return;
            }
        }
        rest.drain(..begin);
        if rest.len() > LONGEST {
            let _ = updates.send(Update::Note("the engine told something that is too long".into()));
            return;
        }
    }
}

/// Adds the instruction that made each layer, base first.
fn explain(lowers: &mut [LowerLayer], words: &[String]) {
    let init = lowers.len() == words.len() + 1;
    for (lower, words) in lowers.iter_mut().zip(words) {
        if lower.created_by.is_none() && !words.is_empty() {
            lower.created_by = Some(words.clone());
        }
    }
    // Docker puts a layer of its own between the image and the container.
    if let Some(last) = lowers.last_mut().filter(|last| init && last.created_by.is_none()) {
        last.created_by = Some("mount points that the engine makes".into());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::tests::live::{attached, event};

    #[tokio::test]
    async fn lines_are_put_together_from_pieces() {
        let line = |update: &Update| format!("{}\n", serde_json::to_string(update).expect("is JSON"));
        let whole = [line(&attached()), line(&event(1, "etc/passwd", 10)), "{\"x\": 1}\n".into()].concat();
        let pieces: Vec<_> = whole.as_bytes().chunks(7).map(|piece| Ok(bytes::Bytes::copy_from_slice(piece))).collect();
        let (sender, updates) = updates();
        there(stream::iter(pieces).boxed(), sender, Vec::new()).await;
        let got: Vec<Update> = updates.iter().collect();
        assert_eq!(got[..2], [attached(), event(1, "etc/passwd", 10)]);
        assert!(matches!(&got[2..], [Update::Note(text)] if text.contains("no update")), "{got:?}");
    }

    #[test]
    fn layers_get_their_instructions() {
        let mut lowers = vec![LowerLayer::default(); 3];
        explain(&mut lowers, &["COPY a /".into(), "RUN x".into()]);
        let words: Vec<_> = lowers.iter().filter_map(|lower| lower.created_by.as_deref()).collect();
        assert_eq!(words, ["COPY a /", "RUN x", "mount points that the engine makes"]);
    }
}
