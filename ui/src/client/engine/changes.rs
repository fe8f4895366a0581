//! What a container changed, and what is in a volume: read in place where that can be, else through the API.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::TryStreamExt;
use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::{ChainId, DiffId, Digest};
use outcrop_layers::index::{IndexBuilder, LayerIndex};
use outcrop_layers::source::data_root::DataRoot;
use outcrop_layers::source::stack::Stack;
use outcrop_layers::source::{LayerInfo, LayerSource, SourceError};
use outcrop_layers::tar::{LayerItem, TarReader};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::client::EngineClient;
use crate::content::Reading;
use crate::job::{Cancel, JobId, JobNews};
use crate::message::Data;

/// Most bytes of a file that are fetched to be looked at.
const MOST_FETCHED: u64 = 64 << 20;

impl EngineClient {
    pub(super) async fn changes(&self, job: JobId, cancel: Cancel, container: String) {
        let inspect = self.docker.inspect_container(&container, None).await;
        let image = inspect.ok().and_then(|inspect| inspect.image).unwrap_or_default();
        let root = self.local_root().await;
        let (this, id, stop) = (self.clone(), container.clone(), cancel.clone());
        let in_place = spawn_blocking(move || {
            let root = root?;
            let (source, missing) = this.writable(&root, &image, &id)?;
            this.reader.tree(job, &stop, &id, source, true).map(|mut content| {
                content.problems.extend(missing);
                content
            })
        });
        let reading = match in_place.await {
            Ok(Ok(content)) => Reading::Ready(Arc::new(content)),
            Ok(Err(_)) if cancel.is_cancelled() => return,
            Ok(Err(why)) => self.changes_by_api(job, &cancel, &container, &why).await,
            Err(error) => Reading::Failed(error.to_string()),
        };
        let news = match &reading {
            Reading::Failed(why) => JobNews::Failed(why.clone()),
            _ => JobNews::Done(String::new()),
        };
        self.out.job(job, news);
        self.out.data(Data::Changes { container, reading });
    }

    /// The data root, where it is on this machine.
    pub(super) async fn local_root(&self) -> Result<PathBuf, String> {
        if !self.local {
            return Err("the engine's files are not on this machine".into());
        }
        let root = self.docker.info().await.ok().and_then(|info| info.docker_root_dir).unwrap_or_default();
        if root.is_empty() { Err("the engine does not say where its files are".into()) } else { Ok(root.into()) }
    }

    /// The container's writable layer on its image's layers, and what is missing of them.
    fn writable(
        &self,
        root: &Path,
        image: &str,
        container: &str,
    ) -> Result<(Arc<dyn LayerSource>, Option<String>), String> {
        let opened = DataRoot::open(root).map_err(|error| error.to_string())?;
        let folder = opened.writable_layer(container).map_err(|error| error.to_string())?;
        let mut kept = self.bases.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let base = match kept.iter().find(|(id, _)| id == image) {
            Some((_, base)) => Ok(base.clone()),
            None => self.reader.in_place(root, image),
        };
        Ok(match base {
            Ok(base) => {
                kept.retain(|(id, _)| id != image);
                kept.push((image.to_owned(), base.clone()));
                if kept.len() > 2 {
                    kept.remove(0);
                }
                (Arc::new(Stack::new(Some(base), folder)), None)
            }
            Err(why) => (Arc::new(Stack::new(None, folder)), Some(format!("its image's layers were not read: {why}"))),
        })
    }

    pub(super) async fn volume_content(
        &self,
        job: JobId,
        cancel: Cancel,
        volume: String,
        mountpoint: String,
        through: Option<(String, String)>,
    ) {
        let (this, name) = (self.clone(), volume.clone());
        let read = spawn_blocking(move || {
            let source: Arc<dyn LayerSource> = match (this.local && Path::new(&mountpoint).is_dir(), through) {
                (true, _) => Arc::new(Stack::new(None, mountpoint)),
                (false, Some((container, target))) => this.fetch(job, &cancel, &container, &target)?,
                (false, None) => {
                    let why = if this.local { "its folder cannot be read here" } else { "it is on another machine" };
                    return Err(format!("{why}, and no container mounts it through which it could be read"));
                }
            };
            this.reader.tree(job, &cancel, &name, source, true)
        });
        let reading = match read.await.map_err(|error| error.to_string()).and_then(|read| read) {
            Ok(content) => Reading::Ready(Arc::new(content)),
            Err(why) => Reading::Failed(why),
        };
        self.out.job(job, JobNews::Done(String::new()));
        self.out.data(Data::VolumeContent { volume, reading });
    }

