//! What is to be watched: found by the name of a container, or by its mount point.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error as Client;
use outcrop_layers::history::readable;
use outcrop_layers::watch::{Overlay, mounts};

use super::super::{Failure, Session};
use crate::connect::{Connection, in_path};
use crate::report::value::Value;

/// How often is looked whether a container still runs.
const LOOK: Duration = Duration::from_millis(200);
/// Instructions of the classic builder that make no layer.
const NO_LAYER: [&str; 14] = [
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "FROM",
];

/// What is to be watched.
pub(crate) enum Target {
    /// All overlays of the machine; the names of those that containers of the engine have.
    All(Vec<(PathBuf, String)>),
    /// One mount.
    Mount(PathBuf, Box<Overlay>),
    /// A container.
    Container(String, Box<Overlay>),
}

impl Target {
    /// Whether a word names a mount point, and no container.
    pub(crate) fn is_mount(what: &str) -> bool {
        what.contains('/')
    }

    /// Finds what `what` names.
    pub(crate) async fn find(session: &Session, what: &str) -> Result<Self, Failure> {
        if Self::is_mount(what) {
            let overlay = mounts::at(Path::new(what)).map_err(|error| Failure::new(error.to_string()))?;
            return Ok(Self::Mount(what.into(), Box::new(overlay)));
        }
        if what == "all" {
            // Names are welcome, but it works without an engine.
            let names = match session.connect().await {
                Ok(connection) => names(&connection).await.unwrap_or_default(),
                Err(_) => Vec::new(),
            };
            return Ok(Self::All(names));
        }
        Self::container(&session.connect().await?, what).await
    }

    /// The overlay of a container, running or only created.
    pub(crate) async fn container(connection: &Connection, name: &str) -> Result<Self, Failure> {
        let inspect = connection.get(&format!("/containers/{}/json", in_path(name))).await?;
        let mut overlay = overlay(&inspect).ok_or_else(|| {
            let driver = inspect.get("GraphDriver").map_or("unknown", |driver| driver.text("Name")).to_owned();
            Failure::new(format!(
                "{name} has no overlay: its storage driver is {driver}, and only overlay copies files up when they are written"
            ))
        })?;
        if let Err(error) = std::fs::metadata(&overlay.upper) {
            return Err(Failure::new(format!(
                "cannot look at {}, which {name} writes to: {error}; watch on the machine of the engine, as the user that it runs as",
                overlay.upper.display()
            )));
        }
        let image = inspect.text("Image");
        if let Ok(instructions) = instructions(connection, image).await {
            for (lower, instruction) in overlay.lowers.iter_mut().zip(instructions) {
                lower.created_by = Some(instruction).filter(|text| !text.is_empty());
            }
        }
        if let Some(init) = overlay.lowers.last_mut().filter(|init| is_init(&init.path)) {
            init.created_by = Some("mount points that the engine makes".into());
        }
        Ok(Self::Container(inspect.text("Id").to_owned(), Box::new(overlay)))
    }

    /// Ends when what is watched has ended; never, unless `wanted`.
    pub(crate) async fn exit(&self, session: &Session, wanted: bool) -> Result<(), Failure> {
        match self {
            Self::Container(id, _) if wanted => {
                let connection = session.connect().await?;
                until_exit(&connection, id).await
            }
            Self::Mount(point, overlay) if wanted => loop {
                match mounts::at(point) {
                    Ok(now) if now.upper == overlay.upper => tokio::time::sleep(LOOK).await,
                    _ => return Ok(()),
                }
            },
            _ => std::future::pending().await,
        }
    }
}

