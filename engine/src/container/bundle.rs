//! The OCI bundle of a container: `config.json` for the embedded runtime, and the same for any other.

mod device;
mod resources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use rustix::fs::OFlags;
use serde_json::{Value, json};

use super::capability;
use super::config::Config;
use super::host_config::HostConfig;
use super::namespace::{Namespace, Namespaces};
use super::record::{MountPoint, Record};
use super::seccomp::{self, Filter, Profile};
use super::user::User;
use crate::sys::beneath;
use device::Device;
use resources::{resources, rlimits};

/// What a container's processes may do, worked out of its options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    /// Capabilities.
    pub(crate) capabilities: BTreeSet<&'static str>,
    /// System call filter; nothing for unconfined ones.
    pub(crate) filter: Option<Filter>,
    /// Whether programs it runs gain no privileges.
    pub(crate) no_new_privileges: bool,
    /// AppArmor profile.
    pub(crate) apparmor: Option<String>,
}

/// All that a bundle is made of.
pub(crate) struct Bundle<'a> {
    /// Its record.
    pub(crate) record: &'a Record,
    /// Its host configuration.
    pub(crate) host: &'a HostConfig,
    /// Where its root file system is mounted.
    pub(crate) rootfs: &'a Path,
    /// Who it runs as.
    pub(crate) user: &'a User,
    /// Which namespaces it gets.
    pub(crate) namespaces: &'a Namespaces,
    /// What it may do.
    pub(crate) rights: &'a Rights,
    /// Whether the embedded runtime reads it: that sets capabilities and filter itself, in the right order.
    pub(crate) embedded: bool,
    /// Whether this process has a user namespace instead of the real root's rights.
    pub(crate) rootless: bool,
    /// Whether that lets `/sys` be mounted for a new network.
    pub(crate) own_sys: bool,
}

impl Rights {
    /// Works them out.
    ///
    /// # Errors
    /// The text for the user.
    pub(crate) fn of(host: &HostConfig) -> Result<Self, String> {
        let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let capabilities = capability::resolve(host.privileged, &list(&host.cap_add), &list(&host.cap_drop))?;
        let mut rights = Self { capabilities, ..Self::default() };
        let mut profile = (!host.privileged).then(Profile::standard);
        for option in host.security_opt.iter().flatten() {
            let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
            match (key, value) {
                ("no-new-privileges", "" | "true") => rights.no_new_privileges = true,
                ("no-new-privileges", "false") | ("label" | "systempaths" | "writable-cgroups", _) => {}
                ("seccomp", "unconfined") => profile = None,
                ("seccomp", "builtin" | "default") => profile = Some(Profile::standard()),
                ("seccomp", text) => profile = Some(Profile::parse(text).map_err(|error| error.to_string())?),
                ("apparmor", "unconfined") => rights.apparmor = None,
                ("apparmor", name) => rights.apparmor = Some(name.to_owned()),
                _ => return Err(format!("invalid --security-opt 2: {option:?}")),
            }
        }
        rights.filter = profile.map(|profile| profile.resolve(&rights.capabilities, seccomp::kernel()));
        Ok(rights)
    }
}

