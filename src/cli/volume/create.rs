//! `outcrop volume create`.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use serde_json::{Map, Value, json};

use crate::cli::{Failure, Session};
use crate::report::safe;

/// Create a volume: storage with a name that outlives containers
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume create some_persistent_volume
  outcrop volume create --label team=db data
  outcrop volume create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch
  outcrop volume create -o type=none -o o=bind -o device=/srv/data here")]
pub(crate) struct Create {
    /// Its name; without one it is anonymous
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
    /// Driver
    #[arg(short, long, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// Set a label: KEY or KEY=VALUE
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Option of the driver: type=, device=, o=
    #[arg(short, long, value_name = "OPTION")]
    opt: Vec<String>,
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let pairs = |texts: &[String]| -> Map<String, Value> {
            let pair = |text: &String| {
                let (key, value) = text.split_once('=').unwrap_or((text, ""));
                (key.to_owned(), value.into())
            };
            texts.iter().map(pair).collect()
        };
        let request = json!({
            "Name": self.name.unwrap_or_default(), "Driver": self.driver,
            "DriverOpts": pairs(&self.opt), "Labels": pairs(&self.label),
        });
        let volume = session.connect().await?.call(Method::POST, "/volumes/create", Some(request)).await?;
        safe::print(&format!("{}\n", volume.text("Name")))?;
        Ok(ExitCode::SUCCESS)
    }
}
