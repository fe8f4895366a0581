//! `outcrop build` and `outcrop builder`.

mod context;
mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use bollard::Docker;
use bollard::models::BuildInfo;
use bollard::query_parameters::{ImportImageOptionsBuilder, PruneBuildOptions};
use clap::{Args, Subcommand};
use futures_util::StreamExt;
use hyper::header::HeaderValue;

use super::credentials::Store;
use super::layers::{Layers, Stream};
use super::prune::agreed;
use super::upload::or_interrupted;
use super::{Failure, Session};
use crate::connect::at_with;
use crate::report::progress::Meter;
use crate::report::{filter, safe, units};
pub(super) use context::Context;

/// Build an image from a Dockerfile
///
/// PATH is a folder with the Dockerfile and what it copies, or - for a tar (plain, gzip, zstd) or a Dockerfile on standard input.
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop build -t app .
  outcrop build --plan .                          tell which steps are reused and which run, and why; run nothing
  outcrop build --plan --against Dockerfile.two . tell too which steps two Dockerfiles share
  outcrop build -f Dockerfile.two -t app2 .
  tar -c . | outcrop build -t app -")]
pub(crate) struct Build {
    /// The folder, or - for standard input
    #[arg(value_name = "PATH")]
    path: String,
    /// The Dockerfile [default: PATH/Dockerfile]; - reads it from standard input
    #[arg(short, long, value_name = "FILE", default_value = "")]
    file: String,
    /// A name that the image gets, such as app:1; may be given several times
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<String>,
    /// Tell what would be done, step by step, and do nothing
    #[arg(long)]
    plan: bool,
    /// With --plan: another Dockerfile of the same folder, to compare with; may be given several times
    #[arg(long, value_name = "FILE", requires = "plan")]
    against: Vec<String>,
    /// With --plan: print JSON
    #[arg(long, requires = "plan")]
    json: bool,
    /// Stop at this stage
    #[arg(long, value_name = "STAGE", default_value = "")]
    target: String,
    /// The value of an ARG; without a value, that of the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    arg: Vec<String>,
    /// A label of the image
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Run every step, whatever was built before
    #[arg(long)]
    no_cache: bool,
    /// Fetch every image that the Dockerfile names, also one that is here
    #[arg(long)]
    pull: bool,
    /// Platform of the images that the Dockerfile names
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Network of RUN: default, none or host
    #[arg(long, value_name = "MODE", default_value = "")]
    network: String,
    /// A file or variable that RUN --mount=type=secret sees: id=NAME,src=FILE or id=NAME,env=VARIABLE
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// Write the image's ID to this file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Print the image's ID alone
    #[arg(short, long)]
    quiet: bool,
    /// How progress is printed; lines, in any case
    #[arg(long, value_name = "KIND", default_value = "auto", value_parser = ["auto", "plain", "tty", "quiet"])]
    progress: String,
}

/// Manage the build cache
#[derive(Subcommand)]
pub(crate) enum Builder {
    /// Remove steps of builds that no image with a name stands on
    Prune(PruneCache),
    /// Build an image from a Dockerfile
    Build(Box<Build>),
}

/// Remove steps of builds that no image with a name stands on
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop builder prune
  outcrop builder prune -a -f")]
pub(crate) struct PruneCache {
    /// Also the steps between images that stay, and the directories of RUN --mount=type=cache
    #[arg(short, long)]
    all: bool,
    /// Only what is like this: until=, id=, type=
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Builder {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match self {
            Self::Prune(it) => it.run(session).await,
            Self::Build(it) => it.run(session).await,
        }
    }
}

