//! `outcrop history`.

use std::process::ExitCode;

use clap::Args;

use super::images::{created_at, id};
use super::{Failure, Session};
use crate::connect::in_path;
use crate::report::format::Columns;
use crate::report::value::Value;
use crate::report::{safe, units};

/// Show the steps that made an image
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop history app1
  outcrop history --no-trunc --format '{{.Size}} {{.CreatedBy}}' app1")]
pub(crate) struct History {
    /// Name or ID
    image: String,
    /// Print with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "")]
    format: String,
    /// Sizes and times in words (--human=false for numbers)
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    human: bool,
    /// Show everything in full
    #[arg(long)]
    no_trunc: bool,
    /// Only IDs
    #[arg(short, long)]
    quiet: bool,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Comment", "COMMENT"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("CreatedSince", "CREATED"),
        ("ID", "IMAGE"),
        ("Size", "SIZE"),
    ],
    table: &["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
};

/// Characters of a command that the table shows.
const SHOWN: usize = 45;

impl History {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let path = format!("/images/{}/history", in_path(&self.image));
        let Value::List(steps) = session.connect().await?.get(&path).await? else {
            return Err(Failure::new("the engine sent no history"));
        };
        let now = units::now();
        let rows = steps.iter().map(|step| self.row(step, now)).collect();
        let text = if self.quiet {
            COLUMNS.render("{{.ID}}", rows)?
        } else if self.human {
            COLUMNS.render(&self.format, rows)?
        } else {
            COLUMNS.render_table(&self.format, &["ID", "CreatedAt", "CreatedBy", "Size", "Comment"], rows)?
        };
        safe::print_raw(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn row(&self, step: &Value, now: i64) -> Value {
        let created = step.number("Created").unwrap_or(0);
        let size = step.number("Size").unwrap_or(0);
        let command = step.text("CreatedBy").replace('\t', " ");
        let command = if self.no_trunc { command } else { shortened(&command) };
        Value::object([
            ("Comment", step.text("Comment").into()),
            ("CreatedAt", rfc3339(created).into()),
            ("CreatedBy", command.into()),
            ("CreatedSince", if self.human { units::ago(created, now) } else { created_at(created) }.into()),
            ("ID", id(step.text("Id"), !self.no_trunc).into()),
            ("Size", if self.human { units::short_size(size as f64) } else { size.to_string() }.into()),
        ])
    }
}

/// As Docker's table writes moments: `2026-11-23T18:57:02Z`, with the local offset.
fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| {
            jiff::ZonedDateTime::new(time, jiff::tz::TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        })
        .map(|text| text.strip_suffix("+00:00").map(|utc| format!("{utc}Z")).unwrap_or(text))
        .unwrap_or_default()
}

/// The first part of a command, with a mark that there is more.
fn shortened(command: &str) -> String {
    if command.chars().count() <= SHOWN {
        return command.to_owned();
    }
    command.chars().take(SHOWN - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_as_docker() {
        let command = "/bin/sh -c #(nop) COPY file:73e2b2d48642b21b357384b0cb81c1869cc5e0c48a00f61553756196058304b9 in /bin/busybox ";
        assert_eq!(shortened(command), "/bin/sh -c #(nop) COPY file:73e2b2d48642b21b…");
        assert_eq!(shortened("short"), "short");
    }
}
