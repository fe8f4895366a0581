//! `outcrop volume cp`: files between a volume and this machine, without a container.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bollard::errors::Error as Client;
use clap::Args;
use hyper::Method;

use super::of_volume;
use crate::cli::cp::{self, Local, Plan, base, plan};
use crate::cli::failure::{NOT_OURS, is_not_ours};
use crate::cli::save::to_file_or_output;
use crate::cli::{Failure, Session};
use crate::connect::{Connection, Payload, in_path};
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
    connection.get(&format!("/volumes/{}", in_path(volume))).await?;
    let output = Some(destination).filter(|destination| *destination != "-");
    if !is_folder(connection, volume, path).await? {
        let to = output.map(|destination| file_at(path, destination)).transpose()?;
        return to_file_or_output(connection, &at(volume, "file", path)?, to.as_deref(), "copy").await;
    }
    let folder = at(volume, "folder", path)?;
    let Some(destination) = output else { return to_file_or_output(connection, &folder, None, "copy").await };
    let to = Local::find(destination, true)?;
    let mut plan = plan(path, true, &to.path, to.exists, to.is_directory)?;
    if plan.name.is_none() {
        let name = base(path);
        plan.name = Some(if name == "/" { ".".into() } else { name });
    }
    make_folder(&plan)?;
    let answer = connection.request(Method::GET, &folder, Payload::None).await?;
    cp::receive(answer, plan, true, false).await?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a path of a volume is a folder; else it is a file, or not there.
async fn is_folder(connection: &Connection, volume: &str, path: &str) -> Result<bool, Failure> {
    match connection.get(&(at(volume, "tree", path)? + "&depth=0")).await {
        Ok(_) => Ok(true),
        Err(Client::DockerResponseServerError { status_code: 404 | 405, message }) if is_not_ours(&message) => {
            Err(Failure::new(NOT_OURS))
        }
        Err(_) => Ok(false),
    }
}

/// Where a file of a volume is written to.
fn file_at(path: &str, destination: &str) -> Result<PathBuf, Failure> {
    let to = Local::find(destination, true)?;
    let plan = plan(path, false, &to.path, to.exists, to.is_directory)?;
    Ok(plan.directory.join(plan.name.unwrap_or_else(|| base(path))))
}

fn make_folder(plan: &Plan) -> Result<(), Failure> {
    let Some(name) = plan.name.as_deref().filter(|name| *name != ".") else { return Ok(()) };
    let path = plan.directory.join(name);
    match fs::create_dir(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Failure::io("create", &path, &error)),
        _ => Ok(()),
    }
}

async fn put_into(
    connection: &Connection,
    source: &str,
    volume: &str,
    path: &str,
    follow: bool,
) -> Result<ExitCode, Failure> {
    connection.get(&format!("/volumes/{}", in_path(volume))).await?;
    let folder = is_folder(connection, volume, path).await?;
    let path = if path.is_empty() { "/" } else { path };
    let (body, directory) = if source == "-" {
        if !folder {
            return Err(Failure::new(format!("destination \"{volume}:{path}\" must be a directory")));
        }
        (cp::stdin(), path.to_owned())
    } else {
        let from = Local::find(source, follow)?;
        from.must_exist(source)?;
        let plan = plan(source, from.is_directory, Path::new(path), folder, folder)?;
        let directory = plan.directory.to_string_lossy().into_owned();
        (cp::packed(from, plan.name, follow), directory)
    };
    cp::put(connection, &at(volume, "folder", &directory)?, body).await.map_err(|error| error.map(Failure::from))?;
    Ok(ExitCode::SUCCESS)
}
