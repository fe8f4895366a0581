//! Starting a process: with libcontainer in this process, or with another OCI runtime.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use rustix::process::{Pid, PidfdFlags};

use super::console::ConsoleSocket;
use super::pump::Pipes;
use crate::container::executor::Runner;
use crate::sys::userns;

/// Which runtime starts a container's processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// libcontainer.
    Embedded,
    /// The program at this path.
    Program(PathBuf),
}

/// What to start.
pub(crate) struct Order<'a> {
    /// Which runtime.
    pub(crate) runtime: &'a Runtime,
    /// Container ID.
    pub(crate) id: &'a str,
    /// The bundle, for a container.
    pub(crate) bundle: &'a Path,
    /// The file with the `process` object, for an exec.
    pub(crate) process: Option<&'a Path>,
    /// Where the runtime keeps its state.
    pub(crate) state: &'a Path,
    /// Where this start's own files go.
    pub(crate) scratch: &'a Path,
    /// Whether it gets a terminal.
    pub(crate) tty: bool,
    /// Whether its standard input is open.
    pub(crate) stdin: bool,
    /// Whether that ends with its first client.
    pub(crate) stdin_once: bool,
    /// What happens inside just before the program.
    pub(crate) runner: Runner,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its ID as the host sees it; a child of this process.
    pub(crate) pid: Pid,
    /// Tells when it ends.
    pub(crate) descriptor: OwnedFd,
    /// Our ends of its pipes.
    pub(crate) pipes: Pipes,
}

/// The process's ends of its pipes.
struct TheirEnds {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Runtime {
    /// What `--runtime` says.
    ///
    /// # Errors
    /// The text for the user when it is neither known nor the path of a program.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "" | "runc" | "outcrop" | "io.containerd.runc.v2" => Ok(Self::Embedded),
            path if path.starts_with('/') && Path::new(path).is_file() => Ok(Self::Program(path.into())),
            other => Err(format!(
                "unknown or invalid runtime name: {other}: give the path of runc, crun or another OCI runtime"
            )),
        }
    }

    /// Whether it goes on without control groups where an ordinary user may make none. crun does when it is told so; it and the
    /// embedded one fail over the mounts of version 1.
    pub(crate) fn leaves_groups(&self) -> bool {
        matches!(self, Self::Program(program) if !is_crun(program) && !program.ends_with("youki"))
    }
}

fn is_crun(program: &Path) -> bool {
    program.ends_with("crun")
}

