//! Starting a container: mounts, files, user, bundle, process, network.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Task;
use super::pump::Pump;
use super::runtime::{Order, Runtime};
use crate::container::bundle::{Bundle, Rights};
use crate::container::capability;
use crate::container::executor::{Observer, Runner};
use crate::container::host_config::HostConfig;
use crate::container::log_file::LogFile;
use crate::container::mounting::Sources;
use crate::container::namespace::{Namespace, Namespaces};
use crate::container::network::{self, Connection};
use crate::container::pasta::{self, Connected};
use crate::container::port::{self, Published};
use crate::container::record::{Directory, Record, replace};
use crate::container::run_directory::{NETWORK, RunDirectory, make};
use crate::container::{cgroup, log_attributes, seccomp, state, target, user};
use crate::driver::Driver;
use crate::driver::overlay2::Overlay2;
use crate::sys::process::ProcessId;
use crate::sys::{beneath, node, private_root, program, userns};

/// Largest /etc/passwd or /etc/group that is read, in bytes.
const LARGEST: u64 = 8 << 20;

/// A container that was started.
pub(super) struct Running {
    /// Its first process.
    pub(super) pid: rustix::process::Pid,
    /// What connects its network.
    pub(super) connected: Option<Connected>,
    /// Which ports of the host lead to it, as `NetworkSettings.Ports` says it; null where it has no network of its own.
    pub(super) ports: Value,
}

/// What is the same for each start of one container.
pub(super) struct Container<'a> {
    pub(super) task: &'a Task,
    pub(super) run: &'a RunDirectory,
    pub(super) directory: Directory,
    pub(super) rootfs: PathBuf,
    /// Whether this process has mounts of its own already.
    pub(super) own_mounts: bool,
    /// Whether `/sys` can be mounted for a new network.
    own_sys: bool,
    /// What its mounts show.
    pub(super) sources: Sources,
}

impl<'a> Container<'a> {
    /// Looks up where everything is.
    pub(super) fn new(task: &'a Task, run: &'a RunDirectory) -> Result<Self, String> {
        let directory = Directory::of(&task.root, &task.id);
        let rootfs = task.root.join("overlay2").join(mount_id(task)?).join("merged");
        Ok(Self { task, run, directory, rootfs, own_mounts: false, own_sys: false, sources: Sources::default() })
    }

