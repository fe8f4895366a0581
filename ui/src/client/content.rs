//! What is inside images: read in place where that can be, or from an archive, or from an export spooled to a nameless file.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcrop_layers::content::{ENOUGH, difference, preview};
use outcrop_layers::index::LayerIndex;
use outcrop_layers::index::cache::IndexCache;
use outcrop_layers::source::archive::spool;
use outcrop_layers::source::data_root::DataRoot;
use outcrop_layers::source::{LayerSource, SourceError, indexes};
use outcrop_layers::tree::Tree;
use outcrop_layers::verify::doubts;

use crate::client::Out;
use crate::client::find::find;
use crate::client::peek::{difference_lines, peek};
use crate::client::recording::{replay, saved};
use crate::content::{Content, Reading};
use crate::job::{Cancel, JobId, JobNews};
use crate::message::{Data, Request};
use crate::screen::files::rows::build;

/// Most bytes of a file that are compared line by line.
const DIFF: usize = 2 << 20;

/// Work for another thread.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// How layers are read.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) out: Out,
    pub(crate) cache: Option<IndexCache>,
    pub(crate) spool: PathBuf,
}

impl Reader {
    /// Starts what can be answered from a tree that is there already; gives back what cannot.
    pub(crate) fn start(&self, request: Request) -> Option<Request> {
        match self.work(request) {
            Ok(work) => {
                tokio::task::spawn_blocking(work);
                None
            }
            Err(request) => Some(*request),
        }
    }

    /// What is to be done for a request that a tree answers; any other is given back.
    pub(crate) fn work(&self, request: Request) -> Result<Work, Box<Request>> {
        let this = self.clone();
        Ok(match request {
            Request::Rows { generation, content, spec, cancel } => Box::new(move || {
                let rows = build(&content.tree, &spec, &|| cancel.is_cancelled());
                this.out.data(Data::Rows { generation, rows });
            }),
            Request::Find { generation, content, spec, text, cancel } => Box::new(move || {
                if let Some((nodes, total)) = find(&content.tree, &spec, &text, &cancel) {
                    this.out.data(Data::Found { generation, nodes, total });
                }
            }),
            Request::Peek { generation, content, layer, path } => Box::new(move || {
                let result = Self::peek(&content, layer, &path);
                this.out.data(Data::Peek { generation, result });
            }),
            Request::Diff { content, path, from, to } => Box::new(move || this.diff(&content, &path, from, to)),
            Request::Differences { left, right } => Box::new(move || {
                let list = crate::client::differences::differences(&left.tree, &right.tree);
                this.out.data(Data::Differences { left: left.image.clone(), right: right.image.clone(), list });
            }),
            Request::SaveFile { job, cancel, content, layer, path, to } => Box::new(move || {
                let news = match this.save(job, &cancel, &content, layer, &path, &to) {
                    Ok(bytes) => JobNews::Done(format!("{bytes} bytes in {}", to.display())),
                    Err(error) => JobNews::Failed(format!("cannot save: {error}")),
                };
                this.out.job(job, news);
            }),
            Request::SaveRecording { job, kept, to } => Box::new(move || this.out.job(job, saved(&kept, &to))),
            Request::OpenRecording { generation, path } => {
                Box::new(move || replay(&path, &|batch| this.out.data(Data::Live(generation, batch))))
            }
            other => return Err(Box::new(other)),
        })
    }

    /// Reads an image of a data root on this machine.
    pub(crate) fn in_place(&self, root: &Path, image: &str) -> Result<Arc<dyn LayerSource>, String> {
        let id = image.parse().map_err(|_| format!("{image} is no image ID"))?;
        let root = DataRoot::open(root).map_err(|e| e.to_string())?.with_cache(self.cache.clone());
        Ok(Arc::new(root.image(&id).map_err(|e| e.to_string())?))
    }

    /// Reads an image from an engine's export.
    pub(crate) fn spooled(
        &self,
        job: JobId,
        cancel: &Cancel,
        stream: impl Read,
        image: &str,
        total: u64,
    ) -> Result<Arc<dyn LayerSource>, String> {
        let progress = |done| self.out.job(job, JobNews::Progress { done, total, what: None });
        let all = spool(stream, &self.spool, self.cache.as_ref(), &progress, &|| cancel.is_cancelled());
        let mut all = all.map_err(|e| e.to_string())?;
        let at = all.iter().position(|s| s.image().id().to_string() == image).unwrap_or(0);
        if all.is_empty() { Err("the export holds no image".into()) } else { Ok(Arc::new(all.swap_remove(at))) }
    }

