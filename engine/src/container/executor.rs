//! The last step before a container's program: what runs as its first process, inside, until `execve`.
//!
//! libcontainer has made namespaces, mounts and user by then and left all capabilities in place, as the bundle for it names
//! none; system call filter and capabilities follow here, in the order in which they are possible: a filter needs
//! CAP_SYS_ADMIN unless `no_new_privs` is set.

use std::collections::HashMap;
use std::ffi::CString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};

use outcrop_layers::watch::NOTICES;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::run_directory::RunDirectory;
use super::seccomp::notify as filter;
use super::shim::notices;
use super::shim::runtime::Runtime;
use super::socket;
use crate::sys::seccomp::Instruction;
use crate::sys::{loopback, notify, program, seccomp};

/// Runs one program with Docker's rights.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runner {
    /// Bounding set, bits as in `/proc/<pid>/status`.
    pub(crate) bounding: u64,
    /// Permitted and effective set.
    pub(crate) permitted: u64,
    /// System call filter; empty for none.
    pub(crate) filter: Vec<Instruction>,
    /// Whether programs gain no privileges.
    pub(crate) no_new_privileges: bool,
    /// Whether the loopback interface is to be switched on.
    pub(crate) loopback: bool,
    /// The shim, as `pidfd_open(2)` gives it: the process dies with it. Nothing where another runtime starts the process.
    pub(crate) shim: Option<Arc<OwnedFd>>,
    /// Whether the first process is a small init with the program below it.
    pub(crate) init: bool,
    /// Who is told of its system calls, where somebody is.
    pub(crate) observer: Option<Observer>,
}

/// Where a process's calls are told, and which.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    /// The container's socket.
    pub(crate) socket: Arc<UnixStream>,
    /// The filter that tells them.
    pub(crate) program: Vec<Instruction>,
}

impl Executor for Runner {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let (words, variables, path) = prepared(spec).map_err(ExecutorError::Other)?;
        let words = c_strings(words).map_err(ExecutorError::Other)?;
        let variables = c_strings(variables).map_err(ExecutorError::Other)?;
        let name = path.clone();
        let path = CString::new(path).map_err(|_| ExecutorError::InvalidArg)?;
        if let Err(error) = self.confine() {
            let _ = writeln!(std::io::stderr(), "cannot set the rights of {name}: {error}");
            program::exit(255);
        }
        if self.init {
            super::init::run_below().map_err(|error| ExecutorError::Other(error.to_string()))?;
        }
        crate::sys::signals::reset().map_err(|error| ExecutorError::Other(error.to_string()))?;
        let error = program::execute(&path, &words, &variables);
        // Standard error is the container's by now: this is what its log shows, as in Docker.
        let _ = writeln!(std::io::stderr(), "exec {name}: {}", plain(&error));
        program::exit(if error.kind() == std::io::ErrorKind::PermissionDenied { 126 } else { 255 });
    }

    /// Runs before the process waits to be let go. A shim killed until then would leave it waiting for ever, with the
    /// shim's lock and socket open.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.die_with_shim()
            .and_then(|()| stand_inside())
            .map_err(|error| ExecutorValidationError::ArgValidationError(error.to_string()))?;
        prepared(spec).map(drop).map_err(ExecutorValidationError::ArgValidationError)
    }

    fn setup_envs(&self, _variables: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // `exec` passes them in their order.
        Ok(())
    }
}

impl Runner {
    /// Sees to it that this process is killed when the shim ends, and ends when the shim has ended already.
    fn die_with_shim(&self) -> std::io::Result<()> {
        let Some(shim) = &self.shim else { return Ok(()) };
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        let mut ended = [PollFd::new(shim, PollFlags::IN)];
        if rustix::event::poll(&mut ended, Some(&Timespec::default()))? > 0 {
            program::exit(255);
        }
        Ok(())
    }

