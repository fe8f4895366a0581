//! The command line: Docker's commands by Docker's names, and outcrop's own.

mod analyse;
mod attach;
mod build;
mod commit;
mod completions;
mod cp;
mod create;
mod credentials;
mod demo;
mod detach_keys;
mod df;
mod diff;
mod each;
mod events;
mod exec;
mod export;
mod failure;
mod flags;
mod history;
mod images;
mod import;
mod info;
mod inspect;
mod keys;
mod kill;
mod layers;
mod load;
mod login;
mod logs;
mod man;
mod network;
mod options;
mod pause;
mod port;
mod prune;
mod ps;
mod pull;
mod push;
mod rename;
mod rm;
mod rmi;
mod run;
mod save;
mod serve;
mod session;
mod signals;
mod start;
mod stats;
mod stop;
mod streams;
mod tag;
mod terminal;
mod top;
mod tty;
mod update;
mod upload;
mod version;
mod volume;
mod wait;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use failure::Failure;
pub(crate) use session::Session;

use crate::connect::Choice;
use crate::report::safe;

/// Shows what container storage is made of: layers, copy-on-write, volumes, disk use.
///
/// Without a command, opens the terminal: on the engine, on one IMAGE of it, on an ARCHIVE (docker save or OCI layout), or on a
/// DATAROOT (/var/lib/docker). The engine is outcrop's own unless -H, --context, --docker, --podman or DOCKER_HOST names another.
#[derive(Parser)]
#[command(name = "outcrop", version, max_term_width = 100, args_override_self = true)]
#[command(after_help = "Examples:
  outcrop demo                              a throw-away engine with three images, and the terminal
  outcrop load -i app.tar && outcrop        load an image and look at it
  outcrop run --rm -it -v data:/data app1   run a container of it
  outcrop app.tar                           look into an archive without loading it
  outcrop --docker                          look at the images of the Docker daemon
  outcrop serve -H unix:///tmp/o.sock       let the docker command use outcrop's engine
  outcrop analyse --ci app1:latest          fail when an image wastes too much")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(flatten)]
    pub(crate) look: terminal::Look,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options that every command has.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Engine")]
pub(crate) struct Global {
    /// Talk to the engine at this socket (unix:///path, tcp://host:port); for serve: listen there
    #[arg(short = 'H', long, global = true, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// Talk to the engine of this Docker context
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Data root of outcrop's own engine [env: OUTCROP_ROOT] [default: /var/lib/outcrop, or $XDG_DATA_HOME/outcrop]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Talk to the Docker daemon that the docker command would use
    #[arg(long, global = true, conflicts_with_all = ["podman", "embedded"])]
    pub(crate) docker: bool,
    /// Talk to Podman's socket
    #[arg(long, global = true, conflicts_with = "embedded")]
    pub(crate) podman: bool,
    /// Use outcrop's own engine, whatever DOCKER_HOST says
    #[arg(long, global = true)]
    pub(crate) embedded: bool,
    /// Trust this registry (host:port, or a network such as 10.0.0.0/8) without a certificate; may be given several times
    #[arg(long, global = true, value_name = "HOST")]
    pub(crate) insecure_registry: Vec<String>,
    /// Log what happens inside to standard error
    #[arg(short = 'D', long, global = true)]
    pub(crate) debug: bool,
}

impl Global {
    fn choice(&self) -> Result<Choice, Failure> {
        if self.host.len() > 1 {
            return Err(Failure::new("specify only one -H"));
        }
        Ok(Choice {
            host: self.host.first().cloned(),
            context: self.context.clone(),
            root: self.root.clone(),
            embedded: self.embedded,
            docker: self.docker,
            podman: self.podman,
        })
    }
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Manage containers; its commands stand alone too
    #[command(subcommand)]
    Container(ContainerCommand),
    #[command(flatten)]
    OnContainers(OnContainers),
    /// Manage volumes: storage that outlives containers
    #[command(subcommand)]
    Volume(volume::Volume),
    /// Look at networks
    #[command(subcommand)]
    Network(network::Network),
    /// Show versions of the program and of the engine
    Version(version::Version),
    /// Show what the engine and its host are
    Info(info::Info),
    /// List images
    Images(images::List),
    /// Manage images
    #[command(subcommand)]
    Image(ImageCommand),
    /// Show the steps that made an image
    History(history::History),
    /// Show everything about images, containers and volumes
    Inspect(inspect::Inspect),
    /// Load images from an archive
    Load(load::Load),
    /// Save images to an archive
    Save(save::Save),
    /// Fetch an image from a registry
    Pull(pull::Pull),
    /// Bring an image to a registry
    Push(push::Push),
    /// Make an image of a file system archive, or of programs of this machine
    Import(import::Import),
    /// Build an image from a Dockerfile
    Build(build::Build),
    /// Manage the build cache
    #[command(subcommand)]
    Builder(build::Builder),
    /// Give an image another name
    Tag(tag::Tag),
    /// Remove names of images, and images without one
    Rmi(rmi::Rmi),
    /// Remember a user and password for a registry
    Login(login::Login),
    /// Forget the user and password for a registry
    Logout(login::Logout),
    /// Disk use, events, cleaning up
    #[command(subcommand)]
    System(SystemCommand),
    /// Show what happens, as it happens
    Events(events::Events),
    /// Show copy-on-write as it happens, in a container or any overlay mount
    Watch(watch::Watch),
    /// Put the engine's Docker API on a socket
    Serve(serve::Serve),
    /// Fill a throw-away engine with example images and open the terminal
    Demo(demo::Demo),
    /// Tell what an image wastes, and fail when it is too much
    #[command(visible_alias = "analyze")]
    Analyse(analyse::Analyse),
    /// Print which key does what
    Keys(keys::Keys),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Write manual pages
    Man(man::Man),
}

