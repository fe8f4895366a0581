//! No command: the terminal.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use outcrop_engine::api::Api;
use outcrop_engine::{Access, Engine, OpenOptions};
use outcrop_ui::{Backend, Connection as Place, Kind, Level, Options, Tried, Units, Watching};

use super::{Failure, Session, keys};
use crate::connect::{self, Connection, Payload, Target, into_stream};
use crate::report::safe;

/// What the terminal shows, and how.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Terminal")]
pub(crate) struct Look {
    /// An image of the engine, an archive (docker save or OCI layout), or a data root
    #[arg(value_name = "IMAGE|ARCHIVE|DATAROOT")]
    pub(crate) what: Option<String>,
    /// A theme file, over the built-in theme
    #[arg(long, value_name = "FILE")]
    pub(crate) theme: Option<PathBuf>,
    /// A file of keys, or dive for the keys of dive
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// The terminal has a light ground
    #[arg(long)]
    pub(crate) light: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub(crate) no_mouse: bool,
    /// Print instead: the images, or the layers of the one named
    #[arg(long)]
    pub(crate) plain: bool,
}

/// What the argument turned out to be.
enum Subject {
    /// The engine, and perhaps one image of it.
    Engine(Option<String>),
    Archive(PathBuf),
    DataRoot(PathBuf),
}

/// Opens the terminal.
pub(crate) async fn run(session: &Session, look: Look) -> Result<ExitCode, Failure> {
    let subject = subject(look.what.as_deref())?;
    if look.plain {
        return plain(session, subject).await;
    }
    if let Subject::Engine(Some(name)) = &subject
        && !std::io::stdout().is_terminal()
        && let Some(failure) = mistyped(name)
    {
        return Err(failure);
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::new("outcrop needs a terminal; `outcrop --plain` and `outcrop images` print without one"));
    }
    let (backend, place, select, tried, watching) = match subject {
        Subject::Archive(path) => {
            let shown = path.display().to_string();
            let place = Place { kind: Kind::Archive, place: shown, local: true, ..Place::default() };
            (Backend::Archive(path), place, None, Vec::new(), None)
        }
        Subject::DataRoot(path) => {
            let connection = data_root(session, path).await?;
            (Backend::Engine(connection.docker.clone()), place(session, &connection), None, Vec::new(), None)
        }
        Subject::Engine(select) => match reach(session).await {
            Ok(connection) => {
                if let Some(name) = &select {
                    connection
                        .get(&format!("/images/{}/json", connect::in_path(name)))
                        .await
                        .map_err(|error| no_image(name, &error))?;
                }
                let (backend, place) = (Backend::Engine(connection.docker.clone()), place(session, &connection));
                (backend, place, select, Vec::new(), Some(watching(connection)))
            }
            Err(tried) => (Backend::None, Place::default(), select, vec![tried], None),
        },
    };
    let mut options = dressed(session, &look, Options::new(backend, place))?;
    options.select = select;
    options.tried = tried;
    options.watching = watching;
    options.embedded = Some(embedded(session));
    show(options).await
}

/// Has the engine itself watch a container: only outcrop's can.
fn watching(connection: Connection) -> Watching {
    let connection = Arc::new(connection);
    Arc::new(move |container: String| {
        let connection = Arc::clone(&connection);
        Box::pin(async move {
            let path = format!("/outcrop/watch?container={}", connect::in_path(&container));
            match connection.request(hyper::Method::GET, &path, Payload::None).await {
                Ok(answer) => Ok(into_stream(answer).map_err(|error| error.to_string()).boxed()),
                Err(error) => Err(super::failure::explain(&error)),
            }
        })
    })
}

/// Runs the screens.
pub(crate) async fn show(options: Options) -> Result<ExitCode, Failure> {
    match outcrop_ui::run(options).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

fn no_image(name: &str, error: &bollard::errors::Error) -> Failure {
    let missing = matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. });
    match mistyped(name) {
        Some(failure) if missing => failure,
        _ if missing => Failure::new(format!("no image, archive or data root {name:?}; `outcrop images` lists images")),
        _ => Failure::new(super::failure::explain(error)),
    }
}

/// What to say when a name looks like a command with a slip in it.
fn mistyped(name: &str) -> Option<Failure> {
    let command = super::description();
    let near = command.get_subcommands().map(clap::Command::get_name).find(|known| distance(known, name) <= 2)?;
    Some(Failure::new(format!("no image, file or command {name:?}; did you mean `outcrop {near}`?")))
}

/// How many letters have to change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(40).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

/// Tells a file from a data root from a name. A path that exists comes before an image of that name.
fn subject(what: Option<&str>) -> Result<Subject, Failure> {
    let Some(what) = what else { return Ok(Subject::Engine(None)) };
    let path = Path::new(what);
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => {
            if path.join("image").is_dir() {
                Ok(Subject::DataRoot(path.to_owned()))
            } else if ["oci-layout", "index.json", "manifest.json"].iter().any(|name| path.join(name).is_file()) {
                Ok(Subject::Archive(path.to_owned()))
            } else {
                Err(Failure::new(format!(
                    "{what} is neither a data root (it has no image/) nor an OCI layout (no index.json)"
                )))
            }
        }
        Ok(_) => Ok(Subject::Archive(path.to_owned())),
        Err(_) if what.starts_with(['/', '.']) => Err(Failure::new(format!("{what}: no such file or directory"))),
        Err(_) => Ok(Subject::Engine(Some(what.to_owned()))),
    }
}

