//! `outcrop push`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use outcrop_engine::image::Reference;

use super::credentials::Store;
use super::layers::{Layers, Stream};
use super::{Failure, Session};
use crate::connect::in_path;
use crate::report::{filter, safe};

/// Bring an image to a registry
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop tag app1 localhost:5000/team/app:1 && outcrop push localhost:5000/team/app:1
  outcrop push --all-tags localhost:5000/team/app")]
pub(crate) struct Push {
    /// Image; the tag is latest unless there is one
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
    /// Push all tags that the name has here
    #[arg(short, long)]
    all_tags: bool,
    /// Print its name only
    #[arg(short, long)]
    quiet: bool,
}

impl Push {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let reference = Reference::parse(&self.name).map_err(|error| Failure::new(error.to_string()))?;
        let reference = match (self.all_tags, reference.is_name_only()) {
            (true, false) => return Err(Failure::new("tag can't be used with --all-tags/-a")),
            (false, true) => {
                if !self.quiet {
                    safe::print("Using default tag: latest\n")?;
                }
                reference.or_latest()
            }
            _ => reference,
        };
        let connection = session.connect().await?;
        let path = format!("/images/{}/push", in_path(&reference.name()));
        let path = filter::query(&path, &[("tag", reference.tag())]);
        let header = Store::of(session)?.header(reference.domain())?;
        let answer = connection.request_as(Method::POST, &path, &header).await?;
        let layers = if self.quiet { Layers::silent() } else { Layers::new(Stream::Out) };
        layers.follow("push", answer).await?;
        if self.quiet {
            safe::print(&format!("{}\n", reference.full()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
