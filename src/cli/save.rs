//! `outcrop save`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use futures_util::StreamExt;

use super::load::platform_json;
use super::upload::or_interrupted;
use super::{Failure, Session};
use crate::connect::{Connection, stream};
use crate::report::progress::Meter;
use crate::report::{filter, safe};

/// Save images to an archive
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop save -o app.tar app1 app2
  outcrop save app1 | docker load
  outcrop save --format oci-archive -o app-oci.tar app1")]
pub(crate) struct Save {
    /// Names or IDs; a name without a tag stands for all its tags
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Form of the archive; oci-archive leaves Docker's own documents out (outcrop's engine, Podman)
    #[arg(long, value_enum, default_value_t = Form::DockerArchive)]
    format: Form,
    /// Of an image with several platforms take this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
}

/// The form of the archive.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Form {
    DockerArchive,
    OciArchive,
}

impl Save {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if self.output.is_none() && safe::on_terminal() {
            return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
        }
        let connection = session.connect().await?;
        let platform = self.platform.as_deref().map(platform_json).transpose()?;
        let format = (self.format == Form::OciArchive).then_some("oci-archive");
        let mut parameters: Vec<_> = self.images.iter().map(|name| ("names", Some(name.as_str()))).collect();
        parameters.extend([("format", format), ("platform", platform.as_deref())]);
        let path = filter::query("/images/get", &parameters);
        to_file_or_output(&connection, &path, self.output.as_deref(), "save image").await
    }
}

/// Writes what the engine answers at `path` to a file, which appears when it is complete, or to standard output.
pub(super) async fn to_file_or_output(
    connection: &Connection,
    path: &str,
    output: Option<&Path>,
    what: &'static str,
) -> Result<ExitCode, Failure> {
    let meter = Meter::new("writing", None, false);
    or_interrupted(what, &meter, async {
        match output {
            None => receive(connection, path, &mut io::stdout().lock(), &meter).await,
            Some(output) => {
                let mut file = Output::create(output, what)?;
                receive(connection, path, &mut file.file, &meter).await?;
                file.finish()
            }
        }
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

async fn receive(connection: &Connection, path: &str, out: &mut impl Write, meter: &Meter) -> Result<(), Failure> {
    let mut chunks = std::pin::pin!(stream(&connection.docker, path));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        tokio::task::block_in_place(|| out.write_all(&chunk)).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::silent(141),
            _ => Failure::new(format!("cannot write the archive: {error}")),
        })?;
        meter.add(chunk.len() as u64);
    }
    out.flush().map_err(|error| Failure::new(format!("cannot write the archive: {error}")))
}

/// Removes what killed processes left of the same archive: those that live hold a lock on theirs.
fn remove_leftovers(directory: &Path, prefix: &str) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        let file = || File::open(entry.path()).ok();
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) && file().is_some_and(|f| f.try_lock().is_ok()) {
            let _ = std::fs::remove_file(entry.path()); // the next save tries again
        }
    }
}

/// A file that appears under its name when it is complete.
struct Output {
    file: File,
    path: PathBuf,
    /// Where it is until then; `None` for what cannot be replaced, like a FIFO.
    temporary: Option<PathBuf>,
}

impl Output {
    fn create(path: &Path, what: &str) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io("write", path, &error);
        let existing = std::fs::metadata(path).ok();
        if existing.is_some_and(|existing| !existing.is_file()) {
            let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
            return Ok(Self { file, path: path.to_owned(), temporary: None });
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !directory.is_dir() {
            return Err(Failure::new(format!(
                "failed to {}: invalid output path: stat {}: no such file or directory",
                what,
                directory.display()
            )));
        }
        let name = path.file_name().ok_or_else(|| Failure::new(format!("invalid output path: {}", path.display())))?;
        let prefix = format!(".{}.outcrop-", name.to_string_lossy());
        remove_leftovers(directory, &prefix);
        let temporary = directory.join(format!("{prefix}{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(failed)?;
        file.try_lock().map_err(|error| failed(error.into()))?;
        Ok(Self { file, path: path.to_owned(), temporary: Some(temporary) })
    }

    fn finish(mut self) -> Result<(), Failure> {
        if let Some(temporary) = self.temporary.take() {
            let done = self.file.sync_all().and_then(|()| std::fs::rename(&temporary, &self.path));
            if let Err(error) = done {
                self.temporary = Some(temporary);
                return Err(Failure::io("write", &self.path, &error));
            }
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = std::fs::remove_file(temporary);
        }
    }
}