/// Opens somebody else's data root, only to look at it.
async fn data_root(session: &Session, root: PathBuf) -> Result<Connection, Failure> {
    let options = OpenOptions { read_only: true, rootless: session.rootless, ..OpenOptions::new(&root) };
    let opened = tokio::task::spawn_blocking(move || Engine::open(&options)).await;
    let engine =
        opened.map_err(|error| Failure::new(error.to_string()))?.map_err(|error| Failure::new(error.to_string()))?;
    let api = Api::new(engine);
    Ok(Connection::embedded(api, root)?)
}

/// Connects, and makes sure that somebody answers.
async fn reach(session: &Session) -> Result<Connection, Tried> {
    let target = session.target().map_err(|failure| tried("the command line", "", failure.message()))?;
    let (place, why) = match &target {
        Target::Embedded { root } => (root.display().to_string(), "outcrop's own engine".to_owned()),
        Target::Host { address, why, .. } => (address.clone(), why.clone()),
    };
    let connection = session.connect().await.map_err(|failure| tried(&place, &why, failure.message()))?;
    match connection.docker.ping().await {
        Ok(_) => Ok(connection),
        Err(error) => Err(tried(&place, &why, &super::failure::explain(&error))),
    }
}

fn tried(place: &str, why: &str, error: &str) -> Tried {
    Tried { place: place.to_owned(), why: why.to_owned(), error: error.to_owned() }
}

/// What the top line says of a connection.
pub(crate) fn place(session: &Session, connection: &Connection) -> Place {
    match (&connection.target, &connection.api) {
        (Target::Embedded { root }, Some(api)) => {
            let read_only = match api.engine().access() {
                Access::ReadWrite => None,
                Access::ReadOnly { why } => Some(why.clone()),
            };
            let place = root.display().to_string();
            Place { kind: Kind::Embedded, place, read_only, rootless: session.rootless, local: true, docker_host: None }
        }
        (Target::Host { address, podman, .. }, _) => Place {
            kind: if *podman { Kind::Podman } else { Kind::Docker },
            place: address.clone(),
            local: address.starts_with("unix://"),
            docker_host: Some(address.clone()).filter(|address| address != "unix:///var/run/docker.sock"),
            ..Place::default()
        },
        (Target::Embedded { root }, None) => Place { place: root.display().to_string(), ..Place::default() },
    }
}

/// Opens the embedded engine when nothing else answers and the user wants it.
fn embedded(session: &Session) -> outcrop_ui::Open {
    let target = session.choice.embedded_target(&session.env, &session.config, session.is_root);
    let rootless = session.rootless;
    let registries = session.registries();
    Box::new(move || {
        let (target, registries) = (target.clone(), registries.clone());
        Box::pin(async move {
            let connection = connect::connect(target, rootless, registries).await.map_err(|error| error.to_string())?;
            let place = match &connection.target {
                Target::Embedded { root } => root.display().to_string(),
                Target::Host { address, .. } => address.clone(),
            };
            let place = Place { kind: Kind::Embedded, place, rootless, local: true, ..Place::default() };
            Ok((connection.docker, place))
        })
    })
}

/// Adds what flags, environment and configuration file say about looks.
pub(crate) fn dressed(session: &Session, look: &Look, mut options: Options) -> Result<Options, Failure> {
    let config = &session.config;
    options.pack = Some(super::build::pack());
    options.users = Some(super::credentials::users(session));
    if let Ok(folder) = std::env::current_dir() {
        options.save_to = folder;
    }
    options.keys = keys::keymap(false, look.keys.as_deref().or(config.keys.as_deref()))?;
    if let Some(path) = look.theme.as_ref().or(config.theme.as_ref()) {
        options.theme = Some(std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))?);
    }
    options.light = look.light || config.light.unwrap_or(false);
    options.mouse = !look.no_mouse && config.mouse.unwrap_or(true);
    options.units = if config.binary_sizes == Some(true) { Units::Binary } else { Units::Decimal };
    options.zone = jiff::tz::TimeZone::system().to_offset(jiff::Timestamp::now()).seconds();
    options.level = level(session);
    options.charset = session.charset();
    options.cache = Some(session.env.cache().join("layers"));
    options.spool = session.env.spool();
    Ok(options)
}

/// How many colours there are.
fn level(session: &Session) -> Level {
    let (term, colour) = (session.env.get("TERM").unwrap_or(""), session.env.get("COLORTERM").unwrap_or(""));
    match () {
        () if session.env.get("NO_COLOR").is_some() || term == "dumb" => Level::None,
        () if matches!(colour, "truecolor" | "24bit") || term.ends_with("-direct") => Level::True,
        () if term.contains("256color") => Level::Indexed,
        () => Level::Sixteen,
    }
}

/// Lines instead of screens.
async fn plain(session: &Session, subject: Subject) -> Result<ExitCode, Failure> {
    let (list, show): (Vec<String>, _) = match subject {
        Subject::Engine(None) => (vec!["images".into()], None),
        Subject::Engine(Some(name)) => (vec!["history".into(), name], None),
        Subject::DataRoot(root) => (vec!["images".into()], Some(data_root(session, root).await?)),
        Subject::Archive(path) => return super::analyse::Analyse::of(path.display().to_string()).run(session).await,
    };
    if let Some(connection) = show {
        return super::images::List::default().print(&connection).await;
    }
    let words = std::iter::once("outcrop".to_owned()).chain(list);
    let cli = <super::Cli as clap::Parser>::try_parse_from(words).map_err(|error| Failure::new(error.to_string()))?;
    match cli.command {
        Some(command) => Box::pin(super::run(session, command)).await,
        None => Err(Failure::new(safe::word("nothing to print"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_changed_letters() {
        assert_eq!((distance("images", "imges"), distance("images", "images"), distance("df", "load")), (1, 0, 4));
    }
}
