//! `outcrop images`.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, Session};
use crate::connect::Connection;
use crate::report::format::Columns;
use crate::report::value::Value;
use crate::report::{filter, safe, units};

/// List images
#[derive(Args, Default)]
#[command(after_help = "Examples:
  outcrop images
  outcrop images --filter dangling=true -q
  outcrop images --format 'table {{.Repository}}\\t{{.Tag}}\\t{{.Size}}'
  outcrop images --format json 'app*'")]
pub(crate) struct List {
    /// Only this repository, or this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
    /// Also images that others were built from
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Only images like this: dangling=, label=, before=, since=, until=, reference=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "")]
    format: String,
    /// Show whole IDs
    #[arg(long)]
    no_trunc: bool,
    /// Only IDs
    #[arg(short, long)]
    quiet: bool,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Containers", "CONTAINERS"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("Digest", "DIGEST"),
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("SharedSize", "SHARED SIZE"),
        ("Size", "SIZE"),
        ("Tag", "TAG"),
        ("UniqueSize", "UNIQUE SIZE"),
        ("VirtualSize", "SIZE"),
    ],
    table: &["Repository", "Tag", "ID", "CreatedSince", "Size"],
};

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        self.print(&session.connect().await?).await
    }

    /// Prints the list that `connection` gives.
    pub(crate) async fn print(self, connection: &Connection) -> Result<ExitCode, Failure> {
        let mut filters = self.filter;
        filters.extend(self.name.map(|name| format!("reference={name}")));
        let filters = filter::json(&filters).map_err(Failure::usage)?;
        let path = filter::query("/images/json", &[("all", filter::flag(self.all)), ("filters", filters.as_deref())]);
        let images = connection.get(&path).await?;
        let Value::List(images) = images else { return Err(Failure::new("the engine sent no list of images")) };
        let now = units::now();
        let digests = self.digests || self.format.contains(".Digest");
        let rows: Vec<Value> = images.iter().flat_map(|image| rows(image, digests, !self.no_trunc, now)).collect();
        let text = if self.quiet && (self.format.is_empty() || self.format == "table") {
            COLUMNS.render("{{.ID}}", rows)?
        } else if self.digests {
            COLUMNS.render_table(&self.format, &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"], rows)?
        } else {
            COLUMNS.render(&self.format, rows)?
        };
        safe::print_raw(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A row for each name of an image, or one if it has none.
fn rows(image: &Value, digests: bool, short: bool, now: i64) -> Vec<Value> {
    const NONE: &str = "<none>";
    names(image, digests)
        .into_iter()
        .map(|(repository, tag, digest)| {
            let or_none = |text: Option<String>| Value::Text(text.unwrap_or_else(|| NONE.into()));
            row(image, [or_none(repository), or_none(tag), or_none(digest)], short, now)
        })
        .collect()
}

type Name = (Option<String>, Option<String>, Option<String>);

/// Repository, tag and digest of every name.
fn names(image: &Value, digests: bool) -> Vec<Name> {
    let texts = |key: &str| -> Vec<String> {
        image.list(key).iter().map(ToString::to_string).filter(|name| !name.starts_with("<none>")).collect()
    };
    let split = |name: &str, by: char| name.rsplit_once(by).map(|(a, b)| (a.to_owned(), b.to_owned()));
    let tags: Vec<_> = texts("RepoTags").iter().filter_map(|name| split(name, ':')).collect();
    let known: Vec<_> = texts("RepoDigests").iter().filter_map(|name| split(name, '@')).collect();
    let mut all: Vec<Name> = Vec::new();
    for (repository, tag) in &tags {
        let mut of_repository = known.iter().filter(|(name, _)| name == repository).peekable();
        if !digests || of_repository.peek().is_none() {
            all.push((Some(repository.clone()), Some(tag.clone()), None));
            continue;
        }
        all.extend(
            of_repository.map(|(_, digest)| (Some(repository.clone()), Some(tag.clone()), Some(digest.clone()))),
        );
    }
    for (repository, digest) in known {
        if !tags.iter().any(|(name, _)| *name == repository) {
            all.push((Some(repository), None, digests.then_some(digest)));
        }
    }
    if all.is_empty() {
        all.push((None, None, None));
    }
    all
}

fn row(image: &Value, [repository, tag, digest]: [Value; 3], short: bool, now: i64) -> Value {
    let created = image.number("Created").unwrap_or(0);
    let size = |key: &str| image.number(key).filter(|size| *size >= 0);
    let words = |size: Option<i64>| size.map_or_else(|| "N/A".to_owned(), |size| units::human_size(size as f64));
    let shared = size("SharedSize");
    let unique = shared.map(|shared| size("Size").unwrap_or(0) - shared);
    let containers = size("Containers").map_or_else(|| "N/A".to_owned(), |n| n.to_string());
    Value::object([
        ("Containers", containers.into()),
        ("CreatedAt", created_at(created).into()),
        ("CreatedSince", units::ago(created, now).into()),
        ("Digest", digest),
        ("ID", id(image.text("Id"), short).into()),
        ("Repository", repository),
        ("SharedSize", words(shared).into()),
        ("Size", units::short_size(size("Size").unwrap_or(0) as f64).into()),
        ("Tag", tag),
        ("UniqueSize", words(unique).into()),
        ("VirtualSize", units::human_size(size("Size").unwrap_or(0) as f64).into()),
    ])
}

/// An ID, or its first twelve digits.
pub(crate) fn id(id: &str, short: bool) -> String {
    if !short {
        return id.to_owned();
    }
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.chars().take(12).collect()
}

/// A moment as Go prints it: `2026-11-23 18:57:02 +0000 UTC`.
pub(crate) fn created_at(seconds: i64) -> String {
    if seconds == 0 {
        return "N/A".into();
    }
    let Ok(time) = jiff::Timestamp::from_second(seconds) else { return seconds.to_string() };
    jiff::ZonedDateTime::new(time, jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_name() {
        let image = |text: &str| serde_json::from_str::<Value>(text).expect("is JSON");
        let short = |image: &Value, digests| {
            let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".into());
            names(image, digests)
                .iter()
                .map(|(a, b, c)| format!("{} {} {}", text(a), text(b), text(c)))
                .collect::<Vec<_>>()
        };
        let both = image(r#"{"RepoTags":["a:1","b:5000/c:2"],"RepoDigests":["a@sha256:x","d@sha256:y"]}"#);
        assert_eq!(short(&both, false), ["a 1 -", "b:5000/c 2 -", "d - -"]);
        assert_eq!(short(&both, true), ["a 1 sha256:x", "b:5000/c 2 -", "d - sha256:y"]);
        for none in [r#"{"RepoTags":null}"#, r#"{"RepoTags":["<none>:<none>"],"RepoDigests":["<none>@<none>"]}"#] {
            assert_eq!(short(&image(none), true), ["- - -"]);
        }
    }
}
