//! `outcrop cp`: files between a container and this machine, as tar.

mod local;
mod pack;
mod place;
mod unpack;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use bollard::errors::Error as Client;
use clap::Args;
use futures_util::StreamExt;
use hyper::Method;

use super::each::of_container;
use super::upload::{self, Chunks};
use super::{Failure, Session};
use crate::connect::{Connection, Payload, into_stream};
use crate::report::progress::Meter;
use crate::report::{filter, safe, units};
pub(super) use local::{Local, check_parent};
use place::Stat;
pub(super) use place::{Plan, base, plan};

/// Copy files between a container, running or not, and this machine
#[derive(Args)]
#[command(override_usage = "outcrop cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-
       outcrop cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH")]
#[command(after_help = "Examples:
  outcrop cp web:/var/log .
  outcrop cp page.html web:/srv/
  outcrop cp web:/etc - | tar t
  tar c . | outcrop cp - web:/srv

A source that ends in /. stands for what is in the folder. `-` is a tar on standard input or output.")]
pub(crate) struct Cp {
    /// Keep owners: user and group IDs
    #[arg(short, long)]
    archive: bool,
    /// Copy what a symbolic link at the source leads to
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Say nothing of it
    #[arg(short, long)]
    quiet: bool,
    /// CONTAINER:PATH, PATH or -
    #[arg(value_name = "SRC_PATH", allow_hyphen_values = true)]
    source: String,
    /// CONTAINER:PATH, PATH or -
    #[arg(value_name = "DEST_PATH", allow_hyphen_values = true)]
    destination: String,
}

/// Splits `CONTAINER:PATH`; a path of this machine begins with a slash or a dot, or has no colon.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['/', '.']) { None } else { text.split_once(':') }
}