impl Bundle<'_> {
    /// `config.json` of the OCI runtime specification.
    pub(crate) fn to_json(&self) -> Result<Value, String> {
        let (record, host) = (self.record, self.host);
        let process = self.process(&record.path, &record.args, &record.config, record.config.tty)?;
        let mut linux = json!({
            "namespaces": self.namespaces.to_json(),
            "maskedPaths": host.masked_paths.clone().unwrap_or_default(),
            "readonlyPaths": self.readonly_paths(),
        });
        let devices = Device::all(host, host.privileged && !self.rootless)?;
        if self.embedded || !self.rootless {
            // Other runtimes leave control groups alone that they cannot make, where they are not told which.
            linux["cgroupsPath"] = cgroup_path(&record.id, host).into();
        }
        if !self.rootless {
            linux["resources"] = resources(host, &devices)?;
        }
        if !self.rootless {
            linux["devices"] = devices.iter().map(Device::to_json).collect();
        }
        if let Some(propagation) = self.root_propagation() {
            linux["rootfsPropagation"] = propagation.into();
        }
        let sysctls = self.sysctls();
        if !sysctls.is_empty() {
            linux["sysctl"] = json!(sysctls);
        }
        if let (false, Some(filter)) = (self.embedded, &self.rights.filter) {
            linux["seccomp"] = json!(filter);
        }
        let mut spec = json!({
            "ociVersion": "1.0.2",
            "process": process,
            "root": { "path": self.rootfs, "readonly": host.readonly_rootfs },
            "mounts": self.mounts(&devices),
            "linux": linux,
        });
        if self.namespaces.own_host_name() {
            spec["hostname"] = record.config.hostname.clone().into();
            if !record.config.domainname.is_empty() {
                spec["domainname"] = record.config.domainname.clone().into();
            }
        }
        if let Some(annotations) = host.annotations.as_ref().filter(|map| !map.is_empty()) {
            spec["annotations"] = json!(annotations);
        }
        Ok(spec)
    }

    /// A `process` object: the container's own, or one that joins it.
    pub(crate) fn process(&self, path: &str, args: &[String], config: &Config, tty: bool) -> Result<Value, String> {
        let host = self.host;
        let cwd = if config.working_dir.is_empty() { "/" } else { &config.working_dir };
        let mut words = vec![path.to_owned()];
        words.extend(args.iter().cloned());
        let mut process = json!({
            "terminal": tty,
            "user": { "uid": self.user.uid, "gid": self.user.gid, "additionalGids": self.user.groups },
            "args": words,
            "env": environment(config, tty, &self.user.home),
            "cwd": cwd,
            "oomScoreAdj": host.oom_score_adj,
        });
        if self.rootless && host.oom_score_adj <= 0 {
            // Lowering the score needs a right that a user namespace does not give.
            process.as_object_mut().map(|members| members.remove("oomScoreAdj"));
        }
        if tty && host.console_size != [0, 0] {
            process["consoleSize"] = json!({ "height": host.console_size[0], "width": host.console_size[1] });
        }
        let limits = rlimits(host)?;
        if !limits.is_empty() {
            process["rlimits"] = limits.into();
        }
        if !self.embedded {
            let all: Vec<&str> = self.rights.capabilities.iter().copied().collect();
            // Another user starts with none of them, but programs may gain them.
            let own = if self.user.uid == 0 { all.clone() } else { Vec::new() };
            process["capabilities"] =
                json!({ "bounding": all, "effective": own, "permitted": own, "inheritable": [], "ambient": [] });
            if self.rights.no_new_privileges {
                process["noNewPrivileges"] = true.into();
            }
        }
        if let Some(profile) = &self.rights.apparmor {
            process["apparmorProfile"] = profile.clone().into();
        }
        Ok(process)
    }

    fn mounts(&self, devices: &[Device]) -> Vec<Value> {
        let own: BTreeSet<&str> = self
            .record
            .mount_points
            .keys()
            .map(String::as_str)
            .chain(self.host.tmpfs.iter().flatten().map(|(target, _)| target.as_str()))
            .collect();
        let mut mounts: Vec<Value> = self.standard_mounts();
        mounts.retain(|mount| !own.contains(mount["destination"].as_str().unwrap_or_default()));
        let mut added: Vec<Value> = self.files().into_iter().filter(|m| !own.contains(destination(m))).collect();
        added.extend(self.record.mount_points.values().filter_map(|point| self.mount_point(point)));
        added.extend(self.host.tmpfs.iter().flatten().map(|(target, options)| tmpfs(target, options)));
        added = added.into_iter().map(|mount| self.with_mode(mount)).collect();
        if self.rootless {
            // Nodes can only be made with root's rights, but shown.
            added.extend(devices.iter().map(Device::to_mount));
        }
        // Outer ones first, as a later mount hides what is below it.
        added.sort_by_key(|mount| destination(mount).split('/').filter(|part| !part.is_empty()).count());
        mounts.extend(added);
        mounts
    }

    fn standard_mounts(&self) -> Vec<Value> {
        let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": source, "options": options });
        let access = if self.host.privileged { "rw" } else { "ro" };
        let pts: &[&str] = if self.rootless {
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
        } else {
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        };
        let of_host = self.rootless && self.namespaces.pid == Namespace::Host;
        let mut mounts = vec![
            if of_host {
                // It can only be mounted by who has made the process namespace.
                mount("/proc", "bind", "/proc", &["rbind", "nosuid", "noexec", "nodev"])
            } else {
                mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])
            },
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", pts),
        ];
        if self.rootless && !(self.own_sys && self.namespaces.new_network()) {
            // It is made of many mounts; not every other runtime knows the words for all of them.
            let options: &[&str] = if self.embedded { &["rnosuid", "rnoexec", "rnodev", "rro"] } else { &[] };
            let options = [&["rbind", "nosuid", "noexec", "nodev", "ro"], options].concat();
            mounts.push(mount("/sys", "bind", "/sys", &options));
        } else {
            mounts.push(mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]));
        }
        if !self.rootless {
            let options = ["nosuid", "noexec", "nodev", "relatime", access];
            mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &options));
        }
        match &self.namespaces.ipc {
            Namespace::Host => {
                if Path::new("/dev/mqueue").exists() {
                    mounts.push(mount("/dev/mqueue", "bind", "/dev/mqueue", &["rbind", "nosuid", "noexec", "nodev"]));
                }
                mounts.push(mount("/dev/shm", "bind", "/dev/shm", &["rbind", "nosuid", "noexec", "nodev"]));
            }
            Namespace::Of(pid) => {
                let shm = format!("/proc/{pid}/root/dev/shm");
                mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
                mounts.push(mount("/dev/shm", "bind", &shm, &["rbind", "nosuid", "noexec", "nodev"]));
            }
            Namespace::New => {
                let size = format!("size={}", self.host.shm_size);
                mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
                if self.host.ipc_mode != "none" {
                    let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
                    mounts.push(mount("/dev/shm", "tmpfs", "shm", &options));
                }
            }
        }
        mounts
    }

    /// What it cannot write. libcontainer mounts the hierarchies of cgroup version 1 writable, whatever the bundle says.
    fn readonly_paths(&self) -> Vec<String> {
        let mut paths = self.host.readonly_paths.clone().unwrap_or_default();
        if self.embedded && !self.rootless && !self.host.privileged {
            let mounted = Path::new("/sys/fs/cgroup");
            let controllers = std::fs::read_dir(mounted).into_iter().flatten().flatten();
            let directories = controllers.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            if !mounted.join("cgroup.controllers").exists() {
                paths.push(mounted.to_string_lossy().into_owned());
                paths.extend(directories.map(|entry| entry.path().to_string_lossy().into_owned()));
            }
        }
        paths
    }

    /// The three files that are the container's own.
    fn files(&self) -> Vec<Value> {
        let record = self.record;
        let files = [
            ("/etc/resolv.conf", &record.resolv_conf_path),
            ("/etc/hostname", &record.hostname_path),
            ("/etc/hosts", &record.hosts_path),
        ];
        let options: &[&str] =
            if self.host.readonly_rootfs { &["rbind", "rprivate", "ro"] } else { &["rbind", "rprivate"] };
        let files = files.into_iter().filter(|(_, source)| !source.is_empty());
        files
            .map(|(target, source)| json!({ "destination": target, "type": "bind", "source": source, "options": options }))
            .collect()
    }

    fn mount_point(&self, point: &MountPoint) -> Option<Value> {
        if point.kind == "tmpfs" {
            let options = tmpfs_options(&point.spec, point.rw);
            return Some(json!({
                "destination": point.destination, "type": "tmpfs", "source": "tmpfs", "options": options
            }));
        }
        if point.source.is_empty() {
            return None;
        }
        let propagation = if point.propagation.is_empty() { "rprivate" } else { &point.propagation };
        let recursive = point.spec.pointer("/BindOptions/NonRecursive") != Some(&Value::Bool(true));
        let bind = if recursive { "rbind" } else { "bind" };
        let mut options = vec![bind, propagation];
        if !point.rw {
            options.push("ro");
            let asked = |name: &str| point.spec.pointer(name) == Some(&Value::Bool(true));
            let force = asked("/BindOptions/ReadOnlyForceRecursive");
            // As Docker 25: what is mounted below is read-only too, where the kernel can and nothing else was asked for.
            if force
                || point.kind == "bind" && !asked("/BindOptions/ReadOnlyNonRecursive") && self.recursive_read_only()
            {
                options.push("rro");
            }
        }
        Some(json!({
            "destination": point.destination, "type": "bind", "source": point.source, "options": options
        }))
    }

    /// Whether a mount and all below it can be made read-only: from Linux 5.12 on, and not every other runtime knows the word.
    fn recursive_read_only(&self) -> bool {
        self.embedded && seccomp::kernel() >= (5, 12)
    }

    /// The permissions of what is there already where memory is mounted, which it keeps as with Docker.
    fn mode_of(&self, target: &str) -> Option<u32> {
        let root = File::open(self.rootfs).ok()?;
        let there = beneath::open(root, target.trim_start_matches('/').as_bytes(), OFlags::PATH).ok()?;
        rustix::fs::fstat(there).ok().map(|stat| stat.st_mode & 0o7777)
    }

    /// Gives a mount of memory permissions where none were asked for.
    fn with_mode(&self, mut mount: Value) -> Value {
        let (target, memory) = (destination(&mount).to_owned(), mount["type"] == "tmpfs");
        if let Some(options) = mount["options"].as_array_mut()
            && memory
            && !options.iter().any(|option| option.as_str().is_some_and(|option| option.starts_with("mode=")))
        {
            options.push(format!("mode={:o}", self.mode_of(&target).unwrap_or(0o1777)).into());
        }
        mount
    }

    /// A mount that sends its changes somewhere needs a root that can.
    fn root_propagation(&self) -> Option<&'static str> {
        let any = |kind: &str| self.record.mount_points.values().any(|p| p.propagation.trim_start_matches('r') == kind);
        if any("shared") {
            Some("shared")
        } else if any("slave") {
            Some("slave")
        } else {
            None
        }
    }

    fn sysctls(&self) -> BTreeMap<String, String> {
        let mut all = self.host.sysctls.clone().unwrap_or_default();
        if self.namespaces.new_network() && !self.rootless {
            // Docker lets every user of a container ping, and bind ports below 1024.
            for (key, value) in
                [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", "0 2147483647")]
            {
                all.entry(key.into()).or_insert_with(|| value.into());
            }
        }
        all
    }
}

