//! Files between this machine, containers and volumes. A volume is reached through a container that has it mounted and is never
//! started: that works with every engine behind the API, and needs no tool in any image.

use std::io::{self, Write};
use std::path::Path;

use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptionsBuilder, ListImagesOptions, RemoveContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use outcrop_layers::tar::looks_like_tar;
use tokio::io::AsyncRead;
use tokio::task::block_in_place;
use tokio_util::io::SyncIoBridge;

use crate::client::EngineClient;
use crate::client::engine::{HELPER, say};
use crate::client::file::NewFile;
use crate::job::{Cancel, JobId, JobNews};

/// Where the volume is in the container that is never started.
const INSIDE: &str = "/outcrop-volume";

type Done = Result<String, String>;

impl EngineClient {
    /// Writes a stream to a new file of this machine.
    pub(super) async fn write(
        &self,
        job: JobId,
        cancel: &Cancel,
        stream: impl Stream<Item = Result<Bytes, Error>>,
        path: &Path,
        total: u64,
    ) -> Done {
        let mut stream = Box::pin(stream);
        let mut file = block_in_place(|| NewFile::create(path))?;
        let mut done = 0;
        while let Some(chunk) = stream.next().await {
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            let chunk = chunk.map_err(|error| say(&error))?;
            done += chunk.len() as u64;
            block_in_place(|| file.write(&chunk))?;
            self.out.job(job, JobNews::Progress { done, total, what: None });
        }
        block_in_place(|| file.finish())?;
        Ok(format!("{} in {}", crate::size::Units::Decimal.size(done), path.display()))
    }

