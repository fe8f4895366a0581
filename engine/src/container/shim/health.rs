//! Health checks: an exec now and then, without waiting for it.

use std::time::{Duration, Instant};

use super::Task;
use crate::container::client::{Attached, Message};
use crate::container::config::HealthConfig;
use crate::container::exec::{self, ExecConfig};
use crate::container::protocol::Hello;
use crate::container::record::{Directory, Record};
use crate::container::state::{self, HealthResult};
use crate::container::{events, remove, run_directory::RunDirectory};

/// Most bytes kept of what a check writes, and most results kept, as in Docker.
const MOST_OUTPUT: usize = 4096;
const MOST_RESULTS: usize = 5;
/// How often a running check is looked at.
const STEP: Duration = Duration::from_millis(50);

/// A container's health checks.
pub(super) struct Health<'a> {
    task: &'a Task,
    plan: Option<Plan>,
    began: Instant,
    due: Instant,
    check: Option<Check>,
    status: &'static str,
}

struct Plan {
    words: Vec<String>,
    interval: Duration,
    start_interval: Duration,
    timeout: Duration,
    start_period: Duration,
    retries: i64,
}

struct Check {
    exec: String,
    attached: Attached,
    began: Instant,
    start: String,
    output: Vec<u8>,
}

impl<'a> Health<'a> {
    /// Those that the container's configuration asks for.
    pub(super) fn new(task: &'a Task, record: &Record) -> Self {
        let plan = record.config.healthcheck.as_ref().and_then(|health| Plan::of(health, record));
        let now = Instant::now();
        let mut health = Self { task, plan, began: now, due: now, check: None, status: "starting" };
        if health.plan.is_some() {
            health.due = now + health.pause();
            let directory = Directory::of(&task.root, &task.id);
            let _ = directory.update(|record| {
                record.state.health = Some(state::Health { status: "starting".into(), ..state::Health::default() });
            });
        }
        health
    }

    /// When something is to do; nothing where health is not checked.
    pub(super) fn next(&self) -> Option<Instant> {
        self.plan.as_ref()?;
        Some(if self.check.is_some() { Instant::now() + STEP } else { self.due })
    }

    fn pause(&self) -> Duration {
        self.plan.as_ref().map_or(Duration::MAX, |plan| {
            let starting = self.status == "starting" && self.began.elapsed() < plan.start_period;
            if starting { plan.start_interval } else { plan.interval }
        })
    }

    /// Starts a check that is due, or looks at the one that runs.
    pub(super) fn turn(&mut self, directory: &Directory) {
        let Some(plan) = &self.plan else { return };
        let Some(check) = &mut self.check else {
            if Instant::now() >= self.due {
                self.check = begin(self.task, &plan.words);
                if self.check.is_none() {
                    self.end(directory, -1, b"the check could not be started", state::now());
                }
            }
            return;
        };
        let result = look(check, plan.timeout);
        if let Some(code) = result {
            let (output, start) = (std::mem::take(&mut check.output), check.start.clone());
            let run = RunDirectory::of(&self.task.root, &self.task.id);
            let _ = std::fs::remove_dir_all(run.exec(&check.exec));
            self.end(directory, code, &output, start);
        }
    }

    fn end(&mut self, directory: &Directory, code: i32, output: &[u8], start: String) {
        self.check = None;
        let Some(plan) = &self.plan else { return };
        let result = HealthResult {
            start,
            end: state::now(),
            exit_code: code,
            output: String::from_utf8_lossy(output).into_owned(),
        };
        let in_start_period = self.status == "starting" && self.began.elapsed() < plan.start_period;
        let retries = plan.retries;
        let record = directory.update(|record| {
            let health = record.state.health.get_or_insert_default();
            if code == 0 {
                health.failing_streak = 0;
                health.status = "healthy".into();
            } else if !in_start_period {
                health.failing_streak += 1;
                if health.failing_streak >= retries {
                    health.status = "unhealthy".into();
                }
            }
            health.log.push(result);
            let surplus = health.log.len().saturating_sub(MOST_RESULTS);
            health.log.drain(..surplus);
            record.clone()
        });
        if let Ok(record) = record {
            let status = record.state.health.as_ref().map_or("", |health| &health.status);
            let status = ["healthy", "unhealthy", "starting"].into_iter().find(|known| *known == status);
            if let Some(status) = status.filter(|status| *status != self.status) {
                self.status = status;
                events::note(&self.task.root, &format!("health_status: {status}"), &record, &[]);
            }
        }
        self.due = Instant::now() + self.pause();
    }

    /// The container ended: so do its checks.
    pub(super) fn stop(&mut self, directory: &Directory) {
        self.check = None;
        if self.plan.is_some() {
            let _ = directory.update(|record| {
                if let Some(health) = &mut record.state.health {
                    health.status = "unhealthy".into();
                }
            });
        }
        let run = RunDirectory::of(&self.task.root, &self.task.id);
        remove::forget_execs(&run);
    }
}

impl Plan {
    fn of(health: &HealthConfig, record: &Record) -> Option<Self> {
        let (kind, rest) = health.test.split_first()?;
        let words = match kind.as_str() {
            "CMD" if !rest.is_empty() => rest.to_vec(),
            "CMD-SHELL" => {
                let shell = record.config.shell.clone().filter(|shell| !shell.is_empty());
                let mut words = shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
                words.push(rest.first()?.clone());
                words
            }
            _ => return None,
        };
        let time = |nanoseconds: i64, default: u64| match u64::try_from(nanoseconds) {
            Ok(given) if given > 0 => Duration::from_nanos(given),
            _ => Duration::from_secs(default),
        };
        Some(Self {
            words,
            interval: time(health.interval, 30),
            start_interval: time(health.start_interval, 5),
            timeout: time(health.timeout, 30),
            start_period: time(health.start_period, 0),
            retries: if health.retries > 0 { health.retries } else { 3 },
        })
    }
}

fn begin(task: &Task, words: &[String]) -> Option<Check> {
    let config = ExecConfig { cmd: words.to_vec(), attach_stdout: true, attach_stderr: true, ..ExecConfig::default() };
    let exec = exec::create(&task.root, &task.id, config).ok()?;
    let task = Task { exec: Some(exec.clone()), ..task.clone() };
    let hello = Hello { start: true, stdout: true, stderr: true, stdin: false };
    let attached = Attached::open(&task, std::path::Path::new("/proc/self/exe"), hello).ok()?;
    Some(Check { exec, attached, began: Instant::now(), start: state::now(), output: Vec::new() })
}

/// The check's exit code, when it is known.
fn look(check: &mut Check, timeout: Duration) -> Option<i32> {
    let soon = Instant::now() + Duration::from_millis(5);
    loop {
        match check.attached.receive_until(soon) {
            Ok(Some(Message::Stdout(bytes) | Message::Stderr(bytes))) => {
                let room = MOST_OUTPUT.saturating_sub(check.output.len());
                check.output.extend(&bytes[..bytes.len().min(room)]);
            }
            Ok(Some(Message::Exited(code, _))) => return Some(code),
            Ok(Some(Message::Failed(why))) => {
                check.output = why.into_bytes();
                return Some(-1);
            }
            Ok(Some(_)) => {}
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => break,
            Ok(None) | Err(_) => return Some(-1),
        }
    }
    if check.began.elapsed() < timeout {
        return None;
    }
    let _ = check.attached.signal(libc::SIGKILL as u8);
    check.output = format!("Health check exceeded timeout ({}s)", timeout.as_secs_f64()).into_bytes();
    Some(-1)
}
