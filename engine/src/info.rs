//! What the engine tells of itself and of its host.

use crate::container::Container;
use crate::engine::Shared;
use crate::image::references;
use crate::registry::Registries;
use crate::root::{Access, files};

/// What `docker info` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// A random ID of this data root, kept in it.
    pub id: String,
    /// Containers in the root.
    pub containers: u64,
    /// Of those, running.
    pub running: u64,
    /// Of those, paused.
    pub paused: u64,
    /// Images, intermediate ones too.
    pub images: u64,
    /// Storage driver.
    pub driver: String,
    /// What the driver tells (`Backing Filesystem`, `Supports d_type`), in order.
    pub driver_status: Vec<(String, String)>,
    /// The data root.
    pub root: String,
    /// `Linux`'s release.
    pub kernel: String,
    /// `PRETTY_NAME` of os-release.
    pub operating_system: String,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    /// Machine as the kernel names it (`x86_64`).
    pub machine: String,
    /// Architecture in Go's names (`amd64`).
    pub architecture: String,
    /// Host name.
    pub name: String,
    /// CPUs that this process may use.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Version of the control groups, 1 or 2.
    pub cgroup_version: u8,
    /// Whether it has the rights of an ordinary user: containers have no control groups then.
    pub rootless: bool,
    /// What keeps containers in, as `docker info` lists it.
    pub security_options: Vec<String>,
    /// How registries are reached.
    pub registries: Registries,
    /// What a user should know: read-only, missing features of the file system.
    pub warnings: Vec<String>,
}

impl Info {
    pub(crate) fn collect(shared: &Shared) -> Self {
        let layout = shared.root.layout();
        let system = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let containers = Container::all(layout).unwrap_or_default();
        let (operating_system, os_version) = os_release();
        let mut warnings = shared.root.warnings().to_vec();
        if let Access::ReadOnly { why } = shared.root.access() {
            warnings.push(format!("the data root is open for reading only: {why}"));
        }
        Self {
            id: files::read_text(&layout.id()).ok().flatten().unwrap_or_default(),
            running: containers.iter().filter(|container| container.running).count() as u64,
            paused: containers.iter().filter(|container| container.paused).count() as u64,
            containers: containers.len() as u64,
            images: references::image_ids(layout).unwrap_or_default().len() as u64,
            driver: layout.driver().into(),
            driver_status: shared.root.driver_status(),
            root: layout.root().display().to_string(),
            kernel: text(system.release()),
            operating_system,
            os_version,
            machine: text(system.machine()),
            architecture: outcrop_layers::archive::Platform::host().architecture,
            name: text(system.nodename()),
            cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
            memory: memory(),
            cgroup_version: if crate::container::has_unified_cgroups() { 2 } else { 1 },
            rootless: shared.root.rootless(),
            security_options: ["name=seccomp,profile=builtin"]
                .into_iter()
                .chain(shared.root.rootless().then_some("name=rootless"))
                .map(str::to_owned)
                .collect(),
            registries: (*shared.registries).clone(),
            warnings,
        }
    }
}

/// Pretty name and version of the host's distribution.
fn os_release() -> (String, String) {
    let text = std::fs::read_to_string("/etc/os-release")
        .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    let name = value("PRETTY_NAME");
    (if name.is_empty() { "Linux".into() } else { name }, value("VERSION_ID"))
}

fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram * u64::from(info.mem_unit)
}
