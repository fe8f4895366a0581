//! Requests to an engine behind the Docker API.

mod build;
mod changes;
mod containers;
mod disk;
mod files;
mod launch;
mod listed;
mod live;
mod registry;
mod terminal;
mod volumes;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{EventMessageTypeEnum, ImageInspect, ImageSummary};
use bollard::query_parameters::{
    EventsOptionsBuilder, ImportImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
    PruneImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use outcrop_layers::digest::{ChainId, DiffId};
use outcrop_layers::source::LayerSource;
use tokio::task::{block_in_place, spawn_blocking};

use crate::client::Out;
use crate::client::content::Reader;
use crate::client::file::NewFile;
use crate::content::Reading;
use crate::job::{Cancel, JobId, JobNews};
use crate::message::{Data, Request, Server};
use crate::model::{Detail, ImageRow, RawStep, join};
use crate::options::{Connection, Lent};

/// Label of containers that are made to copy files and are never started; its value is the volume.
const HELPER: &str = "outcrop.helper";

/// How many images are looked at side by side.
const SIDE_BY_SIDE: usize = 6;

/// An image, by ID, and its layers.
type Base = (String, Arc<dyn LayerSource>);

/// Speaks with one engine.
#[derive(Clone)]
pub(crate) struct EngineClient {
    docker: Docker,
    out: Out,
    reader: Reader,
    local: bool,
    /// Whether the engine must be asked, container by container, who writes: the embedded one, without root.
    asked_who: bool,
    lent: Lent,
    /// Images whose layers were read for a container, the newest last.
    bases: Arc<Mutex<Vec<Base>>>,
}

impl EngineClient {
    pub(crate) fn new(docker: Docker, reader: Reader, connection: &Connection, lent: Lent) -> Self {
        let (out, local, asked_who) = (reader.out.clone(), connection.local, connection.asks_who());
        Self { docker, out, reader, local, asked_who, lent, bases: Arc::default() }
    }

    pub(crate) fn start(&self, request: Request) {
        let Some(request) = self.reader.start(request) else { return };
        let this = self.clone();
        tokio::spawn(async move { this.run(request).await });
    }

    async fn run(self, request: Request) {
        match request {
            Request::Server => self.server().await,
            Request::List => self.list().await,
            Request::Details(ids) => self.details(ids).await,
            Request::Watch => self.watch().await,
            Request::Tag { image, repository, tag } => self.tag(&image, &repository, &tag).await,
            Request::Remove { job, cancel, references, force } => self.remove(job, &cancel, &references, force).await,
            Request::Prune { job } => self.prune(job).await,
            Request::Load { job, cancel, path } => self.load(job, &cancel, &path).await,
            Request::Pull { job, cancel, name } => self.pull(job, &cancel, &name).await,
            Request::Push { job, cancel, name } => self.push(job, &cancel, &name).await,
            Request::SaveImages { job, cancel, references, path, expected } => {
                self.save(job, &cancel, &references, &path, expected).await;
            }
            Request::Content { job, cancel, image, export } => self.content(job, cancel, image, export).await,
            Request::Containers => self.list_containers().await,
            Request::Container(id) => self.container(&id).await,
            Request::ContainerSizes(asking, ids) => self.container_sizes(asking, &ids).await,
            Request::Changes { job, cancel, container } => self.changes(job, cancel, container).await,
            Request::Logs { generation, cancel, container } => self.logs(generation, cancel, &container).await,
            Request::Processes(id) => self.processes(id).await,
            Request::Terminal { generation, container, kind, size, input } => {
                self.terminal(terminal::Terminal { generation, container, kind, size, input }).await;
            }
            Request::Live { generation, container, kept, stop } => self.live(generation, &container, kept, stop).await,
            Request::Volumes => self.list_volumes().await,
            Request::VolumeSizes => self.volume_sizes().await,
            Request::VolumePasts => self.volume_pasts().await,
            Request::VolumeContent { job, cancel, volume, mountpoint, through } => {
                self.volume_content(job, cancel, volume, mountpoint, through).await;
            }
            Request::Ground(image) => self.ground(image).await,
            Request::Look(path) => self.look(path).await,
            Request::Disk => self.disk().await,
            Request::Plan { job, cancel, generation, recipe, others } => {
                self.plan(job, &cancel, generation, &recipe, &others).await;
            }
            Request::Build { job, cancel, generation, recipe } => {
                self.build(job, &cancel, generation, &recipe).await;
            }
            Request::Work { job, cancel, work } => self.work(job, &cancel, work).await,
            Request::Rows { .. }
            | Request::Find { .. }
            | Request::Peek { .. }
            | Request::Diff { .. }
            | Request::Differences { .. }
            | Request::SaveFile { .. }
            | Request::SaveRecording { .. }
            | Request::OpenRecording { .. }
            | Request::RemoveAsked { .. }
            | Request::PruneAsked
            | Request::Begin(_)
            | Request::Wait(..)
            | Request::Copy(_)
            | Request::Mouse(_)
            | Request::Redraw
            | Request::OpenEmbedded => {}
        }
    }

    async fn server(&self) {
        match self.docker.info().await {
            Ok(info) => {
                let security = info.security_options.unwrap_or_default();
                self.out.data(Data::Server(Server {
                    root: info.docker_root_dir.unwrap_or_default(),
                    driver: info.driver.unwrap_or_default(),
                    rootless: security.iter().any(|s| s.contains("rootless")),
                }));
            }
            Err(error) => self.failed("ask the engine about itself", &error),
        }
    }

    /// Reads an image's files: in place where the engine's data root is on this machine, else by its export when that is wanted.
    async fn content(&self, job: JobId, cancel: Cancel, image: String, export: bool) {
        let reader = self.reader.clone();
        if export {
            let total = self.docker.inspect_image(&image).await.ok().and_then(|i| i.size);
            let total = u64::try_from(total.unwrap_or(0)).unwrap_or(0);
            let stream = self.docker.export_image(&image).map_err(std::io::Error::other);
            let stream = tokio_util::io::StreamReader::new(Box::pin(stream));
            spawn_blocking(move || {
                let stream = tokio_util::io::SyncIoBridge::new(stream);
                let source = reader.spooled(job, &cancel, stream, &image, total);
                reader.read(job, &cancel, &image, source, false);
            });
            return;
        }
        let info = self.docker.info().await;
        let root = info.ok().and_then(|i| i.docker_root_dir).unwrap_or_default();
        let local = self.local;
        spawn_blocking(move || {
            let source = if local && !root.is_empty() {
                reader.in_place(std::path::Path::new(&root), &image)
            } else {
                Err("the engine's files are not on this machine".into())
            };
            match source {
                Ok(source) => reader.read(job, &cancel, &image, Ok(source), true),
                Err(why) => {
                    reader.out.job(job, JobNews::Done(String::new()));
                    reader.out.data(Data::Content { image, reading: Reading::NeedsExport(why) });
                }
            }
        });
    }

    async fn list(&self) {
        let all = ListContainersOptionsBuilder::default().all(true).build();
        let (images, containers) = tokio::join!(
            self.docker.list_images(Some(ListImagesOptionsBuilder::default().build())),
            self.docker.list_containers(Some(all)),
        );
        let mut rows: Vec<ImageRow> = match images {
            Ok(images) => images.into_iter().map(row).collect(),
            Err(error) => return self.failed("list the images", &error),
        };
        // Docker itself does not count them when it lists images.
        if let Ok(containers) = containers {
            let mut users: HashMap<String, u64> = HashMap::new();
            for image in containers.into_iter().filter_map(|container| container.image_id) {
                *users.entry(image).or_default() += 1;
            }
            for row in &mut rows {
                row.containers = Some(users.get(&row.id).copied().unwrap_or(0));
            }
        }
        self.out.data(Data::Images(rows));
    }

    async fn details(&self, ids: Vec<String>) {
        let details = stream::iter(ids).map(|id| async move {
            let detail = self.detail(&id).await;
            (id, detail)
        });
        // What is there at once is told at once: five hundred images are not counted anew five hundred times.
        let mut batches = details.buffer_unordered(SIDE_BY_SIDE).ready_chunks(64);
        while let Some(batch) = batches.next().await {
            let mut known = Vec::with_capacity(batch.len());
            for (id, detail) in batch {
                match detail {
                    Ok(detail) => known.push(detail),
                    // Gone between the list and now: the next list says so.
                    Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
                    Err(error) => self.failed(&format!("inspect {}", crate::model::short(&id)), &error),
                }
            }
            self.out.data(Data::Details(known));
        }
    }

    async fn detail(&self, id: &str) -> Result<Detail, Error> {
        let (inspect, history) = tokio::try_join!(self.docker.inspect_image(id), self.docker.image_history(id))?;
        let steps: Vec<RawStep> = history
            .into_iter()
            .rev()
            .map(|h| RawStep {
                created_by: crate::model::maker(&h.created_by, &h.comment),
                size: u64::try_from(h.size).unwrap_or(0),
                created: h.created,
                made_layer: None,
            })
            .collect();
        Ok(detail(id, &inspect, &steps))
    }

    async fn watch(&self) {
        let options = || EventsOptionsBuilder::default().build();
        loop {
            let mut events = Box::pin(self.docker.events(Some(options())));
            while let Some(Ok(event)) = events.next().await {
                let mounts = event.typ == Some(EventMessageTypeEnum::VOLUME)
                    && matches!(event.action.as_deref(), Some("mount" | "unmount"));
                if mounts || event.action.as_deref().is_some_and(only_looks) {
                    continue;
                }
                // A build or load makes many at once: one look at the list serves them all.
                tokio::time::sleep(Duration::from_millis(200)).await;
                while futures_util::FutureExt::now_or_never(events.next()).flatten().is_some() {}
                self.out.data(Data::Changed);
            }
            let mut silent = false;
            while !self.out.0.is_closed() {
                if self.docker.ping().await.is_ok() {
                    break;
                }
                if !silent {
                    self.out.data(Data::Answers(false));
                }
                silent = true;
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            if self.out.0.is_closed() {
                return;
            }
            if silent {
                self.out.data(Data::Answers(true));
            }
            self.out.data(Data::Changed);
            // An engine without events is looked at now and then.
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }

    async fn tag(&self, image: &str, repository: &str, tag: &str) {
        let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
        match self.docker.tag_image(image, Some(options)).await {
            Ok(()) => {
                self.out.data(Data::Notice(format!("tagged {repository}:{tag}")));
                self.out.data(Data::Changed);
            }
            Err(error) => self.failed(&format!("tag {image}"), &error),
        }
    }

    async fn remove(&self, job: JobId, cancel: &Cancel, references: &[String], force: bool) {
        let (mut untagged, mut deleted) = (0, 0);
        for (at, reference) in references.iter().enumerate() {
            if cancel.is_cancelled() {
                break;
            }
            let options = RemoveImageOptionsBuilder::default().force(force).build();
            match self.docker.remove_image(reference, Some(options), None).await {
                Ok(items) => {
                    untagged += items.iter().filter(|i| i.untagged.is_some()).count();
                    deleted += items.iter().filter(|i| i.deleted.is_some()).count();
                }
                Err(Error::DockerResponseServerError { status_code: 409, message }) if !force => {
                    self.out.job(job, JobNews::Done(format!("stopped at {reference}")));
                    self.out.data(Data::Changed);
                    self.out.data(Data::Conflict { references: references[at..].to_vec(), why: message });
                    return;
                }
                Err(error) => {
                    self.out.job(job, JobNews::Failed(format!("cannot remove {reference}: {}", say(&error))));
                    self.out.data(Data::Changed);
                    return;
                }
            }
            let (done, total) = (at as u64 + 1, references.len() as u64);
            self.out.job(job, JobNews::Progress { done, total, what: None });
        }
        self.out.job(job, JobNews::Done(format!("untagged {untagged}, deleted {deleted}")));
        self.out.data(Data::Changed);
    }

    async fn prune(&self, job: JobId) {
        match self.docker.prune_images(Some(PruneImagesOptionsBuilder::default().build())).await {
            Ok(answer) => {
                let bytes = u64::try_from(answer.space_reclaimed.unwrap_or(0)).unwrap_or(0);
                let count = answer.images_deleted.map_or(0, |d| d.len());
                let text = format!("removed {count} objects, {} freed", crate::size::Units::Decimal.size(bytes));
                self.out.job(job, JobNews::Done(text));
                self.out.data(Data::Changed);
            }
            Err(error) => self.out.job(job, JobNews::Failed(format!("cannot prune: {}", say(&error)))),
        }
    }

    async fn load(&self, job: JobId, cancel: &Cancel, path: &std::path::Path) {
        let file = match tokio::fs::File::open(path).await {
            Ok(file) => file,
            Err(error) => {
                return self.out.job(job, JobNews::Failed(format!("cannot open {}: {error}", path.display())));
            }
        };
        let total = file.metadata().await.map_or(0, |m| m.len());
        let mut done = 0;
        let (out, stop) = (self.out.clone(), cancel.clone());
        let chunks = tokio_util::io::ReaderStream::with_capacity(file, 256 << 10).map(move |chunk| {
            if stop.is_cancelled() {
                return Err(std::io::Error::other("cancelled"));
            }
            done += chunk.as_ref().map_or(0, |c| c.len() as u64);
            out.job(job, JobNews::Progress { done, total, what: None });
            chunk
        });
        let options = ImportImageOptionsBuilder::default().build();
        let mut answers = Box::pin(self.docker.import_image_stream(options, chunks, None));
        let mut last = String::from("loaded");
        loop {
            match answers.try_next().await {
                Ok(Some(info)) => {
                    if let Some(text) = info.stream.or(info.status).filter(|t| !t.trim().is_empty()) {
                        text.trim().clone_into(&mut last);
                    }
                }
                Ok(None) => break,
                Err(error) => return self.out.job(job, JobNews::Failed(format!("cannot load: {}", say(&error)))),
            }
        }
        self.out.job(job, JobNews::Done(last));
        self.out.data(Data::Changed);
    }

    async fn save(&self, job: JobId, cancel: &Cancel, references: &[String], path: &std::path::Path, total: u64) {
        let result = self.save_to(job, cancel, references, path, total).await;
        let news = match result {
            Ok(bytes) => {
                JobNews::Done(format!("saved {} to {}", crate::size::Units::Decimal.size(bytes), path.display()))
            }
            Err(text) => JobNews::Failed(text),
        };
        self.out.job(job, news);
    }

    async fn save_to(
        &self,
        job: JobId,
        cancel: &Cancel,
        references: &[String],
        path: &std::path::Path,
        total: u64,
    ) -> Result<u64, String> {
        let names: Vec<&str> = references.iter().map(String::as_str).collect();
        let mut stream = Box::pin(self.docker.export_images(&names));
        let mut file = block_in_place(|| NewFile::create(path))?;
        let mut done = 0;
        while let Some(chunk) = stream.next().await {
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            let chunk = chunk.map_err(|e| format!("cannot save: {}", say(&e)))?;
            done += chunk.len() as u64;
            block_in_place(|| file.write(&chunk))?;
            self.out.job(job, JobNews::Progress { done, total, what: None });
        }
        block_in_place(|| file.finish())?;
        Ok(done)
    }

    fn failed(&self, what: &str, error: &Error) {
        self.out.data(Data::Failed(format!("cannot {what}: {}", say(error))));
    }
}

/// Whether an event only tells that someone looked or typed: asking again because of it would never end.
fn only_looks(action: &str) -> bool {
    ["top", "exec_", "archive-path", "export", "attach", "detach", "resize"].iter().any(|word| action.starts_with(word))
}

/// What an engine's error says, without the client's wrapping.
pub(crate) fn say(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        Error::HyperLegacyError { .. } | Error::HyperResponseError { .. } => {
            let first: &dyn std::error::Error = error;
            let cause = std::iter::successors(first.source(), |cause| cause.source()).last();
            cause.map_or_else(|| error.to_string(), |cause| format!("the engine does not answer: {cause}"))
        }
        other => other.to_string(),
    }
}

fn row(image: ImageSummary) -> ImageRow {
    let mut tags: Vec<String> = image.repo_tags.into_iter().filter(|t| t != "<none>:<none>").collect();
    tags.sort();
    ImageRow {
        id: image.id,
        tags,
        size: u64::try_from(image.size).unwrap_or(0),
        created: image.created,
        containers: u64::try_from(image.containers).ok(),
        parent: image.parent_id,
    }
}

fn detail(id: &str, inspect: &ImageInspect, steps: &[RawStep]) -> Detail {
    let layers: Vec<DiffId> = inspect
        .root_fs
        .as_ref()
        .and_then(|fs| fs.layers.as_ref())
        .map(|l| l.iter().filter_map(|d| d.parse().ok()).collect())
        .unwrap_or_default();
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    // An image without history has sizes only when its layers are read.
    let sized = steps.iter().any(|s| s.size > 0) || inspect.size.unwrap_or(0) == 0;
    Detail {
        id: id.to_owned(),
        chains: ChainId::all(&layers),
        steps: join(steps, layers.len()),
        layers,
        sized,
        platform: format!("{}/{}{}", text(&inspect.os), text(&inspect.architecture), text(&inspect.variant)),
        inspect: serde_json::to_string_pretty(inspect).unwrap_or_default(),
    }
}
