//! A watch whose updates are shown, as `watch` and `run --watch` have it.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::Duration;

use outcrop_layers::watch::{Options, Recorder, Update, Watch};
use tokio::sync::mpsc::{Receiver, channel};

use super::show::Show;
use super::target::Target;
use super::{Failure, How};

/// How long what follows an update is gathered, so that a burst is not shown piece by piece, which costs those who write.
const GATHERED: Duration = Duration::from_millis(5);

/// Most updates that are shown at a time.
const MOST: usize = 8192;

/// A watch that runs. What happens after [`Watching::begin`] has returned is seen.
pub(crate) struct Watching {
    watch: Watch,
    updates: Receiver<Vec<Update>>,
    show: Show,
    record: Option<(PathBuf, Recorder<BufWriter<File>>)>,
}

impl Watching {
    /// Begins to watch a container before it is started, or whatever else is there.
    pub(crate) fn begin(target: &Target, how: &How) -> Result<Self, Failure> {
        let record = how.record.as_ref().map(record).transpose()?;
        let scratch = ["/var/tmp", "/tmp", "/run"].map(PathBuf::from).to_vec();
        let all = matches!(target, Target::All(_));
        let (watch, told) = Watch::start(Options { all, scratch, only: None })?;
        let mut show = Show::new(how);
        match target {
            Target::All(names) => show.set_names(names.clone()),
            Target::Mount(_, overlay) | Target::Container(_, overlay) => {
                watch.attach((**overlay).clone())?;
            }
        }
        let (sender, updates) = channel(1);
        std::thread::Builder::new()
            .name("watch-tell".into())
            .spawn(move || {
                while let Ok(first) = told.recv() {
                    let rest = std::iter::from_fn(|| told.try_recv().ok()).take(MOST);
                    let batch = std::iter::once(first).chain(rest).collect();
                    // Whoever reads the output may take its time: what waits meanwhile waits where it is counted.
                    if sender.blocking_send(batch).is_err() {
                        return;
                    }
                    std::thread::sleep(GATHERED);
                }
            })
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok(Self { watch, updates, show, record })
    }

    /// Shows what happens until `ended` ends, and then the rest.
    pub(crate) async fn until<T>(mut self, ended: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut ended = std::pin::pin!(ended);
        let result = loop {
            tokio::select! {
                result = &mut ended => break result,
                update = self.updates.recv() => match update {
                    Some(batch) => self.add(&batch)?,
                    None => break ended.await,
                },
            }
        };
        let Self { watch, mut updates, mut show, mut record } = self;
        let stopped = tokio::task::spawn_blocking(move || watch.stop());
        while let Some(batch) = updates.recv().await {
            batch.iter().try_for_each(|update| add(&mut show, &mut record, update))?;
        }
        let _ = stopped.await; // a thread that panicked has said so
        if let Some((path, recorder)) = &mut record {
            recorder.flush().map_err(|error| told(path, &error))?;
        }
        show.finish()?;
        result
    }

    fn add(&mut self, batch: &[Update]) -> Result<(), Failure> {
        batch.iter().try_for_each(|update| add(&mut self.show, &mut self.record, update))?;
        self.show.flush()?;
        if let Some((path, recorder)) = &mut self.record {
            recorder.flush().map_err(|error| told(path, &error))?;
        }
        Ok(())
    }
}

type Record = Option<(PathBuf, Recorder<BufWriter<File>>)>;

fn add(show: &mut Show, record: &mut Record, update: &Update) -> Result<(), Failure> {
    if let Some((path, recorder)) = record {
        recorder.add(update).map_err(|error| told(path, &error))?;
    }
    show.update(update)
}

fn record(path: &PathBuf) -> Result<(PathBuf, Recorder<BufWriter<File>>), Failure> {
    let file = File::create(path).map_err(|error| Failure::io("write", path, &error))?;
    let recorder = Recorder::new(BufWriter::new(file)).map_err(|error| told(path, &error))?;
    Ok((path.clone(), recorder))
}

fn told(path: &std::path::Path, error: &outcrop_layers::watch::WatchError) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}
