//! `prune`: of containers, images, volumes, and of all.

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

/// Remove all containers that do not run
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop container prune
  outcrop container prune -f --filter until=24h --filter label=job")]
pub(crate) struct Containers {
    /// Only containers like this: until=, label=, label!=
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// Remove volumes that no container uses: those without a name, or all
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume prune
  outcrop volume prune -a --filter label!=keep")]
pub(crate) struct Volumes {
    /// Those with a name too
    #[arg(short, long)]
    all: bool,
    /// Only volumes like this: label=, label!=
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// Remove all that nothing uses: containers that do not run, and images; volumes only if asked
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop system prune
  outcrop system prune -a -f --volumes")]
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
    /// Volumes without a name too
    #[arg(long)]
    volumes: bool,
}

impl Images {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let warning = if self.all {
            "WARNING! This will remove all images without at least one container associated to them."
        } else {
            "WARNING! This will remove all dangling images."
        };
        let filters = image_filters(&self.filter, self.all)?;
        if !self.force && !agreed(warning)? {
            return Ok(ExitCode::SUCCESS);
        }
        images(&session.connect().await?, filters).await?.print()
    }
}

impl Containers {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let filters = filter::json(&self.filter).map_err(Failure::usage)?;
        if !self.force && !agreed("WARNING! This will remove all stopped containers.")? {
            return Ok(ExitCode::SUCCESS);
        }
        containers(&session.connect().await?, filters.as_deref()).await?.print()
    }
}

impl Volumes {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut given = self.filter.clone();
        let warning = if self.all {
            if given.iter().any(|filter| filter.starts_with("all=")) {
                return Err(Failure::new("conflicting options: cannot specify both --all and --filter all=1"));
            }
            given.push("all=true".into());
            "WARNING! This will remove all local volumes not used by at least one container."
        } else {
            "WARNING! This will remove anonymous local volumes not used by at least one container."
        };
        let filters = filter::json(&given).map_err(Failure::usage)?;
        if !self.force && !agreed(warning)? {
            return Ok(ExitCode::SUCCESS);
        }
        volumes(&session.connect().await?, filters.as_deref()).await?.print()
    }
}

impl System {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.volumes && self.filter.iter().any(|filter| filter.starts_with("until=")) {
            return Err(Failure::new(r#"ERROR: The "until" filter is not supported with "--volumes""#));
        }
        let mut what = vec!["all stopped containers"];
        if self.volumes {
            what.push("all anonymous volumes not used by at least one container");
        }
        what.push(if self.all {
            "all images without at least one container associated to them"
        } else {
            "all dangling images"
        });
        let (others, of_images) = (filter::json(&self.filter), image_filters(&self.filter, self.all)?);
        let others = others.map_err(Failure::usage)?;
        // Networks and build cache belong to other engines: there docker's own command removes them.
        if !self.force && !agreed(&format!("WARNING! This will remove:\n  - {}\n", what.join("\n  - ")))? {
            return Ok(ExitCode::SUCCESS);
        }
        let connection = &session.connect().await?;
        let mut pruned = containers(connection, others.as_deref()).await?;
        if self.volumes {
            pruned = pruned.and(&volumes(connection, others.as_deref()).await?);
        }
        pruned.and(&images(connection, of_images).await?).print()
    }
}

/// What was removed, in docker's words, and the bytes that it gave back.
struct Pruned {
    text: String,
    freed: i64,
}

impl Pruned {
    fn of(title: &str, lines: &[String], freed: i64) -> Self {
        let text = if lines.is_empty() { String::new() } else { format!("{title}:\n{}\n\n", lines.join("\n")) };
        Self { text, freed }
    }

    fn and(self, other: &Self) -> Self {
        Self { text: self.text + &other.text, freed: self.freed + other.freed }
    }

    fn print(self) -> Result<ExitCode, Failure> {
        let freed = units::human_size(self.freed as f64);
        safe::print(&format!("{}Total reclaimed space: {freed}\n", self.text))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The filters in the API's form, with what `--all` means.
fn image_filters(given: &[String], all: bool) -> Result<Option<String>, Failure> {
    let mut given = given.to_vec();
    if !given.iter().any(|filter| filter.starts_with("dangling=")) {
        given.push(format!("dangling={}", !all));
    }
    filter::json(&given).map_err(Failure::usage)
}

async fn images(connection: &Connection, filters: Option<String>) -> Result<Pruned, Failure> {
    let filters = filters.and_then(|json| serde_json::from_str(&json).ok());
    let done = connection.docker.prune_images(Some(PruneImagesOptions { filters })).await?;
    let mut lines = Vec::new();
    for ImageDeleteResponseItem { untagged, deleted } in done.images_deleted.unwrap_or_default() {
        lines.extend(untagged.map(|name| format!("untagged: {name}")));
        lines.extend(deleted.map(|id| format!("deleted: {id}")));
    }
    Ok(Pruned::of("Deleted Images", &lines, done.space_reclaimed.unwrap_or(0)))
}

async fn containers(connection: &Connection, filters: Option<&str>) -> Result<Pruned, Failure> {
    let done = connection.post(&filter::query("/containers/prune", &[("filters", filters)])).await?;
    let lines: Vec<_> = done.list("ContainersDeleted").iter().map(ToString::to_string).collect();
    Ok(Pruned::of("Deleted Containers", &lines, done.number("SpaceReclaimed").unwrap_or(0)))
}

async fn volumes(connection: &Connection, filters: Option<&str>) -> Result<Pruned, Failure> {
    let done = connection.post(&filter::query("/volumes/prune", &[("filters", filters)])).await?;
    let lines: Vec<_> = done.list("VolumesDeleted").iter().map(ToString::to_string).collect();
    Ok(Pruned::of("Deleted Volumes", &lines, done.number("SpaceReclaimed").unwrap_or(0)))
}

/// Asks, and takes only yes for yes.
pub(crate) fn agreed(warning: &str) -> Result<bool, Failure> {
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
