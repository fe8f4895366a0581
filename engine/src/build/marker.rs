//! Containers of steps, and what becomes of them when the build is killed.
//!
//! `outcrop/builds/<name>` is a file that the build holds locked for as long as the container of that name is there. One that nobody
//! holds is left from a killed build: its container is removed when the root is opened next.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::error::{BuildError, Result};
use crate::container::{ContainerError, Containers};
use crate::root::files;
use crate::root::layout::Layout;

/// Says that a container belongs to a build.
pub(crate) struct Marker<'a> {
    containers: &'a Containers,
    name: String,
    path: PathBuf,
    _lock: File,
    ended: bool,
}

fn home(layout: &Layout) -> PathBuf {
    layout.own().join("builds")
}

impl<'a> Marker<'a> {
    pub(crate) fn new(layout: &Layout, containers: &'a Containers) -> Result<Self> {
        let home = home(layout);
        files::make_directory(&home, 0o700).map_err(BuildError::io("create", &home))?;
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(std::io::Error::other).map_err(BuildError::io("read", "/dev/urandom"))?;
        let name = format!("build_{}", hex::encode(random));
        let path = home.join(&name);
        let open = || {
            let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            lock.lock()?;
            Ok(lock)
        };
        let lock = open().map_err(BuildError::io("create", &path))?;
        Ok(Self { containers, name, path, _lock: lock, ended: false })
    }

    /// The container's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Removes the container.
    pub(crate) fn end(mut self) -> Result<()> {
        self.ended = true;
        remove(self.containers, &self.name)?;
        std::fs::remove_file(&self.path).map_err(BuildError::io("remove", &self.path))
    }
}

impl Drop for Marker<'_> {
    fn drop(&mut self) {
        // What cannot be removed now goes when the root is opened next.
        if !self.ended && remove(self.containers, &self.name).is_ok() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn remove(containers: &Containers, name: &str) -> Result<()> {
    match containers.remove(name, true, true) {
        Ok(()) | Err(ContainerError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes the containers of builds that were killed.
pub(crate) fn sweep(layout: &Layout, containers: &Containers) {
    for name in files::names(&home(layout)).unwrap_or_default() {
        let path = home(layout).join(&name);
        let Ok(lock) = OpenOptions::new().write(true).open(&path) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        // One that was only half made has no name yet.
        let gone = containers.reconcile().is_ok() && remove(containers, &name).is_ok();
        if gone {
            let _ = std::fs::remove_file(&path);
        }
    }
}
