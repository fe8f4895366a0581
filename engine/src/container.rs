//! Containers: Docker's own files on disk, a shim beside each running one, no daemon.
//!
//! [`Containers`] is where everything starts; every call blocks. A running container is a process started by its
//! [`shim`], which keeps log, terminal and exit code; this process may come and go.

mod bundle;
mod capability;
mod cgroup;
mod client;
mod config;
mod copy;
mod create;
mod detail;
mod error;
mod events;
mod exec;
mod executor;
mod files;
mod filter;
mod host_config;
mod init;
mod layers;
mod lifecycle;
mod limits;
mod log_attributes;
mod log_file;
mod logs;
mod lookup;
mod mounting;
mod names;
mod namespace;
mod network;
mod pasta;
mod place;
mod port;
mod processes;
pub(crate) mod protocol;
mod record;
mod remove;
mod run_directory;
mod seccomp;
mod seen;
pub mod shim;
mod signal;
mod socket;
mod state;
mod stats;
mod target;
mod update;
mod user;
mod view;
mod wait;

use std::path::{Path, PathBuf};

pub(crate) use cgroup::unified as has_unified_cgroups;
pub use client::{Attached, Message};
pub(crate) use config::lenient_value;
pub use config::{Config, HealthConfig};
pub use copy::{Extract, PathStat, extract};
pub use create::{CreateBody, Created, ImageForContainer};
pub use error::{ContainerError, ContainerErrorKind};
pub use exec::{Exec, ExecConfig};
pub use files::CommitOptions;
pub use host_config::{DEFAULT_SHM, DeviceMapping, HostConfig, LogConfig, PortBinding, RestartPolicy, Ulimit};
pub use log_file::Stream;
pub use logs::{LogLine, LogOptions};
pub use network::Network;
pub use record::{MountPoint, Record};
pub use seccomp::{Profile, ProfileError};
pub(crate) use seen::Container;
pub(crate) use signal::parse as signal_number;
pub use state::{Health, HealthResult, State};
pub(crate) use user::owner;
pub use view::ListOptions;
pub(crate) use wait::Waiting;
pub use wait::{Exited, Until};

/// The containers of one data root; a cheap handle that any thread may use.
#[derive(Clone, Debug)]
pub struct Containers {
    root: PathBuf,
    program: PathBuf,
    rootless: bool,
}

impl crate::Engine {
    /// The containers.
    pub fn containers(&self) -> Containers {
        let shared = &self.images().shared;
        Containers::new(self.root(), shared.shim.clone(), shared.root.rootless())
    }
}

impl Containers {
    /// Those of the data root `root`. Shims run `program`, which must call [`shim::main`] first of all: this very program
    /// where nothing is given.
    pub fn new(root: impl Into<PathBuf>, program: Option<PathBuf>, rootless: bool) -> Self {
        let program = program.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        Self { root: root.into(), program, rootless }
    }

    /// Where the data root is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this process has the rights of an ordinary user.
    pub fn rootless(&self) -> bool {
        self.rootless
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn task(&self, id: &str) -> shim::Task {
        shim::Task { root: self.root.clone(), id: id.into(), exec: None, rootless: self.rootless }
    }
}
