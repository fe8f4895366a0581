//! A container's life as its shim sees it: start, run, end, and again by its restart policy.

use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::Task;
use super::health::Health;
use super::pump::{Ended, Pump};
use super::runtime::Runtime;
use super::start::{Container, Running};
use crate::container::error::{ContainerError, Result, exit_code_of_failure};
use crate::container::executor::Runner;
use crate::container::host_config::HostConfig;
use crate::container::protocol::{Exit, Kind};
use crate::container::record::{Directory, Record};
use crate::container::run_directory::RunDirectory;
use crate::container::{cgroup, events, exec, remove, state};

/// First pause before a restart; it doubles up to a minute, and begins anew after ten seconds of running.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
const RAN_WELL: Duration = Duration::from_secs(10);

/// Runs a container until it is not to start again.
pub(super) fn container(task: &Task, run: &RunDirectory, pump: &mut Pump) -> Result<()> {
    let _presence = match presence(task) {
        Ok(lock) => lock,
        Err(message) => return refuse(task, pump, &message),
    };
    let mut container = match Container::new(task, run) {
        Ok(container) => container,
        Err(message) => return refuse(task, pump, &message),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let running = match container.start(pump) {
            Ok(running) => running,
            Err(message) => {
                container.unmount();
                return refuse(task, pump, &message);
            }
        };
        let host = container.directory.host_config()?;
        let (exit, again) = once(&mut container, &host, running, pump)?;
        if began.elapsed() >= RAN_WELL {
            pause = FIRST_PAUSE;
        }
        if !again {
            pump.stop_listening();
            pump.tell_exit(&exit);
            if host.auto_remove {
                remove::after_exit(&task.root, &task.id)?;
                pump.tell(Kind::Removed, b"");
            }
            pump.close();
            return Ok(());
        }
        pump.tell_exit(&exit);
        if !wait_to_restart(&container, pump, pause) {
            pump.close();
            return Ok(());
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One run: from the start until all is taken away and noted; how it ended, and whether it starts again.
fn once(container: &mut Container<'_>, host: &HostConfig, running: Running, pump: &mut Pump) -> Result<(Exit, bool)> {
    let id = &container.task.id.clone();
    let mut record = container.directory.record()?;
    container.noted_paths(host, &mut record);
    record.set_ports(running.ports);
    let pid = running.pid.as_raw_nonzero().get();
    container.note_start(pid, &record).map_err(ContainerError::Start)?;
    events::note_volumes(&container.task.root, "mount", &record);
    events::note(&container.task.root, "start", &record, &[]);
    pump.tell_start(pid);
    let mut health = Health::new(container.task, &record);
    while pump.run(health.next()) == Ended::Time {
        health.turn(&container.directory);
    }
    let (code, mut error) = status(running.pid);
    health.stop(&container.directory);
    pump.drain();
    drop(running.connected);
    for other in cgroup::Groups::of(id, host).processes().into_iter().filter_map(Pid::from_raw) {
        // Of a container without a process namespace of its own.
        let _ = rustix::process::kill_process(other, rustix::process::Signal::KILL);
    }
    let oom_killed = cgroup::was_out_of_memory(id, host);
    let runtime = Runtime::named(&host.runtime).map_err(ContainerError::Invalid)?;
    let order = container.order(&record, &runtime, Runner::default());
    if let Err(why) = order.delete() {
        error = format!("cleaning up: {why}");
    }
    container.unmount();
    let _ = std::fs::remove_file(container.run.file("process.json"));
    let exit = Exit { code, error };
    // It may have been updated since the start.
    let policy = container.directory.host_config().map_or_else(|_| host.restart_policy.clone(), |h| h.restart_policy);
    // In one step: nobody sees it ended who would not see it again.
    let (again, record) = container.directory.update(|record| {
        ended(record, &exit, oom_killed);
        let again = policy.starts_again(record, exit.code);
        if again {
            record.restart_count += 1;
            record.state.running = true;
            record.state.restarting = true;
        }
        (again, record.clone())
    })?;
    if oom_killed {
        events::note(&container.task.root, "oom", &record, &[]);
    }
    events::note(&container.task.root, "die", &record, &[("exitCode", &code.to_string())]);
    events::note_volumes(&container.task.root, "unmount", &record);
    Ok((exit, again))
}

fn ended(record: &mut Record, exit: &Exit, oom_killed: bool) {
    record.state.running = false;
    record.state.paused = false;
    record.state.restarting = false;
    record.state.pid = 0;
    record.state.exit_code = exit.code;
    record.state.error.clone_from(&exit.error);
    record.state.oom_killed = oom_killed;
    record.state.finished_at = state::now();
    record.set_ports(serde_json::Value::Null);
}

/// Exit code of an ended child.
fn status(pid: Pid) -> (i32, String) {
    let status = rustix::process::waitpid(Some(pid), WaitOptions::empty());
    // Others that were left to this process.
    while let Ok(Some(_)) = rustix::process::waitpid(None, WaitOptions::NOHANG) {}
    match status {
        Ok(Some((_, status))) => (code_of(status), String::new()),
        Ok(None) => (255, "its exit code is not known".into()),
        Err(error) => (255, format!("its exit code is not known: {error}")),
    }
}

fn code_of(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(255)
}

/// Notes that it could not be started, and tells the clients.
fn refuse(task: &Task, pump: &mut Pump, message: &str) -> Result<()> {
    let directory = Directory::of(&task.root, &task.id);
    let noted = directory.update(|record| {
        record.state.running = false;
        record.state.restarting = false;
        record.state.pid = 0;
        message.clone_into(&mut record.state.error);
        record.state.exit_code = exit_code_of_failure(message);
    });
    let auto_remove = directory.host_config().is_ok_and(|host| host.auto_remove);
    if auto_remove {
        let _ = remove::after_exit(&task.root, &task.id);
    }
    pump.tell(Kind::Failed, message.as_bytes());
    pump.close();
    noted
}

/// Waits before a restart; false when it was stopped meanwhile.
fn wait_to_restart(container: &Container<'_>, pump: &mut Pump, pause: Duration) -> bool {
    let until = Instant::now() + pause;
    loop {
        let step = (Instant::now() + Duration::from_millis(100)).min(until);
        pump.run(Some(step));
        let stopped = container
            .directory
            .record()
            .map_or(true, |record| record.has_been_manually_stopped || record.state.removal_in_progress);
        if stopped {
            let _ = container.directory.update(|record| {
                record.state.running = false;
                record.state.restarting = false;
            });
            return false;
        }
        if Instant::now() >= until {
            return true;
        }
    }
}

/// Keeps dockerd off the data root while a container runs.
fn presence(task: &Task) -> Result<Option<std::fs::File>, String> {
    let path = task.root.join("volumes/metadata.db");
    let Ok(file) = std::fs::File::options().read(true).write(true).open(&path) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(format!("dockerd uses {}: stop it first", task.root.display())),
        Err(std::fs::TryLockError::Error(error)) => Err(format!("{}: {error}", path.display())),
    }
}

/// Runs an exec until it ends.
pub(super) fn exec(task: &Task, run: &RunDirectory, id: &str, pump: &mut Pump) -> Result<()> {
    let here = run.exec(id);
    match exec::start_in_shim(task, run, id) {
        Err(message) => {
            exec::note(&here, |exec| {
                exec.running = false;
                exec.exit_code = Some(exit_code_of_failure(&message)).map(|code| if code == 128 { 126 } else { code });
            })?;
            pump.tell(Kind::Failed, message.as_bytes());
        }
        Ok(started) => {
            let pid = started.pid.as_raw_nonzero().get();
            pump.attach(started.pipes, None, started.descriptor);
            exec::note(&here, |exec| {
                exec.running = true;
                exec.pid = pid;
            })?;
            pump.tell_start(pid);
            pump.run(None);
            let (code, error) = status(started.pid);
            pump.drain();
            exec::note(&here, |exec| {
                exec.running = false;
                exec.exit_code = Some(code);
            })?;
            if let Ok(record) = Directory::of(&task.root, &task.id).record() {
                let more = [("execID", id), ("exitCode", &code.to_string())];
                events::note(&task.root, "exec_die", &record, &more);
            }
            pump.tell_exit(&Exit { code, error });
        }
    }
    pump.close();
    Ok(())
}
