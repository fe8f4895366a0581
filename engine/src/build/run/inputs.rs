//! What a command sees beside its image: caches, files of stages, secrets, a script.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use outcrop_layers::digest::Digest;
use rustix::fs::{FileType, OFlags};
use serde_json::{Value, json};

use super::SCRIPTS;
use crate::build::base::{Named, unseen};
use crate::build::builder::Build;
use crate::build::error::{BuildError, Result};
use crate::build::ignore::clean;
use crate::build::instruction::{Instruction, Run};
use crate::build::mounts::{MountKind, RunMount, Sharing};
use crate::build::tree::{self, real_path};
use crate::layer::apply::{self, ApplyOptions};
use crate::layer::diff::plain_tar;
use crate::root::files;
use crate::sys::{beneath, node};

/// What is mounted, and what is held for as long as it is.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) mounts: Vec<Value>,
    /// Where.
    pub(super) targets: Vec<String>,
    /// Secrets that are variables.
    pub(super) env: Vec<String>,
    /// Locks of caches.
    locks: Vec<File>,
}

impl Inputs {
    fn bind(&mut self, source: &Path, target: &str, read_only: bool) {
        self.mounts.push(json!({"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}));
        self.targets.push(target.to_owned());
    }
}

impl Build<'_> {
    /// What of a command's surroundings makes it another command.
    pub(super) fn marks(&mut self, run: &Run, mounts: &[RunMount], step: &Instruction) -> Result<Vec<String>> {
        let mut marks = Vec::new();
        marks.extend(run.network.iter().filter(|name| *name != "default").map(|name| format!("--network={name}")));
        for (mount, text) in mounts.iter().zip(&run.mounts) {
            let content = match mount.kind {
                MountKind::Bind => format!("#{}", self.bound(mount, step)?),
                _ => String::new(),
            };
            marks.push(format!("--mount={text}{content}"));
        }
        Ok(marks)
    }

    /// The checksum of what a bind mount shows.
    fn bound(&mut self, mount: &RunMount, step: &Instruction) -> Result<String> {
        let path = clean(&mount.source);
        if let Some(from) = &mount.from {
            if let Some(at) = self.file.stage(from).filter(|at| *at < self.done.len()) {
                let stage = &self.done[at];
                return Ok(stage.image.map_or_else(|| stage.key.clone(), |id| id.to_string()));
            }
            let named = Named { name: from, word: from, place: &step.place };
            let image = self.image(named, self.options.platform.as_deref())?;
            return Ok(image.map_or_else(|| unseen(from), |image| image.id.to_string()));
        }
        self.context_sum(path.trim_matches('/')).map_err(|error| {
            let message = format!("--mount: {} is not in the build context: {error}", mount.source);
            step.place.problem(&mount.source, message).into()
        })
    }

    /// Prepares everything.
    pub(super) fn inputs(&mut self, mounts: &[RunMount], run: &Run, step: &Instruction) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        for mount in mounts {
            match mount.kind {
                MountKind::Bind => {
                    let source = self.bind_source(mount, step)?;
                    inputs.bind(&source, &mount.target, mount.read_only.unwrap_or(true));
                }
                MountKind::Cache => self.cache_mount(mount, step, &mut inputs)?,
                MountKind::Tmpfs => {
                    let options = json!({"SizeBytes": mount.size.unwrap_or(0), "Mode": mount.mode.unwrap_or(0)});
                    inputs.mounts.push(json!({"Type": "tmpfs", "Target": mount.target, "TmpfsOptions": options}));
                    inputs.targets.push(mount.target.clone());
                }
                MountKind::Secret => self.secret(mount, step, &mut inputs)?,
            }
        }
        if let Some(script) = &run.script {
            let text = script.text();
            let path = self.work.fresh("script");
            write(&path, text.as_bytes(), 0o755, (0, 0))?;
            let name = script.name.replace('/', "_");
            inputs.bind(&path, &format!("{SCRIPTS}/{name}"), true);
        }
        inputs.targets.retain(|target| !target.starts_with("/dev/"));
        Ok(inputs)
    }

    /// A path with what a bind mount shows: the context itself, or a copy that may be written to.
    fn bind_source(&mut self, mount: &RunMount, step: &Instruction) -> Result<PathBuf> {
        let path = clean(&format!("/{}", mount.source));
        let relative = path.trim_matches('/').as_bytes();
        let gone = |error: io::Error| {
            let message = format!("--mount: cannot find {}: {error}", mount.source);
            BuildError::Dockerfile(step.place.problem(&mount.source, message))
        };
        let Some(from) = &mount.from else {
            let real = real_path(self.context.root(), relative).map_err(gone)?;
            let real = PathBuf::from(std::ffi::OsString::from(String::from_utf8_lossy(&real).into_owned()));
            let whole = self.context.directory().join(real);
            if mount.read_only.unwrap_or(true) {
                return Ok(whole);
            }
            let context = self.context.root().try_clone_to_owned().map_err(gone)?;
            return self.copy_out(&context, relative).map_err(gone);
        };
        match self.source(from, step)? {
            Ok(Some(view)) => self.copy_out(&view, relative).map_err(gone),
            _ => Err(gone(io::Error::other(format!("nothing is in {from}")))),
        }
    }

    /// Copies a file or directory of a tree into the build's own directory.
    fn copy_out(&mut self, root: &impl AsFd, path: &[u8]) -> io::Result<PathBuf> {
        let real = real_path(root.as_fd(), path)?;
        let stat = tree::stat(root.as_fd(), &real)?;
        let to = self.work.fresh("bind");
        if !FileType::from_raw_mode(stat.st_mode).is_dir() {
            let mut from = beneath::open_file(root, &real)?;
            io::copy(&mut from, &mut File::create_new(&to)?)?;
            let to_fd = File::open(&to)?;
            node::fchmod(&to_fd, (stat.st_mode & 0o7777) as u16)?;
            return Ok(to);
        }
        files::make_directory(&to, 0o755)?;
        let from = beneath::open(root, &real, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let target = File::open(&to)?;
        let options = ApplyOptions {
            rootless: self.images.shared.root.rootless(),
            floor: apply::floor(&target),
            cancel: self.cancel,
            on_bytes: &|_| {},
        };
        let (reader, writer) = io::pipe()?;
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || plain_tar(from, writer));
            let extracted = apply::extract(reader, target.as_fd(), &options).map_err(io::Error::other);
            let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            extracted?;
            written.map_err(io::Error::other)
        })?;
        Ok(to)
    }

    fn cache_mount(&mut self, mount: &RunMount, step: &Instruction, inputs: &mut Inputs) -> Result<()> {
        if mount.from.is_some() {
            return Err(step.place.problem("from=", "--mount=type=cache with from= is not possible here").into());
        }
        let home = crate::build::prune::caches(self.images.layout());
        files::make_directory(&home, 0o700).map_err(BuildError::io("create", &home))?;
        let id = mount.id.as_deref().unwrap_or(&mount.target);
        let name = Digest::of(id.as_bytes()).hex();
        let lock_path = home.join(format!("{name}.lock"));
        let open = OpenOptions::new().append(true).create(true).mode(0o600).open(&lock_path);
        let lock = open.map_err(BuildError::io("open", &lock_path))?;
        let failed = BuildError::io("lock", &lock_path);
        let mut directory = home.join(name);
        match mount.sharing {
            // Whoever removes caches waits for all that use them.
            Sharing::Shared => lock.lock_shared().map_err(failed)?,
            Sharing::Locked => self.wait_for(&lock).map_err(failed)?,
            Sharing::Private => match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => directory = self.work.fresh("cache"),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            },
        }
        if self.cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        inputs.locks.push(lock);
        if !directory.is_dir() {
            let make = || {
                files::make_directory(&directory, mount.mode.unwrap_or(0o755))?;
                node::fchown(File::open(&directory)?, mount.uid, mount.gid)
            };
            make().map_err(BuildError::io("create", &directory))?;
        }
        inputs.bind(&directory, &mount.target, mount.read_only.unwrap_or(false));
        Ok(())
    }

    /// Waits for a lock for as long as the build is wanted.
    fn wait_for(&self, lock: &File) -> io::Result<()> {
        loop {
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) if !self.cancel.is_cancelled() => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                Ok(()) | Err(TryLockError::WouldBlock) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn secret(&mut self, mount: &RunMount, step: &Instruction, inputs: &mut Inputs) -> Result<()> {
        let id = mount.id.clone().unwrap_or_default();
        let Some(value) = self.options.secrets.get(&id) else {
            if mount.required {
                let message = format!("secret {id} is required: give it with --secret id={id},src=FILE");
                return Err(step.place.problem(&id, message).into());
            }
            return Ok(());
        };
        if let Some(name) = &mount.env {
            inputs.env.push(format!("{name}={}", String::from_utf8_lossy(value)));
        }
        if !mount.target.is_empty() {
            let path = self.work.fresh("secret");
            write(&path, value, mount.mode.unwrap_or(0o400), (mount.uid, mount.gid))?;
            inputs.bind(&path, &mount.target, true);
        }
        Ok(())
    }
}

fn write(path: &Path, content: &[u8], mode: u32, owner: (u32, u32)) -> Result<()> {
    let make = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        if owner != (0, 0) {
            node::fchown(&file, owner.0, owner.1)?;
        }
        node::fchmod(&file, mode as u16)
    };
    make().map_err(BuildError::io("write", path))
}