    /// The order that the runtime gets.
    pub(super) fn order<'b>(&'b self, record: &Record, runtime: &'b Runtime, runner: Runner) -> Order<'b> {
        Order {
            runtime,
            id: &self.task.id,
            bundle: self.run.path(),
            process: None,
            state: self.run.path(),
            scratch: self.run.path(),
            tty: record.config.tty,
            stdin: record.config.open_stdin,
            stdin_once: record.config.stdin_once,
            runner,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// The text for the user. Nothing is left running; what is mounted goes with [`Container::unmount`].
    pub(super) fn start(&mut self, pump: &mut Pump) -> Result<Running, String> {
        let mut record = self.directory.record().map_err(|error| error.to_string())?;
        let host = self.directory.host_config().map_err(|error| error.to_string())?;
        let runtime = Runtime::named(&host.runtime)?;
        let network = Connection::of(&host, pasta::usable(&self.task.root))?;
        self.mount(&record, &runtime, network.is_new())?;
        let root = File::open(&self.rootfs).map_err(|error| format!("{}: {error}", self.rootfs.display()))?;
        Self::check_targets(&root, &record, &host)?;
        self.stage(&root, &mut record, &host)?;
        let ports = port::choose(&network, &host, &record.config)?;
        let namespaces = self.namespaces(&host, &network)?;
        let record = self.write_files(record, &host, &network)?;
        make_directories(&root, record.config.working_dir.as_bytes())?;
        let user = who(&root, &record.config.user, host.group_add.as_deref().unwrap_or_default())?;
        pump.notices.iter_mut().for_each(|notices| notices.set_root(root.as_fd()));
        // The container's first process begins as a copy of this one: what is open here is a way out through /proc/self/fd.
        drop(root);
        let rights = Rights::of(&host)?;
        let bundle = Bundle {
            record: &record,
            host: &host,
            rootfs: &self.rootfs,
            user: &user,
            namespaces: &namespaces,
            rights: &rights,
            embedded: runtime == Runtime::Embedded,
            rootless: self.task.rootless,
            own_sys: self.own_sys,
        };
        self.write_bundle(&bundle)?;
        let runner = Runner {
            init: host.init == Some(true),
            loopback: namespaces.new_network(),
            observer: Observer::of(self.run, &runtime),
            ..runner(&rights, user.uid)
        };
        let log = open_log(&record, &host).map_err(|error| format!("failed to initialize logging driver: {error}"))?;
        let order = self.order(&record, &runtime, runner);
        let started = order.create().map_err(|error| {
            let _ = order.delete();
            cgroup::Groups::of(&self.task.id, &host).end(None);
            create_failed(&error)
        })?;
        let pid = started.pid;
        pump.attach(started.pipes, Some(log), started.descriptor);
        let ready = self.connect(&network, pid.as_raw_nonzero().get(), ports.as_deref()).and_then(|connected| {
            order.go()?;
            Ok(connected)
        });
        match ready {
            Ok(connected) => Ok(Running { pid, connected, ports: port::settings(ports.as_deref(), &record.config) }),
            Err(error) => {
                give_up(pid, &order, pump);
                Err(error)
            }
        }
    }

    /// Writes what the runtime is told, and makes sure that what it starts is this process's to wait for.
    fn write_bundle(&self, bundle: &Bundle<'_>) -> Result<(), String> {
        let spec = serde_json::to_vec(&bundle.to_json()?).map_err(|error| error.to_string())?;
        fs::write(self.run.file("config.json"), spec).map_err(|error| error.to_string())?;
        if !bundle.embedded {
            // It starts the process as its own child and leaves it to the nearest reaper.
            rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Shows the sources of the mounts where they are to be found, and refuses those that no kernel mounts.
    fn stage(&mut self, root: &File, record: &mut Record, host: &HostConfig) -> Result<(), String> {
        let named: Vec<String> = record.mount_points.values().map(|point| point.source.clone()).collect();
        if self.own_mounts {
            self.sources.stage(&self.task.root, self.run, record)?;
        }
        let targets = || record.mount_points.keys().chain(host.tmpfs.iter().flatten().map(|(path, _)| path));
        for (point, name) in record.mount_points.values().zip(&named) {
            // Below another mount it is not the image's file that counts.
            if !targets().any(|outer| {
                Path::new(&point.destination) != Path::new(outer) && Path::new(&point.destination).starts_with(outer)
            }) {
                target::check_kind(root, point, name)?;
            }
        }
        Ok(())
    }

    fn check_targets(root: &File, record: &Record, host: &HostConfig) -> Result<(), String> {
        for (path, point) in &record.mount_points {
            target::check(root, path, Some(point))?;
        }
        host.tmpfs.iter().flatten().try_for_each(|(path, _)| target::check(root, path, None))
    }

    fn connect(
        &self,
        network: &Connection,
        pid: i32,
        ports: Option<&[Published]>,
    ) -> Result<Option<Connected>, String> {
        if let Some(process) = ProcessId::of(pid) {
            let text = serde_json::to_vec(&process).map_err(|error| error.to_string())?;
            replace(&self.run.file("process.json"), &text, 0o600).map_err(|error| error.to_string())?;
        }
        match network {
            Connection::Pasta(program) => {
                let connected = pasta::connect(program, pid, &self.run.file(NETWORK), ports.unwrap_or_default());
                connected.map(Some).map_err(|why| {
                    // It is tried again then, without what this container wants of it.
                    pasta::forget(&self.task.root);
                    format!("cannot connect the container to the network: {why}; --network host or none need no pasta")
                })
            }
            _ => Ok(None),
        }
    }

    /// Mounts the root file system where only this process and the container see it; where the container is to share its
    /// mounts with the host, where all see it.
    fn mount(&mut self, record: &Record, runtime: &Runtime, new_network: bool) -> Result<(), String> {
        let shared = record.mount_points.values().any(|point| point.propagation.ends_with("shared"));
        if !self.own_mounts {
            self.sources = Sources::attach(&self.task.root, record, self.task.rootless)?;
        }
        // What an ordinary user shares reaches nobody: the mounts are this process's own anyway.
        if !self.own_mounts && (!shared || self.task.rootless) {
            self.own_sys = own_mounts(self.task, runtime, &self.run.file("root"), new_network)?;
            self.own_mounts = true;
        }
        match fs::create_dir(&self.rootfs) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(format!("cannot create {}: {error}", self.rootfs.display()));
            }
            _ => {}
        }
        let driver = Overlay2::new(&self.task.root, self.task.rootless);
        let id = mount_id(self.task)?.parse().map_err(|error| format!("{error}"))?;
        driver.mount(&id, &self.rootfs).map_err(|error| error.to_string())
    }

    /// Takes the root file system's mount away.
    pub(super) fn unmount(&mut self) {
        self.sources.unstage();
        let driver = Overlay2::new(&self.task.root, self.task.rootless);
        let _ = driver.unmount(&self.rootfs);
        let _ = fs::remove_dir(&self.rootfs);
    }

    fn namespaces(&self, host: &HostConfig, network: &Connection) -> Result<Namespaces, String> {
        let of = |name: &str| self.process_of(name).map(Namespace::Of);
        let choose = |mode: &str| match mode.strip_prefix("container:") {
            Some(name) => of(name),
            None if mode == "host" => Ok(Namespace::Host),
            None => Ok(Namespace::New),
        };
        let private = match host.cgroupns_mode.as_str() {
            "" => cgroup::unified(),
            mode => mode == "private",
        };
        let cgroup = if private { Namespace::New } else { Namespace::Host };
        Ok(Namespaces {
            network: match network {
                Connection::None | Connection::Pasta(_) => Namespace::New,
                Connection::Host => Namespace::Host,
                Connection::Container(name) => of(name)?,
            },
            pid: choose(&host.pid_mode)?,
            ipc: self.shareable(&host.ipc_mode).and_then(|()| choose(&host.ipc_mode))?,
            uts: choose(&host.uts_mode)?,
            cgroup,
        })
    }

    /// Whether a container whose IPC namespace is to be joined lets others in.
    fn shareable(&self, mode: &str) -> Result<(), String> {
        let Some(name) = mode.strip_prefix("container:") else { return Ok(()) };
        let id = crate::container::lookup::find(&self.task.root, name).map_err(|error| error.to_string())?;
        let donor = Directory::of(&self.task.root, &id).host_config().map_err(|error| error.to_string())?;
        match donor.ipc_mode.as_str() {
            "shareable" | "host" => Ok(()),
            _ => Err(format!(
                "can't join IPC of container {id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
            )),
        }
    }

    /// The first process of a running container.
    fn process_of(&self, name: &str) -> Result<i32, String> {
        let id = crate::container::lookup::find(&self.task.root, name).map_err(|error| error.to_string())?;
        let process = RunDirectory::of(&self.task.root, &id).process();
        process
            .map(|process| process.pid)
            .ok_or_else(|| format!("cannot join namespace of a non running container: {name}"))
    }

    /// Writes hosts, hostname and resolv.conf, and notes where they are.
    fn write_files(&self, mut record: Record, host: &HostConfig, network: &Connection) -> Result<Record, String> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        if let Connection::Container(name) = network {
            let id = crate::container::lookup::find(&self.task.root, name).map_err(|error| error.to_string())?;
            let other = Directory::of(&self.task.root, &id).record().map_err(|error| error.to_string())?;
            record.hosts_path = other.hosts_path;
            record.resolv_conf_path = other.resolv_conf_path;
            record.hostname_path = other.hostname_path;
            record.config.hostname = other.config.hostname;
        } else {
            let mut resolver = read("/etc/resolv.conf");
            if resolver.contains("127.0.0.53") && *network != Connection::Host {
                resolver = fs::read_to_string("/run/systemd/resolve/resolv.conf").unwrap_or(resolver);
            }
            let name = record.config.hostname.clone();
            let files = [
                ("hosts", network::hosts(network, host, &name, &read("/etc/hosts")), &mut record.hosts_path),
                ("resolv.conf", network::resolv_conf(network, host, &resolver), &mut record.resolv_conf_path),
                ("hostname", format!("{name}\n"), &mut record.hostname_path),
            ];
            for (file, text, noted) in files {
                let path = self.directory.file(file);
                // In place: a restarted container's old mount is gone, and the owner may have changed the mode.
                fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
                *noted = path.to_string_lossy().into_owned();
            }
        }
        record.log_path = if host.log_config.kind == "none" {
            String::new()
        } else {
            self.directory.file(&format!("{}-json.log", record.id)).to_string_lossy().into_owned()
        };
        Ok(record)
    }

    /// Notes that it runs.
    pub(super) fn note_start(&self, pid: i32, config: &Record) -> Result<(), String> {
        self.directory
            .update(|record| {
                record.state.running = true;
                record.state.restarting = false;
                record.state.paused = false;
                record.state.oom_killed = false;
                record.state.dead = false;
                record.state.pid = pid;
                record.state.exit_code = 0;
                record.state.error.clear();
                record.state.started_at = state::now();
                record.has_been_started_before = true;
                record.set_ports(config.network_settings["Ports"].clone());
                record.log_path.clone_from(&config.log_path);
                record.hosts_path.clone_from(&config.hosts_path);
                record.hostname_path.clone_from(&config.hostname_path);
                record.resolv_conf_path.clone_from(&config.resolv_conf_path);
            })
            .map_err(|error| error.to_string())
    }

    /// Where its files are, by their names.
    pub(super) fn noted_paths(&self, host: &HostConfig, record: &mut Record) {
        let path = |name: &str| self.directory.file(name).to_string_lossy().into_owned();
        if !host.network_mode.starts_with("container:") {
            record.hosts_path = path("hosts");
            record.resolv_conf_path = path("resolv.conf");
            record.hostname_path = path("hostname");
        }
        if host.log_config.kind != "none" {
            record.log_path = path(&format!("{}-json.log", record.id));
        }
    }
}

/// Gives this process mounts of its own. Without root also a root of its own, made at `place`, in which no control groups are mounted:
/// an ordinary user has none, and most runtimes fail to make some wherever they find their mounts. Tells whether `/sys` can be
/// mounted for a new network, where the kernel allows.
pub(crate) fn own_mounts(task: &Task, runtime: &Runtime, place: &Path, new_network: bool) -> Result<bool, String> {
    program::own_mounts().map_err(|error| {
        let hint = if task.rootless && userns::is_initial() {
            "; containers without root need a user namespace, which this user may not have: see the sysctls \
             user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns"
        } else {
            ""
        };
        format!("cannot make a mount namespace: {error}{hint}")
    })?;
    if !task.rootless || runtime.leaves_groups() {
        return Ok(true);
    }
    make(place).map_err(|error| error.to_string())?;
    let sys = if new_network { private_root::other_sys(place).ok() } else { None };
    let own_sys = sys.is_some();
    private_root::enter(place, Path::new(cgroup::MOUNTED), sys)
        .map_err(|error| format!("cannot make a root: {error}"))?;
    fs::remove_dir(place).map_err(|error| format!("{}: {error}", place.display()))?;
    Ok(own_sys)
}

/// Opens the log, noting with each line what its options ask for.
fn open_log(record: &Record, host: &HostConfig) -> Result<LogFile, String> {
    let noted = log_attributes::attributes(&host.log_config.config, record)?;
    LogFile::open(Path::new(&record.log_path), &host.log_config, &noted).map_err(|error| error.to_string())
}

/// Ends a process that was made and is not to run.
fn give_up(pid: rustix::process::Pid, order: &Order<'_>, pump: &mut Pump) {
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    pump.drain();
    let _ = order.delete();
}

/// What happens inside just before a program with `rights` runs as `uid`.
pub(crate) fn runner(rights: &Rights, uid: u32) -> Runner {
    let bounding = capability::bits(rights.capabilities.iter().copied());
    Runner {
        bounding,
        permitted: if uid == 0 { bounding } else { 0 },
        filter: rights.filter.as_ref().map(seccomp::compile).unwrap_or_default(),
        no_new_privileges: rights.no_new_privileges,
        loopback: false,
        shim: None,
        init: false,
        observer: None,
    }
}

/// A failure in the words that Docker's clients look at.
pub(crate) fn create_failed(error: &str) -> String {
    match error.find("exec: ") {
        Some(at) => {
            let why = error[at..].split('\n').next().unwrap_or_default();
            format!("OCI runtime create failed: unable to start container process: {why}: unknown")
        }
        None => format!("OCI runtime create failed: {error}: unknown"),
    }
}

/// Who `name` is in the container whose root is `root`.
pub(crate) fn who(root: impl AsFd, name: &str, groups: &[String]) -> Result<user::User, String> {
    let read = |path: &str| -> Result<String, String> {
        let mut text = Vec::new();
        match beneath::open_file(root.as_fd(), path.as_bytes()) {
            Ok(file) => {
                file.take(LARGEST).read_to_end(&mut text).map_err(|error| format!("{path}: {error}"))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{path} of the container: {error}")),
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let mut user = user::resolve(name, groups, &read("etc/passwd")?, &read("etc/group")?)?;
    let (users, groups) = userns::maps().map_err(|error| format!("cannot read which IDs there are: {error}"))?;
    user.fit(&users, &groups, userns::may_set_groups())?;
    Ok(user)
}

/// Makes the working directory where it is missing, resolved inside the container.
fn make_directories(root: &File, path: &[u8]) -> Result<(), String> {
    let name = String::from_utf8_lossy(path);
    let mut done = Vec::new();
    for part in path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".") {
        let parent = beneath::open_directory(root, &done).map_err(|error| format!("Cannot mkdir: {name}: {error}"))?;
        match node::create_directory(&parent, part) {
            Ok(()) => node::chmod(&parent, part, 0o755).map_err(|error| format!("Cannot mkdir: {name}: {error}"))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("Cannot mkdir: {name}: {error}")),
        }
        if !done.is_empty() {
            done.push(b'/');
        }
        done.extend(part);
    }
    beneath::open_directory(root, &done).map(drop).map_err(|_| format!("Cannot mkdir: {name} is not a directory"))
}

fn mount_id(task: &Task) -> Result<String, String> {
    let path = task.root.join("image/overlay2/layerdb/mounts").join(&task.id).join("mount-id");
    fs::read_to_string(&path).map(|id| id.trim().to_owned()).map_err(|error| format!("{}: {error}", path.display()))
}
