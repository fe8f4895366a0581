//! Pulling and pushing images, layer by layer.

use bollard::Docker;
use bollard::models::BuildInfo;
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::client::EngineClient;
use crate::client::engine::build::{cancelled, encode};
use crate::client::engine::say;
use crate::job::{Cancel, JobId, JobNews, Part};
use crate::message::Data;
use crate::model::split_tag;

impl EngineClient {
    /// A client whose requests say who the user is, at the registry of `image` or at all of them, and go to `path` if that is given.
    pub(super) fn as_user(&self, image: Option<&str>, path: Option<String>) -> Result<Docker, String> {
        let user = self.lent.users.as_ref().map(|users| users(image)).transpose()?;
        Ok(self.docker.clone().with_request_modifier(move |mut request| {
            // The value is base 64, which every header may have.
            if let Some((name, value)) = &user
                && let Ok(value) = value.parse()
            {
                request.headers_mut().insert(*name, value);
            }
            let mut parts = request.uri().clone().into_parts();
            if let Some(path) = &path {
                parts.path_and_query = path.parse().ok();
            }
            if let Ok(uri) = parts.try_into() {
                *request.uri_mut() = uri;
            }
            request
        }))
    }

    /// Pulls an image: by name, with `latest` where it has no tag, or by digest.
    pub(super) async fn pull(&self, job: JobId, cancel: &Cancel, name: &str) {
        let (repository, tag) = name.split_once('@').unwrap_or_else(|| split_tag(name));
        let path = format!("/images/create?fromImage={}&tag={}", encode(repository), encode(tag));
        self.transfer(job, cancel, "pull", name, path).await;
        self.out.data(Data::Changed);
    }

    /// Pushes an image under its name.
    pub(super) async fn push(&self, job: JobId, cancel: &Cancel, name: &str) {
        let (repository, tag) = split_tag(name);
        self.transfer(job, cancel, "push", name, format!("/images/{repository}/push?tag={}", encode(tag))).await;
    }

    async fn transfer(&self, job: JobId, cancel: &Cancel, verb: &str, name: &str, path: String) {
        let done = tokio::select! {
            done = self.follow(job, name, path) => done,
            () = cancelled(cancel) => return,
        };
        self.out.job(
            job,
            match done {
                Ok(last) => JobNews::Done(last),
                Err(why) => JobNews::Failed(format!("cannot {verb} {name}: {why}")),
            },
        );
    }

    /// Asks at `path` and hears the answer to its end; the last that is said of the whole.
    ///
    /// bollard's own calls leave out which layer is told of. The answer to a load is the same, so that one is sent elsewhere.
    async fn follow(&self, job: JobId, name: &str, path: String) -> Result<String, String> {
        let docker = self.as_user(Some(name), Some(path))?;
        let nothing = stream::empty::<std::io::Result<Bytes>>();
        let options = ImportImageOptionsBuilder::default().build();
        let mut answer = Box::pin(docker.import_image_stream(options, nothing, None));
        let mut last = "is done".to_owned();
        while let Some(info) = answer.next().await {
            let info = info.map_err(|error| say(&error))?;
            if let Some(part) = part(&info) {
                self.out.job(job, JobNews::Part(part));
            } else if let Some(status) = info.status {
                status.strip_prefix("Status: ").unwrap_or(&status).clone_into(&mut last);
            }
        }
        Ok(last)
    }
}

/// What is told of one layer.
pub(super) fn part(info: &BuildInfo) -> Option<Part> {
    let (id, status) = (info.id.clone()?, info.status.clone()?);
    // A tag is told of in the same way.
    if status.starts_with("Pulling from ") {
        return None;
    }
    let number = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
    let detail = info.progress_detail.clone().unwrap_or_default();
    Some(Part { id, status, done: number(detail.current), total: number(detail.total) })
}
