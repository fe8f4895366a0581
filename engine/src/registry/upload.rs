//! Uploading: blobs that are not there yet, then the manifest.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode, Uri};
use outcrop_layers::digest::Digest;

use super::auth::escape;
use super::blob::place;
use super::body::Content;
use super::http::Ask;
use super::{RegistryError, Repository};

/// What is uploaded.
#[derive(Clone)]
pub(crate) struct Upload {
    content: Content,
    digest: Digest,
}

impl Upload {
    /// A file; `sent` counts its bytes as they leave.
    pub(crate) fn file(file: File, size: u64, digest: Digest, sent: Arc<AtomicU64>) -> Self {
        Self { content: Content::File(Arc::new(file), size, sent), digest }
    }

    /// A document.
    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { content: Content::Bytes(bytes.into()), digest }
    }
}

impl Repository {
    /// The size in bytes of a blob that the repository has.
    pub(crate) async fn has(&self, digest: Digest) -> Result<Option<u64>, RegistryError> {
        let ask = Ask::new(Method::HEAD, self.uri(&place(digest))?);
        let response = self.patiently(async || {
            let response = self.call(ask.clone(), self.http.limits.head).await?;
            if response.status().is_server_error() {
                return Err(self.refusal(response, &format!("blob {digest}")).await);
            }
            Ok(response)
        });
        let response = response.await?;
        let size = response.headers().get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
        Ok(size.filter(|_| response.status() == StatusCode::OK))
    }

    /// Lets the repository take a blob from another one of the same registry; tells whether it did.
    pub(crate) async fn mount(&self, digest: Digest, from: &str) -> Result<bool, RegistryError> {
        self.also_read(from);
        let uri = self.uri(&format!("blobs/uploads/?mount={}&from={}", escape(&digest.to_string()), escape(from)))?;
        let response = self.call(Ask::new(Method::POST, uri), self.http.limits.head).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(true);
        }
        if response.status() == StatusCode::ACCEPTED {
            // An upload has begun instead: it is not needed.
            let uri = self.location(&response, &self.uri("")?)?;
            drop(self.call(Ask::new(Method::DELETE, uri), self.http.limits.head).await);
        }
        Ok(false)
    }

    /// Uploads a blob. `what` is for messages.
    pub(crate) async fn upload(&self, upload: &Upload, what: &str) -> Result<(), RegistryError> {
        self.patiently(async || self.upload_once(upload, what).await).await
    }

    async fn upload_once(&self, upload: &Upload, what: &str) -> Result<(), RegistryError> {
        let uri = self.uri("blobs/uploads/")?;
        let response = self.call(Ask::new(Method::POST, uri.clone()), self.http.limits.head).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refusal(response, what).await);
        }
        let session = self.location(&response, &uri)?;
        drop(response);
        let separator = if session.query().is_some() { '&' } else { '?' };
        let uri = format!("{session}{separator}digest={}", escape(&upload.digest.to_string())).parse();
        let uri = uri.map_err(|_| RegistryError::host(self.host(), "leads to no address"))?;
        let mut ask = Ask::new(Method::PUT, uri);
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        ask.content = upload.content.clone();
        let response = self.call(ask, self.http.limits.store).await?;
        if response.status() == StatusCode::CREATED { Ok(()) } else { Err(self.refusal(response, what).await) }
    }

    /// Where an upload goes on.
    fn location(&self, response: &Response<Incoming>, from: &Uri) -> Result<Uri, RegistryError> {
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        self.http.lead(from, to).map_err(|why| RegistryError::host(self.host(), why))
    }

    /// Puts a manifest under a tag.
    pub(crate) async fn put(&self, tag: &str, kind: &'static str, manifest: Vec<u8>) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&manifest);
        let mut ask = Ask::new(Method::PUT, self.uri(&format!("manifests/{tag}"))?);
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        ask.content = Content::Bytes(Bytes::from(manifest));
        self.patiently(async || {
            let response = self.call(ask.clone(), self.http.limits.store).await?;
            if response.status().is_success() {
                return Ok(digest);
            }
            Err(self.refusal(response, &format!("manifest {tag}")).await)
        })
        .await
    }
}
