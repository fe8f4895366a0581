//! `outcrop pull`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use outcrop_engine::image::Reference;

use super::credentials::Store;
use super::layers::{Layers, Stream};
use super::{Failure, Session};
use crate::connect::Connection;
use crate::report::{filter, safe};

/// Fetch an image from a registry
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop pull alpine
  outcrop pull --all-tags localhost:5000/team/app
  outcrop pull --platform linux/arm64 debian:12-slim
  outcrop pull localhost:5000/team/app@sha256:9f86d081…
  HTTPS_PROXY=http://proxy.example:3128 NO_PROXY=.example outcrop pull alpine")]
pub(crate) struct Pull {
    /// Image; the tag is latest unless there is one, or a digest
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
    /// Fetch all tags that the registry has of the name
    #[arg(short, long)]
    all_tags: bool,
    /// Of an image for several platforms take this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Print its name only
    #[arg(short, long)]
    quiet: bool,
}

impl Pull {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let reference = Reference::parse(&self.name).map_err(|error| Failure::new(error.to_string()))?;
        if self.all_tags && !reference.is_name_only() {
            return Err(Failure::new("tag can't be used with --all-tags/-a"));
        }
        if reference.is_name_only() && !self.all_tags && !self.quiet {
            safe::print("Using default tag: latest\n")?;
        }
        let reference = if self.all_tags { reference } else { reference.or_latest() };
        let connection = session.connect().await?;
        let layers = if self.quiet { Layers::silent() } else { Layers::new(Stream::Out) };
        pull(session, &connection, &reference, self.platform.as_deref(), layers).await?;
        safe::print(&format!("{}\n", reference.full()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Lets the engine pull an image, all tags of a name that has none, and shows what it does.
pub(super) async fn pull(
    session: &Session,
    connection: &Connection,
    reference: &Reference,
    platform: Option<&str>,
    layers: Layers,
) -> Result<(), Failure> {
    let tag = reference.digest().map(|digest| digest.to_string()).or_else(|| reference.tag().map(str::to_owned));
    let name = reference.name();
    let query = [("fromImage", Some(name.as_str())), ("tag", tag.as_deref()), ("platform", platform)];
    let path = filter::query("/images/create", &query);
    let header = Store::of(session)?.header(reference.domain())?;
    let answer = connection.request_as(Method::POST, &path, &header).await?;
    layers.follow("pull", answer).await
}