impl Order<'_> {
    /// Starts it. The container is made but not started yet where it is one: [`Order::go`] does that.
    pub(crate) fn create(&self) -> Result<Started, String> {
        let at = self.scratch.join("console.sock");
        let console = self.tty.then(|| ConsoleSocket::bind(&at)).transpose().map_err(|error| error.to_string())?;
        let (mut pipes, theirs) = pipes(self.stdin && !self.tty, self.tty).map_err(|error| error.to_string())?;
        pipes.stdin_once = self.stdin_once;
        let pid = match self.runtime {
            Runtime::Embedded => self.create_embedded(console.as_ref(), theirs)?,
            Runtime::Program(program) => self.create_with(program, console.as_ref(), theirs)?,
        };
        let pid = Pid::from_raw(pid).ok_or("the runtime gave no process")?;
        let descriptor =
            rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|error| format!("pidfd_open: {error}"))?;
        if let Some(console) = console {
            let terminal = console.receive().map_err(|error| format!("no terminal: {error}"))?;
            // The embedded runtime leaves the size to others.
            if let Some(size) = self.console_size() {
                let _ = rustix::termios::tcsetwinsize(&terminal, size);
            }
            pipes.terminal = Some(terminal);
        }
        Ok(Started { pid, descriptor, pipes })
    }

    /// The size that the bundle, or the process of an exec, has for the terminal.
    fn console_size(&self) -> Option<rustix::termios::Winsize> {
        let (file, pointer) = match self.process {
            Some(file) => (file.to_owned(), "/consoleSize"),
            None => (self.bundle.join("config.json"), "/process/consoleSize"),
        };
        let document: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        let size = document.pointer(pointer)?;
        let number = |key: &str| size[key].as_u64().and_then(|number| u16::try_from(number).ok());
        Some(rustix::termios::Winsize {
            ws_row: number("height")?,
            ws_col: number("width")?,
            ws_xpixel: 0,
            ws_ypixel: 0,
        })
    }

    fn create_embedded(&self, console: Option<&ConsoleSocket>, theirs: TheirEnds) -> Result<i32, String> {
        let shim = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .map_err(|error| format!("pidfd_open: {error}"))?;
        let runner = Runner { shim: Some(Arc::new(shim)), ..self.runner.clone() };
        let mut builder = ContainerBuilder::new(self.id.to_owned(), SyscallType::default())
            .with_root_path(self.state)
            .map_err(|error| chain(&error))?
            .with_executor(runner);
        builder = match console {
            Some(console) => builder.with_console_socket(Some(console.path())),
            None => builder.with_stdin(theirs.stdin).with_stdout(theirs.stdout).with_stderr(theirs.stderr),
        };
        if let Some(process) = self.process {
            let tenant = builder.as_tenant().with_detach(true).with_process(Some(process)).as_sibling(false);
            return tenant.build().map(i32::from).map_err(|error| chain(&error));
        }
        let container = builder.as_init(self.bundle).with_systemd(false).with_detach(true).build();
        let container = container.map_err(|error| chain(&error))?;
        container.pid().map(i32::from).ok_or_else(|| "the runtime gave no process".into())
    }

    fn create_with(&self, program: &Path, console: Option<&ConsoleSocket>, theirs: TheirEnds) -> Result<i32, String> {
        let pid_file = self.scratch.join("pid");
        let _ = std::fs::remove_file(&pid_file);
        let log = self.scratch.join("log.json");
        let mut command = self.command(program);
        command.arg("--log").arg(&log).args(["--log-format", "json"]);
        match self.process {
            None => command.arg("create").arg("--bundle").arg(self.bundle),
            Some(process) => command.args(["exec", "--detach"]).arg("--process").arg(process),
        };
        command.arg("--pid-file").arg(&pid_file);
        if let Some(console) = console {
            command.arg("--console-socket").arg(console.path());
        }
        command.arg(self.id).stdin(theirs.stdin).stdout(theirs.stdout).stderr(theirs.stderr);
        let status = command.status().map_err(|error| format!("{}: {error}", program.display()))?;
        if !status.success() {
            return Err(last_message(&log).unwrap_or_else(|| format!("{} ended with {status}", program.display())));
        }
        let pid = std::fs::read_to_string(&pid_file).map_err(|error| error.to_string())?;
        pid.trim().parse().map_err(|_| format!("{} wrote no process ID", program.display()))
    }

    /// Lets a created container's program run.
    pub(crate) fn go(&self) -> Result<(), String> {
        match self.runtime {
            Runtime::Embedded => {
                let container = libcontainer::container::Container::load(self.state.join(self.id));
                container.and_then(|mut container| container.start()).map_err(|error| chain(&error))
            }
            Runtime::Program(program) => self.quietly(program, &["start"]),
        }
    }

    /// Removes what the runtime keeps of an ended container: state and cgroups.
    pub(crate) fn delete(&self) -> Result<(), String> {
        match self.runtime {
            Runtime::Embedded => {
                let directory = self.state.join(self.id);
                if !directory.exists() {
                    return Ok(());
                }
                let container = libcontainer::container::Container::load(directory);
                container.and_then(|mut container| container.delete(true)).map_err(|error| chain(&error))
            }
            Runtime::Program(program) => self.quietly(program, &["delete", "--force"]),
        }
    }

    fn quietly(&self, program: &Path, words: &[&str]) -> Result<(), String> {
        let output = self
            .command(program)
            .args(words)
            .arg(self.id)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().chars().take(1000).collect())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if is_crun(program) && !userns::is_initial() {
            command.arg("--cgroup-manager=disabled");
        }
        command.arg("--root").arg(self.state);
        command
    }
}

fn pipes(stdin: bool, tty: bool) -> std::io::Result<(Pipes, TheirEnds)> {
    use rustix::pipe::{PipeFlags, pipe_with};
    let null = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let mut ours = Pipes::default();
    if tty {
        return Ok((ours, TheirEnds { stdin: null()?, stdout: null()?, stderr: null()? }));
    }
    let their_stdin = if stdin {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        ours.stdin = Some(write);
        read
    } else {
        null()?
    };
    let (out, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (err, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    (ours.stdout, ours.stderr) = (Some(out), Some(err));
    Ok((ours, TheirEnds { stdin: their_stdin, stdout, stderr }))
}

/// An error with all its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// The last error that runc or crun wrote to its log.
fn last_message(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let line: serde_json::Value = serde_json::from_str(last).ok()?;
    line["msg"].as_str().map(str::to_owned)
}
