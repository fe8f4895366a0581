//! One small process beside each running container, and beside each `exec` in one.
//!
//! It is this program again, with one thread, so that nothing is forked under an async runtime: it mounts the container's
//! file system in a mount namespace of its own (which ends with it, however it ends), starts the process with the embedded
//! runtime or another, keeps its log, terminal and clients, and writes how it ended. While it lives it holds the lock
//! `lock` in the container's runtime directory, which is how everybody else knows.

mod console;
mod finish;
mod health;
pub(crate) mod notices;
mod observed;
mod pump;
pub(crate) mod runtime;
pub(crate) mod start;

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::{ContainerError, Doing, Result};
use super::pasta;
use super::run_directory::RunDirectory;
use crate::root::namespace;
use crate::sys::program::{self, Fork};
use notices::Notices;
use outcrop_layers::watch::NOTICES;
use pump::Pump;

/// First argument that makes the program a shim.
pub const ARGUMENT: &str = "--shim";

/// How long a shim that nothing runs below waits for a client. One that comes later starts another shim; removing the container
/// waits longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a shim is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The data root.
    pub(crate) root: PathBuf,
    /// The container.
    pub(crate) id: String,
    /// The exec in it, where it is not for the container itself.
    pub(crate) exec: Option<String>,
    /// Whether this process is root of a user namespace of its own only.
    pub(crate) rootless: bool,
}

/// What a shim tells the process that started it, on its standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// It listens.
    Ready,
    /// There is another one.
    Busy,
}

impl Greeting {
    /// As a line.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Ready => "ready\n",
            Self::Busy => "busy\n",
        }
    }
}

/// Runs a shim when `arguments` (without the program's name) begin with [`ARGUMENT`], or another of the engine's helpers; gives its
/// exit code, or nothing when this is none. To be called first of all, before any thread is started.
pub fn main(arguments: &[OsString]) -> Option<u8> {
    match arguments {
        [first, program, directory] if first == pasta::TRIAL => {
            return Some(pasta::trial(Path::new(program), Path::new(directory)));
        }
        [first, ..] if first == ARGUMENT => {}
        _ => return None,
    }
    let task = arguments.get(1).and_then(|text| text.to_str()).and_then(|text| serde_json::from_str(text).ok());
    let Some(task) = task else { return Some(2) };
    Some(match run(&task) {
        Ok(()) => 0,
        Err(error) => {
            // The standard error is the shim's own log in the runtime directory.
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error}");
            1
        }
    })
}

fn run(task: &Task) -> Result<()> {
    match program::fork().doing("fork", "/proc/self")? {
        Fork::Parent(_) => return Ok(()),
        Fork::Child => {}
    }
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"outcrop-shim");
    let directory = RunDirectory::of(&task.root, &task.id);
    let here = match &task.exec {
        None => directory.path().to_path_buf(),
        Some(exec) => directory.exec(exec),
    };
    let Some(_lock) = own(&here)? else {
        return greet(Greeting::Busy);
    };
    if task.rootless {
        // The process that starts this one may end at once: then it is this one that keeps the namespace for others to join.
        namespace::register(&task.root).map_err(|error| ContainerError::Start(error.to_string()))?;
    }
    let listener = listen(&here.join("attach.sock"))?;
    let mut pump = Pump::new(listener);
    if task.exec.is_none() {
        pump.notices = Notices::wanted(&task.root, &task.id, &here.join(NOTICES));
    }
    greet(Greeting::Ready)?;
    let result = serve(task, &directory, &mut pump);
    let _ = std::fs::remove_file(here.join(NOTICES));
    let _ = std::fs::remove_file(here.join("attach.sock"));
    result
}

fn serve(task: &Task, directory: &RunDirectory, pump: &mut Pump) -> Result<()> {
    if !pump.wait_for_start(PATIENCE) {
        return Ok(());
    }
    match &task.exec {
        None => finish::container(task, directory, pump),
        Some(exec) => finish::exec(task, directory, exec, pump),
    }
}

/// Takes the shim's lock, or says that another one has it.
fn own(here: &Path) -> Result<Option<File>> {
    let path = here.join("lock");
    let lock = File::options().create(true).append(true).open(&path).doing("create", &path)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(source)) => Err(ContainerError::Io { what: "lock", path, source }),
    }
}

/// Listens at `path`, which may be longer than a socket's address can be.
fn listen(path: &Path) -> Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).doing("remove", path),
        _ => {}
    }
    let listener = super::socket::bind(path).doing("listen at", path)?;
    listener.set_nonblocking(true).doing("listen at", path)?;
    Ok(listener)
}

/// Tells the process that started this one, and lets go of it.
fn greet(greeting: Greeting) -> Result<()> {
    let told = rustix::io::write(rustix::stdio::stdout(), greeting.text().as_bytes());
    let null = File::options().read(true).write(true).open("/dev/null").doing("open", "/dev/null")?;
    for standard in [0, 1] {
        program::redirect(std::os::fd::AsFd::as_fd(&null), standard).doing("redirect to", "/dev/null")?;
    }
    told.map(drop).doing("write to", "the starting process")
}
