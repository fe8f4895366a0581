//! The OCI bundle of a container: `config.json` for the embedded runtime, and the same for any other.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::config::Config;
use super::host_config::{DeviceMapping, HostConfig};
use super::record::{MountPoint, Record};
use super::seccomp::{self, Filter, Profile};
use super::user::User;
use super::{capability, namespace::Namespaces};

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
    pub(crate) other_sys: bool,
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
            "cgroupsPath": cgroup_path(&record.id, host),
            "maskedPaths": host.masked_paths.clone().unwrap_or_default(),
            "readonlyPaths": self.readonly_paths(),
        });
        let devices = self.devices()?;
        if !self.rootless {
            linux["resources"] = resources(host, &devices)?;
        }
        linux["devices"] = devices.iter().map(Device::to_json).collect();
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
            "mounts": self.mounts(),
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
        if self.rootless {
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

    fn mounts(&self) -> Vec<Value> {
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
        let mut mounts = vec![
            mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", pts),
        ];
        if self.rootless && !(self.other_sys && self.namespaces.new_network()) {
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
            super::namespace::Namespace::Host => {
                if Path::new("/dev/mqueue").exists() {
                    mounts.push(mount("/dev/mqueue", "bind", "/dev/mqueue", &["rbind", "nosuid", "noexec", "nodev"]));
                }
                mounts.push(mount("/dev/shm", "bind", "/dev/shm", &["rbind", "nosuid", "noexec", "nodev"]));
            }
            super::namespace::Namespace::Of(pid) => {
                let shm = format!("/proc/{pid}/root/dev/shm");
                mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
                mounts.push(mount("/dev/shm", "bind", &shm, &["rbind", "nosuid", "noexec", "nodev"]));
            }
            super::namespace::Namespace::New => {
                let size = format!("size={}", self.host.shm_size);
                mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
                let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
                mounts.push(mount("/dev/shm", "tmpfs", "shm", &options));
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
        }
        let _ = self;
        Some(json!({
            "destination": point.destination, "type": "bind", "source": point.source, "options": options
        }))
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

    fn devices(&self) -> Result<Vec<Device>, String> {
        let mut devices = Vec::new();
        if self.host.privileged && !self.rootless {
            all_devices(Path::new("/dev"), &mut devices);
        }
        for mapping in self.host.devices.iter().flatten() {
            mapped_devices(mapping, &mut devices)?;
        }
        Ok(devices)
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
    if !options.contains("mode=") {
        all.push("mode=1777");
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
    match spec.pointer("/TmpfsOptions/Mode").and_then(Value::as_u64).filter(|&mode| mode > 0) {
        Some(mode) => options.push(format!("mode={mode:o}")),
        None => options.push("mode=1777".into()),
    }
    options
}

struct Device {
    path: PathBuf,
    kind: char,
    major: u64,
    minor: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    access: String,
}

impl Device {
    fn of(on_host: &Path, in_container: &Path, access: &str) -> Option<Self> {
        let meta = std::fs::metadata(on_host).ok()?;
        let kind = if meta.file_type().is_block_device() {
            'b'
        } else if meta.file_type().is_char_device() {
            'c'
        } else {
            return None;
        };
        let number = meta.rdev();
        Some(Self {
            path: in_container.into(),
            kind,
            major: u64::from(rustix::fs::major(number)),
            minor: u64::from(rustix::fs::minor(number)),
            mode: meta.mode() & 0o777,
            uid: meta.uid(),
            gid: meta.gid(),
            access: access.into(),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "path": self.path, "type": self.kind.to_string(), "major": self.major, "minor": self.minor,
            "fileMode": self.mode, "uid": self.uid, "gid": self.gid,
        })
    }
}

fn mapped_devices(mapping: &DeviceMapping, devices: &mut Vec<Device>) -> Result<(), String> {
    let on_host = Path::new(&mapping.path_on_host);
    let target = if mapping.path_in_container.is_empty() { &mapping.path_on_host } else { &mapping.path_in_container };
    let access = if mapping.cgroup_permissions.is_empty() { "rwm" } else { &mapping.cgroup_permissions };
    if on_host.is_dir() {
        let before = devices.len();
        all_devices(on_host, devices);
        for device in &mut devices[before..] {
            if let Ok(rest) = device.path.strip_prefix(on_host) {
                device.path = Path::new(target).join(rest);
            }
            access.clone_into(&mut device.access);
        }
        return Ok(());
    }
    let device = Device::of(on_host, Path::new(target), access);
    devices.push(device.ok_or_else(|| {
        let why = if on_host.exists() { "not a device node" } else { "no such file or directory" };
        format!("error gathering device information while adding custom device \"{}\": {why}", mapping.path_on_host)
    })?);
    Ok(())
}

/// Every device below `directory`, but terminals and what the container has of its own.
fn all_devices(directory: &Path, devices: &mut Vec<Device>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        if kind.is_dir() {
            let own = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
            if !own.iter().any(|own| name == *own) {
                all_devices(&path, devices);
            }
        } else if (kind.is_char_device() || kind.is_block_device()) && name != "console" {
            devices.extend(Device::of(&path, &path, "rwm"));
        }
    }
}

fn resources(host: &HostConfig, devices: &[Device]) -> Result<Value, String> {
    let positive = |value: i64| (value > 0).then_some(value);
    let text = |value: &String| (!value.is_empty()).then(|| value.clone());
    let (quota, period) = match positive(host.nano_cpus) {
        Some(nano) => (Some(nano / 10_000), Some(100_000)),
        None => (Some(host.cpu_quota).filter(|&quota| quota != 0), positive(host.cpu_period)),
    };
    let mut all = json!({
        "devices": device_rules(host, devices)?,
        "memory": without_nulls(json!({
            "limit": positive(host.memory),
            "reservation": positive(host.memory_reservation),
            "swap": Some(host.memory_swap).filter(|&swap| swap != 0),
            "swappiness": host.memory_swappiness.filter(|&value| value >= 0),
            "disableOOMKiller": host.oom_kill_disable.filter(|&disable| disable),
        })),
        "cpu": without_nulls(json!({
            "shares": positive(host.cpu_shares), "quota": quota, "period": period,
            "cpus": text(&host.cpuset_cpus), "mems": text(&host.cpuset_mems),
        })),
    });
    if let Some(limit) = host.pids_limit.filter(|&limit| limit > 0) {
        all["pids"] = json!({ "limit": limit });
    }
    if host.blkio_weight > 0 {
        all["blockIO"] = json!({ "weight": host.blkio_weight });
    }
    Ok(all)
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// Docker's rules: nothing but making nodes, the harmless devices, terminals, and what was asked for.
fn device_rules(host: &HostConfig, devices: &[Device]) -> Result<Value, String> {
    let rule = |kind: &str, major: Option<u64>, minor: Option<u64>, access: &str| {
        without_nulls(json!({ "allow": true, "type": kind, "major": major, "minor": minor, "access": access }))
    };
    if host.privileged {
        return Ok(json!([{ "allow": true, "access": "rwm" }]));
    }
    let mut rules =
        vec![json!({ "allow": false, "access": "rwm" }), rule("c", None, None, "m"), rule("b", None, None, "m")];
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)] {
        rules.push(rule("c", Some(major), Some(minor), "rwm"));
    }
    rules.push(rule("c", Some(136), None, "rwm"));
    for device in devices {
        rules.push(rule(&device.kind.to_string(), Some(device.major), Some(device.minor), &device.access));
    }
    for text in host.device_cgroup_rules.iter().flatten() {
        let wrong = || format!("invalid device cgroup rule format: '{text}'");
        let mut words = text.split_whitespace();
        let (Some(kind), Some(numbers), Some(access), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let (major, minor) = numbers.split_once(':').ok_or_else(wrong)?;
        let number = |text: &str| if text == "*" { Ok(None) } else { text.parse().map(Some).map_err(|_| wrong()) };
        if !matches!(kind, "a" | "b" | "c") || !access.bytes().all(|b| b"rwm".contains(&b)) {
            return Err(wrong());
        }
        rules.push(rule(kind, number(major)?, number(minor)?, access));
    }
    Ok(rules.into())
}

fn rlimits(host: &HostConfig) -> Result<Vec<Value>, String> {
    const KNOWN: &[&str] = &[
        "as",
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
    let mut all = Vec::new();
    for limit in host.ulimits.iter().flatten() {
        let name = limit.name.to_ascii_lowercase();
        if !KNOWN.contains(&name.as_str()) {
            return Err(format!("invalid ulimit type: {}", limit.name));
        }
        let kind = format!("RLIMIT_{}", name.to_ascii_uppercase());
        let value = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
        all.push(json!({ "type": kind, "soft": value(limit.soft), "hard": value(limit.hard) }));
    }
    Ok(all)
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
        assert_eq!(mount["options"], json!(["nosuid", "nodev", "exec", "size=1m", "ro", "mode=1777"]));
        let mount = tmpfs("/t", "mode=700");
        assert_eq!(mount["options"], json!(["noexec", "nosuid", "nodev", "mode=700"]));
    }

    #[test]
    fn limits_become_resources() {
        let mut host =
            HostConfig { nano_cpus: 1_500_000_000, memory: 1 << 20, pids_limit: Some(7), ..HostConfig::default() };
        let got = resources(&host, &[]).expect("resources");
        assert_eq!(got["cpu"], json!({ "quota": 150_000, "period": 100_000 }));
        assert_eq!((&got["memory"], &got["pids"]), (&json!({ "limit": 1 << 20 }), &json!({ "limit": 7 })));
        host.device_cgroup_rules = Some(vec!["c 10:* rw".into()]);
        let got = resources(&host, &[]).expect("resources");
        let last = got["devices"].as_array().and_then(|rules| rules.last()).expect("rules");
        assert_eq!(last, &json!({ "allow": true, "type": "c", "major": 10, "access": "rw" }));
        for bad in ["c 10", "x 1:1 r", "c 1:1 q", "c a:1 r"] {
            host.device_cgroup_rules = Some(vec![bad.into()]);
            assert!(resources(&host, &[]).is_err(), "{bad}");
        }
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
