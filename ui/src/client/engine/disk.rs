//! What an engine keeps on the disk, and removing some of it.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListVolumesOptions, RemoveImageOptionsBuilder,
};
use futures_util::{StreamExt, stream};
use outcrop_layers::source::data_root::DataRoot;
use tokio::task::spawn_blocking;

use crate::client::EngineClient;
use crate::client::engine::{SIDE_BY_SIDE, say};
use crate::job::{Cancel, JobId};
use crate::message::Data;
use crate::model::{Disk, DiskContainer, DiskFolder, DiskImage, DiskVolume, State, is_anonymous};
use crate::work::Named;

/// How long nobody may have changed a layer's folder that nothing refers to: a large layer is unpacked for minutes before it is
/// registered.
const UNTOUCHED: Duration = Duration::from_hours(1);

impl EngineClient {
    pub(super) async fn disk(&self) {
        let disk =
            self.measure_disk().await.map_err(|error| format!("cannot see what is on the disk: {}", say(&error)));
        self.out.data(Data::Disk(disk));
    }

    async fn measure_disk(&self) -> Result<Disk, bollard::errors::Error> {
        let sized = ListContainersOptionsBuilder::default().all(true).size(true).build();
        let (images, containers, volumes, sizes) = tokio::try_join!(
            self.docker.list_images(Some(ListImagesOptionsBuilder::default().build())),
            self.docker.list_containers(Some(sized)),
            self.docker.list_volumes(None::<ListVolumesOptions>),
            async { Ok(self.measured_volumes().await.unwrap_or_default()) },
        )?;
        let images: Vec<DiskImage> = stream::iter(images)
            .map(|image| async move {
                let detail = self.detail(&image.id).await.ok()?;
                let layers = detail.chains.iter().enumerate().map(|(at, chain)| (*chain, detail.layer_size(at)));
                let mut tags: Vec<String> = image.repo_tags.into_iter().filter(|tag| tag != "<none>:<none>").collect();
                tags.sort();
                Some(DiskImage { id: image.id, tags, layers: layers.collect() })
            })
            .buffered(SIDE_BY_SIDE)
            .filter_map(|image| async { image })
            .collect()
            .await;
        let containers = stream::iter(containers)
            .map(|container| async move {
                let id = container.id.unwrap_or_default();
                let names = container.names.unwrap_or_default();
                let mounts = container.mounts.unwrap_or_default().into_iter();
                let state = State::parse(&container.state.map(|state| state.to_string()).unwrap_or_default());
                DiskContainer {
                    name: names.first().map_or(id.as_str(), |name| name.trim_start_matches('/')).to_owned(),
                    image: container.image_id.unwrap_or_default(),
                    runs: state.is_alive(),
                    bytes: u64::try_from(container.size_rw.unwrap_or(0)).unwrap_or(0),
                    log: self.log_bytes(&id).await,
                    volumes: mounts.filter_map(|mount| mount.name).collect(),
                    id,
                }
            })
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await;
        let sizes: HashMap<String, u64> = sizes.into_iter().collect();
        let volumes = volumes.volumes.unwrap_or_default().into_iter().map(|volume| DiskVolume {
            is_anonymous: volume.labels.contains_key("com.docker.volume.anonymous") || is_anonymous(&volume.name),
            bytes: sizes.get(&volume.name).copied(),
            name: volume.name,
        });
        Ok(Disk { images, containers, volumes: volumes.collect(), folders: self.unreferenced().await })
    }

    /// Layer folders that nothing refers to, where the engine's files are on this machine and of a known kind.
    async fn unreferenced(&self) -> Option<Vec<DiskFolder>> {
        let root = self.local_root().await.ok()?;
        let find = move || DataRoot::open(&root).ok()?.unreferenced(UNTOUCHED, &|| false).ok();
        let found = spawn_blocking(find).await.ok()??;
        let folder = |one: outcrop_layers::source::data_root::Unreferenced| DiskFolder {
            path: one.path.to_string_lossy().into_owned(),
            bytes: one.bytes,
        };
        Some(found.into_iter().map(folder).collect())
    }

    /// Bytes of a container's log, where the engine's files are on this machine.
    async fn log_bytes(&self, id: &str) -> u64 {
        if !self.local {
            return 0;
        }
        let inspect = self.docker.inspect_container(id, None).await.ok();
        let Some(path) = inspect.and_then(|inspect| inspect.log_path).filter(|path| !path.is_empty()) else { return 0 };
        tokio::fs::metadata(path).await.map_or(0, |about| about.len())
    }

    /// Removes containers, then volumes, then images by all their names.
    pub(super) async fn remove_all(
        &self,
        job: JobId,
        cancel: &Cancel,
        containers: Vec<Named>,
        volumes: &[String],
        images: &[String],
    ) -> Result<String, String> {
        self.remove_containers(job, cancel, containers, false).await?;
        self.remove_volumes(job, cancel, volumes).await?;
        for image in images {
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            let options = RemoveImageOptionsBuilder::default().build();
            match self.docker.remove_image(image, Some(options), None).await {
                // It went with another.
                Ok(_) | Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {}
                Err(error) => return Err(format!("cannot remove {image}: {}", say(&error))),
            }
        }
        Ok("removed".into())
    }
}
