//! `outcrop diff`.

use std::process::ExitCode;

use clap::Args;

use super::each::of_container;
use super::failure::own;
use super::{Failure, Session};
use crate::report::format::Columns;
use crate::report::value::Value;
use crate::report::{safe, units};

/// Show what a container has changed: A added, C changed, D deleted
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop diff web
  outcrop diff --detail web
  outcrop diff --detail --format '{{.Kind}} {{.Path}} {{.DiffID}}' web")]
pub(crate) struct Diff {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// How each path changed: copied up or new, what differs, bytes, and which layer it came from
    #[arg(short, long)]
    detail: bool,
    /// Print details with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true, requires = "detail")]
    format: String,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("ChainID", "CHAIN ID"),
        ("Copied", "COPIED"),
        ("DiffID", "DIFF ID"),
        ("From", "FROM"),
        ("Kind", "KIND"),
        ("Path", "PATH"),
        ("Size", "SIZE"),
        ("What", "DIFFERS"),
    ],
    table: &["Kind", "Size", "Copied", "From", "What", "Path"],
};

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.detail {
            let path = format!("/outcrop{}/changes", of_container(&self.container)?);
            let changes = session.connect().await?.get(&path).await.map_err(own)?;
            let Value::List(changes) = changes else { return Ok(ExitCode::SUCCESS) };
            safe::print_raw(&COLUMNS.render(&self.format, changes.iter().map(detail).collect())?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let changes = session.connect().await?.get(&format!("{}/changes", of_container(&self.container)?)).await?;
        let Value::List(changes) = changes else { return Ok(ExitCode::SUCCESS) };
        let line = |change: &Value| {
            let kind = match change.number("Kind") {
                Some(1) => 'A',
                Some(2) => 'D',
                _ => 'C',
            };
            format!("{kind} {}\n", safe::word_on_terminal(change.text("Path")))
        };
        let lines: Vec<String> = changes.iter().map(line).collect();
        safe::print_raw(&lines.concat())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A change in one row.
fn detail(change: &Value) -> Value {
    let size = |field: &str| Value::from(units::human_size(change.float(field)));
    let what: Vec<String> = change.list("What").iter().map(ToString::to_string).collect();
    let layer = match change.at("From.Layer") {
        Value::Null => "-".to_owned(),
        layer if layer.to_string() == "0" => "init layer".to_owned(),
        layer => format!("layer {layer}"),
    };
    let dash = || Value::from("-");
    let text = |path: &str| match change.at(path) {
        Value::Text(text) => Value::from(text.as_str()),
        _ => Value::from(""),
    };
    Value::object([
        ("ChainID", text("From.ChainID")),
        ("Copied", if change.float("Copied") > 0.0 { size("Copied") } else { dash() }),
        ("DiffID", text("From.DiffID")),
        ("From", layer.into()),
        ("Kind", change.text("Kind").into()),
        ("Path", change.text("Path").into()),
        ("Size", if change.text("Kind") == "deleted" { dash() } else { size("Size") }),
        ("What", if what.is_empty() { dash() } else { what.join(",").into() }),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_details() {
        let changes = r#"[{"Path":"/etc/x","Kind":"copy-up","What":["content","time"],"Size":3000,"Copied":2000,"From":{"Layer":1,"ChainID":"sha256:a","DiffID":"sha256:b"}},
            {"Path":"/new","Kind":"new","What":[],"Size":5,"Copied":0,"From":null},
            {"Path":"/etc/hosts","Kind":"deleted","What":[],"Size":0,"Copied":0,"From":{"Layer":0,"ChainID":"","DiffID":""}}]"#;
        let Ok(Value::List(changes)) = serde_json::from_str(changes) else { panic!("is JSON") };
        let text = COLUMNS.render("", changes.iter().map(detail).collect()).expect("renders");
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines[1..],
            ["copy-up 3kB 2kB layer 1 content,time /etc/x", "new 5B - - - /new", "deleted - - init layer - /etc/hosts",]
        );
    }
}