fn destination(mount: &Value) -> &str {
    mount["destination"].as_str().unwrap_or_default()
}

/// Where in each cgroup hierarchy the container is.
pub(crate) fn cgroup_path(id: &str, host: &HostConfig) -> String {
    if host.cgroup_parent.is_empty() {
        format!("/outcrop-{id}")
    } else {
        format!("/{}/outcrop-{id}", host.cgroup_parent.trim_matches('/'))
    }
}

/// Variables in Docker's order: the path, the host name, the terminal, then the container's, then the home directory.
pub(crate) fn environment(config: &Config, tty: bool, home: &str) -> Vec<String> {
    const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut all = vec![PATH.to_owned(), format!("HOSTNAME={}", config.hostname)];
    if tty {
        all.push("TERM=xterm".into());
    }
    for entry in config.env.iter().flatten() {
        let name = entry.split('=').next().unwrap_or_default();
        let same = |other: &String| other.split('=').next() == Some(name);
        if !entry.contains('=') {
            all.retain(|other| !same(other));
        } else if let Some(at) = all.iter().position(same) {
            all[at].clone_from(entry);
        } else {
            all.push(entry.clone());
        }
    }
    if !all.iter().any(|entry| entry.starts_with("HOME=")) {
        all.push(format!("HOME={home}"));
    }
    all
}

