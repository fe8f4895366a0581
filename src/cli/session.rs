//! One run of the program: what it was told, and the engine it talks to.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use outcrop_engine::registry::Registries;
use outcrop_engine::root::namespace;
use outcrop_engine::sys::userns;
use outcrop_ui::Charset;

use super::{Cli, Command, Failure, Global, terminal};
use crate::config::{Config, Env};
use crate::connect::{self, Choice, Connection, Target};
use crate::report::safe;

/// What a command needs to know.
pub(crate) struct Session {
    /// The options before the command.
    pub(crate) global: Global,
    /// What chooses the engine.
    pub(crate) choice: Choice,
    /// The environment.
    pub(crate) env: Env,
    /// The configuration file.
    pub(crate) config: Config,
    /// Whether the user is root.
    pub(crate) is_root: bool,
    /// Whether root's rights are not there, or only in a user namespace.
    pub(crate) rootless: bool,
}

impl Session {
    /// Reads what there is to read. Starts no thread.
    pub(crate) fn start(global: &Global) -> Result<Self, Failure> {
        let env = Env::of_process();
        let config = Config::read(&env.config()).map_err(Failure::new)?;
        safe::set_charset(charset(&env));
        log(global.debug);
        let is_root = rustix::process::geteuid().is_root();
        let rootless = !is_root || !userns::is_initial();
        Ok(Self { global: global.clone(), choice: Choice::default(), env, config, is_root, rootless })
    }

    /// Runs what the command line asks for.
    pub(crate) fn run(mut self, cli: Cli) -> Result<ExitCode, Failure> {
        match &cli.command {
            Some(Command::Serve(_)) => {
                self.choice = Choice { host: None, embedded: true, ..self.global.first_choice() }
            }
            Some(Command::Demo(_)) => self.choice = Choice { embedded: true, ..Choice::default() },
            _ => self.choice = self.global.choice()?,
        }
        let needs_engine = cli.command.as_ref().is_none_or(|command| !command.no_engine());
        if needs_engine
            && !self.is_root
            && let Target::Embedded { root } = self.target()?
        {
            self.enter_namespace(&root);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
        let done = runtime.block_on(async {
            match cli.command {
                Some(command) => super::run(&self, command).await,
                None => terminal::run(&self, cli.look).await,
            }
        });
        // Waits for work that was cancelled: it cleans up.
        drop(runtime);
        done
    }

    /// Which characters the terminal has.
    pub(crate) fn charset(&self) -> Charset {
        charset(&self.env)
    }

    /// The engine that was chosen.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        self.choice.target(&self.env, &self.config, self.is_root).map_err(Failure::new)
    }

    /// Connects to it.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        Ok(connect::connect(self.target()?, self.rootless, self.registries()).await?)
    }

    /// How the embedded engine reaches registries.
    pub(crate) fn registries(&self) -> Registries {
        let insecure = [&self.config.insecure_registries[..], &self.global.insecure_registry].concat();
        Registries {
            mirrors: self.config.registry_mirrors.clone(),
            insecure,
            certificates: self.env.certificates(self.is_root),
            proxies: self.env.proxies(),
        }
    }

    /// Becomes root of the namespace of the data root `root`, in which an ordinary user can keep one. Before any thread starts.
    fn enter_namespace(&self, root: &Path) {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (subuid, subgid) = (read("/etc/subuid"), read("/etc/subgid"));
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin:/usr/sbin:/sbin".into());
        let user = self.env.get("USER").or_else(|| self.env.get("LOGNAME"));
        let request = userns::Request { user, subuid: &subuid, subgid: &subgid, path: &path };
        match namespace::enter(root, &request) {
            Ok(entered) => tracing::debug!(?entered, "in a user namespace"),
            Err(error) => safe::say(&format!("outcrop: {error}; going on without: files of layers will all be yours")),
        }
    }
}

/// What the locale can show.
fn charset(env: &Env) -> Charset {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env.get(name)).unwrap_or_default().to_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") { Charset::Unicode } else { Charset::Ascii }
}

fn log(debug: bool) {
    let level = if debug { tracing::Level::DEBUG } else { tracing::Level::ERROR };
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).without_time().with_target(false).init();
}

impl Global {
    fn first_choice(&self) -> Choice {
        Choice { root: self.root.clone(), ..Choice::default() }
    }
}
