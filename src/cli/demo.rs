//! `outcrop demo`.

mod archive;
mod build;
mod content;
mod root;

use std::io;
use std::process::ExitCode;

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use bytes::Bytes;

use clap::Args;
use outcrop_ui::{Backend, Options};

use super::import::{self, Request, host_tar};
use super::load;
use super::terminal::{self, Look};
use super::upload::or_interrupted;
use super::{Failure, Session};
use crate::connect::{self, Connection, Target};
use crate::report::progress::Meter;
use crate::report::safe;

/// Fill a throw-away engine with example images and open the terminal
///
/// Makes a base image of programs of this machine and builds two Dockerfiles on it that share their first three layers, in a
/// temporary data root that is removed at the end. Needs no network and no other engine. Where no container can be started, the
/// images are loaded ready made.
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop demo
  outcrop demo --no-ui")]
pub(crate) struct Demo {
    /// Print what was made instead of opening the terminal
    #[arg(long)]
    no_ui: bool,
}

/// Where the images look for programs.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What the base's history says.
const COMMENT: &str = "programs of this machine";
/// Programs of the base, as far as this machine has them.
const PROGRAMS: [&str; 16] = [
    "sh", "ls", "cat", "cp", "mv", "rm", "mkdir", "chmod", "chown", "touch", "ln", "grep", "sed", "head", "seq",
    "busybox",
];

impl Demo {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let folder = session.env.spool();
        let root = tokio::task::block_in_place(|| root::Root::create(&folder))?;
        let target = Target::Embedded { root: root.path().to_owned() };
        let connection = connect::connect(target, session.rootless, session.registries()).await?;
        let meter = Meter::new("making images", None, false);
        or_interrupted("demo", &meter, make(session, &connection)).await?;
        let done = if self.no_ui {
            show(&connection).await
        } else {
            let place = terminal::place(session, &connection);
            let options = Options::new(Backend::Engine(connection.docker.clone()), place);
            let mut options = terminal::dressed(session, &Look::default(), options)?;
            options.select = Some("app1:latest".into());
            terminal::show(options).await
        };
        end_containers(&connection).await;
        drop(connection);
        tokio::task::block_in_place(|| drop(root));
        done
    }
}

/// Ends and removes what was started in the demo: its data root goes, and nothing may run without one.
async fn end_containers(connection: &Connection) {
    let all = ListContainersOptionsBuilder::default().all(true).build();
    let containers = connection.docker.list_containers(Some(all)).await.unwrap_or_default();
    for id in containers.into_iter().filter_map(|container| container.id) {
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        if let Err(error) = connection.docker.remove_container(&id, Some(options)).await {
            tracing::warn!(%error, id, "a container of the demo was not removed");
        }
    }
}

/// Makes the base and the two images on it.
async fn make(session: &Session, connection: &Connection) -> Result<(), Failure> {
    let path = session.env.path();
    let there = |program: &&&str| std::env::split_paths(path).any(|folder| folder.join(program).is_file());
    let programs: Vec<String> = PROGRAMS.iter().filter(there).map(|program| (*program).to_owned()).collect();
    let failed = |error: io::Error| Failure::new(format!("demo: cannot make the images: {error}"));
    let base = tokio::task::block_in_place(|| host_tar(&programs, path))?;
    let request = Request {
        name: Some("base:latest".into()),
        changes: vec![format!("ENV {PATH}"), "CMD [\"sh\"]".into()],
        message: COMMENT.into(),
        platform: String::new(),
    };
    let base = build::with_stand_ins(&base).map_err(failed)?;
    import::send(connection, once(base.clone()), request).await?;
    match build::build(connection).await {
        Ok(()) => return Ok(()),
        // Not everywhere a container can be started: then the images come ready made.
        Err(error) => tracing::debug!(error = error.message(), "the demo's images are loaded, not built"),
    }
    let archive = tokio::task::block_in_place(|| archive::write(&base, COMMENT, &content::images())).map_err(failed)?;
    load::send(connection, once(archive), None, &Meter::new("loading", None, true), &mut |_| Ok(())).await
}

/// A body of one piece.
fn once(bytes: Bytes) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::iter([Ok(bytes)])
}

/// What was made, in lines.
async fn show(connection: &Connection) -> Result<ExitCode, Failure> {
    super::images::List::default().print(connection).await?;
    for image in ["app1", "app2"] {
        let history = connection.get(&format!("/images/{image}/history")).await?;
        let crate::report::value::Value::List(steps) = history else { continue };
        safe::print(&format!("\n{image}\n"))?;
        for step in &steps {
            let size = crate::report::units::short_size(step.number("Size").unwrap_or(0) as f64);
            safe::print(&format!("  {size:>8}  {}\n", step.text("CreatedBy")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