    fn confine(&self) -> std::io::Result<()> {
        if self.loopback {
            loopback::up()?;
        }
        // Once more: changed rights may have undone it.
        self.die_with_shim()?;
        rustix::thread::clear_ambient_capability_set()?;
        if self.no_new_privileges {
            rustix::thread::set_no_new_privs(true)?;
        }
        if let Some(observer) = &self.observer {
            observer.begin()?;
        }
        if !self.filter.is_empty() {
            seccomp::install(&self.filter)?;
        }
        program::set_capabilities(self.bounding, self.permitted)
    }
}

impl Observer {
    /// That of the container whose runtime directory is `run`, if it has one.
    pub(crate) fn of(run: &RunDirectory, runtime: &Runtime) -> Option<Self> {
        let socket = (*runtime == Runtime::Embedded).then(|| socket::connect(&run.file(NOTICES)).ok())??;
        Some(Self { socket: Arc::new(socket), program: filter::program() })
    }

    /// Has this process's calls told from now on. Nothing that is told may be called until its program runs: whoever answers
    /// may not listen yet.
    fn begin(&self) -> std::io::Result<()> {
        match notify::install(&self.program) {
            Ok(listener) => notices::send(&listener, &self.socket),
            // This program runs in a container that is watched itself: a process can have one listener.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Refuses a working directory from which `..` leads out of the container: one reached through a descriptor that the runtime had
/// open. The system call is asked, as the C library's `getcwd` takes such a directory for the root when it is the same one.
fn stand_inside() -> std::io::Result<()> {
    let here = rustix::process::getcwd(Vec::new())?;
    if here.as_bytes().first() == Some(&b'/') {
        return Ok(());
    }
    Err(std::io::Error::other(format!(
        "the working directory lies outside of the container ({}): give a path of the container",
        here.to_string_lossy()
    )))
}

/// The words, the variables and the program's path as found inside the container.
fn prepared(spec: &Spec) -> Result<(Vec<String>, Vec<String>, String), String> {
    let process = spec.process().as_ref().ok_or("no process to start")?;
    let words = process.args().clone().unwrap_or_default();
    let variables = process.env().clone().unwrap_or_default();
    let name = words.first().ok_or("no command specified")?;
    let path = find(name, &variables)?;
    Ok((words, variables, path))
}

/// Finds a program as Docker's runtime does. The texts are those that its clients make the exit codes 127 and 126 of.
fn find(name: &str, variables: &[String]) -> Result<String, String> {
    if name.contains('/') {
        return match runnable(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(why) if why == "no such file or directory" => Err(format!("exec: {name:?}: stat {name}: {why}")),
            Err(why) => Err(format!("exec: {name:?}: {why}")),
        };
    }
    let path = variables.iter().find_map(|entry| entry.strip_prefix("PATH=")).filter(|_| !name.is_empty());
    let path = path.unwrap_or_default();
    let mut denied = false;
    for directory in path.split(':') {
        let candidate = if directory.is_empty() { format!("./{name}") } else { format!("{directory}/{name}") };
        match runnable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(why) => denied |= why == "permission denied",
        }
    }
    let why = if denied { "permission denied" } else { "executable file not found in $PATH" };
    Err(format!("exec: {name:?}: {why}"))
}

fn runnable(path: &str) -> Result<(), String> {
    let meta = std::fs::metadata(path).map_err(|error| plain(&error))?;
    if meta.is_dir() {
        return Err("is a directory".into());
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err("permission denied".into());
    }
    Ok(())
}

/// An error in the words of Go, which Docker's clients look for.
fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT) => "no such file or directory".into(),
        Some(libc::EACCES) => "permission denied".into(),
        Some(libc::ENOTDIR) => "not a directory".into(),
        Some(libc::ENOEXEC) => "exec format error".into(),
        _ => error.to_string(),
    }
}

fn c_strings(texts: Vec<String>) -> Result<Vec<CString>, String> {
    texts.into_iter().map(|text| CString::new(text).map_err(|_| "a zero byte in an argument".to_owned())).collect()
}
