//! `outcrop tag`.

use std::process::ExitCode;

use bollard::query_parameters::TagImageOptionsBuilder;
use clap::Args;
use outcrop_engine::image::Reference;

use super::{Failure, Session};
use crate::connect::in_path;

/// Give an image another name
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop tag app1 app1:tested
  outcrop tag 4c01 localhost:5000/team/app:2")]
pub(crate) struct Tag {
    /// Name or ID of the image
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    /// Its new name
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

impl Tag {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let reference = Reference::parse(&self.target).map_err(|error| {
            Failure::new(format!("Error parsing reference: {:?} is not a valid repository/tag: {error}", self.target))
        })?;
        if reference.digest().is_some() {
            return Err(Failure::new("refusing to create a tag with a digest reference"));
        }
        let reference = reference.or_latest();
        let (name, tag) = (reference.name(), reference.tag().unwrap_or("latest").to_owned());
        let options = TagImageOptionsBuilder::default().repo(&name).tag(&tag).build();
        session.connect().await?.docker.tag_image(&in_path(&self.source), Some(options)).await?;
        Ok(ExitCode::SUCCESS)
    }
}
