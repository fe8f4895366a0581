//! What is done to containers and volumes.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{ContainerConfig, VolumeCreateRequest};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions, RenameContainerOptionsBuilder,
};

use crate::client::EngineClient;
use crate::client::engine::say;
use crate::job::{Cancel, JobId, JobNews};
use crate::message::Data;
use crate::work::{Named, NewVolume, Verb, Work};

/// What came of it: what to say, or why not.
type Done = Result<String, String>;

impl EngineClient {
    pub(super) async fn work(&self, job: JobId, cancel: &Cancel, work: Work) {
        let done = match work {
            Work::Launch(launch) => return self.launch(job, *launch).await,
            Work::Each { verb, containers } => self.each(job, cancel, verb, &containers).await,
            Work::RemoveContainers { containers, force } => {
                self.remove_containers(job, cancel, containers, force).await
            }
            Work::Rename { container, name } => self.rename(&container, &name).await,
            Work::Commit { container, repository, tag } => self.commit(&container, &repository, &tag).await,
            Work::Export { container, path, expected } => {
                let stream = self.docker.export_container(&container.id);
                self.write(job, cancel, stream, &path, expected).await
            }
            Work::CopyOut { container, from, to } => self.copy_out(job, cancel, &container.id, &from, &to, 0).await,
            Work::CopyIn { container, from, to } => self.copy_in(job, cancel, &container.id, &from, &to).await,
            Work::CreateVolume(volume) => self.create_volume(volume).await,
            Work::RemoveAll { containers, volumes, images } => {
                self.remove_all(job, cancel, containers, &volumes, &images).await
            }
            Work::RemoveVolumes { names } => self.remove_volumes(job, cancel, &names).await,
            Work::CloneVolume { from, to } => self.clone_volume(job, cancel, &from, &to).await,
            Work::BackupVolume { name, path, expected } => self.back_up(job, cancel, &name, &path, expected).await,
            Work::RestoreVolume { name, path } => self.restore(job, cancel, &name, &path).await,
        };
        self.out.job(job, done.map_or_else(JobNews::Failed, JobNews::Done));
        self.out.data(Data::Changed);
    }

    async fn each(&self, job: JobId, cancel: &Cancel, verb: Verb, containers: &[Named]) -> Done {
        for (at, container) in containers.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            let id = &container.id;
            let result = match verb {
                Verb::Start => self.docker.start_container(id, None).await,
                Verb::Stop => self.docker.stop_container(id, None).await,
                Verb::Kill => self.docker.kill_container(id, None).await,
                Verb::Restart => self.docker.restart_container(id, None).await,
                Verb::Pause => self.docker.pause_container(id).await,
                Verb::Unpause => self.docker.unpause_container(id).await,
            };
            match result {
                // It is so already.
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 304, .. }) => {}
                Err(error) => return Err(format!("cannot {} {}: {}", verb.word(), container.name, say(&error))),
            }
            let (done, total) = (at as u64 + 1, containers.len() as u64);
            self.out.job(job, JobNews::Progress { done, total, what: None });
        }
        Ok(verb.done().into())
    }

    pub(super) async fn remove_containers(
        &self,
        job: JobId,
        cancel: &Cancel,
        containers: Vec<Named>,
        force: bool,
    ) -> Done {
        for (at, container) in containers.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            let options = RemoveContainerOptionsBuilder::default().force(force).build();
            match self.docker.remove_container(&container.id, Some(options)).await {
                // Someone else was quicker.
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
                Err(Error::DockerResponseServerError { status_code: 409, message }) if !force => {
                    self.out.data(Data::Stubborn { containers: containers[at..].to_vec(), why: message });
                    return Ok(format!("stopped at {}", container.name));
                }
                Err(error) => return Err(format!("cannot remove {}: {}", container.name, say(&error))),
            }
            let (done, total) = (at as u64 + 1, containers.len() as u64);
            self.out.job(job, JobNews::Progress { done, total, what: None });
        }
        Ok("removed".into())
    }

    async fn rename(&self, container: &Named, name: &str) -> Done {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        match self.docker.rename_container(&container.id, options).await {
            Ok(()) => Ok(format!("it is {name} now")),
            Err(error) => Err(format!("cannot rename {}: {}", container.name, say(&error))),
        }
    }

    async fn commit(&self, container: &Named, repository: &str, tag: &str) -> Done {
        let options =
            CommitContainerOptionsBuilder::default().container(&container.id).repo(repository).tag(tag).build();
        match self.docker.commit_container(options, ContainerConfig::default()).await {
            Ok(answer) if repository.is_empty() => Ok(format!("the image is {}", crate::model::short(&answer.id))),
            Ok(_) => Ok(format!("the image is {repository}:{tag}")),
            Err(error) => Err(format!("cannot commit {}: {}", container.name, say(&error))),
        }
    }

    async fn create_volume(&self, volume: NewVolume) -> Done {
        let map =
            |pairs: Vec<(String, String)>| Some(pairs.into_iter().collect::<HashMap<_, _>>()).filter(|m| !m.is_empty());
        let request = VolumeCreateRequest {
            name: Some(volume.name.clone()).filter(|name| !name.is_empty()),
            driver: Some(volume.driver),
            driver_opts: map(volume.options),
            labels: map(volume.labels),
            ..VolumeCreateRequest::default()
        };
        match self.docker.create_volume(request).await {
            Ok(made) => Ok(format!("{} is there", made.name)),
            Err(error) => Err(format!("cannot create volume {}: {}", volume.name, say(&error))),
        }
    }

    pub(super) async fn remove_volumes(&self, job: JobId, cancel: &Cancel, names: &[String]) -> Done {
        for (at, name) in names.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err("cancelled".into());
            }
            match self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
                Err(error) => return Err(format!("cannot remove {name}: {}", say(&error))),
            }
            let (done, total) = (at as u64 + 1, names.len() as u64);
            self.out.job(job, JobNews::Progress { done, total, what: None });
        }
        Ok("removed".into())
    }
}