/// A tmpfs of `--tmpfs`.
fn tmpfs(target: &str, options: &str) -> Value {
    let mut all = vec!["noexec", "nosuid", "nodev"];
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let opposite = option.strip_prefix("no").map_or_else(|| format!("no{option}"), str::to_owned);
        all.retain(|known| *known != opposite && *known != option);
        all.push(option);
    }
    json!({ "destination": target, "type": "tmpfs", "source": "tmpfs", "options": all })
}

/// Options of a tmpfs of `--mount`.
fn tmpfs_options(spec: &Value, rw: bool) -> Vec<String> {
    let mut options: Vec<String> = ["noexec", "nosuid", "nodev"].map(str::to_owned).into();
    if !rw {
        options.push("ro".into());
    }
    if let Some(size) = spec.pointer("/TmpfsOptions/SizeBytes").and_then(Value::as_u64).filter(|&size| size > 0) {
        options.push(format!("size={size}"));
    }
    if let Some(mode) = spec.pointer("/TmpfsOptions/Mode").and_then(Value::as_u64).filter(|&mode| mode > 0) {
        options.push(format!("mode={mode:o}"));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_in_docker_s_order() {
        let mut config = Config { hostname: "h".into(), ..Config::default() };
        config.env = Some(vec!["A=1".into(), "PATH=/x".into(), "HOSTNAME".into(), "A=2".into()]);
        assert_eq!(environment(&config, true, "/root"), ["PATH=/x", "TERM=xterm", "A=2", "HOME=/root"]);
        config.env = Some(vec!["HOME=/y".into()]);
        assert_eq!(environment(&config, false, "/root")[1..], ["HOSTNAME=h", "HOME=/y"]);
    }

    #[test]
    fn tmpfs_options_replace_their_opposite() {
        let mount = tmpfs("/t", "exec,size=1m,ro");
        assert_eq!(mount["options"], json!(["nosuid", "nodev", "exec", "size=1m", "ro"]));
        let mount = tmpfs("/t", "mode=700");
        assert_eq!(mount["options"], json!(["noexec", "nosuid", "nodev", "mode=700"]));
    }

    #[test]
    fn security_options() {
        let rights = |options: &[&str]| {
            let options = options.iter().map(|&option| option.to_owned()).collect();
            Rights::of(&HostConfig { security_opt: Some(options), ..HostConfig::default() })
        };
        assert!(rights(&[]).expect("rights").filter.is_some());
        assert!(rights(&["seccomp=unconfined"]).expect("rights").filter.is_none());
        assert!(rights(&["no-new-privileges"]).expect("rights").no_new_privileges);
        assert!(!rights(&["no-new-privileges=false"]).expect("rights").no_new_privileges);
        assert!(rights(&["nonsense"]).is_err());
        assert!(rights(&["seccomp={"]).is_err());
    }
}
