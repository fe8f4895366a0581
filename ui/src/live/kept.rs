//! What is kept of a watch beside the screen: its sums, and the whole of it as a recording in a file without a name.

use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outcrop_layers::archive::nameless;
use outcrop_layers::watch::{Adviser, Recorder, Totals, Update};

use crate::client::NewFile;
use crate::live::{Batch, Sums};

/// Bytes that are copied at once.
const PIECE: usize = 256 << 10;

/// Shared between the thread that takes updates in and the work that saves them; the screen never waits for it.
#[derive(Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

/// Writes to a file that can be read at the same time.
type Writer = Recorder<BufWriter<Arc<File>>>;

#[derive(Default)]
struct Inner {
    totals: Totals,
    adviser: Adviser,
    seq: u64,
    recording: Recording,
}

#[derive(Default)]
enum Recording {
    /// Nothing came yet.
    #[default]
    Not,
    On(Arc<File>, Writer),
    /// It stopped, with what could be written until then.
    Stopped(Option<Arc<File>>, String),
}

/// A recording that was saved.
pub(crate) struct Saved {
    pub(crate) bytes: u64,
    /// Why it is not whole, when it is not.
    pub(crate) cut: Option<String>,
}

impl Kept {
    /// Keeps the recording in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), inner: Mutex::default() }
    }

    /// Keeps no recording: of what is one already.
    pub(crate) fn unrecorded() -> Self {
        let recording = Recording::Stopped(None, "it is a recording already".into());
        Self { folder: PathBuf::new(), inner: Mutex::new(Inner { recording, ..Inner::default() }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes updates in: numbers the events on from the last watch, adds them to the sums and records them.
    pub(crate) fn take(&self, mut updates: Vec<Update>) -> Batch {
        let mut inner = self.inner();
        for update in &mut updates {
            if let Update::Event(event) = update {
                inner.seq += 1;
                event.seq = inner.seq;
            }
            inner.totals.add(update);
            inner.adviser.add(update);
        }
        inner.recording.add(&updates, &self.folder);
        let unrecorded = match &inner.recording {
            Recording::Stopped(_, why) => Some(why.clone()),
            _ => None,
        };
        Batch { sums: Arc::new(Sums::of(&inner.totals, &inner.adviser)), updates, unrecorded, end: None }
    }

    /// Writes the recording until now to a new file.
    pub(crate) fn save(&self, to: &Path) -> Result<Saved, String> {
        let (file, cut) = self.inner().recording.until_now()?;
        let length = file.metadata().map_err(|error| format!("the recording cannot be read: {error}"))?.len();
        let mut out = NewFile::create(to)?;
        let mut buffer = vec![0; PIECE];
        let mut done = 0;
        // What is recorded meanwhile is not part of it: the last line would be cut.
        while done < length {
            let piece = PIECE.min((length - done) as usize);
            let read = file.read_at(&mut buffer[..piece], done);
            let read = read.map_err(|error| format!("the recording cannot be read: {error}"))?;
            if read == 0 {
                break;
            }
            out.write(&buffer[..read])?;
            done += read as u64;
        }
        out.finish()?;
        Ok(Saved { bytes: done, cut })
    }
}

impl Recording {
    fn add(&mut self, updates: &[Update], folder: &Path) {
        if let Self::Not = self {
            *self = match begin(folder) {
                Ok((file, recorder)) => Self::On(file, recorder),
                Err(why) => Self::Stopped(None, format!("nothing is recorded in {}: {why}", folder.display())),
            };
        }
        let Self::On(file, recorder) = self else { return };
        if let Err(error) = updates.iter().try_for_each(|update| recorder.add(update)) {
            let why = format!("the recording in {} stopped: {error}", folder.display());
            *self = Self::Stopped(Some(file.clone()), why);
        }
    }

    /// The file with all that came, and why it is not all, when it is not.
    fn until_now(&mut self) -> Result<(Arc<File>, Option<String>), String> {
        match self {
            Self::Not => Err("nothing was recorded yet".into()),
            Self::On(file, recorder) => {
                recorder.flush().map_err(|error| error.to_string())?;
                Ok((file.clone(), None))
            }
            Self::Stopped(Some(file), why) => Ok((file.clone(), Some(why.clone()))),
            Self::Stopped(None, why) => Err(why.clone()),
        }
    }
}

fn begin(folder: &Path) -> Result<(Arc<File>, Writer), String> {
    let file = Arc::new(nameless(folder).map_err(|error| error.to_string())?);
    let recorder = Recorder::new(BufWriter::new(file.clone())).map_err(|error| error.to_string())?;
    Ok((file, recorder))
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inner({} events)", self.seq)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use outcrop_layers::watch::Replay;

    use super::*;
    use crate::tests::live::{attached, event};

    #[test]
    fn what_is_saved_can_be_replayed_and_goes_on() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let kept = Kept::new(folder.path());
        let target = folder.path().join("web.jsonl");
        assert!(kept.save(&target).is_err_and(|why| why.contains("nothing was recorded")));
        kept.take(vec![attached(), event(1, "etc/passwd", 2100)]);
        kept.save(&target).expect("saves");
        let replay = |path: &Path| {
            let file = File::open(path).expect("opens");
            Replay::new(BufReader::new(file))
                .expect("is one")
                .map(|update| update.expect("is whole"))
                .collect::<Vec<_>>()
        };
        assert_eq!(replay(&target), [attached(), event(1, "etc/passwd", 2100)]);
        assert!(kept.save(&target).is_err_and(|why| why.contains("exists already")));
        // A watch that begins anew counts from 1; the recording goes on.
        kept.take(vec![attached(), event(1, "etc/group", 30)]);
        let whole = folder.path().join("whole.jsonl");
        kept.save(&whole).expect("saves");
        let [_, _, again, Update::Event(last)] = &replay(&whole)[..] else { panic!("four are there") };
        assert_eq!((again, last.seq, last.path.text().as_ref()), (&attached(), 2, "etc/group"));
        let names = std::fs::read_dir(folder.path()).expect("lists").count();
        assert_eq!(names, 2, "the recording itself has no name");
    }

    #[test]
    fn a_folder_that_takes_nothing_is_said() {
        let kept = Kept::new(Path::new("/nonexistent/folder"));
        let batch = kept.take(vec![event(1, "a", 1)]);
        assert!(batch.unrecorded.is_some_and(|why| why.contains("/nonexistent/folder")));
        assert_eq!(batch.sums.counts.copy_ups, 1, "the sums are whole");
        assert!(kept.save(Path::new("/tmp/never")).is_err());
    }
}
