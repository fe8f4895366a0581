//! `exec`: more processes in a running container.

use std::fs::{self, File};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, Rights};
use super::config::{Config, lenient};
use super::error::{ContainerError, Doing, Result};
use super::executor::{Observer, Runner};
use super::namespace::{Namespace, Namespaces};
use super::record::{Directory, replace};
use super::run_directory::{RunDirectory, make, shim_lives};
use super::shim::Task;
use super::shim::runtime::{Order, Runtime, Started};
use super::shim::start::{create_failed, own_mounts, runner, who};
use crate::sys::beneath;

/// The API's request to make one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecConfig {
    /// `user[:group]`; empty for the container's.
    pub user: String,
    /// Whether it has all capabilities.
    pub privileged: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Rows and columns of the terminal.
    pub console_size: Option<[u16; 2]>,
    /// Whether its standard input is open.
    pub attach_stdin: bool,
    /// Whether the client gets its standard error.
    pub attach_stderr: bool,
    /// Whether the client gets its standard output.
    pub attach_stdout: bool,
    /// Key sequence for detaching: the client's business.
    pub detach_keys: String,
    /// More variables.
    pub env: Vec<String>,
    /// Directory; empty for the container's.
    pub working_dir: String,
    /// The words.
    pub cmd: Vec<String>,
}

impl ExecConfig {
    /// Parses the API's body, in which any member may be null.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        lenient(bytes).map_err(|error| ContainerError::Invalid(format!("invalid JSON: {error}")))
    }
}

/// What is known of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Exec {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The container.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// Whether it runs.
    pub running: bool,
    /// Exit code, when it ended.
    pub exit_code: Option<i32>,
    /// Process ID on the host, once started.
    pub pid: i32,
    /// What was asked for.
    pub config: ExecConfig,
}

/// Makes one in a running container, without starting it.
pub(crate) fn create(root: &Path, container: &str, config: ExecConfig) -> Result<String> {
    if config.cmd.is_empty() {
        return Err(ContainerError::Invalid("No exec command specified".into()));
    }
    let record = Directory::of(root, container).record()?;
    if !record.state.running {
        return Err(ContainerError::Conflict(format!("container {container} is not running")));
    }
    let id = new_id()?;
    let here = RunDirectory::of(root, container).exec(&id);
    make(&here)?;
    let exec = Exec { id: id.clone(), container_id: container.into(), config, ..Exec::default() };
    write(&here, &exec)?;
    Ok(id)
}

/// 64 random hexadecimal digits, of which the first twelve do not look like a number.
pub(crate) fn new_id() -> Result<String> {
    loop {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other).doing("read", "/dev/urandom")?;
        let id = hex::encode(bytes);
        if id[..12].bytes().any(|b| !b.is_ascii_digit()) {
            return Ok(id);
        }
    }
}

/// Finds one by its ID: what is known, and the container.
pub(crate) fn find(root: &Path, id: &str) -> Result<Exec> {
    let missing = || ContainerError::NoExec(id.chars().take(100).collect());
    if !super::lookup::is_id(id) {
        return Err(missing());
    }
    let all = root.join("outcrop/run");
    for entry in fs::read_dir(&all).map_err(|_| missing())?.flatten() {
        let here = entry.path().join("exec").join(id);
        if let Ok(mut exec) = read(&here) {
            if exec.running && !shim_lives(&here) {
                exec.running = false;
                exec.exit_code = Some(137);
            }
            return Ok(exec);
        }
    }
    Err(missing())
}

/// The execs of a container that run.
pub(crate) fn running(root: &Path, container: &str) -> Vec<String> {
    let all = RunDirectory::of(root, container).file("exec");
    let mut ids = Vec::new();
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        if shim_lives(&entry.path()) {
            ids.extend(entry.file_name().into_string());
        }
    }
    ids
}

fn read(here: &Path) -> Result<Exec> {
    let path = here.join("exec.json");
    let bytes = fs::read(&path).doing("read", &path)?;
    serde_json::from_slice(&bytes).map_err(|error| ContainerError::Damaged { path, reason: error.to_string() })
}

fn write(here: &Path, exec: &Exec) -> Result<()> {
    let text = serde_json::to_vec(exec).map_err(std::io::Error::from).doing("write", here)?;
    replace(&here.join("exec.json"), &text, 0o600)
}

