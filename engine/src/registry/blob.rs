//! Downloading blobs: continued where an earlier attempt ended, verified while they come.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use hyper::header::{CONTENT_RANGE, HeaderValue, RANGE};
use hyper::{Method, StatusCode};
use outcrop_layers::digest::{Digest, Hashing};

use super::http::{Ask, Flow};
use super::{Descriptor, RegistryError, Repository};

/// So many bytes gained make up for a connection that broke off.
const WORTH: u64 = 1 << 20;

/// A file that a blob grows in, with the hash of what is there.
struct Growing<'a> {
    file: Hashing<&'a mut File>,
}

impl<'a> Growing<'a> {
    /// Hashes what is there already; more than `most` bytes are none of it.
    fn read(file: &'a mut File, most: u64) -> io::Result<Self> {
        if file.metadata()?.len() > most {
            file.set_len(0)?;
        }
        file.rewind()?;
        let mut file = Hashing::new(file);
        let mut buffer = vec![0; 256 << 10];
        while file.read(&mut buffer)? > 0 {}
        Ok(Self { file })
    }

    fn length(&self) -> u64 {
        Hashing::bytes(&self.file)
    }

    /// Throws away what is there.
    fn restart(self) -> io::Result<Self> {
        let (_, _, file) = self.file.finish();
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file: Hashing::new(file) })
    }
}

fn local(source: io::Error) -> RegistryError {
    RegistryError::Local { what: "write a layer that is downloaded", source }
}

impl Repository {
    /// Downloads a blob into `file`, after what is in it already. `told` hears how many bytes are there.
    ///
    /// A connection that breaks off is taken up again. When it returns, the file has the blob's bytes and nothing else.
    pub(crate) async fn fetch(
        &self,
        blob: &Descriptor,
        file: &mut File,
        told: &dyn Fn(u64),
    ) -> Result<(), RegistryError> {
        let mut growing = Growing::read(file, blob.size).map_err(local)?;
        let mut resumed = growing.length() > 0;
        let mut failed = 0;
        loop {
            told(growing.length());
            while growing.length() < blob.size {
                let before = growing.length();
                match self.more(blob, growing, told).await? {
                    (grown, None) => growing = grown,
                    (grown, Some(cut)) => {
                        // Only what is worth it counts: a few bytes each time would go on for ever.
                        failed = if grown.length() >= before.saturating_add(WORTH) { 1 } else { failed + 1 };
                        if failed >= self.http.limits.attempts {
                            return Err(cut);
                        }
                        growing = grown;
                        tokio::time::sleep(self.http.limits.pause).await;
                    }
                }
            }
            let (found, _, file) = growing.file.finish();
            if found == blob.digest {
                return Ok(());
            }
            file.set_len(0).map_err(local)?;
            if !resumed {
                return Err(RegistryError::Digest { host: self.host().into(), expected: blob.digest, found });
            }
            // What an earlier attempt left was wrong.
            resumed = false;
            growing = Growing::read(file, 0).map_err(local)?;
        }
    }

    /// Asks for the rest once; gives what there is then, and what broke it off.
    async fn more<'a>(
        &self,
        blob: &Descriptor,
        mut growing: Growing<'a>,
        told: &dyn Fn(u64),
    ) -> Result<(Growing<'a>, Option<RegistryError>), RegistryError> {
        let what = format!("layer {}", blob.digest);
        let from = growing.length();
        let mut ask = Ask::new(Method::GET, self.uri(&place(blob.digest))?);
        if from > 0 {
            let range = HeaderValue::from_str(&format!("bytes={from}-"));
            ask.headers.insert(RANGE, range.unwrap_or(HeaderValue::from_static("bytes=0-")));
        }
        let response = match self.call(ask, self.http.limits.head).await {
            Err(error) if error.is_cut() => return Ok((growing, Some(error))),
            response => response?,
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(response.headers().get(CONTENT_RANGE), from) => {}
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                growing = growing.restart().map_err(local)?;
                if response.status() != StatusCode::OK {
                    let cut = RegistryError::Cut { host: self.host().into(), detail: "cannot continue a layer".into() };
                    return Ok((growing, Some(cut)));
                }
            }
            StatusCode::OK => {}
            _ => {
                let error = self.refusal(response, &what).await;
                return if error.is_cut() { Ok((growing, Some(error))) } else { Err(error) };
            }
        }
        let mut flow = Flow::new(self.host().into(), response, self.http.limits);
        loop {
            let data = match flow.next().await {
                Err(error) if error.is_cut() => return Ok((growing, Some(error))),
                data => data?,
            };
            let Some(data) = data else { break };
            if growing.length() + data.len() as u64 > blob.size {
                growing.restart().map_err(local)?;
                return Err(RegistryError::host(self.host(), format!("{what} is longer than its {} bytes", blob.size)));
            }
            growing.file.write_all(&data).map_err(local)?;
            told(growing.length());
        }
        if growing.length() == blob.size {
            return Ok((growing, None));
        }
        let detail = format!("{what} ends after {} of {} bytes", growing.length(), blob.size);
        Ok((growing, Some(RegistryError::Cut { host: self.host().into(), detail })))
    }
}

/// Whether `bytes <from>-…` is what was asked for.
fn begins_at(range: Option<&HeaderValue>, from: u64) -> bool {
    let start = range.and_then(|range| range.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    start == Some(from)
}

/// Where a blob is, below its repository.
pub(super) fn place(digest: Digest) -> String {
    format!("blobs/{digest}")
}
