//! How a container runs on this host: Docker's `HostConfig` of the API and of `hostconfig.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::lenient;
use super::error::ContainerError;
use super::record::Record;

/// The part of a container's configuration that depends on the host.
///
/// Keys that are not named here are kept as they came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// `-v` texts.
    pub binds: Option<Vec<String>>,
    /// File that the client wrote the ID to.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    /// Log driver.
    pub log_config: LogConfig,
    /// `default`, `bridge`, `none`, `host`, `container:NAME` or a network's name.
    pub network_mode: String,
    /// `port/protocol` to where it is published.
    pub port_bindings: Option<BTreeMap<String, Vec<PortBinding>>>,
    /// When it starts again by itself.
    pub restart_policy: RestartPolicy,
    /// Whether it is removed when it ends.
    pub auto_remove: bool,
    /// Default volume driver.
    pub volume_driver: String,
    /// Containers whose mounts it gets, `NAME[:ro|rw]`.
    pub volumes_from: Option<Vec<String>>,
    /// `--mount` specifications, as the API has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<Value>>,
    /// Rows and columns of the first terminal.
    pub console_size: [u32; 2],
    /// OCI annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Capabilities to add; `ALL` for all.
    pub cap_add: Option<Vec<String>>,
    /// Capabilities to drop; `ALL` for all.
    pub cap_drop: Option<Vec<String>>,
    /// `host` or `private`.
    pub cgroupns_mode: String,
    /// DNS servers.
    pub dns: Option<Vec<String>>,
    /// DNS options.
    pub dns_options: Option<Vec<String>>,
    /// DNS search domains.
    pub dns_search: Option<Vec<String>>,
    /// `name:address` lines for /etc/hosts.
    pub extra_hosts: Option<Vec<String>>,
    /// Additional groups, names or numbers.
    pub group_add: Option<Vec<String>>,
    /// `none`, `private`, `shareable`, `host` or `container:NAME`.
    pub ipc_mode: String,
    /// Parent cgroup of an old kind: kept, never used.
    pub cgroup: String,
    /// Legacy links.
    pub links: Option<Vec<String>>,
    /// Out-of-memory score adjustment, -1000 to 1000.
    pub oom_score_adj: i64,
    /// Empty, `host` or `container:NAME`.
    pub pid_mode: String,
    /// Whether it may do what the host's root may do.
    pub privileged: bool,
    /// Whether every exposed port gets a random host port.
    pub publish_all_ports: bool,
    /// Whether the root file system is read-only.
    pub readonly_rootfs: bool,
    /// `seccomp=…`, `no-new-privileges`, `apparmor=…`, `systempaths=unconfined`, `label=…`.
    pub security_opt: Option<Vec<String>>,
    /// Storage driver options: kept, never used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_opt: Option<BTreeMap<String, String>>,
    /// Path to mount options of tmpfs mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<BTreeMap<String, String>>,
    /// Empty or `host`.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// Empty or `host`.
    pub userns_mode: String,
    /// Size of /dev/shm in bytes; 64 MiB by default.
    pub shm_size: i64,
    /// Kernel parameters of its namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctls: Option<BTreeMap<String, String>>,
    /// OCI runtime: empty, `outcrop` or `runc` for the embedded one, else the path of a program.
    pub runtime: String,
    /// Windows' isolation: kept, never used.
    pub isolation: String,
    /// Relative CPU weight.
    pub cpu_shares: i64,
    /// Memory limit in bytes; zero for none.
    pub memory: i64,
    /// CPUs in billionths.
    pub nano_cpus: i64,
    /// Parent cgroup.
    pub cgroup_parent: String,
    /// Block device weight, 10 to 1000.
    pub blkio_weight: u16,
    /// CPU period in microseconds.
    pub cpu_period: i64,
    /// CPU quota in microseconds.
    pub cpu_quota: i64,
    /// CPUs it may use (`0-2,4`).
    pub cpuset_cpus: String,
    /// Memory nodes it may use.
    pub cpuset_mems: String,
    /// Devices of the host.
    pub devices: Option<Vec<DeviceMapping>>,
    /// Rules of the device cgroup, `c 1:3 rwm`.
    pub device_cgroup_rules: Option<Vec<String>>,
    /// Soft memory limit in bytes.
    pub memory_reservation: i64,
    /// Memory and swap in bytes; -1 for no limit of swap.
    pub memory_swap: i64,
    /// Swappiness, 0 to 100.
    pub memory_swappiness: Option<i64>,
    /// Whether it is exempt from the out-of-memory killer.
    pub oom_kill_disable: Option<bool>,
    /// Whether a small init reaps its orphans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// Most processes; zero or less for no limit.
    pub pids_limit: Option<i64>,
    /// Resource limits.
    pub ulimits: Option<Vec<Ulimit>>,
    /// Paths hidden from it; absent for the default.
    pub masked_paths: Option<Vec<String>>,
    /// Paths it cannot write; absent for the default.
    pub readonly_paths: Option<Vec<String>>,
    /// Everything else, as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Log driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// `json-file` or `none`; empty for `json-file`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its options (`max-size`, `max-file`).
    pub config: BTreeMap<String, String>,
}

/// Where a port is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    /// Address of the host; empty for all.
    pub host_ip: String,
    /// Port of the host; empty for any.
    pub host_port: String,
}

