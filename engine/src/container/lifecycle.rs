//! start, stop, kill, restart, pause, wait, rename, attach, exec, remove.

use std::time::{Duration, Instant};

use super::client::{Attached, Message};
use super::error::{ContainerError, Doing, Result};
use super::exec::{Exec, ExecConfig};
use super::network::Connection;
use super::protocol::Hello;
use super::record::{Directory, Record};
use super::run_directory::RunDirectory;
use super::{Containers, cgroup, events, exec, limits, lookup, pasta, remove, signal};

/// Seconds between the stop signal and SIGKILL where nothing is said.
const STOP_TIMEOUT: i64 = 10;
/// How long a killed process may take to end before that is an error.
const AFTER_KILL: Duration = Duration::from_secs(10);

impl Containers {
    /// The ID of the container that `name` names: a name, an ID, or the beginning of one.
    pub fn find(&self, name: &str) -> Result<String> {
        lookup::find(&self.root, name)
    }

    /// Its record, after anything that killed processes left was made true.
    pub fn record(&self, name: &str) -> Result<Record> {
        let id = self.find(name)?;
        remove::reconcile_one(&self.root, &id)?;
        match Directory::of(&self.root, &id).record() {
            Err(ContainerError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(ContainerError::NotFound(name.to_owned()))
            }
            record => record,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`ContainerError::NotModified`] when it runs; [`ContainerError::Start`] with Docker's text when it cannot be.
    pub fn start(&self, name: &str) -> Result<()> {
        let record = self.record(name)?;
        if record.state.running {
            return Err(ContainerError::NotModified(format!("container {name} is already started")));
        }
        if record.state.dead || record.state.removal_in_progress {
            return Err(ContainerError::Conflict("container is marked for removal and cannot be started".into()));
        }
        Directory::of(&self.root, &record.id).update(|record| {
            record.has_been_manually_stopped = false;
            record.restart_count = 0;
        })?;
        if Connection::wants_pasta(&Directory::of(&self.root, &record.id).host_config()?) {
            // Whether it works here: the shim looks at what is found.
            let _ = pasta::working(&self.root, &self.program);
        }
        let hello = Hello { start: true, ..Hello::default() };
        let mut shim = Attached::open(&self.task(&record.id), &self.program, hello)?;
        started(&mut shim)
    }

    /// Asks it to stop, and kills it after `timeout` seconds; less than zero waits for ever, nothing takes the container's
    /// own timeout.
    ///
    /// # Errors
    /// [`ContainerError::NotModified`] when it does not run.
    pub fn stop(&self, name: &str, timeout: Option<i64>, with: Option<&str>) -> Result<()> {
        let record = self.record(name)?;
        if !record.state.running {
            return Err(ContainerError::NotModified(format!("container {name} is already stopped")));
        }
        let named = with.filter(|text| !text.is_empty()).unwrap_or(&record.config.stop_signal);
        let number = if named.is_empty() { Some(15) } else { signal::parse(named) };
        let number = number.ok_or_else(|| ContainerError::Invalid(format!("invalid signal: {named}")))?;
        let timeout = timeout.or(record.config.stop_timeout).unwrap_or(STOP_TIMEOUT);
        self.mark_stopped(&record.id)?;
        self.end(&record, number, u64::try_from(timeout).ok().map(Duration::from_secs))?;
        events::note(&self.root, "stop", &record, &[]);
        Ok(())
    }

    /// Sends the signal, waits for the end, and kills when it does not come in time.
    fn end(&self, record: &Record, number: u8, patience: Option<Duration>) -> Result<()> {
        let Some(mut shim) = Attached::existing(&self.task(&record.id), Hello::default()) else {
            return remove::reconcile_one(&self.root, &record.id);
        };
        let _ = shim.signal(number);
        events::note(&self.root, "kill", record, &[("signal", &number.to_string())]);
        if record.state.paused {
            self.thaw(&record.id)?;
        }
        let until = patience.map(|patience| Instant::now() + patience);
        if number != libc::SIGKILL as u8 && wait_exit(&mut shim, until)? {
            return Ok(());
        }
        if number != libc::SIGKILL as u8 {
            let _ = shim.signal(libc::SIGKILL as u8);
            events::note(&self.root, "kill", record, &[("signal", &libc::SIGKILL.to_string())]);
        }
        if wait_exit(&mut shim, Some(Instant::now() + AFTER_KILL))? {
            return Ok(());
        }
        Err(ContainerError::Start(format!(
            "container {} did not end {} seconds after SIGKILL",
            record.id,
            AFTER_KILL.as_secs()
        )))
    }

    fn mark_stopped(&self, id: &str) -> Result<()> {
        Directory::of(&self.root, id).update(|record| record.has_been_manually_stopped = true)
    }

    /// Sends a signal, SIGKILL where none is named.
    pub fn kill(&self, name: &str, with: &str) -> Result<()> {
        let number = if with.is_empty() { Some(libc::SIGKILL as u8) } else { signal::parse(with) };
        let number = number.ok_or_else(|| ContainerError::Invalid(format!("invalid signal: {with}")))?;
        let record = self.record(name)?;
        if !record.state.running {
            return Err(ContainerError::Conflict(format!(
                "cannot kill container: {name}: container {} is not running",
                record.id
            )));
        }
        let stops = signal::parse(&record.config.stop_signal).unwrap_or(15);
        if number == libc::SIGKILL as u8 {
            self.mark_stopped(&record.id)?;
            return self.end(&record, number, None);
        }
        if number == stops {
            self.mark_stopped(&record.id)?;
        }
        if let Some(mut shim) = Attached::existing(&self.task(&record.id), Hello::default()) {
            shim.signal(number).doing("send a signal to the shim of", &record.id)?;
        }
        events::note(&self.root, "kill", &record, &[("signal", &number.to_string())]);
        Ok(())
    }

    /// Stops it when it runs, and starts it.
    pub fn restart(&self, name: &str, timeout: Option<i64>, with: Option<&str>) -> Result<()> {
        match self.stop(name, timeout, with) {
            Ok(()) | Err(ContainerError::NotModified(_)) => {}
            Err(error) => return Err(error),
        }
        self.start(name)?;
        events::note(&self.root, "restart", &self.record(name)?, &[]);
        Ok(())
    }

    /// Freezes all its processes.
    pub fn pause(&self, name: &str) -> Result<()> {
        let record = self.running(name)?;
        if record.state.paused {
            return Err(ContainerError::Conflict(format!("container {} is already paused", record.id)));
        }
        if self.rootless {
            return Err(ContainerError::Conflict(format!(
                "cannot pause container {}: {}",
                record.id,
                limits::NO_GROUPS
            )));
        }
        let directory = Directory::of(&self.root, &record.id);
        let groups = cgroup::Groups::of(&record.id, &directory.host_config()?);
        cgroup::freeze(&groups, true).doing("freeze", groups.directory("freezer"))?;
        directory.update(|record| record.state.paused = true)?;
        events::note(&self.root, "pause", &record, &[]);
        Ok(())
    }

    /// Lets them go on.
    pub fn unpause(&self, name: &str) -> Result<()> {
        let record = self.record(name)?;
        if !record.state.paused {
            return Err(ContainerError::Conflict(format!("Container {} is not paused", record.id)));
        }
        self.thaw(&record.id)?;
        events::note(&self.root, "unpause", &record, &[]);
        Ok(())
    }

    fn thaw(&self, id: &str) -> Result<()> {
        let directory = Directory::of(&self.root, id);
        let groups = cgroup::Groups::of(id, &directory.host_config()?);
        cgroup::freeze(&groups, false).doing("thaw", groups.directory("freezer"))?;
        directory.update(|record| record.state.paused = false)
    }

    /// The record of a container that must run.
    pub(crate) fn running(&self, name: &str) -> Result<Record> {
        let record = self.record(name)?;
        if record.state.running && !record.state.restarting {
            return Ok(record);
        }
        let what = if record.state.restarting {
            "is restarting, wait until the container is running"
        } else {
            "is not running"
        };
        Err(ContainerError::Conflict(format!("container {} {what}", record.id)))
    }

    /// Connects to its streams. One that is not started yet can be attached to: nothing of what it writes is missed then.
    pub fn attach(&self, name: &str, stdin: bool, stdout: bool, stderr: bool) -> Result<Attached> {
        let record = self.record(name)?;
        if record.state.paused {
            return Err(ContainerError::Conflict(format!(
                "container {} is paused, unpause the container before attach",
                record.id
            )));
        }
        let stdin = stdin && record.config.open_stdin;
        Attached::open(&self.task(&record.id), &self.program, Hello { stdin, stdout, stderr, start: false })
    }

    /// Sets the size of its terminal.
    pub fn resize(&self, name: &str, rows: u16, columns: u16) -> Result<()> {
        let record = self.running(name)?;
        if let Some(mut shim) = Attached::existing(&self.task(&record.id), Hello::default()) {
            shim.resize(rows, columns).doing("write to the shim of", &record.id)?;
        }
        Ok(())
    }

    /// Gives it another name.
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        let id = self.find(name)?;
        if new.trim_start_matches('/').is_empty() {
            return Err(ContainerError::Invalid("Neither old nor new names may be empty".into()));
        }
        let path = self.root.join("outcrop/lock");
        let lock = std::fs::File::options().append(true).create(true).open(&path).doing("open", &path)?;
        lock.lock().doing("lock", &path)?;
        let directory = Directory::of(&self.root, &id);
        let old = directory.record()?.name;
        if old.trim_start_matches('/') == new.trim_start_matches('/') {
            return Err(ContainerError::Invalid("Renaming a container with the same name as its current name".into()));
        }
        let new = self.free_name(&format!("/{}", new.trim_start_matches('/'))).map_err(|error| match error {
            ContainerError::Invalid(text) => ContainerError::Invalid(format!("Error when allocating new name: {text}")),
            ContainerError::Conflict(text) => {
                ContainerError::Conflict(format!("Error when allocating new name: {text}"))
            }
            error => error,
        })?;
        let record = directory.update(|record| {
            record.name = format!("/{new}");
            record.clone()
        })?;
        events::note(&self.root, "rename", &record, &[("oldName", &old)]);
        Ok(())
    }