    /// Reads all layers of an image and makes the tree; says it as the job ends.
    pub(crate) fn read(
        &self,
        job: JobId,
        cancel: &Cancel,
        image: &str,
        source: Result<Arc<dyn LayerSource>, String>,
        in_place: bool,
    ) {
        let reading = match source.and_then(|s| self.tree(job, cancel, image, s, in_place)) {
            Ok(content) => {
                self.out.job(job, JobNews::Done("its files can be seen".into()));
                Reading::Ready(Arc::new(content))
            }
            Err(error) if cancel.is_cancelled() => {
                self.out.job(job, JobNews::Failed(error));
                return;
            }
            Err(error) => {
                self.out.job(job, JobNews::Failed(error.clone()));
                Reading::Failed(error)
            }
        };
        self.out.data(Data::Content { image: image.to_owned(), reading });
    }

    pub(crate) fn tree(
        &self,
        job: JobId,
        cancel: &Cancel,
        image: &str,
        source: Arc<dyn LayerSource>,
        in_place: bool,
    ) -> Result<Content, String> {
        let count = source.layers().len() as u64;
        let progress = |layer: usize, _: u64| {
            self.out.job(job, JobNews::Progress { done: layer as u64, total: count, what: None });
        };
        let read = indexes(&*source, &progress, &|| cancel.is_cancelled()).map_err(|e| e.to_string())?;
        let mut problems = Vec::new();
        let indexes: Vec<Arc<LayerIndex>> = read
            .into_iter()
            .map(|index| {
                index.unwrap_or_else(|error: SourceError| {
                    problems.push(error.to_string());
                    Arc::default()
                })
            })
            .collect();
        if !problems.is_empty() && problems.len() as u64 == count {
            return Err(problems.swap_remove(0));
        }
        let mut tree = Tree::build(&indexes);
        // In a compressed archive looking at one file undoes the compression of all before it.
        if in_place || indexes.iter().map(|i| i.bytes()).sum::<u64>() <= 2 * SETTLE_BYTES {
            settle(&mut tree, &*source, cancel);
        }
        Ok(Content::new(image.to_owned(), tree, source, problems))
    }

    pub(crate) fn peek(content: &Content, layer: usize, path: &[u8]) -> Result<crate::message::Peek, String> {
        let file = content.source.open(layer, path).map_err(|e| e.to_string())?;
        Ok(peek(&preview(file, ENOUGH).map_err(|e| e.to_string())?))
    }

    fn diff(&self, content: &Content, path: &[u8], from: usize, to: usize) {
        let open = |layer: usize| content.source.open(layer, path).map_err(|e| e.to_string());
        let compared = open(from)
            .and_then(|old| Ok((old, open(to)?)))
            .and_then(|(old, new)| difference(old, new, DIFF, &|| false).map_err(|e| e.to_string()));
        match compared {
            Ok(difference) => {
                let title = format!("{}: layer {} and layer {}", crate::safe_text::from_bytes(path), from + 1, to + 1);
                let mut lines = crate::client::peek::metadata_lines(&content.tree, path, from, to);
                lines.extend(difference_lines(&difference));
                self.out.data(Data::Show { title, lines });
            }
            Err(error) => self.out.data(Data::Failed(format!("cannot compare: {error}"))),
        }
    }

    fn save(
        &self,
        job: JobId,
        cancel: &Cancel,
        content: &Content,
        layer: usize,
        path: &[u8],
        to: &Path,
    ) -> Result<u64, String> {
        let total = content.tree.layer(layer).find(path).map_or(0, |e| e.size());
        let mut from = content.source.open(layer, path).map_err(|e| e.to_string())?;
        let mut file = crate::client::file::NewFile::create(to)?;
        let (mut done, mut buffer) = (0, vec![0; 256 << 10]);
        loop {
            let n = from.read(&mut buffer).map_err(|e| e.to_string())?;
            if n == 0 {
                break;
            }
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            file.write(&buffer[..n])?;
            done += n as u64;
            self.out.job(job, JobNews::Progress { done, total, what: None });
        }
        file.finish()?;
        Ok(done)
    }
}

/// Most bytes of files in doubt that are read at once.
const SETTLE_BYTES: u64 = 64 << 20;

/// Compares the content of files whose change is only guessed, where that is quickly done.
fn settle(tree: &mut Tree, source: &dyn LayerSource, cancel: &Cancel) {
    let bytes: u64 = tree.doubts().map(|(_, _, version)| tree.entry(version).size()).sum();
    if bytes == 0 || bytes > SETTLE_BYTES {
        return;
    }
    if let Ok(findings) = doubts(tree, source, &|_, _| (), &|| cancel.is_cancelled()) {
        for finding in findings {
            tree.settle(finding.node, finding.layer, finding.same);
        }
    }
}
