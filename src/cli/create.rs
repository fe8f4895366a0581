//! `outcrop create`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bollard::errors::Error as Client;
use clap::{ArgAction, Args};
use hyper::Method;
use outcrop_engine::image::Reference;

use super::layers::{Layers, Stream};
use super::options::{Body, ContainerOptions};
use super::{Failure, Session, pull};
use crate::connect::Connection;
use crate::report::{filter, safe};

/// Create a container without starting it
#[derive(Args)]
#[command(disable_help_flag = true, override_usage = "outcrop create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
#[command(after_help = "Examples:
  outcrop create --name web -v data:/data app1
  outcrop start web")]
pub(crate) struct Create {
    #[command(flatten)]
    pub(super) description: Description,
    /// Image, and the command with its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["IMAGE", "COMMAND"])]
    words: Vec<String>,
}

/// What `create` and `run` have in common.
#[derive(Args)]
pub(super) struct Description {
    /// Name; a name is invented otherwise
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// Write the container's ID to this file, which must not be there
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// When the image is not there: missing, always or never
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pull: String,
    /// Platform of the image: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", default_value = "", hide_default_value = true)]
    platform: String,
    /// Say nothing while an image is fetched
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) options: ContainerOptions,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let body = self.description.body(session, &self.words)?;
        let connection = session.connect().await?;
        let id = self.description.create(session, &connection, &self.words[0], &body).await?;
        safe::print(&format!("{id}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Description {
    /// Reads the options; the first of `words` is the image.
    pub(super) fn body(&self, session: &Session, words: &[String]) -> Result<Body, Failure> {
        if !["missing", "always", "never"].contains(&self.pull.as_str()) {
            return Err(Failure::new(format!(
                "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"",
                self.pull
            )));
        }
        let (image, command) = words.split_first().ok_or_else(|| Failure::new("an image is needed"))?;
        let cwd = std::env::current_dir().map_err(|error| Failure::new(format!("no working directory: {error}")))?;
        let variable = |name: &str| session.env.get(name).map(str::to_owned);
        self.options.body(image, command, &cwd, &variable)
    }

    /// Creates the container and gives its ID. An image that is not there is pulled, as `--pull` says.
    pub(super) async fn create(
        &self,
        session: &Session,
        connection: &Connection,
        image: &str,
        body: &Body,
    ) -> Result<String, Failure> {
        check_reference(image)?;
        let id_file = self.cidfile.as_deref().map(IdFile::create).transpose()?;
        if self.pull == "always" {
            self.pull(session, connection, image).await?;
        }
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        let platform = Some(self.platform.as_str()).filter(|platform| !platform.is_empty());
        let path = filter::query("/containers/create", &[("name", name), ("platform", platform)]);
        let create = || connection.call(Method::POST, &path, Some(body.json()));
        let answer = match create().await {
            Err(Client::DockerResponseServerError { status_code: 404, message })
                if self.pull == "missing" && message.to_lowercase().contains("no such image") =>
            {
                if !self.quiet {
                    safe::say(&format!("Unable to find image '{}' locally", with_tag(image)));
                }
                self.pull(session, connection, image).await?;
                create().await?
            }
            answer => answer?,
        };
        for warning in answer.list("Warnings") {
            safe::say(&format!("WARNING: {warning}"));
        }
        let id = answer.text("Id").to_owned();
        if let Some(file) = id_file {
            file.write(&id)?;
        }
        Ok(id)
    }

    /// Fetches the image; what is told of it goes to standard error.
    async fn pull(&self, session: &Session, connection: &Connection, image: &str) -> Result<(), Failure> {
        let reference = Reference::parse(image).map_err(|error| Failure::new(error.to_string()))?.or_latest();
        let platform = Some(self.platform.as_str()).filter(|platform| !platform.is_empty());
        let layers = if self.quiet { Layers::silent() } else { Layers::new(Stream::Error) };
        pull::pull(session, connection, &reference, platform, layers).await
    }
}

fn with_tag(image: &str) -> String {
    Reference::parse(image).map_or_else(|_| image.to_owned(), |reference| reference.or_latest().familiar())
}

/// Refuses what is neither a reference nor an ID.
fn check_reference(image: &str) -> Result<(), Failure> {
    Reference::parse(image).map(drop).map_err(|error| Failure::new(error.to_string()))
}

/// A file for a container's ID. Without one written, it goes when this is dropped.
struct IdFile<'a> {
    file: File,
    path: &'a Path,
    written: bool,
}

impl<'a> IdFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Failure> {
        match File::create_new(path) {
            Ok(file) => Ok(Self { file, path, written: false }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure::new(format!(
                "container ID file found, make sure the other container isn't running or delete {}",
                path.display()
            ))),
            Err(error) => {
                Err(Failure::new(format!("failed to create the container ID file: {}: {error}", path.display())))
            }
        }
    }

    fn write(mut self, id: &str) -> Result<(), Failure> {
        self.file.write_all(id.as_bytes()).map_err(|error| Failure::io("write", self.path, &error))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for IdFile<'_> {
    fn drop(&mut self) {
        if !self.written {
            let _ = std::fs::remove_file(self.path);
        }
    }
}
