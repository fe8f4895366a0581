//! `outcrop volume tree`.

use std::process::ExitCode;

use clap::Args;

use super::of_volume;
use crate::cli::failure::own;
use crate::cli::{Failure, Session};
use crate::report::value::Value;
use crate::report::{filter, safe, table, units};

/// Show what is in a volume: folders with all that is below them
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume tree data
  outcrop volume tree --depth 3 data:/mysql")]
pub(crate) struct Tree {
    /// Name, and a folder in it
    #[arg(value_name = "VOLUME[:FOLDER]")]
    volume: String,
    /// How many levels
    #[arg(long, value_name = "LEVELS", default_value_t = 2)]
    depth: usize,
}

impl Tree {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let (name, folder) = self.volume.split_once(':').unwrap_or((&self.volume, ""));
        let depth = self.depth.to_string();
        let parameters = [("path", Some(folder.trim_matches('/'))), ("depth", Some(depth.as_str()))];
        let path = filter::query(&format!("{}/tree", of_volume(name)?), &parameters);
        let items = session.connect().await?.get(&path).await.map_err(own)?;
        let Value::List(items) = items else { return Err(Failure::new("the engine sent no list of files")) };
        let mut text = "MODE\tOWNER\tSIZE\tFILES\tNAME\n".to_owned();
        for item in &items {
            text += &line(item);
        }
        safe::print_raw(&table::align(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One file, set in by as many levels as it is deep.
fn line(item: &Value) -> String {
    let path = item.text("Path").trim_start_matches('/');
    let (above, name) = path.rsplit_once('/').map_or((0, path), |(above, name)| (above.split('/').count(), name));
    let mode = item.number("Mode").unwrap_or(0) as u32;
    let directory = mode & 0o170_000 == 0o040_000;
    let link = match item.get("Link") {
        Some(Value::Text(link)) => format!(" -> {link}"),
        _ => String::new(),
    };
    let shown = format!("{name}{}{link}", if directory { "/" } else { "" });
    format!(
        "{}\t{}:{}\t{}\t{}\t{}{}\n",
        mode_text(mode),
        item.number("Uid").unwrap_or(0),
        item.number("Gid").unwrap_or(0),
        units::human_size(item.float("Size")),
        if directory { item.number("Files").unwrap_or(0).to_string() } else { String::new() },
        "  ".repeat(above),
        safe::word_on_terminal(&shown),
    )
}

/// `drwxr-xr-x`.
fn mode_text(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o020_000 => 'c',
        0o060_000 => 'b',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, sign) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => sign,
            (true, false) => sign.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_files() {
        let item = |text: &str| line(&serde_json::from_str(text).expect("is JSON"));
        assert_eq!(
            item(r#"{"Path":"a/b","Mode":16877,"Uid":0,"Gid":5,"Size":1500,"Files":3,"Link":null}"#),
            "drwxr-xr-x\t0:5\t1.5kB\t3\t  b/\n"
        );
        assert_eq!(
            item(r#"{"Path":"l","Mode":41471,"Uid":1,"Gid":1,"Size":3,"Files":0,"Link":"to"}"#),
            "lrwxrwxrwx\t1:1\t3B\t\tl -> to\n"
        );
        assert_eq!([mode_text(0o104_755), mode_text(0o041_666)], ["-rwsr-xr-x", "drw-rw-rwT"]);
    }
}
