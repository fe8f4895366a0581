//! `RUN`: a command in a container of the image so far.

mod inputs;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::builder::{Build, Next};
use super::copy::place;
use super::error::{BuildError, Result};
use super::instruction::{CommandLine, Instruction, Run};
use super::marker::Marker;
use super::mounts::RunMount;
use super::state::State;
use super::{Said, tree};
use crate::container::{Config, ContainerError, CreateBody, HealthConfig, HostConfig, LogConfig, Message};
use crate::image::staging::Staging;
use inputs::Inputs;

/// Where a script of the Dockerfile is while it runs: in memory, so that nothing of it stays in a layer.
const SCRIPTS: &str = "/dev/pipes";

impl Build<'_> {
    /// Runs a command, unless the same was run on the same before.
    pub(crate) fn run_step(&mut self, state: &mut State, run: &Run, step: &Instruction) -> Result<()> {
        let mounts = self.run_mounts(state, run, step)?;
        let script = run.script.as_ref().map(|script| format!("{SCRIPTS}/{}", script.name.replace('/', "_")));
        let words = match (&script, &run.command) {
            (Some(script), _) => vec![script.clone()],
            (None, command) => command.words(&state.shell()),
        };
        let beside = self.arguments.beside(state.env());
        let mut saved = words.clone();
        if let Some(script) = &run.script {
            saved.push(script.text());
        }
        let counting = self.arguments.counting(&beside);
        if !beside.is_empty() {
            let mut all: Vec<String> = counting.into_iter().cloned().collect();
            all.sort();
            saved.splice(0..0, std::iter::once(format!("|{}", all.len())).chain(all));
        }
        saved.splice(0..0, self.marks(run, &mounts, step)?);
        let config = Config { cmd: Some(saved), entrypoint: None, ..state.config.clone() };
        if self.probe(state, &config) == Next::Done {
            return Ok(());
        }
        if let CommandLine::Exec(words) = &run.command
            && words.first().is_none_or(String::is_empty)
        {
            return Err(step.place.problem("", "RUN: the command is empty").into());
        }
        self.flush()?;
        if state.image.is_none() {
            let message = "the stage begins FROM scratch and nothing is in it yet: there is no program to run";
            return Err(step.place.problem("", message).into());
        }
        let inputs = self.inputs(&mounts, run, step)?;
        let env = state.env().iter().chain(&beside).chain(&inputs.env).cloned().collect();
        let asked = Config {
            cmd: Some(words.clone()),
            entrypoint: Some(vec![String::new()]),
            env: Some(env),
            healthcheck: Some(HealthConfig { test: vec!["NONE".into()], ..HealthConfig::default() }),
            ..state.config.clone()
        };
        self.run_container(state, asked, &words, inputs, run, step, &config)
    }

    /// The mounts with their variables replaced.
    fn run_mounts(&self, state: &State, run: &Run, step: &Instruction) -> Result<Vec<RunMount>> {
        let mount = |text: &String| -> Result<RunMount> {
            let text = self.word(state, text, &step.place)?;
            let parsed = RunMount::parse(&text);
            let mut mount = parsed.map_err(|(word, why)| step.place.problem(&word, format!("--mount: {why}")))?;
            if !mount.target.is_empty() && !mount.target.starts_with('/') {
                mount.target = super::ignore::clean(&format!("/{}/{}", state.config.working_dir, mount.target));
            }
            Ok(mount)
        };
        run.mounts.iter().map(mount).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of one command, and used once")]
    fn run_container(
        &mut self,
        state: &mut State,
        asked: Config,
        words: &[String],
        inputs: Inputs,
        run: &Run,
        step: &Instruction,
        config: &Config,
    ) -> Result<()> {
        let image = self.containers.image(&state.image.map(|id| id.to_string()).unwrap_or_default())?;
        let network = run.network.clone().unwrap_or_else(|| self.options.network.clone());
        let host_config = HostConfig {
            network_mode: network,
            mounts: Some(inputs.mounts.clone()),
            log_config: LogConfig { kind: "none".into(), ..LogConfig::default() },
            ..self.options.host_config.clone()
        };
        let stubs = self.stubs(state, &inputs.targets)?;
        let marker = Marker::new(self.images.layout(), self.containers)?;
        let body = CreateBody { config: asked, host_config, ..CreateBody::default() };
        let created = self.containers.create(marker.name(), body, &image)?;
        for warning in created.warnings {
            // The same for every command: once is enough.
            if !self.warned.contains(&warning) {
                self.say(&format!(" ---> [Warning] {warning}\n"));
                self.warned.push(warning);
            }
        }
        self.say(&format!(" ---> Running in {}\n", &created.id[..12]));
        let code = match self.run_to_its_end(&created.id) {
            Err(BuildError::Container(ContainerError::Start(why))) => {
                let word = words.first().map(String::as_str).unwrap_or_default();
                return Err(step.place.problem(word, why).into());
            }
            code => code?,
        };
        if self.cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        if code != 0 {
            let place = format!("\n{}", step.place.problem("", "the command of this step failed"));
            return Err(BuildError::Command { command: words.join(" "), code, place, image: state.image });
        }
        let upper = self.containers.own_layer(&created.id)?;
        remove_stubs(&upper, &stubs).map_err(BuildError::io("clean up", &upper))?;
        let staging = Staging::begin(self.images, self.ctx())?;
        self.commit(state, staging, &upper, config)?;
        drop(inputs);
        self.say(&format!("Removing intermediate container {}\n", &created.id[..12]));
        marker.end()?;
        Ok(())
    }

    /// Starts a container and hands on what it says; its exit code. Killed when the build is cancelled.
    fn run_to_its_end(&self, id: &str) -> Result<i32> {
        let mut attached = self.containers.attach(id, false, true, true)?;
        self.containers.start(id)?;
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                while !ended.load(Ordering::Acquire) {
                    if self.cancel.is_cancelled() {
                        let _ = self.containers.kill(id, "KILL");
                        return;
                    }
                    std::thread::park_timeout(Duration::from_millis(50));
                }
            });
            let code = loop {
                match attached.receive() {
                    Ok(Some(Message::Stdout(bytes) | Message::Stderr(bytes))) => (self.said)(Said::Output(&bytes)),
                    Ok(Some(Message::Exited(code, _))) => break Ok(code),
                    Ok(Some(Message::Failed(why))) => break Err(ContainerError::Start(why).into()),
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        break Err(ContainerError::Start("the step's process was killed from outside".into()).into());
                    }
                    Err(error) => break Err(BuildError::io("read from the shim of", id)(error)),
                }
            };
            ended.store(true, Ordering::Release);
            watching.thread().unpark();
            code
        })
    }

    /// Places that a mount needs and that are not there: they go again when the command has run.
    fn stubs(&self, state: &State, targets: &[String]) -> Result<Vec<Vec<u8>>> {
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let Some(view) = tree::view(self.images, &state.layers)? else { return Ok(Vec::new()) };
        let mut stubs = Vec::new();
        for target in targets {
            if let Ok(placed) = place(std::os::fd::AsFd::as_fd(&view), target.trim_matches('/').as_bytes()) {
                stubs.extend(placed.missing);
            }
        }
        Ok(stubs)
    }
}

/// Removes what a mount left of itself: empty files, and directories in which nothing is.
fn remove_stubs(upper: &Path, stubs: &[Vec<u8>]) -> std::io::Result<()> {
    let root = std::fs::File::open(upper)?;
    for stub in stubs.iter().rev() {
        let (parent, name) = crate::sys::beneath::parent_and_name(stub);
        let Ok(parent) = crate::sys::beneath::open_plain_directory(&root, parent) else { continue };
        let Ok(stat) = crate::sys::node::stat(&parent, name) else { continue };
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        if kind.is_dir() {
            // One that the command put something into stays.
            let _ = rustix::fs::unlinkat(&parent, name, rustix::fs::AtFlags::REMOVEDIR);
        } else if kind.is_file() && stat.st_size == 0 {
            crate::sys::node::remove(&parent, name)?;
        }
    }
    Ok(())
}
