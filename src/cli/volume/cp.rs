//! `outcrop volume cp`: files between a volume and this machine, without a container.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use bollard::errors::Error as Client;
use clap::Args;
use futures_util::StreamExt;
use hyper::Method;

use super::of_volume;
use crate::cli::cp::{self, Local, Plan, base, plan};
use crate::cli::failure::own;
use crate::cli::{Failure, Session};
use crate::connect::{Connection, Payload, into_stream};
use crate::report::filter;

/// Copy files between a volume and this machine
#[derive(Args)]
#[command(override_usage = "outcrop volume cp VOLUME:SRC_PATH DEST_PATH|-
       outcrop volume cp [OPTIONS] SRC_PATH|- VOLUME:DEST_PATH")]
#[command(after_help = "Examples:
  outcrop volume cp data:/mysql .
  outcrop volume cp page.html data:/
  tar c . | outcrop volume cp - data:/

A source that ends in /. stands for what is in the folder. `-` is a tar on standard input or output.")]
pub(crate) struct Cp {
    /// Copy what a symbolic link at a source of this machine leads to
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// VOLUME:PATH, PATH or -
    #[arg(value_name = "SRC_PATH", allow_hyphen_values = true)]
    source: String,
    /// VOLUME:PATH, PATH or -
    #[arg(value_name = "DEST_PATH", allow_hyphen_values = true)]
    destination: String,
}

impl Cp {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match (cp::split(&self.source), cp::split(&self.destination)) {
            (Some((volume, path)), None) => out_of(&session.connect().await?, volume, path, &self.destination).await,
            (None, Some((volume, path))) => {
                put_into(&session.connect().await?, &self.source, volume, path, self.follow_link).await
            }
            (Some(_), Some(_)) => {
                Err(Failure::new("copying between volumes is not supported: `outcrop volume clone` copies a whole one"))
            }
            (None, None) => Err(Failure::new("one of both must be VOLUME:PATH")),
        }
    }
}

/// The endpoint for a path of a volume.
fn at(volume: &str, what: &str, path: &str) -> Result<String, Failure> {
    let path = path.trim_end_matches("/.").trim_matches('/');
    Ok(filter::query(&format!("{}/{what}", of_volume(volume)?), &[("path", Some(path))]))
}

async fn out_of(connection: &Connection, volume: &str, path: &str, destination: &str) -> Result<ExitCode, Failure> {
    if destination != "-" {
        cp::check_parent(destination)?;
    }
    connection.get(&format!("/volumes/{}", crate::connect::in_path(volume))).await?;
    match connection.request(Method::GET, &at(volume, "folder", path)?, Payload::None).await {
        Ok(answer) if destination == "-" => {
            let mut chunks = std::pin::pin!(into_stream(answer));
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                tokio::task::block_in_place(|| io::stdout().write_all(&chunk))?;
            }
            io::stdout().flush()?;
        }
        Ok(answer) => {
            let to = Local::find(destination, true)?;
            let mut plan = plan(path, true, &to.path, to.exists, to.is_directory)?;
            if plan.name.is_none() {
                let name = base(path);
                plan.name = Some(if name == "/" { ".".into() } else { name });
            }
            make_folder(&plan)?;
            cp::receive(answer, plan, true, false).await?;
        }
        // What is no folder is a file, or nothing.
        Err(folder) => {
            let answer = connection.request(Method::GET, &at(volume, "file", path)?, Payload::None).await;
            let answer = answer.map_err(|file| own(of_both(folder, file)))?;
            write_file(answer, path, destination).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The error that says more: a missing endpoint says that of both.
fn of_both(folder: Client, file: Client) -> Client {
    match &file {
        Client::DockerResponseServerError { status_code: 404, .. } => folder,
        _ => file,
    }
}

fn make_folder(plan: &Plan) -> Result<(), Failure> {
    let Some(name) = plan.name.as_deref().filter(|name| *name != ".") else { return Ok(()) };
    let path = plan.directory.join(name);
    match fs::create_dir(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Failure::io("create", &path, &error)),
        _ => Ok(()),
    }
}

async fn write_file(
    answer: hyper::Response<hyper::body::Incoming>,
    path: &str,
    destination: &str,
) -> Result<(), Failure> {
    let mut out: Box<dyn Write + Send> = if destination == "-" {
        Box::new(io::stdout())
    } else {
        let to = Local::find(destination, true)?;
        let plan = plan(path, false, &to.path, to.exists, to.is_directory)?;
        let file = plan.directory.join(plan.name.unwrap_or_else(|| base(path)));
        Box::new(fs::File::create(&file).map_err(|error| Failure::io("write", &file, &error))?)
    };
    let mut chunks = std::pin::pin!(into_stream(answer));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        tokio::task::block_in_place(|| out.write_all(&chunk))?;
    }
    Ok(out.flush()?)
}

async fn put_into(
    connection: &Connection,
    source: &str,
    volume: &str,
    path: &str,
    follow: bool,
) -> Result<ExitCode, Failure> {
    connection.get(&format!("/volumes/{}", crate::connect::in_path(volume))).await?;
    let looked = connection.get(&(at(volume, "tree", path)? + "&depth=0")).await;
    let path = if path.is_empty() { "/" } else { path };
    let (body, directory) = if source == "-" {
        looked.map_err(own)?;
        (cp::stdin(), path.to_owned())
    } else {
        let from = Local::find(source, follow)?;
        from.must_exist(source)?;
        let plan = plan(source, from.is_directory, Path::new(path), looked.is_ok(), looked.is_ok())?;
        let directory = plan.directory.to_string_lossy().into_owned();
        (cp::packed(from, plan.name, follow), directory)
    };
    cp::put(connection, &at(volume, "folder", &directory)?, body).await.map_err(|error| error.map(own))?;
    Ok(ExitCode::SUCCESS)
}
