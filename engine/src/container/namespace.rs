//! Which namespaces a container gets: `--network`, `--pid`, `--ipc`, `--uts`, `--cgroupns`.

use serde_json::{Value, json};

/// One namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// One of its own.
    New,
    /// The one that this process has.
    Host,
    /// That of the process.
    Of(i32),
}

/// All that can be chosen; mounts are always its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Namespaces {
    pub(crate) network: Namespace,
    pub(crate) pid: Namespace,
    pub(crate) ipc: Namespace,
    pub(crate) uts: Namespace,
    pub(crate) cgroup: Namespace,
}

impl Namespaces {
    /// `linux.namespaces` of a bundle.
    pub(crate) fn to_json(self) -> Value {
        let kinds = [
            ("network", "net", self.network),
            ("pid", "pid", self.pid),
            ("ipc", "ipc", self.ipc),
            ("uts", "uts", self.uts),
            ("cgroup", "cgroup", self.cgroup),
        ];
        let mut all = vec![json!({ "type": "mount" })];
        for (kind, file, namespace) in kinds {
            match namespace {
                Namespace::New => all.push(json!({ "type": kind })),
                Namespace::Host => {}
                Namespace::Of(pid) => all.push(json!({ "type": kind, "path": format!("/proc/{pid}/ns/{file}") })),
            }
        }
        all.into()
    }

    /// Whether the host name is the container's own to set.
    pub(crate) fn own_host_name(self) -> bool {
        self.uts == Namespace::New
    }

    /// Whether it has a new network namespace, whose loopback interface is off.
    pub(crate) fn new_network(self) -> bool {
        self.network == Namespace::New
    }
}