impl PruneCache {
    async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let warning = if self.all {
            "WARNING! This will remove all build cache."
        } else {
            "WARNING! This will remove all dangling build cache."
        };
        let filters = filter::json(&self.filter).map_err(Failure::usage)?;
        if !self.force && !agreed(warning)? {
            return Ok(ExitCode::SUCCESS);
        }
        let filters = filters.and_then(|json| serde_json::from_str(&json).ok());
        let options = PruneBuildOptions { all: Some(self.all), filters, ..PruneBuildOptions::default() };
        let done = session.connect().await?.docker.prune_build(Some(options)).await?;
        let removed = done.caches_deleted.unwrap_or_default();
        let mut text = String::new();
        if !removed.is_empty() {
            text = format!("Deleted build cache objects:\n{}\n\n", removed.join("\n"));
        }
        let freed = units::human_size(done.space_reclaimed.unwrap_or(0) as f64);
        safe::print(&format!("{text}Total reclaimed space: {freed}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Build {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let quiet = self.quiet || self.progress == "quiet";
        if let Some(path) = &self.iidfile
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            // One of an earlier build would be taken for this one's, should it fail.
            return Err(Failure::io("remove", path, &error));
        }
        let context = tokio::task::block_in_place(|| Context::open(&self.path, &self.file, &self.against))?;
        let query = self.query(session, &context, quiet)?;
        let secrets = self.secrets(session)?;
        let connection = session.connect().await?;
        if self.plan || !secrets.is_empty() {
            let version = connection.get("/version").await?;
            let ours = version.get("Platform").is_some_and(|platform| platform.text("Name") == "outcrop");
            if !ours {
                let what = if self.plan { "--plan" } else { "--secret" };
                return Err(Failure::new(format!(
                    "{what} is what outcrop's own engine can do; another one was chosen"
                )));
            }
        }
        let headers = [header(&secrets)?, Some(users(session)?)].into_iter().flatten().collect();
        let docker = at_with(&connection.docker, &query, headers);
        let meter = Meter::new("sending", None, quiet || self.plan);
        if self.plan {
            let plans = plan::ask(&docker, context.stream(meter.clone()));
            let plans = or_interrupted("build", &meter, plans).await?;
            plan::print(&plans, self.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut layers = Layers::new(Stream::Out);
        let mut print = |said: Said<'_>| match said {
            Said::Text(text) => {
                layers.leave();
                safe::print(text)
            }
            Said::Step { id, status, bytes } => layers.step(id, status, bytes),
        };
        let built = send(&docker, context, &meter, &mut print);
        let id = tokio::select! {
            built = built => built,
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::with_code("build cancelled: the steps that were done are kept for the next build", 130))
            }
        };
        meter.clear();
        let id = id?;
        if let (Some(path), Some(id)) = (&self.iidfile, id) {
            std::fs::write(path, id).map_err(|error| Failure::io("write", path, &error))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The request's address.
    fn query(&self, session: &Session, context: &Context, quiet: bool) -> Result<String, Failure> {
        let mut arguments: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for argument in &self.arg {
            if argument.is_empty() || argument.starts_with('=') {
                return Err(Failure::usage(format!("invalid build argument {argument:?}: write NAME=VALUE, or NAME")));
            }
            match argument.split_once('=') {
                Some((name, value)) => arguments.insert(name, Some(value)),
                None => session.env.get(argument).and_then(|value| arguments.insert(argument, Some(value))),
            };
        }
        let mut labels = BTreeMap::new();
        for label in &self.label {
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            if key.trim().is_empty() {
                return Err(Failure::usage(format!("invalid label {label:?}: write KEY=VALUE")));
            }
            labels.insert(key, Some(value));
        }
        let platform = self.platform.as_deref().map(super::load::platform_json).transpose()?;
        let on = |on: bool| on.then_some("1");
        let json = |value: &BTreeMap<&str, Option<&str>>| serde_json::to_string(value).unwrap_or_default();
        let (arguments_json, labels_json) = (json(&arguments), json(&labels));
        let mut parameters = vec![
            ("dockerfile", Some(context.dockerfile.as_str())),
            ("buildargs", Some(arguments_json.as_str()).filter(|_| !arguments.is_empty())),
            ("labels", Some(labels_json.as_str()).filter(|_| !labels.is_empty())),
            ("target", Some(self.target.as_str()).filter(|text| !text.is_empty())),
            ("networkmode", Some(self.network.as_str()).filter(|text| !text.is_empty())),
            ("platform", platform.as_deref()),
            ("nocache", on(self.no_cache)),
            ("pull", on(self.pull)),
            ("q", on(quiet)),
            ("rm", Some("1")),
            ("plan", on(self.plan)),
        ];
        parameters.extend(self.tag.iter().map(|tag| ("t", Some(tag.as_str()))));
        parameters.extend(context.against.iter().map(|file| ("against", Some(file.as_str()))));
        Ok(filter::query("/build", &parameters))
    }

    /// The secrets, by their names.
    fn secrets(&self, session: &Session) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        let mut secrets = BTreeMap::new();
        for text in &self.secret {
            let field = |name: &str| text.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            let id = field("id").ok_or_else(|| Failure::usage(format!("--secret {text}: it needs an id=")))?;
            let variable = field("env");
            let value = match (variable, field("src").or_else(|| field("source"))) {
                (Some(name), _) => session
                    .env
                    .get(name)
                    .map(|value| value.as_bytes().to_vec())
                    .ok_or_else(|| Failure::new(format!("--secret {text}: there is no variable {name}")))?,
                (None, Some(path)) => std::fs::read(path)
                    .map_err(|error| Failure::io("read the secret", std::path::Path::new(path), &error))?,
                (None, None) => return Err(Failure::usage(format!("--secret {text}: write src=FILE or env=VARIABLE"))),
            };
            secrets.insert(id.to_owned(), value);
        }
        Ok(secrets)
    }
}