/// Ends when a container has run and ended, or is removed.
pub(crate) async fn until_exit(connection: &Connection, id: &str) -> Result<(), Failure> {
    loop {
        match connection.get(&format!("/containers/{}/json", in_path(id))).await {
            Ok(inspect) => {
                let state = inspect.get("State").map(|state| state.text("Status").to_owned()).unwrap_or_default();
                if matches!(state.as_str(), "exited" | "dead" | "removing") {
                    return Ok(());
                }
            }
            Err(Client::DockerResponseServerError { status_code: 404, .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The directories that `inspect` tells of.
fn overlay(inspect: &Value) -> Option<Overlay> {
    let data = inspect.get("GraphDriver")?.get("Data")?;
    if data.text("UpperDir").is_empty() {
        return None;
    }
    let name = inspect.text("Name").trim_start_matches('/');
    let overlay = Overlay::of_graph_driver(name, data.text("LowerDir"), data.text("UpperDir"), data.text("WorkDir"));
    Some(overlay.of_container(inspect.text("Id")))
}

/// Docker puts a layer of its own between the image and the container.
fn is_init(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name.to_string_lossy().ends_with("-init"))
}

/// The instruction of each layer of an image, base first; nothing when history and layers do not fit together.
async fn instructions(connection: &Connection, image: &str) -> Result<Vec<String>, Failure> {
    let image = in_path(image);
    let inspect = connection.get(&format!("/images/{image}/json")).await?;
    let layers = inspect.get("RootFS").map_or(0, |rootfs| rootfs.list("Layers").len());
    let Value::List(history) = connection.get(&format!("/images/{image}/history")).await? else {
        return Ok(Vec::new());
    };
    Ok(paired(&history, layers))
}

/// The API does not say which instruction made a layer: those that have bytes did, or those that can.
fn paired(history: &[Value], layers: usize) -> Vec<String> {
    let steps: Vec<(String, bool)> = history
        .iter()
        .rev()
        .map(|step| (readable(step.text("CreatedBy")).into_owned(), step.number("Size").unwrap_or(0) > 0))
        .collect();
    let can = |text: &str| !NO_LAYER.contains(&text.split_whitespace().next().unwrap_or_default());
    let with_bytes: Vec<String> = steps.iter().filter(|(_, bytes)| *bytes).map(|(text, _)| text.clone()).collect();
    let able: Vec<String> =
        steps.iter().filter(|(text, bytes)| *bytes || can(text)).map(|(text, _)| text.clone()).collect();
    [with_bytes, able].into_iter().find(|found| found.len() == layers).unwrap_or_default()
}

/// The containers that run, by the directory that each writes to.
async fn names(connection: &Connection) -> Result<Vec<(PathBuf, String)>, Failure> {
    let Value::List(containers) = connection.get("/containers/json").await? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for container in containers {
        let inspect = connection.get(&format!("/containers/{}/json", in_path(container.text("Id")))).await?;
        names.extend(overlay(&inspect).map(|overlay| (overlay.upper, overlay.name)));
    }
    Ok(names)
}

impl From<outcrop_layers::watch::WatchError> for Failure {
    fn from(error: outcrop_layers::watch::WatchError) -> Self {
        match error {
            outcrop_layers::watch::WatchError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Self::silent(141)
            }
            error => Self::new(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_instructions_with_layers() {
        let step =
            |created_by: &str, size: i64| Value::object([("CreatedBy", created_by.into()), ("Size", size.into())]);
        let history = [
            step("/bin/sh -c #(nop)  CMD [\"sh\"]", 0),
            step("/bin/sh -c rm /a", 0),
            step("/bin/sh -c echo > /b", 1),
            step("/bin/sh -c #(nop) ADD file:1 in / ", 9),
        ];
        assert_eq!(paired(&history, 3), ["ADD file:1 in /", "RUN echo > /b", "RUN rm /a"]);
        assert_eq!(paired(&history, 2), ["ADD file:1 in /", "RUN echo > /b"]);
        assert_eq!(paired(&history, 5), [""; 0]);
    }

    #[test]
    fn reads_what_inspect_tells() {
        let inspect = r#"{"Name": "/web", "GraphDriver": {"Name": "overlay2", "Data": {
            "LowerDir": "/none/a-init/diff:/none/b/diff", "UpperDir": "/none/a/diff", "WorkDir": "/none/a/work"}}}"#;
        let overlay = overlay(&serde_json::from_str(inspect).expect("is JSON")).expect("is one");
        let lowers: Vec<_> = overlay.lowers.iter().map(|lower| lower.path.to_str().expect("text")).collect();
        assert_eq!((overlay.name.as_str(), lowers.as_slice()), ("web", &["/none/b/diff", "/none/a-init/diff"][..]));
        assert!(is_init(&overlay.lowers[1].path) && !is_init(&overlay.lowers[0].path));
    }
}
