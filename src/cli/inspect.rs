//! `outcrop inspect`.

use std::process::ExitCode;

use bollard::errors::Error as Client;
use clap::{Args, ValueEnum};

use super::failure::explain;
use super::{Failure, Session};
use crate::connect::{Connection, in_path};
use crate::report::indent::indent;
use crate::report::template::Template;
use crate::report::value::Value;
use crate::report::{filter, safe};

/// Show everything about images, containers and volumes
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop inspect app1
  outcrop inspect --format '{{json .Config.Env}}' app1
  outcrop inspect --format '{{range .RootFS.Layers}}{{println .}}{{end}}' app1")]
pub(crate) struct Inspect {
    /// Names or IDs
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Print with a template, or as JSON: json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    format: String,
    /// Also the sizes of a container
    #[arg(short, long)]
    size: bool,
    /// Only objects of this kind
    #[arg(long = "type", value_name = "KIND")]
    kind: Option<Kind>,
}

/// Show everything about images
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop image inspect app1
  outcrop image inspect --format '{{.Id}}' app1 app2")]
pub(crate) struct InspectImage {
    /// Names or IDs
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
    /// Print with a template, or as JSON: json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    format: String,
}

/// Show everything about containers
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop container inspect web
  outcrop container inspect --format '{{json .Mounts}}' web")]
pub(crate) struct InspectContainer {
    /// Names or IDs
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
    /// Print with a template, or as JSON: json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    format: String,
    /// Also its sizes
    #[arg(short, long)]
    size: bool,
}

/// Show everything about volumes
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop volume inspect data
  outcrop volume inspect --format '{{.Mountpoint}}' data")]
pub(crate) struct InspectVolume {
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    names: Vec<String>,
    /// Print with a template, or as JSON: json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    format: String,
}

/// Show everything about networks
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop network inspect host")]
pub(crate) struct InspectNetwork {
    /// Names or IDs
    #[arg(required = true, value_name = "NETWORK")]
    names: Vec<String>,
    /// Print with a template, or as JSON: json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    format: String,
}

/// What an object is. The order is the one in which a name is tried.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Container,
    Image,
    Network,
    Volume,
}

impl Kind {
    fn path(self, name: &str, size: bool) -> String {
        let name = in_path(name);
        match self {
            Self::Container => filter::query(&format!("/containers/{name}/json"), &[("size", filter::flag(size))]),
            Self::Image => format!("/images/{name}/json"),
            Self::Network => format!("/networks/{name}"),
            Self::Volume => format!("/volumes/{name}"),
        }
    }
}

impl Inspect {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let connection = session.connect().await?;
        let kinds = self.kind.map_or_else(|| Kind::value_variants().to_vec(), |kind| vec![kind]);
        let mut found = Found::default();
        for name in &self.names {
            match first(&connection, &kinds, name, self.size).await {
                Ok(Some(json)) => found.objects.push(json),
                Ok(None) => found.errors.push(format!("Error: No such object: {name}")),
                Err(error) => found.errors.push(explain(&error)),
            }
        }
        found.print(&self.format)
    }
}

impl InspectImage {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        of_kind(session, Kind::Image, &self.names, false, &self.format).await
    }
}

impl InspectContainer {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        of_kind(session, Kind::Container, &self.names, self.size, &self.format).await
    }
}

impl InspectVolume {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        of_kind(session, Kind::Volume, &self.names, false, &self.format).await
    }
}

impl InspectNetwork {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        of_kind(session, Kind::Network, &self.names, false, &self.format).await
    }
}

/// Prints the objects of one kind that are called `names`.
async fn of_kind(
    session: &Session,
    kind: Kind,
    names: &[String],
    size: bool,
    format: &str,
) -> Result<ExitCode, Failure> {
    let connection = session.connect().await?;
    let mut found = Found::default();
    for name in names {
        match connection.bytes(&kind.path(name, size)).await {
            Ok(bytes) => found.objects.push(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(error) => found.errors.push(explain(&error)),
        }
    }
    found.print(format)
}

/// The object called `name`, of the first kind that has one.
async fn first(connection: &Connection, kinds: &[Kind], name: &str, size: bool) -> Result<Option<String>, Client> {
    for kind in kinds {
        match connection.bytes(&kind.path(name, size)).await {
            Ok(bytes) => return Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
            // Some engines have no networks or volumes at all.
            Err(Client::DockerResponseServerError { status_code: 404 | 501, .. }) if kinds.len() > 1 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What was found, as JSON, and what was not.
#[derive(Default)]
struct Found {
    objects: Vec<String>,
    errors: Vec<String>,
}

impl Found {
    /// Prints what was found, in the words of the engine; then fails if something was not.
    fn print(self, format: &str) -> Result<ExitCode, Failure> {
        let text = match format {
            "" if self.objects.is_empty() => "[]\n".to_owned(),
            "" => {
                let objects: Vec<_> = self.objects.iter().map(|json| format!("    {}", indent(json, 1))).collect();
                format!("[\n{}\n]\n", objects.join(",\n"))
            }
            "json" => format!("[{}]\n", self.objects.join(",")),
            template => {
                let template = Template::parse(template)?;
                let mut text = String::new();
                for json in &self.objects {
                    let value: Value = serde_json::from_str(json)
                        .map_err(|error| Failure::new(format!("the engine sent no JSON: {error}")))?;
                    text += &template.fill(&safe::value(value))?;
                    text.push('\n');
                }
                text
            }
        };
        safe::print(&text)?;
        if self.errors.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::new(self.errors.join("\n"))) }
    }
}
