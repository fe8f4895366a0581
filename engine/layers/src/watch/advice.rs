//! What would spare copying, in sentences.

use std::collections::HashMap;

use super::event::{Data, Event, Kind};
use super::overlay::Update;
use super::raw_path::RawPath;
use super::totals::let_go;

/// Bytes below which nothing is advised.
const WORTH: u64 = 100_000;
/// Writes to one folder from which on it looks like one for logs or data.
const BUSY: u64 = 20;

/// Most files that are remembered: of more, the half that cost least is let go.
const MOST_FILES: usize = 200_000;

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The overlay's number.
    pub overlay: u32,
    /// What it is about: a folder, or a file.
    pub path: RawPath,
    /// Bytes that were copied or written because of it.
    pub bytes: u64,
    /// Files that it is about.
    pub files: u64,
    /// What it is about.
    pub about: About,
}

/// What advice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// Files were copied to change their mode, owner or times.
    Metadata,
    /// Files were copied although little of them changed.
    SmallWrites,
    /// Files of the folder are written all the time.
    Busy,
}

/// Gathers what advice needs from updates.
#[derive(Clone, Debug, Default)]
pub struct Adviser {
    files: HashMap<(u32, RawPath), File>,
}

#[derive(Clone, Copy, Debug, Default)]
struct File {
    copied: u64,
    changed: u64,
    writes: u64,
}

impl Adviser {
    /// Takes in an update.
    pub fn add(&mut self, update: &Update) {
        let Update::Event(Event { overlay, path, kind, .. }) = update else { return };
        let relevant =
            matches!(kind, Kind::CopyUp { data: Data::Full, .. } | Kind::Write { .. } | Kind::Compared { .. });
        if !relevant {
            return;
        }
        let file = self.files.entry((*overlay, path.clone())).or_default();
        match kind {
            Kind::CopyUp { copied, .. } => file.copied += copied,
            Kind::Write { changed, .. } => {
                file.writes += 1;
                file.changed = changed.unwrap_or(file.changed);
            }
            Kind::Compared { changed, .. } => file.changed = *changed,
            _ => {}
        }
        let_go(&mut self.files, MOST_FILES, |file| file.copied + file.writes);
    }

    /// What would spare most, first.
    pub fn advice(&self) -> Vec<Advice> {
        let mut groups: HashMap<(u32, RawPath, About), Advice> = HashMap::new();
        for ((overlay, path), file) in &self.files {
            let about = match file {
                File { copied: 1.., writes: 0, .. } => About::Metadata,
                File { copied, changed, writes: 1.., .. } if *copied > changed.saturating_mul(10) => About::SmallWrites,
                File { writes: 1.., .. } => About::Busy,
                _ => continue,
            };
            let folder = RawPath::from(path.folder());
            let advice = groups.entry((*overlay, folder.clone(), about)).or_insert(Advice {
                overlay: *overlay,
                path: folder,
                bytes: 0,
                files: 0,
                about,
            });
            advice.files += if about == About::Busy { file.writes } else { 1 };
            advice.bytes += if about == About::Busy { file.changed } else { file.copied };
        }
        let worth = |advice: &Advice| match advice.about {
            About::Busy => advice.files >= BUSY,
            About::Metadata | About::SmallWrites => advice.bytes >= WORTH,
        };
        let mut all: Vec<_> = groups.into_values().filter(worth).collect();
        all.sort_by(|a, b| (b.bytes, &a.path, a.about).cmp(&(a.bytes, &b.path, b.about)));
        all
    }
}

impl Advice {
    /// The advice as a sentence. `size` writes bytes in the units of the reader's choice.
    pub fn text(&self, size: &dyn Fn(u64) -> String) -> String {
        let (path, bytes) = (self.path.text(), size(self.bytes));
        let were_copied =
            if self.files == 1 { "1 file was copied".into() } else { format!("{} files were copied", self.files) };
        match self.about {
            About::Metadata => format!(
                "/{path}: {were_copied} ({bytes}) to change no content: set mode and owner in the Dockerfile \
                 (COPY --chmod, --chown), not when the container starts"
            ),
            About::SmallWrites => format!(
                "/{path}: {were_copied} ({bytes}) for a few bytes: keep what changes in a volume, or in files of \
                 its own"
            ),
            About::Busy => {
                format!("/{path}: written {} times ({bytes}): use a volume for it, which copies nothing", self.files)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_no_files() {
        let text = |files, about| {
            let path = RawPath(b"bin"[..].into());
            Advice { overlay: 0, path, bytes: 7, files, about }.text(&|bytes| format!("{bytes} B"))
        };
        for about in [About::Metadata, About::SmallWrites] {
            assert!(text(1, about).starts_with("/bin: 1 file was copied (7 B) "), "{}", text(1, about));
            assert!(text(2, about).starts_with("/bin: 2 files were copied (7 B) "), "{}", text(2, about));
        }
        assert!(text(20, About::Busy).starts_with("/bin: written 20 times (7 B): "));
    }
}