/// Docker's commands on containers, alone and below `container`.
#[derive(Subcommand)]
pub(crate) enum OnContainers {
    /// Talk to a running container
    Attach(attach::Attach),
    /// Make an image of a container
    Commit(commit::Commit),
    /// Copy files between a container and this machine
    Cp(cp::Cp),
    /// Create a container without starting it
    Create(Box<create::Create>),
    /// Show what a container has changed
    Diff(diff::Diff),
    /// Run another command in a running container
    Exec(exec::Exec),
    /// Write a container's whole file system to a tar
    Export(export::Export),
    /// Send a signal to containers
    Kill(kill::Kill),
    /// Show what a container has written
    Logs(logs::Logs),
    /// Freeze all processes of containers
    Pause(pause::Pause),
    /// Show which ports of the host lead to a container
    Port(port::Port),
    /// List containers
    Ps(ps::Ps),
    /// Give a container another name
    Rename(rename::Rename),
    /// Stop containers and start them again
    Restart(stop::Restart),
    /// Remove containers
    Rm(rm::Rm),
    /// Create a container, start it and talk to it
    Run(Box<run::Run>),
    /// Start containers
    Start(start::Start),
    /// Show what containers use
    Stats(stats::Stats),
    /// Stop containers
    Stop(stop::Stop),
    /// List the processes of a container
    Top(top::Top),
    /// Let the processes of frozen containers go on
    Unpause(pause::Unpause),
    /// Change limits and the restart policy of containers
    Update(update::Update),
    /// Wait until containers end
    Wait(wait::Wait),
}

/// Docker's `container` commands.
#[derive(Subcommand)]
pub(crate) enum ContainerCommand {
    /// List containers
    #[command(visible_alias = "list")]
    Ls(ps::Ps),
    /// Show everything about containers
    Inspect(inspect::InspectContainer),
    /// Remove all containers that do not run
    Prune(prune::Containers),
    #[command(flatten)]
    Other(OnContainers),
}

/// Docker's `image` commands.
#[derive(Subcommand)]
pub(crate) enum ImageCommand {
    /// List images
    #[command(visible_alias = "list")]
    Ls(images::List),
    /// Remove names of images, and images without one
    #[command(visible_alias = "remove")]
    Rm(rmi::Rmi),
    /// Show everything about images
    Inspect(inspect::InspectImage),
    /// Show the steps that made an image
    History(history::History),
    /// Load images from an archive
    Load(load::Load),
    /// Save images to an archive
    Save(save::Save),
    /// Fetch an image from a registry
    Pull(pull::Pull),
    /// Bring an image to a registry
    Push(push::Push),
    /// Make an image of a file system archive, or of programs of this machine
    Import(import::Import),
    /// Build an image from a Dockerfile
    Build(build::Build),
    /// Give an image another name
    Tag(tag::Tag),
    /// Remove images that nothing uses
    Prune(prune::Images),
}

/// Docker's `system` commands.
#[derive(Subcommand)]
pub(crate) enum SystemCommand {
    /// Show what takes how much room
    Df(df::Df),
    /// Show what the engine and its host are
    Info(info::Info),
    /// Show what happens, as it happens
    Events(events::Events),
    /// Remove all that nothing uses
    Prune(prune::System),
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let (Some(what), Some(_)) = (&cli.look.what, &cli.command) {
        safe::say(&format!("outcrop: {what:?} before a command: the terminal takes it, commands do not"));
        return ExitCode::from(125);
    }
    let done = Session::start(&cli.global).and_then(|session| session.run(cli));
    match done {
        Ok(code) => code,
        Err(failure) => {
            if !failure.message().is_empty() {
                safe::say(failure.message());
            }
            failure.code()
        }
    }
}