/// Notes the size that an exec's terminal is to begin with.
pub(crate) fn sized(root: &Path, exec: &Exec, size: [u16; 2]) -> Result<()> {
    let here = RunDirectory::of(root, &exec.container_id).exec(&exec.id);
    note(&here, |exec| exec.config.console_size = Some(size))
}

/// Changes what is known of one.
pub(crate) fn note(here: &Path, change: impl FnOnce(&mut Exec)) -> Result<()> {
    let mut exec = read(here)?;
    change(&mut exec);
    write(here, &exec)
}

/// Starts one; to be called in its shim.
pub(crate) fn start_in_shim(task: &Task, run: &RunDirectory, id: &str) -> std::result::Result<Started, String> {
    let here = run.exec(id);
    let exec = read(&here).map_err(|error| error.to_string())?;
    let directory = Directory::of(&task.root, &task.id);
    let record = directory.record().map_err(|error| error.to_string())?;
    let mut host = directory.host_config().map_err(|error| error.to_string())?;
    let process = run.process().ok_or_else(|| format!("container {} is not running", task.id))?;
    let runtime = Runtime::named(&host.runtime)?;
    if task.rootless {
        own_mounts(task, &runtime, &here.join("root"), false)?;
    }
    let root =
        File::open(format!("/proc/{}/root", process.pid)).map_err(|error| format!("container's root: {error}"))?;
    let named = if exec.config.user.is_empty() { &record.config.user } else { &exec.config.user };
    let user = who(&root, named, host.group_add.as_deref().unwrap_or_default())?;
    let mut rights = Rights::of(&host)?;
    if exec.config.privileged {
        host.privileged = true;
        rights.capabilities = Rights::of(&host)?.capabilities;
    }
    let config = config_of(&exec.config, &record.config);
    enter(&root, &config.working_dir)?;
    host.console_size = exec.config.console_size.map_or([0, 0], |[rows, columns]| [rows.into(), columns.into()]);
    let none = Namespace::Host;
    let bundle = Bundle {
        record: &record,
        host: &host,
        rootfs: Path::new("/"),
        user: &user,
        namespaces: &Namespaces { network: none, pid: none, ipc: none, uts: none, cgroup: none },
        rights: &rights,
        embedded: runtime == Runtime::Embedded,
        rootless: task.rootless,
        own_sys: false,
    };
    let process = bundle.process(&exec.config.cmd[0], &exec.config.cmd[1..], &config, exec.config.tty)?;
    let path = here.join("process.json");
    fs::write(&path, process.to_string()).map_err(|error| error.to_string())?;
    let order = Order {
        runtime: &runtime,
        id: &task.id,
        bundle: run.path(),
        process: Some(&path),
        state: run.path(),
        scratch: &here,
        tty: exec.config.tty,
        stdin: exec.config.attach_stdin,
        stdin_once: true,
        runner: Runner { observer: Observer::of(run, &runtime), ..runner(&rights, user.uid) },
    };
    if runtime != Runtime::Embedded {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| error.to_string())?;
    }
    order.create().map_err(|error| exec_failed(&error))
}

/// What Docker says before why an exec did not start.
const FAILED: &str = "OCI runtime exec failed: exec failed:";

/// Checks that the directory is there: of what a runtime says when it is not, nobody would guess it.
fn enter(root: &File, directory: &str) -> std::result::Result<(), String> {
    if !directory.is_empty() && !directory.starts_with('/') {
        return Err(format!("{FAILED} Cwd must be an absolute path: unknown"));
    }
    let opened = beneath::open_directory(root, directory.trim_start_matches('/').as_bytes());
    opened.map(drop).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".into(),
            std::io::ErrorKind::NotADirectory => "not a directory".into(),
            _ => error.to_string(),
        };
        format!(
            "{FAILED} unable to start container process: chdir to cwd (\"{directory}\") set in config.json failed: {why}: unknown"
        )
    })
}

/// Docker's words for an exec that could not be started.
fn exec_failed(why: &str) -> String {
    create_failed(why).replace("OCI runtime create failed:", FAILED)
}

/// The container's configuration with what the exec has of its own.
fn config_of(exec: &ExecConfig, container: &Config) -> Config {
    let mut config = container.clone();
    config.env.get_or_insert_default().extend(exec.env.iter().cloned());
    if !exec.working_dir.is_empty() {
        config.working_dir.clone_from(&exec.working_dir);
    }
    config
}