    /// Lists what is under a path of a container, from the tar the engine makes of it.
    fn fetch(&self, job: JobId, cancel: &Cancel, container: &str, path: &str) -> Result<Arc<dyn LayerSource>, String> {
        let inside = format!("{}/.", path.trim_end_matches('/'));
        let reader = download(&self.docker, container, &inside);
        let mut tar = TarReader::new(reader);
        let mut index = IndexBuilder::new();
        let mut done = 0;
        while let Some(entry) = tar.next().map_err(|error| error.to_string())? {
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            done += 1;
            self.out.job(job, JobNews::Progress { done, total: 0, what: None });
            if let Ok(Some(LayerItem::Entry(entry))) = entry.header.clone().layer_item() {
                index.entry(&entry).map_err(|error| error.to_string())?;
            }
        }
        let indexes = vec![Arc::new(index.finish())];
        Ok(Arc::new(Remote::new(self.docker.clone(), container, path, indexes)))
    }
}

/// Reads the tar of a path of a container; only where waiting is allowed.
fn download(docker: &Docker, container: &str, path: &str) -> impl Read + use<> {
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let stream = docker.download_from_container(container, Some(options)).map_err(io::Error::other);
    SyncIoBridge::new_with_handle(StreamReader::new(Box::pin(stream)), Handle::current())
}

/// Layers whose files are fetched from a container, one by one.
pub(super) struct Remote {
    docker: Docker,
    handle: Handle,
    container: String,
    /// The path of the container that the files are below.
    below: String,
    config: ImageConfig,
    layers: Vec<LayerInfo>,
    indexes: Vec<Arc<LayerIndex>>,
}

impl Remote {
    pub(super) fn new(docker: Docker, container: &str, below: &str, indexes: Vec<Arc<LayerIndex>>) -> Self {
        let stand_in = Digest::of(container.as_bytes());
        let layer = LayerInfo {
            diff_id: DiffId(stand_in),
            chain_id: ChainId(stand_in),
            size: None,
            created_by: String::new(),
            created: None,
            directory: None,
            cache_id: None,
            blob: None,
        };
        Self {
            docker,
            handle: Handle::current(),
            container: container.to_owned(),
            below: below.trim_end_matches('/').to_owned(),
            config: ImageConfig::default(),
            layers: vec![layer; indexes.len()],
            indexes,
        }
    }
}

impl LayerSource for Remote {
    fn config(&self) -> &ImageConfig {
        &self.config
    }

    fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    fn index(&self, layer: usize, _: &dyn Fn(u64), _: &dyn Fn() -> bool) -> Result<Arc<LayerIndex>, SourceError> {
        let layers = self.indexes.len();
        self.indexes.get(layer).cloned().ok_or(SourceError::NoLayer { layer, layers })
    }

    fn open(&self, layer: usize, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        let shown = format!("{}/{}", self.below, crate::safe_text::from_bytes(path));
        let none = || SourceError::NoFile { layer: layer + 1, path: shown.clone() };
        if layer + 1 != self.indexes.len() || std::str::from_utf8(path).is_err() {
            return Err(none());
        }
        let failed = |source: io::Error| SourceError::Io { path: PathBuf::from(&shown), source };
        let _here = self.handle.enter();
        let mut tar = TarReader::new(download(&self.docker, &self.container, &shown));
        let entry = tar.next().map_err(|error| failed(io::Error::other(error)))?;
        let entry = entry.ok_or_else(none)?;
        let mut bytes = Vec::new();
        entry.take(MOST_FETCHED + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MOST_FETCHED {
            return Err(failed(io::Error::other("larger than 64 MB: copy it out of the container instead")));
        }
        Ok(Box::new(Cursor::new(bytes)))
    }
}
