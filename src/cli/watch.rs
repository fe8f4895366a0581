//! `outcrop watch`.

mod show;
mod summary;
mod target;
mod watching;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use outcrop_layers::watch::Replay;

use self::show::Show;
use super::{Failure, Session};

pub(crate) use self::target::Target;
pub(crate) use self::watching::Watching;

/// Show copy-on-write as it happens: which file is copied up from which layer, by whom, and what it cost
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop watch web                       a container of the engine, Docker's with --docker, or Podman's
  outcrop watch /mnt/merged               any overlay mount
  outcrop watch all --json                all overlays of this machine, a JSON object a line
  outcrop watch web --until-exit --summary --record web.jsonl
  outcrop watch --replay web.jsonl        the same again later

It sees everything as root. Without root it sees what changes, and which process did it only in containers of outcrop that were
started with run --watch or --annotation outcrop.notify=true. What it cannot see it says.")]
pub(crate) struct Watch {
    /// Container, mount point, or all
    #[arg(value_name = "CONTAINER|MOUNT|all", required_unless_present = "replay", conflicts_with = "replay")]
    what: Option<String>,
    #[command(flatten)]
    how: How,
    /// Show a recording instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "until_exit"])]
    replay: Option<PathBuf>,
    /// End when the container ends, or the mount goes
    #[arg(long)]
    until_exit: bool,
}

/// What is printed, and kept.
#[derive(Args, Clone, Default)]
pub(crate) struct How {
    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
    /// Print no events, but sums at the end: per kind, layer, process and file, with advice
    #[arg(long)]
    summary: bool,
    /// Also write everything to this file, for --replay
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print to standard error: standard output is the container's.
    #[arg(skip)]
    aside: bool,
}

impl How {
    /// As `run --watch` shows it: beside what the container prints, or afterwards when that fills a terminal.
    pub(crate) fn beside(terminal: bool) -> Self {
        Self { summary: terminal, aside: true, ..Self::default() }
    }
}

impl Watch {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        if let Some(file) = &self.replay {
            return replay(file, &self.how);
        }
        let what = self.what.as_deref().unwrap_or_default();
        let target = Target::find(session, what).await?;
        let watching = Watching::begin(&target, &self.how)?;
        let exit = target.exit(session, self.until_exit);
        watching
            .until(async {
                tokio::select! {
                    ended = exit => ended,
                    _ = tokio::signal::ctrl_c() => Ok(()),
                }
            })
            .await?;
        Ok(ExitCode::SUCCESS)
    }

    /// Whether it needs no engine.
    pub(crate) fn no_engine(&self) -> bool {
        self.replay.is_some() || self.what.as_deref().is_some_and(Target::is_mount)
    }
}

fn replay(file: &PathBuf, how: &How) -> Result<ExitCode, Failure> {
    let opened = File::open(file).map_err(|error| Failure::io("open", file, &error))?;
    let mut show = Show::new(how);
    let wrong = |error| Failure::new(format!("{}: {error}", file.display()));
    for update in Replay::new(BufReader::new(opened)).map_err(wrong)? {
        show.update(&update.map_err(wrong)?)?;
    }
    show.finish()?;
    Ok(ExitCode::SUCCESS)
}
