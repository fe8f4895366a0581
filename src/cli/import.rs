//! `outcrop import`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bollard::query_parameters::CreateImageOptions;
use bytes::Bytes;
use clap::Args;
use futures_util::{Stream, StreamExt};
use outcrop_engine::image::Reference;
use outcrop_engine::image::host::{HostError, HostRoot};

use super::upload::{Chunks, Source, or_interrupted, stream_of};
use super::{Failure, Session};
use crate::connect::Connection;
use crate::report::progress::Meter;
use crate::report::safe;

/// Make an image of a file system archive, or of programs of this machine
#[derive(Args)]
#[command(after_help = "Examples:
  debootstrap stable /tmp/root && tar -C /tmp/root -c . | outcrop import - debian:mine
  outcrop import --change 'CMD [\"sh\"]' --message 'from a backup' rootfs.tar.gz backup:1
  outcrop import --from-host sh ls cat --tag tools:1")]
pub(crate) struct Import {
    /// A tar (plain, gzip or zstd), or - for standard input
    #[arg(value_name = "FILE|-", required_unless_present = "from_host", conflicts_with = "from_host")]
    file: Option<PathBuf>,
    /// The image's name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
    /// Take these programs of this machine, with the shared libraries they need
    #[arg(long, value_name = "PROGRAM", num_args = 1..)]
    from_host: Vec<String>,
    /// The image's name, with --from-host
    #[arg(short, long, value_name = "REPOSITORY[:TAG]", requires = "from_host")]
    tag: Option<String>,
    /// Apply a Dockerfile instruction (CMD, ENV, EXPOSE, ...)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Comment in the image's history
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    message: String,
    /// Platform that the image is for
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", default_value = "")]
    platform: String,
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let name = self.name.clone().or_else(|| self.tag.clone());
        let request = Request { name, changes: self.change, message: self.message, platform: self.platform };
        if !self.from_host.is_empty() {
            return from_host(session, &self.from_host, request).await;
        }
        let source = match self.file.as_deref() {
            Some(path) if path != Path::new("-") => Source::file(path)?,
            _ => Source::stdin("requested import from stdin, but stdin is empty: give a file, or < FILE")?,
        };
        let connection = session.connect().await?;
        let meter = Meter::new("importing", source.size(), false);
        let body = source.stream(meter.clone());
        let id = or_interrupted("import", &meter, send(&connection, body, request)).await?;
        safe::print(&format!("{id}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes an image of programs of this machine; the tar is made while it is sent.
async fn from_host(session: &Session, programs: &[String], mut request: Request) -> Result<ExitCode, Failure> {
    let path = session.env.path().to_owned();
    let root = HostRoot::collect(programs, path.as_ref()).map_err(|error| Failure::new(error.to_string()))?;
    for note in root.notes() {
        safe::say(&format!("note: {note}"));
    }
    if request.message.is_empty() {
        request.message = format!("programs of this machine: {}", programs.join(" "));
    }
    let connection = session.connect().await?;
    let meter = Meter::new("importing", None, false);
    let body = stream_of(meter.clone(), move |sender| {
        let mut out = Chunks::new(sender.clone());
        if let Err(error) = root.write(&mut out).and_then(|_| out.flush().map_err(HostError::Write)) {
            let _ = sender.blocking_send(Err(std::io::Error::other(error)));
        }
    });
    let id = or_interrupted("import", &meter, send(&connection, body, request)).await?;
    safe::print(&format!("{id}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What the image is to be.
#[derive(Default)]
pub(crate) struct Request {
    /// Its name.
    pub(crate) name: Option<String>,
    /// Dockerfile instructions.
    pub(crate) changes: Vec<String>,
    /// Comment in the history.
    pub(crate) message: String,
    /// `os/arch`; empty for the engine's.
    pub(crate) platform: String,
}

/// Sends a tar of a root file system and returns the ID of the image made of it.
pub(crate) async fn send(
    connection: &Connection,
    body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    request: Request,
) -> Result<String, Failure> {
    let Request { name, changes, message, platform } = request;
    if let Some(name) = &name {
        Reference::parse(name).map_err(|error| Failure::new(error.to_string()))?;
    }
    let message = Some(message).filter(|message| !message.is_empty());
    let options =
        CreateImageOptions { from_src: Some("-".into()), repo: name, message, changes, platform, ..Default::default() };
    let mut answer = connection.docker.create_image(Some(options), Some(bollard::body_try_stream(body)), None);
    let mut id = String::new();
    while let Some(line) = answer.next().await {
        let line = line?;
        if line.progress_detail.is_none() {
            id = line.status.unwrap_or(id);
        }
    }
    Ok(id)
}

/// The tar of a root file system of programs of this machine, looked up in `path`.
pub(crate) fn host_tar(programs: &[String], path: &str) -> Result<Bytes, Failure> {
    let root = HostRoot::collect(programs, path.as_ref()).map_err(|error| Failure::new(error.to_string()))?;
    let mut tar = Vec::new();
    root.write(&mut tar).map_err(|error| Failure::new(error.to_string()))?;
    Ok(tar.into())
}
