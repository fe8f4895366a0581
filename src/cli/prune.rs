//! `outcrop image prune` and `outcrop system prune`.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use bollard::models::ImageDeleteResponseItem;
use bollard::query_parameters::PruneImagesOptions;
use clap::Args;

use super::{Failure, Session};
use crate::connect::Connection;
use crate::report::{filter, safe, units};

/// Remove images that nothing uses
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop image prune
  outcrop image prune -a --filter until=240h")]
pub(crate) struct Images {
    /// All images that no container uses, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Only images like this: until=, label=, label!=
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// Remove all that nothing uses: images without a name, or all that no container uses
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop system prune
  outcrop system prune -a -f")]
pub(crate) struct System {
    /// All images that no container uses, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Only objects like this: until=, label=, label!=
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Images {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let warning = if self.all {
            "WARNING! This will remove all images without at least one container associated to them."
        } else {
            "WARNING! This will remove all dangling images."
        };
        let filters = filters(&self.filter, self.all)?;
        if !self.force && !agreed(warning)? {
            return Ok(ExitCode::SUCCESS);
        }
        let (text, freed) = prune(&session.connect().await?, filters).await?;
        safe::print(&format!("{text}{}", total(freed)))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl System {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let what = if self.all {
            "all images without at least one container associated to them"
        } else {
            "all dangling images"
        };
        let filters = filters(&self.filter, self.all)?;
        // Containers, networks and build cache are another engine's: there they are left alone, as `image prune` does.
        if !self.force && !agreed(&format!("WARNING! This will remove:\n  - {what}\n"))? {
            return Ok(ExitCode::SUCCESS);
        }
        let (text, freed) = prune(&session.connect().await?, filters).await?;
        safe::print(&format!("{text}{}", total(freed)))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn total(freed: i64) -> String {
    format!("Total reclaimed space: {}\n", units::human_size(freed as f64))
}

/// The filters in the API's form, with what `--all` means.
fn filters(given: &[String], all: bool) -> Result<Option<String>, Failure> {
    let mut given = given.to_vec();
    if !given.iter().any(|filter| filter.starts_with("dangling=")) {
        given.push(format!("dangling={}", !all));
    }
    filter::json(&given).map_err(Failure::usage)
}

async fn prune(connection: &Connection, filters: Option<String>) -> Result<(String, i64), Failure> {
    let filters = filters.and_then(|json| serde_json::from_str(&json).ok());
    let done = connection.docker.prune_images(Some(PruneImagesOptions { filters })).await?;
    let removed = done.images_deleted.unwrap_or_default();
    let mut text = String::new();
    if !removed.is_empty() {
        text += "Deleted Images:\n";
        for ImageDeleteResponseItem { untagged, deleted } in removed {
            text += &untagged.map(|name| format!("untagged: {name}\n")).unwrap_or_default();
            text += &deleted.map(|id| format!("deleted: {id}\n")).unwrap_or_default();
        }
        text.push('\n');
    }
    Ok((text, done.space_reclaimed.unwrap_or(0)))
}

/// Asks, and takes only yes for yes.
fn agreed(warning: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    write!(out, "{warning}\nAre you sure you want to continue? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y"))
}
