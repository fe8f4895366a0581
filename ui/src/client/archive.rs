//! Requests answered from an image archive or OCI layout, which is only read.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use outcrop_layers::digest::ChainId;
use outcrop_layers::history;
use outcrop_layers::source::LayerSource;
use outcrop_layers::source::archive::ArchiveSource;

use crate::client::content::Reader;
use crate::job::{JobId, JobNews};
use crate::launch::Looked;
use crate::launch::check::Seen;
use crate::message::{Data, Request, Server};
use crate::model::{Detail, Disk, DiskImage, ImageRow, Step, instruction, maker};
use crate::size::parse_time;

/// Reads one archive.
#[derive(Clone)]
pub(crate) struct ArchiveClient {
    path: PathBuf,
    reader: Reader,
    images: Arc<OnceLock<Result<Vec<Arc<ArchiveSource>>, String>>>,
}

impl ArchiveClient {
    pub(crate) fn new(path: PathBuf, reader: Reader) -> Self {
        Self { path, reader, images: Arc::default() }
    }

    pub(crate) fn start(&self, request: Request) {
        let Some(request) = self.reader.start(request) else { return };
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.run(request));
    }

    pub(crate) fn run(&self, request: Request) {
        let out = &self.reader.out;
        match request {
            Request::Server => {
                out.data(Data::Server(Server { root: self.path.display().to_string(), ..Server::default() }));
            }
            Request::List => match self.images() {
                Ok(images) => out.data(Data::Images(images.iter().map(|i| row(i)).collect())),
                Err(error) => {
                    out.data(Data::Images(Vec::new()));
                    out.data(Data::Failed(error.clone()));
                }
            },
            Request::Details(ids) => {
                let images = self.images().unwrap_or_default().iter().filter(|i| ids.contains(&id(i)));
                out.data(Data::Details(images.map(|i| detail(i)).collect()));
            }
            Request::Content { job, cancel, image, .. } => {
                let source = self.images().iter().flat_map(|i| i.iter()).find(|i| id(i) == image).cloned();
                let source =
                    source.map(|s| s as Arc<dyn LayerSource>).ok_or_else(|| format!("{image} is not in the archive"));
                self.reader.read(job, &cancel, &image, source, false);
            }
            Request::Remove { job, .. }
            | Request::Prune { job }
            | Request::Load { job, .. }
            | Request::Pull { job, .. }
            | Request::Push { job, .. }
            | Request::SaveImages { job, .. } => {
                self.refuse(job);
            }
            Request::Work { job, .. } => self.refuse(job),
            Request::Containers => out.data(Data::Containers(Err("an archive holds images, no containers".into()))),
            Request::Volumes => out.data(Data::Volumes(Err("an archive holds images, no volumes".into()))),
            Request::VolumeSizes => out.data(Data::VolumeSizes(Err("an archive holds no volumes".into()))),
            Request::Disk => out.data(Data::Disk(self.disk())),
            Request::Look(path) => out.data(Data::Looked(Looked {
                seen: Seen::Failed("an archive builds nothing: open an engine for that".into()),
                path,
                entries: Vec::new(),
            })),
            Request::Tag { .. } => out.data(Data::Failed(READ_ONLY.into())),
            _ => {}
        }
    }

    /// What the archive's images hold; nothing else of an engine's is in it.
    fn disk(&self) -> Result<Disk, String> {
        let images = self.images()?.iter().map(|source| {
            let ImageRow { id, tags, .. } = row(source);
            let image = source.image();
            let chains = ChainId::all(&image.parsed.rootfs.diff_ids);
            let sizes = image.layers.iter().map(|layer| layer.size.unwrap_or(0));
            DiskImage { id, tags, layers: chains.into_iter().zip(sizes).collect() }
        });
        Ok(Disk { images: images.collect(), ..Disk::default() })
    }

    fn refuse(&self, job: JobId) {
        self.reader.out.job(job, JobNews::Failed(READ_ONLY.into()));
    }

    /// The images; opening is done once, and a failure stays.
    fn images(&self) -> Result<&[Arc<ArchiveSource>], &String> {
        let open = || {
            let reader = &self.reader;
            let all = ArchiveSource::open(&self.path, None, &reader.spool, reader.cache.as_ref());
            Ok(all.map_err(|e| e.to_string())?.into_iter().map(Arc::new).collect())
        };
        self.images.get_or_init(open).as_ref().map(Vec::as_slice)
    }
}

/// What is said where an engine is needed.
const READ_ONLY: &str = "an archive is only read: load it into an engine to change it";

fn id(source: &ArchiveSource) -> String {
    source.image().id().to_string()
}

fn row(source: &ArchiveSource) -> ImageRow {
    let image = source.image();
    let mut tags = image.tags.clone();
    tags.sort();
    ImageRow {
        id: id(source),
        tags,
        size: image.layers.iter().filter_map(|l| l.size).sum(),
        created: image.parsed.created.as_deref().and_then(parse_time).unwrap_or(0),
        containers: None,
        parent: String::new(),
    }
}

fn detail(source: &ArchiveSource) -> Detail {
    let image = source.image();
    let config = &image.parsed;
    let layers = config.rootfs.diff_ids.clone();
    let steps = history::steps(config)
        .into_iter()
        .map(|step| Step {
            layer: step.layer,
            instruction: instruction(&maker(&step.verbatim, step.comment.as_deref().unwrap_or_default())),
            size: step.layer.and_then(|l| image.layers.get(l)?.size).unwrap_or(0),
            created: step.created.as_deref().and_then(parse_time).unwrap_or(0),
        })
        .collect();
    let inspect: Option<serde_json::Value> = serde_json::from_slice(&image.config).ok();
    Detail {
        id: id(source),
        chains: ChainId::all(&layers),
        layers,
        steps,
        sized: false,
        platform: format!("{}/{}{}", config.os, config.architecture, config.variant.as_deref().unwrap_or("")),
        inspect: inspect.and_then(|v| serde_json::to_string_pretty(&v).ok()).unwrap_or_default(),
    }
}