/// When a container starts again by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// Empty or `no`, `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// Most attempts of `on-failure`; zero for no limit.
    pub maximum_retry_count: i64,
}

impl RestartPolicy {
    /// Docker's rules for a container that ended with `code`.
    pub(crate) fn starts_again(&self, record: &Record, code: i32) -> bool {
        if record.has_been_manually_stopped {
            return false;
        }
        match self.name.as_str() {
            "always" | "unless-stopped" => true,
            "on-failure" => {
                let most = self.maximum_retry_count;
                code != 0 && (most <= 0 || record.restart_count < most)
            }
            _ => false,
        }
    }

    /// Docker's rules for a container when the engine starts: `always` starts those too that a user stopped, but none that
    /// never ran.
    pub(crate) fn resumes(&self, record: &Record) -> bool {
        record.has_been_started_before && (self.name == "always" || self.starts_again(record, record.state.exit_code))
    }
}

/// A device of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    /// Path on the host.
    pub path_on_host: String,
    /// Path in the container.
    pub path_in_container: String,
    /// Letters of `rwm`.
    pub cgroup_permissions: String,
}

/// A resource limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// Hard limit; -1 for none.
    pub hard: i64,
    /// Soft limit; -1 for none.
    pub soft: i64,
}

impl Ulimit {
    /// Which there are, as Docker's program knows them.
    pub const NAMES: [&str; 15] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
}

/// Bytes of /dev/shm where nothing is said, as Docker has it.
pub const DEFAULT_SHM: i64 = 64 << 20;

impl HostConfig {
    /// The annotation that has a container's processes told to those who watch it, when it is `true`: see
    /// [`HostConfig::tells_calls`].
    pub const NOTIFY: &str = outcrop_layers::watch::NOTIFY;

    /// Whether its processes get a filter that tells the system calls that change files (`seccomp_unotify(2)`), so that who
    /// watches it without root learns which process it was. Only to look at: nothing that is refused is allowed by it, but a
    /// process can have one such filter, so that its own are refused with EBUSY.
    pub fn tells_calls(&self) -> bool {
        self.annotations.as_ref().and_then(|all| all.get(Self::NOTIFY)).is_some_and(|value| value == "true")
    }

    /// Parses the API's body, in which any member may be null.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContainerError> {
        lenient(bytes).map_err(|error| ContainerError::Invalid(format!("invalid JSON: {error}")))
    }

    /// Fills in Docker's defaults.
    pub fn complete(&mut self) {
        if self.log_config.kind.is_empty() {
            self.log_config.kind = "json-file".into();
        }
        if self.network_mode.is_empty() {
            self.network_mode = "default".into();
        }
        if self.restart_policy.name.is_empty() {
            self.restart_policy.name = "no".into();
        }
        if self.ipc_mode.is_empty() {
            self.ipc_mode = "private".into();
        }
        if self.shm_size == 0 {
            self.shm_size = DEFAULT_SHM;
        }
        if self.memory > 0 && self.memory_swap == 0 {
            self.memory_swap = self.memory * 2;
        }
        if self.cgroupns_mode.is_empty() {
            // On version 1 Docker's default is the host's.
            self.cgroupns_mode = if super::cgroup::unified() { "private" } else { "host" }.into();
        }
        if self.memory_swappiness == Some(-1) {
            self.memory_swappiness = None;
        }
        if self.runtime.is_empty() {
            self.runtime = "runc".into();
        }
        if !self.privileged && !self.unconfined_paths() {
            let list = |paths: &[&str]| Some(paths.iter().map(|&path| path.to_owned()).collect());
            if self.masked_paths.is_none() {
                self.masked_paths = list(MASKED);
            }
            if self.readonly_paths.is_none() {
                self.readonly_paths = list(READ_ONLY);
            }
        } else if self.unconfined_paths() || self.privileged {
            self.masked_paths.get_or_insert_default();
            self.readonly_paths.get_or_insert_default();
        }
    }

    fn unconfined_paths(&self) -> bool {
        self.security_opt.iter().flatten().any(|opt| opt == "systempaths=unconfined")
    }
}

/// What Docker hides.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What Docker makes read-only.
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_starts_again() {
        for (name, stopped, code, ran, ends, resumes) in [
            ("no", false, 1, true, false, false),
            ("always", false, 0, true, true, true),
            ("always", true, 0, true, false, true),
            ("always", false, 0, false, true, false),
            ("unless-stopped", false, 0, true, true, true),
            ("unless-stopped", true, 0, true, false, false),
            ("on-failure", false, 0, true, false, false),
            ("on-failure", false, 1, true, true, true),
            ("on-failure", true, 1, true, false, false),
        ] {
            let policy = RestartPolicy { name: name.into(), maximum_retry_count: 2 };
            let mut record = Record {
                has_been_manually_stopped: stopped,
                has_been_started_before: ran,
                restart_count: 1,
                ..Record::new("x")
            };
            record.state.exit_code = code;
            assert_eq!(policy.starts_again(&record, code), ends, "{name} {stopped} {code}");
            assert_eq!(policy.resumes(&record), resumes, "{name} {stopped} {code} {ran}");
            record.restart_count = 2;
            assert!(name != "on-failure" || !policy.starts_again(&record, code), "no more attempts");
        }
    }
}