impl Cp {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        for path in [&self.source, &self.destination] {
            let inside = split(path).map_or(path.as_str(), |(_, inside)| inside);
            if inside.is_empty() && split(path).is_none() {
                return Err(Failure::new("source and destination may not be empty"));
            }
        }
        match (split(&self.source), split(&self.destination)) {
            (Some((container, path)), None) => {
                let far = Far { connection: &session.connect().await?, container, path };
                self.out_of(&far, &self.destination).await
            }
            (None, Some((container, path))) => {
                let far = Far { connection: &session.connect().await?, container, path };
                self.put_into(&self.source, &far).await
            }
            (Some(_), Some(_)) => Err(Failure::new("copying between containers is not supported")),
            (None, None) => Err(Failure::new("must specify at least one container source")),
        }
    }

    async fn out_of(&self, far: &Far<'_>, destination: &str) -> Result<ExitCode, Failure> {
        let (mut source, mut rename) = (far.path.to_owned(), None);
        if self.follow_link
            && let Ok(stat) = far.stat(&source).await
            && stat.is_link()
        {
            rename = Some(base(&source));
            source = place::target(&source, &stat.link_target);
        }
        if destination != "-" {
            check_parent(destination)?;
        }
        let path = far.archive(&source, &[])?;
        let answer = far.connection.request(Method::GET, &path, Payload::None).await?;
        let stat = Stat::of_header(answer.headers())?;
        if destination == "-" {
            let mut chunks = std::pin::pin!(into_stream(answer));
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                tokio::task::block_in_place(|| io::stdout().write_all(&chunk))?;
            }
            io::stdout().flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        let to = Local::find(destination, true)?;
        let plan = plan(&source, stat.is_directory(), &to.path, to.exists, to.is_directory)?;
        let plan = match (rename, &plan.name) {
            (Some(name), None) => Plan { name: Some(name), ..plan },
            _ => plan,
        };
        let bytes = receive(answer, plan, false, self.archive).await?;
        self.say(bytes, destination);
        Ok(ExitCode::SUCCESS)
    }

    async fn put_into(&self, source: &str, far: &Far<'_>) -> Result<ExitCode, Failure> {
        let mut destination = far.path.to_owned();
        let mut stat = far.stat(&destination).await;
        if let Ok(found) = &stat
            && found.is_link()
        {
            destination = place::target(&destination, &found.link_target);
            stat = far.stat(&destination).await;
        }
        let shown = format!("{}:{}", far.container, far.path);
        if let Ok(found) = &stat
            && !found.is_directory()
            && !found.is_file()
        {
            return Err(Failure::new(format!("destination \"{shown}\" must be a directory or a regular file")));
        }
        let is_directory = stat.as_ref().is_ok_and(Stat::is_directory);
        let (body, directory) = if source == "-" {
            if !is_directory {
                return Err(Failure::new(format!("destination \"{shown}\" must be a directory")));
            }
            (stdin(), destination)
        } else {
            let from = Local::find(source, self.follow_link)?;
            from.must_exist(source)?;
            let plan = plan(source, from.is_directory, Path::new(&destination), stat.is_ok(), is_directory)?;
            let directory = plan.directory.to_string_lossy().into_owned();
            (packed(from, plan.name, self.follow_link), directory)
        };
        let owners = if self.archive { "true" } else { "false" };
        let path = far.archive(&directory, &[("noOverwriteDirNonDir", Some("true")), ("copyUIDGID", Some(owners))])?;
        let bytes = put(far.connection, &path, body).await.map_err(|error| error.map(Failure::from))?;
        if source != "-" {
            self.say(bytes, &shown);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn say(&self, bytes: u64, to: &str) {
        if !self.quiet && safe::shown_on_terminal(2) {
            safe::say(&format!("Successfully copied {} to {to}", units::short_size(bytes as f64)));
        }
    }
}

/// Unpacks the tar of an answer, and gives its bytes. With `bare` its names are those in the folder, else they all begin with the
/// name of what was asked for.
pub(super) async fn receive(
    answer: hyper::Response<hyper::body::Incoming>,
    plan: Plan,
    bare: bool,
    owners: bool,
) -> Result<u64, Failure> {
    let mut chunks = std::pin::pin!(into_stream(answer));
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let unpacking = tokio::task::spawn_blocking(move || unpack::unpack(Chunked::new(receiver), &plan, bare, owners));
    let mut lost = None;
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => {
                if sender.send(chunk).await.is_err() {
                    break; // unpacking has failed
                }
            }
            Err(error) => {
                lost = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let unpacked = unpacking.await.map_err(|error| Failure::new(error.to_string()))?;
    match lost {
        Some(error) => Err(error.into()),
        None => unpacked,
    }
}

/// Standard input, which is a tar.
pub(super) fn stdin() -> upload::Boxed {
    Box::pin(upload::stream(Box::new(io::stdin()), Meter::new("copying", None, true)))
}

/// A file or folder of this machine as a tar, under `name` or its own.
pub(super) fn packed(from: Local, name: Option<String>, follow: bool) -> upload::Boxed {
    let packing = pack::Packing::new(from, name, follow);
    Box::pin(upload::stream_of(Meter::new("copying", None, true), move |sender| packing.run(Chunks::new(sender))))
}

/// Why a tar was not sent.
pub(super) enum PutError {
    /// It could not be made.
    Here(Failure),
    /// The engine did not take it.
    There(Client),
}

impl PutError {
    /// The failure, with the engine's error as `explained`.
    pub(super) fn map(self, explained: impl FnOnce(Client) -> Failure) -> Failure {
        match self {
            Self::Here(failure) => failure,
            Self::There(error) => explained(error),
        }
    }
}

/// Sends a tar with PUT, and gives its bytes.
pub(super) async fn put(connection: &Connection, path: &str, body: upload::Boxed) -> Result<u64, PutError> {
    let counted = upload::counted(body);
    let sent = connection.request(Method::PUT, path, Payload::Tar(counted.stream)).await;
    if let Some(failure) = pack::failed(&counted.error) {
        return Err(PutError::Here(failure));
    }
    sent.map_err(PutError::There)?;
    Ok(counted.bytes.load(std::sync::atomic::Ordering::Relaxed))
}

/// A path of a container.
struct Far<'a> {
    connection: &'a Connection,
    container: &'a str,
    path: &'a str,
}

impl Far<'_> {
    fn archive(&self, path: &str, more: &[(&str, Option<&str>)]) -> Result<String, Failure> {
        let parameters = [&[("path", Some(path))], more].concat();
        Ok(filter::query(&format!("{}/archive", of_container(self.container)?), &parameters))
    }

    async fn stat(&self, path: &str) -> Result<Stat, Failure> {
        let answer = self.connection.request(Method::HEAD, &self.archive(path, &[])?, Payload::None).await?;
        Stat::of_header(answer.headers())
    }
}

/// What arrives on a channel, to be read.
struct Chunked {
    receiver: tokio::sync::mpsc::Receiver<bytes::Bytes>,
    current: bytes::Bytes,
}

impl Chunked {
    fn new(receiver: tokio::sync::mpsc::Receiver<bytes::Bytes>) -> Self {
        Self { receiver, current: bytes::Bytes::new() }
    }
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_containers_from_paths() {
        for (text, want) in [
            ("web:/etc", Some(("web", "/etc"))),
            ("web:", Some(("web", ""))),
            ("./a:b", None),
            ("/a:b", None),
            ("plain", None),
            ("-", None),
        ] {
            assert_eq!(split(text), want, "{text}");
        }
    }
}
