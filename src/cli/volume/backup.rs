//! `outcrop volume backup` and `outcrop volume restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use hyper::Method;

use super::of_volume;
use crate::cli::failure::own;
use crate::cli::save::to_file_or_output;
use crate::cli::upload::{Source, or_interrupted};
use crate::cli::{Failure, Session};
use crate::connect::{Payload, in_path, read};
use crate::report::progress::Meter;
use crate::report::{filter, safe};

/// Write a volume's content to an archive
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume backup -o data.tar.zst data
  outcrop volume backup --compression none data | tar t")]
pub(crate) struct Backup {
    /// Name
    #[arg(value_name = "VOLUME")]
    volume: String,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How the tar is compressed
    #[arg(long, value_enum, default_value_t = Compression::Zstd)]
    compression: Compression,
}

/// How an archive is compressed.
#[derive(Clone, Copy, ValueEnum)]
enum Compression {
    Zstd,
    Gzip,
    None,
}

/// Make a new volume of an archive
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume restore -i data.tar.zst data
  tar c -C /srv . | outcrop volume restore --label from=srv data")]
pub(crate) struct Restore {
    /// Name of the new volume
    #[arg(value_name = "VOLUME")]
    volume: String,
    /// Read this file (a tar: plain, gzip or zstd) instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Set a label: KEY or KEY=VALUE
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
}

impl Backup {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.output.is_none() && safe::on_terminal() {
            return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
        }
        let compression = match self.compression {
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
            Compression::None => "none",
        };
        let path = format!("{}/archive", of_volume(&self.volume)?);
        let path = filter::query(&path, &[("compression", Some(compression))]);
        let connection = session.connect().await?;
        // Asked first: an archive that breaks off could not say why.
        connection.get(&format!("/volumes/{}", in_path(&self.volume))).await?;
        to_file_or_output(&connection, &path, self.output.as_deref(), "back the volume up").await
    }
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let source = match &self.input {
            Some(path) => Source::file(path)?,
            None => Source::stdin("standard input is empty: give an archive with -i FILE or < FILE")?,
        };
        let labels: Vec<_> = self.label.iter().map(|label| ("label", Some(label.as_str()))).collect();
        let path = filter::query(&format!("{}/archive", of_volume(&self.volume)?), &labels);
        let connection = session.connect().await?;
        let meter = Meter::new("restoring", source.size(), false);
        let body = Payload::Tar(Box::pin(source.stream(meter.clone())));
        let volume = or_interrupted("restore", &meter, async {
            let answer = connection.request(Method::POST, &path, body).await.map_err(own)?;
            Ok(read(answer).await?)
        })
        .await?;
        safe::print(&format!("{}\n", volume.text("Name")))?;
        Ok(ExitCode::SUCCESS)
    }
}
