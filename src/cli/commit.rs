//! `outcrop commit`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use outcrop_engine::image::Reference;

use super::each::of_container;
use super::{Failure, Session};
use crate::report::{filter, safe};

/// Make an image of a container: its image's layers, and its writable layer as one more
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop commit web web:patched
  outcrop commit -m 'with curl' -c 'CMD [\"sh\"]' web")]
pub(crate) struct Commit {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Name of the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
    /// Who made it
    #[arg(short, long, value_name = "AUTHOR", default_value = "", hide_default_value = true)]
    author: String,
    /// Apply an instruction of a Dockerfile
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// What was done
    #[arg(short, long, value_name = "MESSAGE", default_value = "", hide_default_value = true)]
    message: String,
    /// Freeze it meanwhile
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pause: bool,
}

impl Commit {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let (mut name, mut tag) = (None, None);
        if let Some(text) = &self.reference {
            let reference = Reference::parse(text).map_err(|error| Failure::new(error.to_string()))?;
            if reference.digest().is_some() {
                return Err(Failure::new("cannot commit to digest reference"));
            }
            let reference = reference.or_latest();
            (name, tag) = (Some(reference.familiar_name()), reference.tag().map(str::to_owned));
        }
        of_container(&self.container)?;
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (author, message) = (text(&self.author), text(&self.message));
        let mut parameters = vec![
            ("container", Some(self.container.trim_matches('/'))),
            ("repo", name.as_deref()),
            ("tag", tag.as_deref()),
            ("author", author.as_deref()),
            ("comment", message.as_deref()),
            ("pause", Some(if self.pause { "1" } else { "0" })),
        ];
        parameters.extend(self.change.iter().map(|change| ("changes", Some(change.as_str()))));
        let path = filter::query("/commit", &parameters);
        let answer = session.connect().await?.call(Method::POST, &path, Some(serde_json::json!({}))).await?;
        safe::print(&format!("{}\n", answer.text("Id")))?;
        Ok(ExitCode::SUCCESS)
    }
}
