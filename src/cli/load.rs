//! `outcrop load`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bollard::models::BuildInfo;
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use clap::Args;
use futures_util::{Stream, StreamExt};
use outcrop_layers::archive::Platform;

use super::upload::{Boxed, Chunks, Source, or_interrupted, stream_of};
use super::{Failure, Session};
use crate::connect::{Connection, at};
use crate::report::progress::Meter;
use crate::report::{filter, safe};

/// Load images from an archive
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop load -i app.tar
  outcrop load -i oci-layout/
  docker save app1 app2 | outcrop load
  skopeo copy docker://alpine oci-archive:/dev/stdout | outcrop load")]
pub(crate) struct Load {
    /// Read this file (docker save or OCI layout; plain, gzip or zstd), or this folder with an OCI layout, instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Of an archive with several platforms take this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Say nothing of the progress
    #[arg(short, long)]
    quiet: bool,
}

impl Load {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let source = match &self.input {
            Some(path) if ["index.json", "manifest.json"].iter().any(|name| path.join(name).is_file()) => None,
            Some(path) => Some(Source::file(path)?),
            None => Some(Source::stdin(
                "requested load from stdin, but stdin is empty: give an archive with -i FILE or < FILE",
            )?),
        };
        let connection = session.connect().await?;
        let meter = Meter::new("loading", source.as_ref().and_then(Source::size), self.quiet);
        let body: Boxed = match (source, self.input) {
            (Some(source), _) => Box::pin(source.stream(meter.clone())),
            (None, folder) => Box::pin(packed(folder.unwrap_or_default(), meter.clone())),
        };
        let mut print = |text: &str| safe::print(text);
        or_interrupted("load", &meter, send(&connection, body, self.platform.as_deref(), &meter, &mut print)).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A folder as the archive that it would be.
fn packed(folder: PathBuf, meter: Meter) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream_of(meter, move |sender| {
        let out = Chunks::new(sender);
        let broken = out.breaker();
        let mut tar = tar::Builder::new(out);
        tar.follow_symlinks(false);
        let packed = tar.append_dir_all("", &folder).and_then(|()| tar.into_inner()?.flush());
        if let Err(error) = packed {
            broken(io::Error::new(error.kind(), format!("{}: {error}", folder.display())));
        }
    })
}

/// Loads an archive and hands on what the engine says.
pub(crate) async fn send(
    connection: &Connection,
    body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    platform: Option<&str>,
    meter: &Meter,
    said: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), Failure> {
    let platform = platform.map(platform_json).transpose()?;
    let path = filter::query("/images/load", &[("quiet", Some("0")), ("platform", platform.as_deref())]);
    let docker = at(&connection.docker, &path);
    let mut answer = docker.import_image_stream(ImportImageOptionsBuilder::default().build(), body, None);
    while let Some(info) = answer.next().await {
        let info: BuildInfo = info?;
        if let Some(text) = info.stream {
            meter.clear();
            said(&if text.ends_with('\n') { text } else { text + "\n" })?;
        } else if let Some(status) = info.status {
            meter.note(&format!("{} {status}", info.id.unwrap_or_default()));
        }
    }
    Ok(())
}

/// A platform as the API takes it.
pub(crate) fn platform_json(text: &str) -> Result<String, Failure> {
    let platform = Platform::parse(text).ok_or_else(|| {
        Failure::new(format!("invalid platform {text:?}: write OS/ARCH or OS/ARCH/VARIANT, like linux/arm64"))
    })?;
    Ok(serde_json::json!(platform).to_string())
}

#[cfg(test)]
mod tests {
    use super::platform_json;

    #[test]
    fn platforms_are_written_as_docker_takes_them() {
        for (text, want) in [
            ("linux/arm/v7", r#"{"architecture":"arm","os":"linux","variant":"v7"}"#),
            ("arm64", r#"{"architecture":"arm64","os":"linux"}"#),
        ] {
            let json: serde_json::Value = serde_json::from_str(&platform_json(text).expect("is one")).expect("JSON");
            assert_eq!(json.to_string(), want);
        }
        assert!(platform_json("a/b/c/d").is_err_and(|error| error.message().contains("invalid platform")));
    }
}