    /// Removes it: with `force` also when it runs, with `volumes` also its anonymous volumes.
    pub fn remove(&self, name: &str, force: bool, volumes: bool) -> Result<()> {
        let record = match self.record(name) {
            // Damaged files must not keep it.
            Err(ContainerError::Damaged { .. }) if force => Record { id: self.find(name)?, ..Record::default() },
            record => record?,
        };
        if record.state.running {
            let hint = if record.state.paused {
                "is paused and must be unpaused first"
            } else {
                "is running: stop the container before removing or force remove"
            };
            if !force {
                return Err(ContainerError::Conflict(format!(
                    "cannot remove container \"{}\": container {hint}",
                    record.name
                )));
            }
            self.mark_stopped(&record.id)?;
            self.end(&record, libc::SIGKILL as u8, None)?;
        }
        let anonymous = remove::anonymous_volumes(&self.root, &record);
        if Directory::of(&self.root, &record.id).path().is_dir() {
            // A shim that waits for a start, or is about to go, lets go first.
            self.await_shim(&record.id);
            remove::remove(&self.root, &record.id)?;
        }
        if volumes {
            remove::remove_volumes(&self.root, &anonymous);
        }
        Ok(())
    }

    fn await_shim(&self, id: &str) {
        let run = RunDirectory::of(&self.root, id);
        let until = Instant::now() + Duration::from_secs(3);
        while run.has_shim() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Makes an exec in a running container: its ID.
    pub fn exec_create(&self, name: &str, config: ExecConfig) -> Result<String> {
        let record = self.running(name)?;
        if record.state.paused {
            return Err(ContainerError::Conflict(format!(
                "Container {name} is paused, unpause the container before exec"
            )));
        }
        let command = command(&config);
        let id = exec::create(&self.root, &record.id, config)?;
        events::note(&self.root, &format!("exec_create: {command}"), &record, &[("execID", &id)]);
        Ok(id)
    }

    /// Starts an exec, with a terminal of `size` rows and columns where given, and connects to its streams.
    pub fn exec_start(&self, id: &str, size: Option<[u16; 2]>) -> Result<Attached> {
        let exec = exec::find(&self.root, id)?;
        if exec.running || exec.exit_code.is_some() {
            return Err(ContainerError::Conflict(format!("exec command {id} has already run")));
        }
        let record = self.running(&exec.container_id)?;
        if let Some(size) = size {
            exec::sized(&self.root, &exec, size)?;
        }
        events::note(&self.root, &format!("exec_start: {}", command(&exec.config)), &record, &[("execID", &exec.id)]);
        let hello = Hello {
            stdin: exec.config.attach_stdin,
            stdout: exec.config.attach_stdout || exec.config.tty,
            stderr: exec.config.attach_stderr,
            start: true,
        };
        let task = shim_task(self, &exec);
        let mut shim = Attached::open(&task, &self.program, hello)?;
        started(&mut shim)?;
        Ok(shim)
    }

    /// What is known of an exec.
    pub fn exec(&self, id: &str) -> Result<Exec> {
        exec::find(&self.root, id)
    }

    /// Sets the size of an exec's terminal.
    pub fn exec_resize(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let exec = exec::find(&self.root, id)?;
        if let Some(mut shim) = Attached::existing(&shim_task(self, &exec), Hello::default()) {
            shim.resize(rows, columns).doing("write to the shim of", id)?;
        }
        Ok(())
    }

    /// Makes the state of all containers true after processes were killed.
    pub fn reconcile(&self) -> Result<()> {
        remove::reconcile(&self.root)
    }

    /// Starts those whose restart policy wants it, as dockerd does when it starts: after the machine's start, or after their
    /// shims were killed. Gives those that could not be, and why.
    pub fn resume(&self) -> Result<Vec<(String, ContainerError)>> {
        self.reconcile()?;
        let mut failed = Vec::new();
        for id in lookup::ids(&self.root)? {
            let directory = Directory::of(&self.root, &id);
            let (Ok(record), Ok(host)) = (directory.record(), directory.host_config()) else { continue };
            if !record.state.running
                && host.restart_policy.resumes(&record)
                && let Err(error) = self.start(&id)
                && !matches!(error, ContainerError::NotModified(_) | ContainerError::NotFound(_))
            {
                failed.push((id, error));
            }
        }
        Ok(failed)
    }
}

fn shim_task(containers: &Containers, exec: &Exec) -> super::shim::Task {
    super::shim::Task { exec: Some(exec.id.clone()), ..containers.task(&exec.container_id) }
}

/// Waits until the process runs.
fn started(shim: &mut Attached) -> Result<()> {
    loop {
        match shim.receive().doing("read from", "the shim")? {
            Some(Message::Started(_) | Message::Exited(..)) => return Ok(()),
            Some(Message::Failed(why)) => return Err(ContainerError::Start(why)),
            Some(_) => {}
            None => return Err(ContainerError::Start("the container's shim was killed".into())),
        }
    }
}

/// Whether the end came in time. A shim that is gone counts: nothing runs without it.
fn wait_exit(shim: &mut Attached, until: Option<Instant>) -> Result<bool> {
    loop {
        let next = match until {
            Some(until) => shim.receive_until(until),
            None => shim.receive(),
        };
        match next {
            Ok(Some(Message::Exited(..) | Message::Failed(_)) | None) => return Ok(true),
            Ok(Some(_)) => {}
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(true),
            Err(error) => return Err(error).doing("read from", "the shim"),
        }
    }
}

/// An exec's command in its events: with a space behind the program also where nothing follows, as Docker writes it.
fn command(config: &ExecConfig) -> String {
    let (program, arguments) = config.cmd.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    format!("{program} {}", arguments.join(" "))
}
