//! What a container changed as the API lists it, where its writable layer cannot be read in place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bollard::container::PathStatResponse;
use bollard::models::{ChangeType, FilesystemChange};
use bollard::query_parameters::ContainerArchiveInfoOptionsBuilder;
use futures_util::{StreamExt, stream};
use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::index::{IndexBuilder, IndexError, LayerIndex};
use tokio::task::spawn_blocking;

use crate::client::EngineClient;
use crate::client::engine::changes::Remote;
use crate::client::engine::say;
use crate::content::Reading;
use crate::job::{Cancel, JobId, JobNews};

/// Most paths that are asked about one by one.
const MOST_ASKED: usize = 1000;
/// How many are asked about side by side.
const SIDE_BY_SIDE: usize = 8;
/// Go's bits for a folder and for a symbolic link.
const FOLDER: u32 = 1 << 31;
/// See [`FOLDER`].
const LINK: u32 = 1 << 27;

type Stats = HashMap<String, PathStatResponse>;

impl EngineClient {
    /// Reads the engine's list: paths, and whether they are new, changed or gone; bytes are asked for path by path.
    pub(super) async fn changes_by_api(&self, job: JobId, cancel: &Cancel, container: &str, why: &str) -> Reading {
        let changes = match self.docker.container_changes(container).await {
            Ok(changes) => changes.unwrap_or_default(),
            Err(error) => return Reading::Failed(format!("cannot list what it changed: {}", say(&error))),
        };
        let folders = folders(&changes);
        let asked = changes.iter().filter(|change| change.kind != ChangeType::_2 && !folders.contains(&*change.path));
        let asked: Vec<String> = asked.map(|change| change.path.clone()).collect();
        let more = asked.len().saturating_sub(MOST_ASKED);
        let stats = self.stats(job, container, asked).await;
        if cancel.is_cancelled() {
            return Reading::Failed("cancelled".into());
        }
        let indexes = match index(&changes, &folders, &stats) {
            Ok(indexes) => indexes,
            Err(error) => return Reading::Failed(error.to_string()),
        };
        let source = Arc::new(Remote::new(self.docker.clone(), container, "/", indexes));
        let (this, cancel, id) = (self.clone(), cancel.clone(), container.to_owned());
        let read = spawn_blocking(move || this.reader.tree(job, &cancel, &id, source, false));
        match read.await.map_err(|error| error.to_string()).and_then(|read| read) {
            Ok(mut content) => {
                let bytes = if more > 0 { format!("; the bytes of {more} paths are not known") } else { String::new() };
                content.problems.push(format!("as the engine lists it: {why}{bytes}"));
                Reading::Ready(Arc::new(content))
            }
            Err(why) => Reading::Failed(why),
        }
    }

    async fn stats(&self, job: JobId, container: &str, paths: Vec<String>) -> Stats {
        let total = paths.len().min(MOST_ASKED) as u64;
        let stats = stream::iter(paths.into_iter().take(MOST_ASKED).enumerate()).map(|(at, path)| async move {
            let options = ContainerArchiveInfoOptionsBuilder::default().path(&path).build();
            // What is gone meanwhile has no bytes.
            let stat = self.docker.get_container_archive_info(container, Some(options)).await.ok();
            self.out.job(job, JobNews::Progress { done: at as u64, total, what: None });
            stat.map(|stat| (path, stat))
        });
        stats.buffer_unordered(SIDE_BY_SIDE).filter_map(std::future::ready).collect().await
    }
}

/// Paths that have others in them.
fn folders(changes: &[FilesystemChange]) -> HashSet<&str> {
    changes.iter().filter_map(|change| Some(change.path.rsplit_once('/')?.0)).collect()
}

/// Makes two layers of the list: what is known to have been there, and what the container did to it.
fn index(
    changes: &[FilesystemChange],
    folders: &HashSet<&str>,
    stats: &Stats,
) -> Result<Vec<Arc<LayerIndex>>, IndexError> {
    let (mut below, mut top) = (IndexBuilder::new(), IndexBuilder::new());
    for change in changes {
        let stat = stats.get(&change.path);
        let size = stat.map_or(0, |stat| u64::try_from(stat.size).unwrap_or(0));
        let kind = match stat {
            _ if folders.contains(&*change.path) => Kind::Directory { opaque: false },
            Some(stat) if stat.file_mode & FOLDER != 0 => Kind::Directory { opaque: false },
            Some(stat) if stat.file_mode & LINK != 0 => {
                Kind::Symlink { target: stat.link_target.clone().into_bytes().into() }
            }
            _ => Kind::File { size, disk: None },
        };
        let written = stat.and_then(|stat| crate::size::parse_time(stat.modification_time.as_deref()?));
        let entry = |kind| Entry {
            path: change.path.trim_start_matches('/').as_bytes().into(),
            kind,
            mode: stat.map_or(0, |stat| (stat.file_mode & 0o777) as u16),
            uid: 0,
            gid: 0,
            mtime: Time { seconds: written.unwrap_or(0), nanoseconds: 0 },
            xattrs: Vec::new(),
        };
        if change.kind != ChangeType::_1 {
            // Of what was there before only that is known.
            let was = if kind.is_directory() { kind.clone() } else { Kind::File { size: 0, disk: None } };
            below.entry(&entry(was))?;
        }
        top.entry(&entry(if change.kind == ChangeType::_2 { Kind::Whiteout } else { kind }))?;
    }
    Ok(vec![Arc::new(below.finish()), Arc::new(top.finish())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_layers::tree::Tree;
    use outcrop_layers::view::{Mark, View};

    #[test]
    fn a_list_of_changes_is_a_layer() {
        let change = |path: &str, kind| FilesystemChange { path: path.into(), kind };
        let changes = [
            change("/etc", ChangeType::_0),
            change("/etc/passwd", ChangeType::_0),
            change("/bin", ChangeType::_0),
            change("/bin/vi", ChangeType::_2),
            change("/new", ChangeType::_1),
            change("/new/file", ChangeType::_1),
        ];
        let stat = |size| PathStatResponse {
            name: String::new(),
            size,
            file_mode: 0o644,
            modification_time: Some("2026-11-23T19:00:00Z".into()),
            link_target: String::new(),
        };
        let stats = HashMap::from([("/etc/passwd".to_owned(), stat(30)), ("/new/file".to_owned(), stat(5))]);
        let tree = Tree::build(&index(&changes, &folders(&changes), &stats).expect("fits"));
        let seen = |path: &[u8]| {
            let node = tree.find(path).expect("is there");
            let seen = tree.seen(node, View::Layer(1)).expect("is seen");
            (seen.mark, seen.entry.size(), seen.entry.mtime().seconds)
        };
        assert_eq!(seen(b"etc/passwd"), (Mark::Changed, 30, 1_795_460_400));
        assert_eq!(seen(b"new/file"), (Mark::Added, 5, 1_795_460_400));
        assert_eq!(seen(b"bin/vi").0, Mark::Removed);
        assert_eq!(seen(b"etc").0, Mark::Inside);
    }
}