/// Reads the command line. Help is that of plain flags: the values that they may have are for scripts.
fn parse() -> Result<Cli, clap::Error> {
    let read = flags::with_values(Cli::command()).try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    match read {
        Err(error) if !error.use_stderr() => Err(Cli::try_parse().err().filter(|e| !e.use_stderr()).unwrap_or(error)),
        read => read,
    }
}

/// Help and version end well; a wrong command line ends with 125, as Docker's does.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(125) } else { ExitCode::SUCCESS }
}

/// The command line's description, for completions and manual pages.
pub(crate) fn description() -> clap::Command {
    Cli::command()
}

/// Runs `command`.
pub(crate) async fn run(session: &Session, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Container(ContainerCommand::Ls(it)) => it.run(session).await,
        Command::Container(ContainerCommand::Inspect(it)) => it.run(session).await,
        Command::Container(ContainerCommand::Prune(it)) => it.run(session).await,
        Command::OnContainers(it) | Command::Container(ContainerCommand::Other(it)) => it.run(session).await,
        Command::Volume(it) => it.run(session).await,
        Command::Network(it) => it.run(session).await,
        Command::Version(it) => it.run(session).await,
        Command::Info(it) | Command::System(SystemCommand::Info(it)) => it.run(session).await,
        Command::Images(it) | Command::Image(ImageCommand::Ls(it)) => it.run(session).await,
        Command::History(it) | Command::Image(ImageCommand::History(it)) => it.run(session).await,
        Command::Inspect(it) => it.run(session).await,
        Command::Image(ImageCommand::Inspect(it)) => it.run(session).await,
        Command::Load(it) | Command::Image(ImageCommand::Load(it)) => it.run(session).await,
        Command::Save(it) | Command::Image(ImageCommand::Save(it)) => it.run(session).await,
        Command::Pull(it) | Command::Image(ImageCommand::Pull(it)) => it.run(session).await,
        Command::Push(it) | Command::Image(ImageCommand::Push(it)) => it.run(session).await,
        Command::Login(it) => it.run(session).await,
        Command::Logout(it) => it.run(session),
        Command::Import(it) | Command::Image(ImageCommand::Import(it)) => it.run(session).await,
        Command::Build(it) | Command::Image(ImageCommand::Build(it)) => it.run(session).await,
        Command::Builder(it) => it.run(session).await,
        Command::Tag(it) | Command::Image(ImageCommand::Tag(it)) => it.run(session).await,
        Command::Rmi(it) | Command::Image(ImageCommand::Rm(it)) => it.run(session).await,
        Command::Image(ImageCommand::Prune(it)) => it.run(session).await,
        Command::System(SystemCommand::Df(it)) => it.run(session).await,
        Command::System(SystemCommand::Prune(it)) => it.run(session).await,
        Command::Events(it) | Command::System(SystemCommand::Events(it)) => it.run(session).await,
        Command::Watch(it) => it.run(session).await,
        Command::Serve(it) => it.run(session).await,
        Command::Demo(it) => it.run(session).await,
        Command::Analyse(it) => it.run(session).await,
        Command::Keys(it) => it.run(session),
        Command::Completions(it) => it.run(),
        Command::Man(it) => it.run(),
    }
}

impl OnContainers {
    async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match self {
            Self::Attach(it) => it.run(session).await,
            Self::Commit(it) => it.run(session).await,
            Self::Cp(it) => it.run(session).await,
            Self::Create(it) => it.run(session).await,
            Self::Diff(it) => it.run(session).await,
            Self::Exec(it) => it.run(session).await,
            Self::Export(it) => it.run(session).await,
            Self::Kill(it) => it.run(session).await,
            Self::Logs(it) => it.run(session).await,
            Self::Pause(it) => it.run(session).await,
            Self::Port(it) => it.run(session).await,
            Self::Ps(it) => it.run(session).await,
            Self::Rename(it) => it.run(session).await,
            Self::Restart(it) => it.run(session).await,
            Self::Rm(it) => it.run(session).await,
            Self::Run(it) => it.run(session).await,
            Self::Start(it) => it.run(session).await,
            Self::Stats(it) => it.run(session).await,
            Self::Stop(it) => it.run(session).await,
            Self::Top(it) => it.run(session).await,
            Self::Unpause(it) => it.run(session).await,
            Self::Update(it) => it.run(session).await,
            Self::Wait(it) => it.run(session).await,
        }
    }
}

impl Command {
    /// Whether it needs no engine at all.
    pub(crate) fn no_engine(&self) -> bool {
        match self {
            Self::Watch(it) => it.no_engine(),
            Self::Logout(_) | Self::Keys(_) | Self::Completions(_) | Self::Man(_) => true,
            _ => false,
        }
    }
}