    fn download(&self, container: &str, path: &str) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        self.docker.download_from_container(container, Some(options))
    }

    pub(super) async fn copy_out(
        &self,
        job: JobId,
        cancel: &Cancel,
        container: &str,
        from: &str,
        to: &Path,
        total: u64,
    ) -> Done {
        self.write(job, cancel, self.download(container, from), to, total).await
    }

    /// A tar goes in as it is; a file or folder of this machine is packed first.
    pub(super) async fn copy_in(&self, job: JobId, cancel: &Cancel, container: &str, from: &Path, to: &str) -> Done {
        let is_tar = block_in_place(|| starts_as_tar(from))?;
        if is_tar {
            return self.upload_file(job, cancel, container, from, to).await;
        }
        let (read, write) = tokio::io::duplex(256 << 10);
        let path = from.to_owned();
        // Packed as it is sent, so that nothing is stored twice. What goes wrong there ends the stream with an error.
        let packing = tokio::task::spawn_blocking(move || pack(&path, SyncIoBridge::new(write)));
        let sent = self.upload(job, cancel, container, read, 0, to).await;
        match packing.await.map_err(|error| error.to_string()) {
            Ok(Err(error)) => Err(format!("cannot read {}: {error}", from.display())),
            Err(why) => Err(why),
            Ok(Ok(())) => sent,
        }
    }

    async fn upload_file(&self, job: JobId, cancel: &Cancel, container: &str, from: &Path, to: &str) -> Done {
        let open = async { tokio::fs::File::open(from).await };
        let file = open.await.map_err(|error| format!("cannot open {}: {error}", from.display()))?;
        let length = file.metadata().await.map_or(0, |metadata| metadata.len());
        self.upload(job, cancel, container, file, length, to).await
    }

    async fn upload(
        &self,
        job: JobId,
        cancel: &Cancel,
        container: &str,
        file: impl AsyncRead + Send + 'static,
        total: u64,
        to: &str,
    ) -> Done {
        let (out, stop) = (self.out.clone(), cancel.clone());
        let mut done = 0;
        let chunks = tokio_util::io::ReaderStream::with_capacity(file, 256 << 10).map(move |chunk| {
            if stop.is_cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            done += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            out.job(job, JobNews::Progress { done, total, what: None });
            chunk
        });
        let options = UploadToContainerOptionsBuilder::default().path(to).build();
        match self.docker.upload_to_container(container, Some(options), body_try_stream(chunks)).await {
            Ok(()) => Ok(format!("copied to {to}")),
            Err(_) if cancel.is_cancelled() => Err("cancelled; what went before is there".into()),
            Err(error) => Err(format!("cannot copy to {to}: {}", say(&error))),
        }
    }

    /// Makes a container that has a volume mounted and is never started.
    async fn helper(&self, volume: &str, writable: bool) -> Result<Helper<'_>, String> {
        let images = self.docker.list_images(None::<ListImagesOptions>).await.map_err(|error| say(&error))?;
        let image = images.into_iter().min_by_key(|image| image.size);
        let image = image.ok_or("there is no image to reach the volume through: load or pull any image")?.id;
        let mount = Mount {
            target: Some(INSIDE.into()),
            source: Some(volume.to_owned()),
            typ: Some(MountType::VOLUME),
            read_only: (!writable).then_some(true),
            volume_options: Some(bollard::models::MountVolumeOptions {
                no_copy: Some(true),
                ..bollard::models::MountVolumeOptions::default()
            }),
            ..Mount::default()
        };
        let body = ContainerCreateBody {
            image: Some(image),
            cmd: Some(vec!["true".into()]),
            labels: Some([(HELPER.to_owned(), volume.to_owned())].into()),
            host_config: Some(HostConfig { mounts: Some(vec![mount]), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        match self.docker.create_container(None::<CreateContainerOptions>, body).await {
            Ok(created) => Ok(Helper { client: self, id: created.id }),
            Err(error) => Err(format!("cannot reach volume {volume}: {}", say(&error))),
        }
    }

    pub(super) async fn back_up(&self, job: JobId, cancel: &Cancel, name: &str, path: &Path, expected: u64) -> Done {
        self.inspect_volume(name).await?;
        let helper = self.helper(name, false).await?;
        let done = self.copy_out(job, cancel, &helper.id, &format!("{INSIDE}/."), path, expected).await;
        helper.remove().await;
        done
    }

    pub(super) async fn restore(&self, job: JobId, cancel: &Cancel, name: &str, path: &Path) -> Done {
        self.inspect_volume(name).await?;
        if !block_in_place(|| starts_as_tar(path))? {
            return Err(format!("{} is no tar", path.display()));
        }
        let helper = self.helper(name, true).await?;
        let done = self.upload_file(job, cancel, &helper.id, path, INSIDE).await;
        helper.remove().await;
        done
    }

    /// A helper for a name that is none would make that volume.
    async fn inspect_volume(&self, name: &str) -> Result<(), String> {
        self.docker.inspect_volume(name).await.map(|_| ()).map_err(|error| format!("volume {name}: {}", say(&error)))
    }

    pub(super) async fn clone_volume(&self, job: JobId, cancel: &Cancel, from: &str, to: &str) -> Done {
        let source = self.docker.inspect_volume(from).await.map_err(|error| say(&error))?;
        if self.docker.inspect_volume(to).await.is_ok() {
            return Err(format!("there is a volume {to} already: choose another name"));
        }
        let request = bollard::models::VolumeCreateRequest {
            name: Some(to.to_owned()),
            driver: Some(source.driver),
            labels: Some(source.labels),
            ..bollard::models::VolumeCreateRequest::default()
        };
        self.docker.create_volume(request).await.map_err(|error| format!("cannot create {to}: {}", say(&error)))?;
        let done = self.clone_content(job, cancel, from, to).await;
        if done.is_err() {
            // A half copy is not left behind.
            let _ = self.docker.remove_volume(to, None::<bollard::query_parameters::RemoveVolumeOptions>).await;
        }
        done
    }

    async fn clone_content(&self, job: JobId, cancel: &Cancel, from: &str, to: &str) -> Done {
        let read = self.helper(from, false).await?;
        let written = match self.helper(to, true).await {
            Ok(helper) => helper,
            Err(why) => {
                read.remove().await;
                return Err(why);
            }
        };
        let (out, stop) = (self.out.clone(), cancel.clone());
        let mut done = 0;
        let chunks = self.download(&read.id, &format!("{INSIDE}/.")).map_err(io::Error::other).map(move |chunk| {
            if stop.is_cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            done += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            out.job(job, JobNews::Progress { done, total: 0, what: None });
            chunk
        });
        let options = UploadToContainerOptionsBuilder::default().path(INSIDE).build();
        let result = self.docker.upload_to_container(&written.id, Some(options), body_try_stream(chunks)).await;
        read.remove().await;
        written.remove().await;
        match result {
            Ok(()) => Ok(format!("{to} holds the same")),
            Err(_) if cancel.is_cancelled() => Err("cancelled".into()),
            Err(error) => Err(format!("cannot copy {from}: {}", say(&error))),
        }
    }
}

/// A container that is never started.
struct Helper<'a> {
    client: &'a EngineClient,
    id: String,
}

impl Helper<'_> {
    async fn remove(self) {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        if let Err(error) = self.client.docker.remove_container(&self.id, Some(options)).await {
            self.client.failed("remove the container that was made for copying", &error);
        }
    }
}

/// Packs a file or a folder under its own name; links stay links.
fn pack(from: &Path, to: impl Write) -> io::Result<()> {
    let name =
        from.file_name().ok_or_else(|| io::Error::other("it has no name of its own: name a file or a folder"))?;
    let mut tar = tar::Builder::new(to);
    tar.follow_symlinks(false);
    if from.symlink_metadata()?.is_dir() {
        tar.append_dir_all(name, from)?;
    } else {
        tar.append_path_with_name(from, name)?;
    }
    tar.finish()
}

fn starts_as_tar(path: &Path) -> Result<bool, String> {
    let metadata = path.metadata().map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    if !metadata.is_file() {
        return Ok(false);
    }
    let mut first = vec![0; 512];
    let mut file = std::fs::File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    let read = io::Read::read(&mut file, &mut first).map_err(|error| error.to_string())?;
    Ok(looks_like_tar(&first[..read]))
}