/// Packs build contexts for the terminal.
pub(super) fn pack() -> outcrop_ui::Pack {
    std::sync::Arc::new(|folder, file, others| {
        let text = |path: &std::path::Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("{}: is not UTF-8", path.display())),
        };
        let others = others.iter().map(|other| text(other)).collect::<Result<Vec<_>, _>>()?;
        let context =
            Context::open(&text(folder)?, &text(file)?, &others).map_err(|failure| failure.message().to_owned())?;
        let (dockerfile, others) = (context.dockerfile.clone(), context.against.clone());
        let tar = context.stream(Meter::new("sending", None, true)).boxed();
        Ok(outcrop_ui::Packed { dockerfile, others, tar })
    })
}

/// Secrets go in a header, so that they stand in no address and no log.
fn header(secrets: &BTreeMap<String, Vec<u8>>) -> Result<Option<(&'static str, HeaderValue)>, Failure> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let texts: BTreeMap<&String, String> = secrets.iter().map(|(id, value)| (id, base64(value))).collect();
    let json = serde_json::to_vec(&texts).map_err(|error| Failure::new(error.to_string()))?;
    let value = HeaderValue::from_str(&base64(&json));
    let value = value.map_err(|error| Failure::new(format!("secrets cannot be sent: {error}")))?;
    Ok(Some(("x-outcrop-secrets", value)))
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_u32, |n, byte| n << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { digit.into() } else { '=' });
        }
    }
    out
}

/// Who the user is at all registries: what the Dockerfile pulls is not known here.
pub(super) fn users(session: &Session) -> Result<(&'static str, HeaderValue), Failure> {
    let text = Store::of(session)?.all();
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|error| Failure::new(format!("credentials cannot be sent: {error}")))?;
    value.set_sensitive(true);
    Ok(("x-registry-config", value))
}

/// What an engine says while it builds.
pub(super) enum Said<'a> {
    /// Words of the builder and of commands.
    Text(&'a str),
    /// A step of a pull: bytes are those done and those in all.
    Step { id: &'a str, status: &'a str, bytes: (u64, u64) },
}

/// Builds, and hands on what the engine says; the image's ID.
pub(super) async fn send(
    docker: &Docker,
    context: Context,
    meter: &Meter,
    said: &mut dyn FnMut(Said<'_>) -> std::io::Result<()>,
) -> Result<Option<String>, Failure> {
    let body = context.stream(meter.clone());
    let mut answer = docker.import_image_stream(ImportImageOptionsBuilder::default().build(), body, None);
    let mut id = None;
    while let Some(info) = answer.next().await {
        let info: BuildInfo = info.map_err(|error| failed(&error))?;
        if let Some(text) = info.stream {
            meter.clear();
            if let Some(whole) = text.strip_prefix("sha256:").filter(|rest| rest.trim_end().len() == 64) {
                id = Some(format!("sha256:{}", whole.trim_end()));
            }
            said(Said::Text(&text))?;
        }
        if let Some(status) = info.status {
            meter.clear();
            let detail = info.progress_detail.unwrap_or_default();
            let bytes = |number: Option<i64>| number.unwrap_or(0).max(0) as u64;
            let bytes = (bytes(detail.current), bytes(detail.total));
            said(Said::Step { id: info.id.as_deref().unwrap_or_default(), status: &status, bytes })?;
        }
        id = info.aux.and_then(|aux| aux.id).or(id);
    }
    Ok(id)
}

/// The program ends with the code of the command that failed, as docker's does.
fn failed(error: &bollard::errors::Error) -> Failure {
    let text = super::failure::explain(error);
    let code = text.split("returned a non-zero code: ").nth(1);
    let code = code.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    Failure::with_code(text, code.unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_length() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
